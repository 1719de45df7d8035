"""The tokenizer of XLM-R (Conneau et al. 2020), built from its pieces, scores and map of characters.

The result is, id by id, that of the tokenizer.json that its publishers give
(benchmarks/multilingual.py measures it), with one difference: what is decomposed is composed
first. SentencePiece's own map does so too; the Rust library looks characters up one by one, and
leaves decomposed Hangul in letters and takes the second of two marks from a letter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from tokenizers.normalizers import Normalizer

from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.character_map import pack_character_map
from bertkit.tokenization.checked import check_opened, library_faults
from bertkit.tokenization.sentencepiece_files import SPACE

# Points and vowels of Hebrew and Arabic: composition would change their order, and pieces have the
# order that people type. Code points that no text has take their place meanwhile.
_FIRST_CLASS, _LAST_CLASS = 10, 35
_FIRST_STAND_IN, _LAST_STAND_IN = 0xFDD0, 0xFDEF
SPECIAL = SpecialTokens(unk="<unk>", pad="<pad>", cls="<s>", sep="</s>", mask="<mask>")


def build_xlm_roberta(
    pieces: Sequence[str], scores: Sequence[float], characters: Mapping[str, str], max_length: int
) -> Tokenizer:
    """Build the tokenizer; pairs are `<s> A </s></s> B </s>`.

    Args:
        pieces: in the order of the ids, the special tokens among them.
        scores: log probabilities of the pieces.
        characters: what single characters become before a text is cut.
        max_length: tokens the model can read.

    Raises:
        MisfitError: a special token is missing, or the library refuses the pieces.
    """
    with library_faults():
        unigram = models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=list(pieces).index("<unk>"))
        backend = Backend(unigram)
        backend.normalizer = normalizers.Sequence(_normalization(characters))
        backend.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always", split=True)
        backend.decoder = decoders.Metaspace(SPACE, prepend_scheme="always", split=True)
        special = [AddedToken(token, normalized=False, special=True) for token in SPECIAL.present]
        backend.add_special_tokens(special)
        backend.post_processor = processors.TemplateProcessing(
            single="<s>:0 $A:0 </s>:0",
            pair="<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0",
            special_tokens=[(token, backend.token_to_id(token)) for token in ("<s>", "</s>")],
        )
        tokenizer = Tokenizer(backend, SPECIAL, max_length)
        check_opened(backend)
    return tokenizer


def _normalization(characters: Mapping[str, str]) -> list[Normalizer]:
    """Return the steps: compose, replace characters, fold blanks."""
    marks = [chr(i) for i in range(0x590, 0x10000) if _FIRST_CLASS <= unicodedata.combining(chr(i)) <= _LAST_CLASS]
    # A Python of a later Unicode may know more; those are then reordered.
    stand_ins = {mark: chr(i) for i, mark in zip(range(_FIRST_STAND_IN, _LAST_STAND_IN + 1), marks, strict=False)}
    back = {stand_in: characters.get(mark, mark) for mark, stand_in in stand_ins.items()}
    return [
        normalizers.Precompiled(pack_character_map(stand_ins)),
        normalizers.NFC(),
        normalizers.Precompiled(pack_character_map({**characters, **back})),
        normalizers.Replace(Regex(" {2,}"), " "),
    ]
