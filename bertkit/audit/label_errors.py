"""Labels that are probably wrong, told by models that were trained without the row (confident learning).

How many there are is told by confident learning: as many as there are rows in which another label is as
likely as that label usually is in rows that have it (Northcutt, Jiang and Chuang 2021, "Confident Learning:
Estimating Uncertainty in Dataset Labels"). Which they are is told by the margin: the rows whose own label is
least likely beside the likeliest other one. Where labels had been turned on purpose, the first so many by
margin held as many of these as the counted rows themselves, or more. Of sets of labels, each label is a
question of its own (yes or no), and a row is as suspect as its most suspect label.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.findings import Finding, counted
from bertkit.data.records import Place
from bertkit.errors import DataError
from bertkit.kinds import MisfitError, record_of
from bertkit.plain import quoted

ROWS = "folds.jsonl"


@dataclass(frozen=True)
class Answered:
    """A line of folds.jsonl: where a row stands, its label or its labels, and what a model without it says.

    `file` is the file's name, with as many of its folders as tell the run's files apart.
    """

    file: str
    line: int
    fold: int
    gold: Any
    predicted: Any
    probabilities: dict[str, float]


def label_error_finding(runs: Sequence[Path], files: Sequence[str]) -> Finding | None:
    """List probable label errors, the surest first; None where there are none.

    Args:
        runs: of `train --folds`; of several, what they say of a row is averaged.
        files: those of the data that is inspected.

    Raises:
        DataError: a run has no answers of folds, or none for these files, or two are of different labels.
    """
    rows = _averaged({run: _of_files(run, files) for run in runs})
    labels = sorted({label for row in rows for label in (*row.probabilities, *_labels(row))})
    gold, given = _laid_out(rows, labels)
    are_sets = isinstance(rows[0].gold, list)
    doubts = _of_each_label(gold, given) if are_sets else _doubts(gold.argmax(axis=1), given)[:, None]
    order = _surest_first(doubts.max(axis=1))
    if not order:
        return None
    first, doubtful = rows[order[0]], labels[int(doubts[order[0]].argmax())]
    if are_sets:
        message = _of_sets(len(order), first, doubtful)
    else:
        message = _of_classes(len(order), first, know=_know_something(gold, given))
    return Finding(
        "label_error", "warning", len(order), message, tuple(Place(rows[i].file, rows[i].line) for i in order)
    )


def _of_files(run: Path, files: Sequence[str]) -> list[Answered]:
    """Read what the folds of a run say of the rows of some files, by the files' own names."""
    rows = list(_rows(run))
    at = _places({row.file for row in rows}, files)
    found = [replace(row, file=at[row.file]) for row in rows if row.file in at]
    if not found:
        names = ", ".join(dict.fromkeys(Path(file).name for file in files)) or "this data"
        raise DataError(f"{run}: its folds have no row of {names}; name the data of the run.")
    return found


def _averaged(answers: Mapping[Path, Sequence[Answered]]) -> list[Answered]:
    """Average what runs say of each row, a label that a run does not know being nothing to it."""
    by_row: dict[tuple[str, int], list[Answered]] = defaultdict(list)
    for run, rows in answers.items():
        for row in rows:
            same = by_row[row.file, row.line]
            if same and same[0].gold != row.gold:
                place = f"{row.file}:{row.line}"
                raise DataError(f"{run}: has another label for {place} than the run before it; train both on one data.")
            same.append(row)
    return [_mean(rows) for rows in by_row.values()]


def _mean(rows: Sequence[Answered]) -> Answered:
    if len(rows) == 1:
        return rows[0]
    sums = Counter[str]()
    for row in rows:
        sums.update(row.probabilities)
    mean = {label: total / len(rows) for label, total in sums.items()}
    # Of sets of labels nobody asks which were predicted.
    return replace(rows[0], predicted=max(mean, key=mean.__getitem__), probabilities=mean)


def suspects(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """Return the rows whose label is probably wrong, the surest first.

    Args:
        gold: the number of each row's label, (N).
        probabilities: of each label, from models that were trained without the row, (N, C).
    """
    return _surest_first(_doubts(gold, probabilities))


def _doubts(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much another label is likelier than a row's own, (N); 0 where the row is not suspected."""
    margins, count = _margins(gold, probabilities)
    return _greatest(margins, count)


def _of_each_label(gold: NDArray[np.bool_], given: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how doubtful it is that a row has or lacks each label, (N, C); 0 where that is not suspected."""
    margins, counts = np.zeros(given.shape), 0
    for i in range(given.shape[1]):
        either = np.stack([1.0 - given[:, i], given[:, i]], axis=1)
        margins[:, i], count = _margins(gold[:, i].astype(np.int64), either)
        counts += count
    return _greatest(margins, counts)


def _margins(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return by how much another label is likelier than each row's own, (N), and how many rows are suspected."""
    usual = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(gold):
        usual[label] = probabilities[gold == label, label].mean()
    rows = np.arange(len(gold))
    others = probabilities.copy()
    others[rows, gold] = -1.0
    margins = others.max(axis=1) - probabilities[rows, gold]
    return margins, int(((others >= usual).any(axis=1) & (margins > 0)).sum())


def _greatest(margins: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Keep the `count` greatest margins, of equal ones the first; the others become 0."""
    kept, flat = np.zeros(margins.size), margins.ravel()
    chosen = np.argsort(-flat, kind="stable")[:count]
    kept[chosen] = np.maximum(flat[chosen], 0.0)
    return kept.reshape(margins.shape)


def _surest_first(doubts: NDArray[np.float64]) -> list[int]:
    order = np.argsort(-doubts, kind="stable")
    return [int(i) for i in order if doubts[i] > 0]


def _laid_out(rows: Sequence[Answered], labels: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which labels each row has, and how likely each is, both (N, C)."""
    place = {label: i for i, label in enumerate(labels)}
    gold, given = np.zeros((len(rows), len(labels)), bool), np.zeros((len(rows), len(labels)))
    for i, row in enumerate(rows):
        gold[i, [place[label] for label in _labels(row)]] = True
        given[i, [place[label] for label in row.probabilities]] = list(row.probabilities.values())
    return gold, given


def _know_something(gold: NDArray[np.bool_], given: NDArray[np.float64]) -> bool:
    """Tell whether the likeliest label is right more often than the most frequent one."""
    right = gold[np.arange(len(gold)), given.argmax(axis=1)].sum()
    return bool(right > gold.sum(axis=0).max())


def _of_classes(count: int, first: Answered, *, know: bool) -> str:
    if not know:
        return (
            f"{counted(count, 'label', 'are')} not what models say that were trained without the row, but these are "
            "right no more often than the most frequent label is: the list says little."
        )
    return (
        f"{counted(count, 'label', 'are')} probably wrong, the surest first: models that were trained without the "
        f"row say otherwise (line {first.line}: {quoted(first.gold)}, and they say {quoted(first.predicted)})."
    )


def _of_sets(count: int, first: Answered, label: str) -> str:
    rows, line, shown = counted(count, "row"), first.line, quoted(label)
    if label in first.gold:
        return (
            f"labels of {rows} are probably wrong or lacking, the surest first: models that were trained without the "
            f"row say otherwise (line {line} has {shown}, and they would not give it)."
        )
    return (
        f"labels of {rows} are probably wrong or lacking, the surest first: models that were trained without the row "
        f"say otherwise (line {line} lacks {shown}, and they would give it)."
    )


def _labels(row: Answered) -> list[str]:
    return row.gold if isinstance(row.gold, list) else [row.gold]


def _places(names: Iterable[str], files: Sequence[str]) -> dict[str, str]:
    """Find the file that each name means: of those that end in it, the first."""
    parts = [Path(file).resolve().parts for file in files]
    found = {}
    for name in names:
        tail = PurePosixPath(name).parts
        fitting = (file for file, own in zip(files, parts, strict=True) if own[-len(tail) :] == tail)
        if (file := next(fitting, None)) is not None:
            found[name] = file
    return found


def _rows(run: Path) -> Iterable[Answered]:
    path = run / ROWS
    if not path.is_file():
        raise DataError(f"{run}: has no answers of folds; train it with --folds 5.")
    found: dict[tuple[str, int], Answered] = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("gold"), float):
                raise DataError(f"{run}: its folds have scores; labels that are probably wrong are for runs of labels.")
            row = record_of(Answered, line)
            if not all(isinstance(label, str) for label in _labels(row)):
                raise MisfitError("gold is neither a label nor a list of labels")
        except (MisfitError, ValueError) as error:
            raise DataError(f"{path}:{number}: {error}; train the run again with --folds.") from error
        found[row.file, row.line] = row
    return found.values()
