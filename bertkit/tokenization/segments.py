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

import re
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
# The same for a text of ASCII characters, in a fraction of the time; of longer ones words are held once.
_ASCII_WORD = re.compile(r"[!-/:-@\[-`{-~]|[^\t-\r !-/:-@\[-`{-~]+")
_SHORT = 4096
_ONE = [bytes([number]) for number in range(2 * KINDS)]


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
    return segments_at(spans, pair_kinds(first, second))


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
    return pair_kinds(text, other)[0]


def pair_kinds(first: str, second: str) -> tuple[Kinds, Kinds]:
    """Return the kind of the word at each character of two texts, each as against the other."""
    (words, places), (others, there) = _words_and_places(first), _words_and_places(second)
    runs, runs_there = _shared_runs(words, others)
    return (
        _kinds(len(first), words, places, runs, others),
        _kinds(len(second), others, there, runs_there, words),
    )


def _kinds(size: int, words: Sequence[str], places: array[int], runs: bytearray, others: Sequence[str]) -> Kinds:
    stems: set[str] | None = None
    kinds = bytearray(size)
    for i, (word, run) in enumerate(zip(words, runs, strict=True)):
        start, end = places[2 * i], places[2 * i + 1]
        if not run and stems is None:
            stems = {stem for there in others if (stem := _stem(there))}
        kind = LIKE_ONE_THERE + run if run else _unshared(word, stems or set())
        kinds[start:end] = _ONE[kind] * (end - start)
    return kinds


def _words_and_places(text: str) -> tuple[list[str], array[int]]:
    words, places = [], array("q")
    for word, start, end in _words(text):
        words.append(word)
        places.extend((start, end))
    return words, places


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the words of a text, without case, and their places; equal words are one object."""
    known: dict[str, str] = {}
    if len(text) <= _SHORT and text.isascii():
        for found in _ASCII_WORD.finditer(text.lower()):
            word = found[0]
            yield word, found.start(), found.end()
        return
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


def _shared_runs(words: Sequence[str], others: Sequence[str]) -> tuple[bytearray, bytearray]:
    """Return, for each word of two texts, how long the longest run around it is that both have."""
    lengths, there = bytearray(len(words)), bytearray(len(others))
    # Runs of the shorter text are held, and only those of the longer one that it has, too.
    fewer, more = sorted((words, others), key=len)
    for n in range(1, LONGEST_RUN + 1):
        held = set(_runs(fewer, n))
        shared = {run for run in _runs(more, n) if run in held}
        if not shared:  # nor is a longer one
            break
        mark = _ONE[n] * n
        for side, found in ((words, lengths), (others, there)):
            for i, run in enumerate(_runs(side, n)):
                if run in shared:
                    found[i : i + n] = mark
    return lengths, there


def _runs(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(islice(words, start, None) for start in range(n)), strict=False)


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


def _stem(word: str) -> str | None:
    """Cut a word to what inflection leaves alone: four letters, or two Hangul syllables."""
    size = 2 if "가" <= word[:1] <= "힣" else 4
    return word[:size] if len(word) >= size else None
