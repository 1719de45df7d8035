"""The labels of training rows: in which order they stand, and how much each weighs."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from bertkit.data.numerals import is_number
from bertkit.data.records import Example
from bertkit.data.store import labels_of
from bertkit.errors import DataError, UsageError
from bertkit.plain import listed, quoted

_INTEGER = re.compile(r"[+-]?\d+")


def sorted_labels(examples: Sequence[Example]) -> tuple[str, ...]:
    """List the labels of training rows: numerically if all are integers, else by code point.

    Raises:
        DataError: there are fewer than two.
    """
    labels = {label for label in labels_of(examples) if label}
    if len(labels) < 2:
        seen = f"the one label {quoted(next(iter(labels)))}" if labels else "no label"
        source = examples[0].source if examples else "the training rows"
        raise DataError(f"{source}: every row has {seen}; classification needs at least two labels.")
    return in_order(labels)


def in_order(labels: Collection[str]) -> tuple[str, ...]:
    """Sort labels: numerically if all are integers, else by code point."""
    if all(_INTEGER.fullmatch(label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def positive_weights(word: str, labels: Sequence[str], sets: Iterable[Collection[str]]) -> tuple[float, ...] | None:
    """Read --class-weights for sets of labels: what a row that has a label counts against one that has it not.

    auto is how many times more rows lack the label than have it (the `pos_weight` of binary cross
    entropy); label=weight,… names some, the others weigh 1.

    Raises:
        UsageError: the word is none of these, or names a label that is not there.
    """
    if word == "none":
        return None
    if word != "auto":
        given = {**dict.fromkeys(labels, 1.0), **_given_weights(word, labels)}
        return tuple(given[label] for label in labels)
    counts, rows = Counter[str](), 0
    for own in sets:
        counts.update(own)
        rows += 1
    return tuple(max(1, rows - counts[label]) / max(1, counts[label]) for label in labels)


def class_weights(word: str, labels: Sequence[str], examples: Sequence[Example]) -> tuple[float, ...] | None:
    """Read --class-weights: none, auto (inverse to frequency) or label=weight,….

    Weights are scaled so that they average 1 over the training rows, which keeps the
    meaning of the learning rate.

    Raises:
        UsageError: the word is none of these, or names a label that is not there.
    """
    if word == "none":
        return None
    counts = Counter(labels_of(examples))
    if word == "auto":
        raw = {label: 1.0 / max(1, counts[label]) for label in labels}
    else:
        raw = {**dict.fromkeys(labels, 1.0), **_given_weights(word, labels)}
    mean = sum(raw[label] * counts[label] for label in labels) / sum(counts[label] for label in labels)
    return tuple(raw[label] / mean for label in labels)


def named_numbers(word: str) -> list[tuple[str, str]]:
    """Part label=number,label=number; a label may hold a comma or an equals sign itself.

    Returns:
        Labels and what stands for their numbers; a label is empty where a part has no equals sign.
    """
    parts = re.split(r"(?<==)([^=,]*)(?:,|$)", word)  # label=, number, label=, number, and what is left
    named = [(label.strip(), number.strip()) for label, number in zip(parts[::2], parts[1::2], strict=False)]
    left = [("", parts[-1])] if parts[-1] or not named or word.endswith(",") else []
    return [(label.removesuffix("=").strip(), number) for label, number in named] + left


def _given_weights(word: str, labels: Sequence[str]) -> dict[str, float]:
    given: dict[str, float] = {}
    for label, weight in named_numbers(word):
        value = float(weight) if is_number(weight) else math.nan
        if not label or label in given or not 0 < value < math.inf:
            raise UsageError(f"--class-weights {word}: must be none, auto or label=weight,label=weight.")
        given[label] = value
        if label not in labels:
            raise UsageError(
                f"--class-weights: no label is called {quoted(label)}; there are {listed(labels, quotes=False)}."
            )
    return given
