"""The tokenizer of DeBERTa v2 and v3 (He et al. 2021, 2023), from its SentencePiece model.

transformers 5 leaves the model's character map out, so that full-width letters and ligatures
become [UNK]. Here it is part of the tokenizer's own normalizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from bertkit.kinds import value_of
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.checked import check_opened, library_faults
from bertkit.tokenization.loading import sound_file
from bertkit.tokenization.sentencepiece_files import add_special_tokens, read_sentencepiece

MODEL_FILE = "spm.model"


def open_deberta(folder: Path, config: dict[str, Any], max_length: int) -> Tokenizer:
    """Build the tokenizer from spm.model.

    Ids are those of the SentencePiece model; a special token that is no piece of it ([MASK])
    comes after the last piece.

    Args:
        folder: holds spm.model.
        config: what tokenizer_config.json holds; `do_lower_case` and `split_by_punct` count.
        max_length: tokens the model can read.

    Raises:
        TokenizerError: spm.model is damaged or no unigram model.
    """
    model = read_sentencepiece(folder / MODEL_FILE)
    with sound_file(folder / "tokenizer_config.json"):
        lowers, splits = (value_of(bool | None, config.get(key), key) for key in ("do_lower_case", "split_by_punct"))
    special = SpecialTokens(unk=model.scores[model.unk_id][0])
    with sound_file(folder / MODEL_FILE), library_faults():
        backend = model.backend(model.scores, model.unk_id, [normalizers.Lowercase()] if lowers else [])
        if splits:
            backend.pre_tokenizer = pre_tokenizers.Sequence(
                [pre_tokenizers.Punctuation(behavior="isolated"), backend.pre_tokenizer]
            )
        backend.add_tokens([AddedToken(piece, normalized=False) for piece in model.whole])
        add_special_tokens(backend, special)
        tokenizer = Tokenizer(backend, special, max_length)
        check_opened(backend)
    return tokenizer


def fix_characters(backend: Backend) -> None:
    """Give a tokenizer.json that transformers 5 wrote its compatibility characters back."""
    stored = backend.normalizer
    kept = b"" if stored is None else stored.__getstate__()
    if b"Precompiled" in kept or b"NFKC" in kept or not isinstance(backend.model, models.Unigram):
        return
    first = normalizers.NFKC()
    backend.normalizer = first if stored is None else normalizers.Sequence([first, stored])
