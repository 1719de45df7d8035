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
from collections.abc import Sequence
from typing import NamedTuple

from tokenizers.pre_tokenizers import BertPreTokenizer

ONLY_HERE, NUMBER_ONLY_HERE, PUNCTUATION_ONLY_HERE, LIKE_ONE_THERE = 1, 2, 3, 4
LONGEST_RUN = 4
KINDS = LIKE_ONE_THERE + LONGEST_RUN + 1
# the kinds of the first sentence, then those of the second
OVERLAP_SEGMENTS = 2 * KINDS

# White space and punctuation part words; vowel signs and combining accents do not.
_CUTTER = BertPreTokenizer()


class Span(NamedTuple):
    """Where a token stands: side 0 or 1 (-1 for special tokens), characters start to end."""

    side: int
    start: int
    end: int


def overlap_segments(spans: Sequence[Span], first: str, second: str) -> list[int]:
    """Return the segment id of every token of a pair.

    Args:
        spans: the tokens' places in the two texts.
        first: first text.
        second: second text.

    Returns:
        Ids in 0 .. OVERLAP_SEGMENTS - 1, one for each token.
    """
    kinds = word_kinds(first, second), word_kinds(second, first)
    ids = []
    for side, start, end in spans:
        # A token's last character: the first one may be the space that some vocabularies keep.
        kind = kinds[side][end - 1] if side >= 0 and end > start else 0
        ids.append(kind + side * KINDS if kind else 0)
    return ids


def word_kinds(text: str, other: str) -> list[int]:
    """Return the kind of the word at each character of `text`, as against `other`."""
    found = _CUTTER.pre_tokenize_str(text)
    words = [_plain(word) for word, _ in found]
    others = [_plain(word) for word, _ in _CUTTER.pre_tokenize_str(other)]
    stems = {stem for word in others if (stem := _stem(word))}
    kinds = [0] * len(text)
    for (_, (start, end)), word, run in zip(found, words, _shared_runs(words, others), strict=True):
        kind = LIKE_ONE_THERE + run if run else _unshared(word, stems)
        kinds[start:end] = [kind] * (end - start)
    return kinds


def _unshared(word: str, stems: set[str]) -> int:
    if not any(character.isalnum() for character in word):
        return PUNCTUATION_ONLY_HERE
    if any(character.isdigit() for character in word):
        return NUMBER_ONLY_HERE
    return LIKE_ONE_THERE if _stem(word) in stems else ONLY_HERE


def _shared_runs(words: Sequence[str], others: Sequence[str]) -> list[int]:
    """Return, for each word, how long the longest run around it is that the others have too."""
    lengths = [0] * len(words)
    for n in range(1, LONGEST_RUN + 1):
        runs = {tuple(others[i : i + n]) for i in range(len(others) - n + 1)}
        for i in range(len(words) - n + 1):
            if tuple(words[i : i + n]) in runs:
                lengths[i : i + n] = [n] * n
    return lengths


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


def _stem(word: str) -> str | None:
    """Cut a word to what inflection leaves alone: four letters, or two Hangul syllables."""
    size = 2 if "가" <= word[:1] <= "힣" else 4
    return word[:size] if len(word) >= size else None
