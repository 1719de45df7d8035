"""Answers compared with right ones: figures of all rows, their intervals, and where "no answer" is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.intervals import bootstrap_chunks
from bertkit.metrics.reading import (
    Score,
    best,
    character_f1,
    klue_exact,
    klue_rouge_w,
    korquad_exact,
    squad_exact,
    squad_f1,
)
from bertkit.tasks.answer_spans import Found
from bertkit.tasks.base import Interval, Outputs

Array = NDArray[np.float64]


class ReadingScores:
    """The figures of some rows.

    Args:
        given: the answer of each row; empty where there is said to be none.
        rights: the right answers of each row; none where there is none.
        are_korean: whether KorQuAD's and KLUE's figures are wanted.
    """

    def __init__(self, given: Sequence[str], rights: Sequence[Sequence[str]], are_korean: bool) -> None:
        self._given = given
        self._rights = rights
        self._are_korean = are_korean

    @cached_property
    def exact(self) -> Array:
        """Whether each answer is right to the letter, (N): as KorQuAD compares Korean, as SQuAD compares others."""
        return self._each(korquad_exact if self._are_korean else squad_exact)

    @cached_property
    def nearness(self) -> Array:
        """The F1 of each answer, (N): of characters in Korean, of words in other languages."""
        return self._each(character_f1) if self._are_korean else self._f1

    @cached_property
    def _f1(self) -> Array:
        return self._each(squad_f1)

    @cached_property
    def _sums(self) -> dict[str, tuple[Array, Array]]:
        """Of each figure what each row adds to the sum and to what it is divided by."""
        ones = np.ones(len(self._given))
        found = {"f1": (self._f1, ones), "exact_match": (self.exact, ones)}
        if self._are_korean:
            found["char_f1"] = (self.nearness, ones)
            found["klue_exact_match"] = (self._each(klue_exact), ones)
            found["klue_rouge_w"] = (self._each(klue_rouge_w), ones)
        has = np.asarray([bool(answers) for answers in self._rights], np.float64)
        if 0 < has.sum() < len(has):
            says_none = np.asarray([not text for text in self._given], np.float64)
            found["has_answer_f1"] = (self.nearness * has, has)
            found["no_answer_accuracy"] = (says_none * (1.0 - has), 1.0 - has)
        return found

    def metrics(self) -> dict[str, float]:
        """Return the figures; 0.0 for no rows."""
        return {name: float(part.sum() / max(1.0, whole.sum())) for name, (part, whole) in self._sums.items()}

    def intervals(self) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each figure."""
        return bootstrap_chunks(self._drawn, len(self._given))

    def difference(self, other: ReadingScores) -> Mapping[str, Interval]:
        """Return the interval of each figure less another's, rows paired."""

        def score(draws: NDArray[np.intp]) -> dict[str, Array]:
            others = other._drawn(draws)
            return {name: values - others[name] for name, values in self._drawn(draws).items()}

        return bootstrap_chunks(score, len(self._given))

    def _drawn(self, draws: NDArray[np.intp]) -> dict[str, Array]:
        return {
            name: np.asarray(part[draws].sum(axis=1) / np.maximum(1.0, whole[draws].sum(axis=1)))
            for name, (part, whole) in self._sums.items()
        }

    def _each(self, score: Score) -> Array:
        pairs = zip(self._given, self._rights, strict=True)
        return np.asarray([best(score, given, rights) for given, rights in pairs], np.float64)


def best_threshold(nearness: Array, has_none: Sequence[bool], outputs: Outputs) -> float:
    """Choose from which probability of an answer on one is given, by the mean score.

    Args:
        nearness: how near each row's answer is to the right one, were all given, (N).
        has_none: whether each row has no answer, (N).
        outputs: what was found in each row.
    """
    found = [output if isinstance(output, Found) else Found((), (), 1.0) for output in outputs]
    likely = np.asarray([output.answerable if output.places else -1.0 for output in found])
    # Whoever is not answered scores where there is no answer; whoever is, where it is near.
    gain = np.asarray(nearness) * (likely >= 0) - np.asarray(has_none, np.float64)
    order = np.argsort(-likely, kind="stable")
    falling, sums = likely[order], np.cumsum(gain[order])
    ends = np.flatnonzero(np.append(falling[:-1] != falling[1:], True) & (falling >= 0))
    if not len(ends) or sums[ends].max() <= 0:
        return 1.0
    last = int(ends[int(np.argmax(sums[ends]))])
    below = max(0.0, float(falling[last + 1])) if last + 1 < len(falling) else 0.0
    return float((falling[last] + below) / 2.0)
