"""What the rows of a table are made into: the table of shapes, and which of them a table has.

A shape finds its columns and turns rows into records; loading and prediction know no more
of the tasks than this. A task's own row names the shape that it reads; here tasks are words
that are handed in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bertkit.data.columns import ColumnChoice, Shape
from bertkit.data.faults import Faults
from bertkit.data.label_kinds import (
    are_scores,
    how_read,
    like_known,
    mark_of,
    part_row,
    respelt,
    spelling_notes,
    spelling_of,
)
from bertkit.data.records import (
    AUTO,
    CLASSES,
    ENTITIES,
    LABEL_SETS,
    QUESTIONS,
    READINGS,
    RELATIONS,
    SCORES,
    SUMMARIES,
    TEXTS,
    BadRow,
    Example,
    Row,
    Tasks,
    word_of,
)
from bertkit.data.shapes.labelled import (
    Documents,
    LabelledTexts,
    LabelSets,
    PlainTexts,
    looks_summarized,
    tell_label_sets,
)
from bertkit.data.shapes.questions import Questions, looks_asked
from bertkit.data.shapes.stretches import Readings, Relations, looks_read, looks_related
from bertkit.data.shapes.tagged import TaggedTexts, looks_tagged
from bertkit.data.store import labels_of, read_by, spelt, taken
from bertkit.data.values import is_score, is_whole, score_fault
from bertkit.errors import DataError

_ROWS_LOOKED_AT = 20
# A table of entities may begin with many texts that have none.
_MOST_LOOKED_AT = 10_000
# Rows whose labels are looked at for several in one.
_ENOUGH_LABELS = 1000
# Different labels that are held to tell what they are.
_MOST_LABELS, _LABELS_AT_ONCE = 100_000, 4096


# More whole numbers than these may be scores.
_MOST_WHOLE = 20


@dataclass(frozen=True, slots=True)
class ShapeSpec:
    """One row of the table of shapes.

    Attributes:
        name: what the rows of a table hold.
        build: makes the shape, given the tags that class ids stand for, and where problems are gathered.
        has_labels: whether each row has one label, told apart from others by how it is spelt.
        need_labels: whether a row can do without the column of labels or answers.
        labels_are_texts: whether what stands in the column of labels is a text, not an answer.
    """

    name: str
    build: Callable[[Sequence[str], list[BadRow] | None], Shape]
    has_labels: bool = False
    need_labels: bool = True
    labels_are_texts: bool = False


SHAPES: Mapping[str, ShapeSpec] = {
    spec.name: spec
    for spec in (
        ShapeSpec(CLASSES, lambda tags, problems: LabelledTexts(), has_labels=True),
        ShapeSpec(SCORES, lambda tags, problems: LabelledTexts(), has_labels=True),
        ShapeSpec(LABEL_SETS, lambda tags, problems: LabelSets()),
        ShapeSpec(ENTITIES, TaggedTexts),
        ShapeSpec(READINGS, lambda tags, problems: Readings()),
        ShapeSpec(RELATIONS, lambda tags, problems: Relations(), has_labels=True),
        ShapeSpec(QUESTIONS, lambda tags, problems: Questions()),
        ShapeSpec(TEXTS, lambda tags, problems: PlainTexts(), need_labels=False, labels_are_texts=True),
        ShapeSpec(SUMMARIES, lambda tags, problems: Documents(), labels_are_texts=True),
    )
}


def shape_of(name: str, *, tag_names: Sequence[str] = (), problems: list[BadRow] | None = None) -> Shape:
    """Make a shape by its name in the table."""
    return spec_of(name).build(tag_names, problems)


def spec_of(name: str) -> ShapeSpec:
    """Return the row of a shape; where the labels are still to say which it is, it has some."""
    return SHAPES[CLASSES if name == AUTO else name]


def guess_shape(rows: Iterator[Row | BadRow], choice: ColumnChoice | None) -> tuple[str | None, Iterator[Row | BadRow]]:
    """Tell from a table's first rows whether it holds questions, relations, entities, summaries or sets of labels.

    Returns:
        The name of the shape, or None where it is not one of these, and the rows from the first on.
    """
    ahead = list(itertools.islice(rows, _ROWS_LOOKED_AT))
    again = itertools.chain(ahead, rows)
    good = [row for row in ahead if isinstance(row, Row)]
    if not good:
        return None, again
    if choice is not None and (choice.choices or choice.spans or choice.pair is not None):
        return (QUESTIONS if choice.choices else RELATIONS if choice.spans else None), again
    if choice is not None:
        return _sets_or_none(ahead, rows, choice)
    try:
        looks = {RELATIONS: looks_related, QUESTIONS: looks_asked, READINGS: looks_read}
        asked = next((shape for shape, looks_so in looks.items() if looks_so(good)), None)
    except DataError:
        return None, again
    if asked is not None:
        return asked, again
    tagged = looks_tagged(good)
    while tagged is None and len(ahead) < _MOST_LOOKED_AT and (more := list(itertools.islice(rows, len(ahead)))):
        ahead += more
        tagged = looks_tagged(row for row in more if isinstance(row, Row))
    again = itertools.chain(ahead, rows)
    if tagged:
        return ENTITIES, again
    if looks_summarized(good):
        return SUMMARIES, again
    return _sets_or_none(ahead, rows, None)


def _sets_or_none(
    ahead: list[Row | BadRow], rows: Iterator[Row | BadRow], choice: ColumnChoice | None
) -> tuple[str | None, Iterator[Row | BadRow]]:
    """Look at more rows, for few may have several labels."""
    ahead = [*ahead, *itertools.islice(rows, max(0, _ENOUGH_LABELS - len(ahead)))]
    good = [row for row in ahead[:_ENOUGH_LABELS] if isinstance(row, Row)]
    return (LABEL_SETS if tell_label_sets(good, choice) else None), itertools.chain(ahead, rows)


def decide_labels(
    shape: str,
    loaded: Mapping[str, Sequence[Example]],
    *,
    tasks: Tasks,
    known: Sequence[str] = (),
    respell: bool = True,
    lost: Faults | None = None,
    stops: bool = True,
    noted: bool = True,
) -> tuple[str, dict[str, Sequence[Example]], tuple[str, ...]]:
    """Give the shape, the rows with their labels spelt alike, and notes of what was decided.

    Args:
        shape: the name of the shape, or "auto" to let the labels say.
        loaded: rows by split.
        tasks: the words for the notes.
        known: the labels of the run that reads the rows; numbers equal to them are spelt like them.
        respell: whether labels may be spelt otherwise than they stand there.
        lost: collects rows whose label is not a number where scores are learnt; None: they end this.
        stops: whether such rows end the work and are said with another task that may be meant.
        noted: whether notes are made, for which all sets of labels are read.

    Raises:
        DataError: scores are learnt and a label is not a number.
    """
    if shape == LABEL_SETS:
        return shape, *_parted(loaded, known, noted=noted)
    if not spec_of(shape).has_labels:
        return shape, dict(loaded), ()
    rows: dict[str, Sequence[Example]] = dict(loaded)
    labels = _different(rows.values())
    # A run that learnt two spellings as two labels keeps both.
    is_known, is_guess = bool(known) and labels <= set(known), stops and shape == AUTO
    spelling = spelling_of(labels, of_scores=shape == SCORES) if respell and not is_known else "as written"
    decided = shape if shape != AUTO else SCORES if are_scores(labels) else CLASSES
    notes = spelling_notes(spelling, decided)
    if spelling != "as written":
        rows = {split: spelt(examples, lambda label: respelt(label, spelling)) for split, examples in rows.items()}
        labels = {respelt(label, spelling) for label in labels}
    if known and decided in (CLASSES, RELATIONS):
        rows = {split: spelt(examples, lambda label: like_known(label, known)) for split, examples in rows.items()}
    if decided == SCORES:
        faults = Faults() if lost is None else lost
        doubt = f"; nearly all others are (if they are classes, --task {word_of(CLASSES, tasks)})" * is_guess
        rows = {split: _scored(examples, faults, doubt) for split, examples in rows.items()}
        if lost is None and faults.count:
            raise faults.error()
    why = (reason_of(decided, tasks, len(labels), are_whole=all(map(is_whole, labels))),) if shape == AUTO else ()
    return decided, rows, (*notes, *why)


def _parted(
    loaded: Mapping[str, Sequence[Example]], known: Sequence[str], *, noted: bool
) -> tuple[dict[str, Sequence[Example]], tuple[str, ...]]:
    """Part the cells of all splits at the same mark, and say how; rows whose labels are known stay as they are."""
    cells = _different(loaded.values())
    mark = mark_of(cells, known)
    rows = {split: read_by(own, partial(part_row, mark=mark)) for split, own in loaded.items()}
    if not noted:
        return rows, ()
    how = how_read(itertools.chain.from_iterable(rows.values()), cells, mark)
    return rows, (how,) if how else ()


def reason_of(shape: str, tasks: Tasks, different: int | None = None, *, are_whole: bool = False) -> str:
    """Say why labels are classes or scores, where nobody said; so many whole numbers are hardly classes."""
    task = f"task: {word_of(shape, tasks)}, because"
    if shape == SCORES and are_whole:
        return f"{task} all labels are amounts"
    if shape == SCORES:
        return f"{task} all labels are numbers and not all are whole"
    count = "" if different is None else f" ({different} different)"
    if different is not None and different > _MOST_WHOLE and are_whole:
        return f"{task} the labels are whole numbers{count}; if they are scores, --task {word_of(SCORES, tasks)}"
    return f"{task} the labels are words or whole numbers{count}"


def _different(splits: Iterable[Sequence[Example]]) -> set[str]:
    """Return the different labels of rows; of very many, which are scores, those of the first rows show enough."""
    found: set[str] = set()
    for rows in splits:
        labels = labels_of(rows)
        while len(found) < _MOST_LABELS and (some := list(itertools.islice(labels, _LABELS_AT_ONCE))):
            found.update(label for label in some if label is not None)
    return found


def _scored(examples: Sequence[Example], lost: Faults, doubt: str) -> Sequence[Example]:
    """Return the rows with a score, and count the others, in doubt whether they are meant to have one."""
    import numpy as np

    strange = list(_no_scores(examples))
    if not strange:
        return examples
    for place in strange:
        row = examples[place]
        lost.note(row.source, [BadRow(row.line, f"{score_fault(row.label or '')}{doubt}")])
    return taken(examples, np.delete(np.arange(len(examples)), strange))


def _no_scores(examples: Sequence[Example]) -> Iterator[int]:
    return (i for i, label in enumerate(labels_of(examples)) if label is not None and not is_score(label))
