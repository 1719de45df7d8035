"""Segment ids that tell a pair encoder how each word stands to the other sentence.

A small encoder trained on a few thousand pairs does not learn to compare words: finding a
word's twin on the other side takes an attention pattern that so few examples do not teach,
and it ends at the majority answer. Written into the segment ids, the comparison is an
input, and what is left to learn is how to weigh it.

The ids are a function of the two texts alone. No table, no language and no vocabulary is
involved, so they work for any pair task; `docs/scratch.md` has what each part is worth.

    0        special tokens
    1        a word that only this sentence has
    2        a number that only this sentence has
    3        punctuation that only this sentence has
    4        a word of which the other sentence has a like one (same stem)
    5 … 8    a word that both have, alone or in a run of 2, 3, or 4 and more
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from tokenizers.pre_tokenizers import BertPreTokenizer

from bertkit.tokenization.stretches import stretches

ONLY_HERE, NUMBER_ONLY_HERE, PUNCTUATION_ONLY_HERE, LIKE_ONE_THERE = 1, 2, 3, 4
LONGEST_RUN = 4
KINDS = LIKE_ONE_THERE + LONGEST_RUN + 1
# the kinds of the first sentence, then those of the second
OVERLAP_SEGMENTS = 2 * KINDS

# White space and punctuation part words; vowel signs and combining accents do not.
_CUTTER = BertPreTokenizer()


Kinds = Sequence[int]
"""The kind of the word that each character of a text belongs to; 0 between words."""


class Span(NamedTuple):
    """Where a token stands: side 0 or 1 (-1 for special tokens), characters start to end."""

    side: int
    start: int
    end: int


def overlap_segments(spans: Iterable[Span], first: str, second: str) -> list[int]:
    """Return the segment id of every token of a pair.

    Args:
        spans: the tokens' places in the two texts.
        first: first text.
        second: second text.

    Returns:
        Ids in 0 .. OVERLAP_SEGMENTS - 1, one for each token.
    """
    return segments_at(spans, (word_kinds(first, second), word_kinds(second, first)))


def segments_at(spans: Iterable[Span], kinds: tuple[Kinds, Kinds]) -> list[int]:
    """Return the segment ids of tokens, from the kinds of the words of both texts."""
    ids = []
    for side, start, end in spans:
        # A token's last character: the first one may be the space that some vocabularies keep.
        kind = kinds[side][end - 1] if side >= 0 and end > start else 0
        ids.append(kind + side * KINDS if kind else 0)
    return ids


def word_kinds(text: str, other: str) -> Kinds:
    """Return the kind of the word at each character of `text`, as against `other`."""
    words, places = [], array("q")
    for word, start, end in _words(text):
        words.append(word)
        places.extend((start, end))
    runs = _shared_runs(words, [word for word, _, _ in _words(other)])
    stems = {stem for word, _, _ in _words(other) if (stem := _stem(word))}
    kinds = bytearray(len(text))
    for i, (word, run) in enumerate(zip(words, runs, strict=True)):
        start, end = places[2 * i], places[2 * i + 1]
        kinds[start:end] = bytes([LIKE_ONE_THERE + run if run else _unshared(word, stems)]) * (end - start)
    return kinds


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the words of a text, without case, and their places; equal words are one object."""
    known: dict[str, str] = {}
    for before, stretch in stretches(text):
        for word, (start, end) in _CUTTER.pre_tokenize_str(stretch):
            plain = _plain(word)
            yield known.setdefault(plain, plain), before + start, before + end


def _unshared(word: str, stems: set[str]) -> int:
    if not any(character.isalnum() for character in word):
        return PUNCTUATION_ONLY_HERE
    if any(character.isdigit() for character in word):
        return NUMBER_ONLY_HERE
    return LIKE_ONE_THERE if _stem(word) in stems else ONLY_HERE


def _shared_runs(words: Sequence[str], others: Sequence[str]) -> bytearray:
    """Return, for each word, how long the longest run around it is that the others have too."""
    lengths = bytearray(len(words))
    # Runs of the shorter text are held, and only those of the longer one that it has, too.
    fewer, more = sorted((words, others), key=len)
    for n in range(1, LONGEST_RUN + 1):
        held = set(_runs(fewer, n))
        shared = {run for run in _runs(more, n) if run in held}
        for i, run in enumerate(_runs(words, n)):
            if run in shared:
                lengths[i : i + n] = bytes([n]) * n
    return lengths


def _runs(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(islice(words, start, None) for start in range(n)), strict=False)


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


def _stem(word: str) -> str | None:
    """Cut a word to what inflection leaves alone: four letters, or two Hangul syllables."""
    size = 2 if "가" <= word[:1] <= "힣" else 4
    return word[:size] if len(word) >= size else None
