"""The tokenizer of DeBERTa v2 and v3 (He et al. 2021, 2023), from its SentencePiece model.

transformers 5 leaves the model's character map out, so that full-width letters and ligatures
become [UNK]. Here it is part of the tokenizer's own normalizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from bertkit.tokenization.base import SpecialTokens, Tokenizer
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
        TokenizerError: spm.model is no unigram model.
    """
    model = read_sentencepiece(folder / MODEL_FILE)
    before = [normalizers.Lowercase()] if config.get("do_lower_case") else []
    backend = model.backend(model.scores, model.unk_id, before)
    if config.get("split_by_punct"):
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Punctuation(behavior="isolated"), backend.pre_tokenizer]
        )
    backend.add_tokens([AddedToken(piece, normalized=False) for piece in model.whole])
    special = SpecialTokens(unk=model.scores[model.unk_id][0])
    add_special_tokens(backend, special)
    return Tokenizer(backend, special, max_length)


def mend_characters(backend: Backend) -> None:
    """Give a tokenizer.json that transformers 5 wrote its compatibility characters back."""
    stored = backend.normalizer
    kept = b"" if stored is None else stored.__getstate__()
    if b"Precompiled" in kept or b"NFKC" in kept or not isinstance(backend.model, models.Unigram):
        return
    first = normalizers.NFKC()
    backend.normalizer = first if stored is None else normalizers.Sequence([first, stored])
