"""The rows of a task: how they are read, what their labels are, and whether they can be scored."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial

from bertkit.data import loading, streaming
from bertkit.data.records import Example, LabelSet, TaggedText
from bertkit.data.store import labels_of
from bertkit.data.values import is_number
from bertkit.errors import DataError, UsageError
from bertkit.plain import listed, quoted
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.registry import SHAPE_OF

# --- The rows of DATA for the tasks of the table: the doors of `data/`, told which shape each task reads

load_data = partial(loading.load_data, tasks=SHAPE_OF)
load_splits = partial(loading.load_splits, tasks=SHAPE_OF)
stream_data = partial(streaming.stream_data, tasks=SHAPE_OF)


# --- The labels of training rows: in which order they stand, and how much each weighs -------------

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
        UsageError: the word is not one of these, or names a label that is not there.
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
        UsageError: the word is not one of these, or names a label that is not there.
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


# --- Can rows be scored at all? What their gold answers are, beside those a task has learnt -------

_SHOWN = 5  # labels that a sentence lists


def check_answers(settings: TaskSettings, examples: Sequence[Example]) -> tuple[str, ...]:
    """Say what of the gold answers makes scores mean less than they seem to.

    Args:
        settings: of the task, with the labels it has learnt.
        examples: the rows that will be scored.

    Returns:
        One sentence each: labels the task has never seen, one answer in every row, no
        entity in any.

    Raises:
        DataError: no row has an answer that the task could give.
    """
    if settings.task == "ner":
        return tuple(_about_entities(settings, examples))
    if settings.task == "multilabel":
        return tuple(_about_sets(settings, examples))
    if settings.task in ("classify", "relation", "regression"):
        unseen = _about_labels(settings, examples) if settings.task != "regression" else ()
        return (*unseen, *_about_one_answer(settings, examples))
    return ()


def _about_labels(settings: TaskSettings, examples: Sequence[Example]) -> Iterator[str]:
    known = frozenset(settings.labels)
    unseen = Counter(label for own in labels_of(examples) if (label := own or "") not in known)
    if not unseen:
        return
    shown, rows = _listed(unseen, settings.labels), sum(unseen.values())
    if rows == len(examples):
        raise DataError(
            f"{examples[0].source}: no row has a label that the run knows: {shown}; it knows "
            f"{_names(settings.labels)}. Is the label column the right one (--columns label=COLUMN)?"
        )
    yield f"{rows:,} of {len(examples):,} rows have labels the run never saw: {shown}; they count as wrong"


def _about_one_answer(settings: TaskSettings, examples: Sequence[Example]) -> Iterator[str]:
    labels = labels_of(examples)
    first = next(labels, None)
    if len(examples) < 2 or any(label != first for label in labels):
        return
    label = quoted(first)
    if settings.task == "regression":
        yield f"all {len(examples):,} rows have the score {label}: there is no correlation with one number"
    else:
        yield (
            f"all {len(examples):,} rows have the label {label}: these scores do not show how well other "
            f"labels are recognised"
        )


def _about_sets(settings: TaskSettings, examples: Sequence[Example]) -> Iterator[str]:
    sets = [example.labels or () for example in examples if isinstance(example, LabelSet)]
    counts = Counter(label for labels in sets for label in labels)
    unseen = Counter({label: count for label, count in counts.items() if label not in settings.labels})
    if not counts and examples:
        yield f"none of the {len(examples):,} rows has a label: there is nothing to find in them"
    if not unseen:
        return
    shown = _listed(unseen, settings.labels)
    if len(unseen) == len(counts):
        raise DataError(
            f"{examples[0].source}: no row has a label that the run knows: {shown}; it knows "
            f"{_names(settings.labels)}. Is the label column the right one (--columns label=COLUMN)?"
        )
    yield f"{unseen.total():,} of {counts.total():,} labels are ones the run never saw: {shown}; they count as missed"


def _about_entities(settings: TaskSettings, examples: Sequence[Example]) -> Iterator[str]:
    kinds = Counter(entity.label for e in examples if isinstance(e, TaggedText) for entity in e.entities or ())
    if not kinds:
        if examples:
            yield f"none of the {len(examples):,} rows has an entity: there is nothing to find in them"
        return
    unseen = Counter({kind: count for kind, count in kinds.items() if kind not in settings.labels})
    if not unseen:
        return
    shown, entities = _listed(unseen, settings.labels), sum(unseen.values())
    if len(unseen) == len(kinds):
        raise DataError(
            f"{examples[0].source}: no entity is of a type that the run knows: {shown}; it knows "
            f"{_names(settings.labels)}."
        )
    every = sum(kinds.values())
    yield f"{entities:,} of {every:,} entities are of types the run never saw: {shown}; they count as missed"


def _listed(unseen: Counter[str], known: Sequence[str]) -> str:
    """List labels, the most frequent first, each with the known one it may be meant for."""
    folded = {_folded(label): label for label in known}
    words = []
    for label, _ in unseen.most_common(_SHOWN):
        near = difflib.get_close_matches(_folded(label), list(folded), n=1, cutoff=0.6)
        words.append(quoted(label) + (f" (did you mean {quoted(folded[near[0]])}?)" if near else ""))
    more = f" and {len(unseen) - _SHOWN} more" if len(unseen) > _SHOWN else ""
    return ", ".join(words) + more


def _names(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return ", ".join(map(quoted, labels[:_SHOWN])) + more


def _folded(label: str) -> str:
    return " ".join(unicodedata.normalize("NFC", label).casefold().split())
