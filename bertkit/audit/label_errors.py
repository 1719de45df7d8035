"""Labels that are probably wrong, told by models that were trained without the row (confident learning).

A row is suspected where another label is as likely as that label usually is in rows that have it
(Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels"). The
surest are those whose own label is least likely beside the likeliest other one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    """A line of folds.jsonl: where a row stands, its label, and what a model without it says."""

    file: str
    line: int
    fold: int
    gold: str
    predicted: str
    probabilities: dict[str, float]


def label_error_finding(run: Path, files: Sequence[str]) -> Finding | None:
    """List probable label errors, the surest first; None where there are none.

    Args:
        run: a run of `train --folds`.
        files: those of the data that is inspected.

    Raises:
        DataError: the run has no answers of folds, or none for these files.
    """
    by_name = {Path(file).name: file for file in files}
    rows = [row for row in _rows(run) if row.file in by_name]
    if not rows:
        raise DataError(
            f"{run}: its folds have no row of {', '.join(by_name) or 'this data'}; name the data of the run."
        )
    labels = sorted({label for row in rows for label in row.probabilities} | {row.gold for row in rows})
    place = {label: i for i, label in enumerate(labels)}
    gold = np.asarray([place[row.gold] for row in rows])
    given = np.zeros((len(rows), len(labels)))
    for i, row in enumerate(rows):
        given[i, [place[label] for label in row.probabilities]] = list(row.probabilities.values())
    order = suspects(gold, given)
    if not order:
        return None
    places = tuple(Place(by_name[rows[i].file], rows[i].line) for i in order)
    first = rows[order[0]]
    message = (
        f"{counted(len(order), 'label', 'are')} probably wrong, the surest first: models that were trained without the "
        f"row say otherwise (line {first.line}: {quoted(first.gold)}, and they say {quoted(first.predicted)})."
    )
    return Finding("label_error", "warning", len(order), message, places)


def suspects(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """Return the rows whose label is probably wrong, the surest first.

    Args:
        gold: the number of each row's label, (N).
        probabilities: of each label, from models that were trained without the row, (N, C).
    """
    usual = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(gold):
        usual[label] = probabilities[gold == label, label].mean()
    rows = np.arange(len(gold))
    others = probabilities.copy()
    others[rows, gold] = -1.0
    margin = others.max(axis=1) - probabilities[rows, gold]
    is_likely = (others >= usual).any(axis=1) & (margin > 0)
    order = np.argsort(-margin, kind="stable")
    return [int(i) for i in order if is_likely[i]]


def _rows(run: Path) -> Iterable[Answered]:
    path = run / ROWS
    if not path.is_file():
        raise DataError(f"{run}: has no answers of folds; train it with --folds 5.")
    found: dict[tuple[str, int], Answered] = {}
    faults: dict[str, int] = defaultdict(int)
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = record_of(Answered, json.loads(text))
        except (MisfitError, ValueError) as error:
            faults[f"{path}:{number}: {error}"] += 1
            continue
        found[row.file, row.line] = row
    if faults:
        raise DataError(f"{next(iter(faults))}; probable label errors are for runs of classes.")
    return found.values()
