"""Labels that are probably wrong, told by models that were trained without the row (confident learning).

A row is suspected where another label is as likely as that label usually is in rows that have it
(Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels"). The
surest are those whose own label is least likely beside the likeliest other one. Of sets of labels, each
label is a question of its own (yes or no), and a row is as suspect as its most suspect label.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


def label_error_finding(run: Path, files: Sequence[str]) -> Finding | None:
    """List probable label errors, the surest first; None where there are none.

    Args:
        run: a run of `train --folds`.
        files: those of the data that is inspected.

    Raises:
        DataError: the run has no answers of folds, or none for these files.
    """
    rows = list(_rows(run))
    at = _places({row.file for row in rows}, files)
    rows = [row for row in rows if row.file in at]
    if not rows:
        names = ", ".join(dict.fromkeys(Path(file).name for file in files)) or "this data"
        raise DataError(f"{run}: its folds have no row of {names}; name the data of the run.")
    labels = sorted({label for row in rows for label in (*row.probabilities, *_labels(row))})
    doubts = np.zeros((len(rows), len(labels)))
    gold, given = _laid_out(rows, labels)
    are_sets = isinstance(rows[0].gold, list)
    if are_sets:
        for i in range(len(labels)):
            either = np.stack([1.0 - given[:, i], given[:, i]], axis=1)
            doubts[:, i] = _doubts(gold[:, i].astype(np.int64), either)
    else:
        doubts[:, 0] = _doubts(gold.argmax(axis=1), given)
    order = _surest_first(doubts.max(axis=1))
    if not order:
        return None
    first, doubtful = rows[order[0]], labels[int(doubts[order[0]].argmax())]
    message = _of_sets(len(order), first, doubtful) if are_sets else _of_classes(len(order), first)
    return Finding(
        "label_error", "warning", len(order), message, tuple(Place(at[rows[i].file], rows[i].line) for i in order)
    )


def suspects(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """Return the rows whose label is probably wrong, the surest first.

    Args:
        gold: the number of each row's label, (N).
        probabilities: of each label, from models that were trained without the row, (N, C).
    """
    return _surest_first(_doubts(gold, probabilities))


def _doubts(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much another label is likelier than a row's own, (N); 0 where the row is not suspected."""
    usual = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(gold):
        usual[label] = probabilities[gold == label, label].mean()
    rows = np.arange(len(gold))
    others = probabilities.copy()
    others[rows, gold] = -1.0
    margin = others.max(axis=1) - probabilities[rows, gold]
    return np.where((others >= usual).any(axis=1) & (margin > 0), margin, 0.0)


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


def _of_classes(count: int, first: Answered) -> str:
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
