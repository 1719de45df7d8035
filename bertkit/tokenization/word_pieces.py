"""Into how many pieces does a tokenizer cut a word, against what is usual for the language?

A tokenizer that was not made for a language need not know a single unknown token: it cuts words
into letters, and the encoder has never seen what these mean together. A word is what BERT takes
for one (`coverage.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers.pre_tokenizers import BertPreTokenizer

from bertkit.tokenization.base import Tokenizer

# Fewer words say nothing, nor do those of a language that is a small part of the texts.
LEAST_WORDS, LEAST_SHARE = 50, 0.2
# More pieces than syllables: these are cut into letters or bytes.
CUT_SYLLABLES = 1.2
# Words of a script that a vocabulary has few of are cut letter by letter, or into bytes. XLM-R has from .28
# (Russian) to .39 (Arabic) pieces for a letter, and .6 for a character of Chinese; MiniLM .98 for a letter.
LETTER_BY_LETTER, INTO_BYTES = 0.75, 1.5
# In small letters a word in capitals has so much fewer pieces, where its capitals are to blame.
CAPITALS = 2.0


@dataclass(frozen=True)
class _Usual:
    """A language: its words, and how many pieces they make.

    `usual` was measured on film reviews (Korean: KoBERT and XLM-R 2.5) and news (English:
    BERT 1.1, XLM-R 1.2); from `too_many` on a tokenizer does not fit. MiniLM cuts a Korean word
    into 5.3 pieces, KoBERT an English one into 3.9, and vocabularies trained on few texts of a
    language its words into 3.3 (Korean) and 2.0 (English).
    """

    name: str
    code: str
    word: re.Pattern[str]
    usual: float
    too_many: float
    better: str


LANGUAGES = (
    _Usual("Korean", "ko", re.compile("[가-힣]"), 2.5, 4.5, "multilingual-e5-small"),
    # Neither names of variables nor codes: these are no words, and no vocabulary has them whole.
    _Usual("English", "en", re.compile(r"[A-Z]?[a-z]+\Z"), 1.2, 3.0, "minilm"),
)
_IN_CAPITALS = re.compile(r"[A-Z]{2,}\Z")
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
# Letters of no script named above.
_OTHER_LETTERS = re.compile("[^\\W\\d_A-Za-z\u00c0-\u024f\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_CUTTER = BertPreTokenizer()


def too_many_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[str]:
    """Say where words of a language are cut into far more pieces than usual, one clause each.

    Args:
        tokenizer: what is looked at.
        texts: a sample of those it is to read.
    """
    # Composed, for a syllable is one however it was typed.
    composed = (unicodedata.normalize("NFC", text) for text in texts)
    words = Counter(word for text in composed for word, _ in _CUTTER.pre_tokenize_str(text) if word[0].isalpha())
    for language in LANGUAGES:
        own = {word: count for word, count in words.items() if language.word.match(word)}
        total = sum(own.values())
        if total < LEAST_WORDS or total < LEAST_SHARE * words.total():
            continue
        pieces, syllables = _pieces(tokenizer, own), sum(len(word) * count for word, count in own.items())
        if pieces >= language.too_many * total:
            cuts = " (syllables are cut into letters)" if pieces >= CUT_SYLLABLES * syllables else ""
            yield (
                f"the tokenizer cuts {language.name} words into {pieces / total:.1f} pieces each{cuts}, and about "
                f"{language.usual:.1f} are usual: it was not made for {language.name}; take --model {language.better}, "
                f"or another of `bertkit models --language {language.code}`"
            )
    yield from _in_capitals(tokenizer, words)
    yield from _of_other_scripts(tokenizer, words)


def _in_capitals(tokenizer: Tokenizer, words: Counter[str]) -> Iterator[str]:
    own = {word: count for word, count in words.items() if _IN_CAPITALS.match(word)}
    total = sum(own.values())
    if total < LEAST_WORDS or total < LEAST_SHARE * words.total():
        return
    pieces, small = _pieces(tokenizer, own), _pieces(tokenizer, {word.lower(): own[word] for word in own})
    if pieces >= max(CAPITALS * small, LANGUAGES[-1].too_many * total):
        yield (
            f"the tokenizer cuts words in capitals into {pieces / total:.1f} pieces each, and in small letters into "
            f"{small / total:.1f}: write them small, or take a --model that does not tell them apart (minilm)"
        )


def _of_other_scripts(tokenizer: Tokenizer, words: Counter[str]) -> Iterator[str]:
    """Say so where letters of further scripts, or characters of Chinese and Japanese, are a piece each or several."""
    alphabets = {word: count for word, count in words.items() if _OTHER_LETTERS.match(word)}
    ideographs = {word: alphabets.pop(word) for word in list(alphabets) if _IDEOGRAPHS.match(word)}
    letters = sum(len(word) * count for word, count in words.items())
    for own, least, how in (
        (alphabets, LETTER_BY_LETTER, "words of these texts letter by letter"),
        (ideographs, INTO_BYTES, "Chinese and Japanese characters into parts"),
    ):
        total = sum(len(word) * count for word, count in own.items())
        if total < LEAST_WORDS or total < LEAST_SHARE * letters:
            continue
        pieces = _pieces(tokenizer, own)
        if pieces >= least * total:
            yield (
                f"the tokenizer cuts {how} ({pieces / total:.1f} pieces for each): it was not made for them; "
                "take --model multilingual-e5-small, or one that `bertkit models` lists as of many languages"
            )


def _pieces(tokenizer: Tokenizer, words: dict[str, int]) -> int:
    """Count the pieces of words, as they are cut in the midst of a text."""
    rows = tokenizer.backend.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False)
    return sum(len(row.ids) * count for row, count in zip(rows, words.values(), strict=True))
