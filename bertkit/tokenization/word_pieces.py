"""Into how many pieces does a tokenizer cut a word, against what is usual for the language?

A tokenizer that was not made for a language need not know a single unknown token: it cuts words
into letters, and the encoder has never seen what these mean together. A word is what BERT takes
for one (`coverage.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers.pre_tokenizers import BertPreTokenizer

from bertkit.tokenization.base import Tokenizer

# Fewer words say nothing, nor do those of a language that is a small part of the texts.
LEAST_WORDS, LEAST_SHARE = 50, 0.2
# More pieces than syllables: these are cut into letters or bytes.
CUT_SYLLABLES = 1.2


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
    _Usual("English", "en", re.compile(r"[A-Za-z]+\Z"), 1.2, 3.0, "minilm"),
)
_CUTTER = BertPreTokenizer()


def too_many_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[str]:
    """Say where words of a language are cut into far more pieces than usual, one clause each.

    Args:
        tokenizer: what is looked at.
        texts: a sample of those it is to read.
    """
    words = Counter(word for text in texts for word, _ in _CUTTER.pre_tokenize_str(text) if word.isalpha())
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


def _pieces(tokenizer: Tokenizer, words: dict[str, int]) -> int:
    """Count the pieces of words, as they are cut in the midst of a text."""
    rows = tokenizer.backend.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False)
    return sum(len(row.ids) * count for row, count in zip(rows, words.values(), strict=True))
