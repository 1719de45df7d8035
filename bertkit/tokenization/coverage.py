"""How well does a vocabulary cover a text: unknown tokens, and words cut into pieces.

A word is what BERT takes for one: white space parts words, and each punctuation mark is a
word of its own. So the figures of two tokenizers for the same text can be compared.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tokenizers.pre_tokenizers import BertPreTokenizer

from bertkit.tokenization.base import Tokenizer

BATCH = 1000
_CUTTER = BertPreTokenizer()


@dataclass(frozen=True)
class Coverage:
    """What was counted; special tokens are not.

    `split` is the number of words that are cut into several pieces; `unknown_words` are the
    words with an unknown token in them and how often they occur, most frequent first.
    """

    texts: int
    words: int
    tokens: int
    unknown: int
    split: int
    unknown_words: tuple[tuple[str, int], ...]

    @property
    def unknown_share(self) -> float:
        """Share of tokens that are unknown, 0 to 1."""
        return self.unknown / self.tokens if self.tokens else 0.0

    @property
    def tokens_per_word(self) -> float:
        """Mean number of tokens for a word."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def split_share(self) -> float:
        """Share of words that are cut, 0 to 1."""
        return self.split / self.words if self.words else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values."""
        return {
            "texts": self.texts,
            "words": self.words,
            "tokens": self.tokens,
            "unknown_share": round(self.unknown_share, 6),
            "tokens_per_word": round(self.tokens_per_word, 4),
            "split_share": round(self.split_share, 4),
            "unknown_words": [{"word": word, "count": count} for word, count in self.unknown_words],
        }


def measure_coverage(tokenizer: Tokenizer, texts: Iterable[str], *, most: int | None = None) -> Coverage:
    """Encode texts and count, a thousand at a time.

    Args:
        tokenizer: what is measured.
        texts: the texts, read once.
        most: how many unknown words to list; None: all.
    """
    counts = _Counts(tokenizer)
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        for text, row in zip(batch, tokenizer.backend.encode_batch(batch, add_special_tokens=False), strict=True):
            counts.see(text, row)
    # Words that are as frequent as each other in a fixed order, whatever the texts' order.
    ranked = sorted(counts.unknown_words.items(), key=lambda item: (-item[1], item[0]))
    return Coverage(counts.texts, counts.words, counts.tokens, counts.unknown, counts.split, tuple(ranked[:most]))


class _Counts:
    def __init__(self, tokenizer: Tokenizer) -> None:
        unk = tokenizer.special.unk
        self._unk = -1 if unk is None else tokenizer.id_of(unk, "unknown")
        self.texts = self.words = self.tokens = self.unknown = self.split = 0
        self.unknown_words: Counter[str] = Counter()

    def see(self, text: str, row: Any) -> None:
        """Count one text; `row` is what the Rust library made of it."""
        ids: list[int] = row.ids
        words = _CUTTER.pre_tokenize_str(text)
        ends = [end for _, (_, end) in words]
        places = [_word_at(ends, start, end) for start, end in row.offsets]
        self.texts += 1
        self.words += len(words)
        self.tokens += len(ids)
        self.split += sum(pieces > 1 for place, pieces in Counter(places).items() if place < len(ends))
        unknown = ids.count(self._unk)
        if unknown:
            self.unknown += unknown
            holes = {place for token, place in zip(ids, places, strict=True) if token == self._unk}
            self.unknown_words.update(words[place][0] for place in holes if place < len(words))


def _word_at(ends: Sequence[int], start: int, end: int) -> int:
    """Return which word a token belongs to: by its last character, for the first may be a space."""
    return bisect_right(ends, max(start, end - 1))
