"""Describe how much two sentences share: the features of the pair baseline.

All of them are ratios or dampened counts that hold for any language: words, runs of
words, character n-grams, numbers and rare words that one sentence has and the other
has not. The ideas are those of the classic paraphrase systems on MRPC: word and
n-gram precision (Wan et al. 2006, "Using dependency-based features to take the
'para-farce' out of paraphrase"), information-weighted overlap (Corley and Mihalcea
2005, "Measuring the semantic similarity of texts") and machine-translation metrics
(Madnani et al. 2012, "Re-examining machine translation metrics for paraphrase
identification").
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from bertkit.evaluation.tfidf import split_words

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_MAX_CHARACTERS = 600  # of each sentence, in the character comparison


def overlap_features(first: str, second: str, idf: Mapping[str, float], unseen_idf: float) -> list[float]:
    """Return the overlap features of one pair, always the same number of them.

    Args:
        first: the first text.
        second: the second text.
        idf: inverse document frequency of the words of the training rows.
        unseen_idf: the weight of a word that is not in `idf`.
    """
    words, others = compared_words(first), compared_words(second)
    return [
        *_shared_runs(words, others),
        *_shared_order(words, others, first, second),
        *_shared_information(words, others, idf, unseen_idf),
        *_lengths(len(words), len(others)),
        *_only_in_one(_NUMBER.findall(first), _NUMBER.findall(second)),
        *_only_in_one(_capitalised(first), _capitalised(second)),
    ]


def compared_words(text: str) -> list[str]:
    """Return the words of a text that can be shared, lower case; punctuation cannot."""
    return [word for word in split_words(text) if word.isalnum()]


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Count the items of the longest common subsequence, bit-parallel (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, item in enumerate(first):
        places[item] = places.get(item, 0) | 1 << i
    mask = (1 << len(first)) - 1
    row = mask
    for item in second:
        matched = row & places.get(item, 0)
        row = ((row + matched) | (row - matched)) & mask
    return len(first) - row.bit_count()


def _shared_runs(first: Sequence[str], second: Sequence[str]) -> list[float]:
    found = []
    for n in (1, 2, 3, 4):
        runs, others = _runs(first, n), _runs(second, n)
        shared = (runs & others).total()
        found += [_share(shared, runs.total()), _share(shared, others.total())]
        found.append(_share(shared, (runs | others).total()))
    return found


def _shared_order(words: Sequence[str], others: Sequence[str], first: str, second: str) -> list[float]:
    common = longest_common_subsequence(words, others)
    left, right = first.lower()[:_MAX_CHARACTERS], second.lower()[:_MAX_CHARACTERS]
    characters = longest_common_subsequence(left, right)
    return [
        _share(common, len(words)),
        _share(common, len(others)),
        _share(2 * characters, len(left) + len(right)),
        float(words[:1] == others[:1]),
        float(words[-1:] == others[-1:]),
    ]


def _shared_information(
    words: Sequence[str], others: Sequence[str], idf: Mapping[str, float], unseen_idf: float
) -> list[float]:
    left, right = set(words), set(others)
    mass = {word: idf.get(word, unseen_idf) for word in left | right}
    # fsum: the same sum whatever order the sets are in
    shared = math.fsum(mass[word] for word in left & right)
    found = []
    for alone in (left - right, right - left):
        missing = math.fsum(mass[word] for word in alone)
        rarest = max((mass[word] for word in alone), default=0.0)
        found += [_share(missing, missing + shared), math.log1p(missing), rarest]
    return found


def _lengths(first: int, second: int) -> list[float]:
    return [
        _share(min(first, second), max(first, second)),
        math.log1p(first) - math.log1p(second),
        abs(math.log1p(first) - math.log1p(second)),
        math.log1p(first + second),
    ]


def _only_in_one(first: Sequence[str], second: Sequence[str]) -> list[float]:
    left, right = set(first), set(second)
    return [
        math.log1p(len(left - right)),
        math.log1p(len(right - left)),
        math.log1p(len(left & right)),
        float(bool(left ^ right)),
        float(bool(left - right) and bool(right - left)),
    ]


def _capitalised(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text)[1:] if word[0].isupper()]


def _runs(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
