"""Can rows be scored at all? What their gold answers are, beside those a task has learnt."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from bertkit.data.records import Example, LabelSet, TaggedText
from bertkit.data.store import labels_of
from bertkit.errors import DataError
from bertkit.plain import quoted
from bertkit.tasks.base import TaskSettings

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
        yield f"all {len(examples):,} rows have the label {label}: these scores do not show whether others are told"


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
