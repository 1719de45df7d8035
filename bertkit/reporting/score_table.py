"""What one gets by acting on sure answers only: at score t or more, how many rows, how many of them right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertkit.evaluation.run import Scored
from bertkit.reporting.page import Child, Html, joined, tag
from bertkit.reporting.page import table as html_table
from bertkit.reporting.pictures import Answers

SCORES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_MOST_LABELS = 30
_TASKS = ("classify", "multilabel", "choice", "relation")
EVERY = "(every answer)"


@dataclass(frozen=True)
class AtScore:
    """What answers of a label are with a score of at least `score`.

    `share` of all rows are answered so, `precision` of these are right, and `recall` of the rows that
    have the label are found; None where there is nothing to divide by.
    """

    label: str
    score: float
    share: float
    precision: float | None
    recall: float | None


def at_scores(scored: Scored) -> list[AtScore]:
    """Compute the table of an evaluation; empty for tasks whose answers have no probability of their own."""
    task = scored.run.task.settings.task
    if task not in _TASKS or not len(scored.examples):
        return []
    answers = Answers(scored)
    if task == "choice":
        sureness = np.array([float(np.max(row)) for row in answers.outputs])
        return list(_rows(EVERY, sureness, ~answers.is_wrong, len(sureness)))
    if task == "multilabel":
        return list(_of_sets(answers))
    return list(_of_classes(answers))


def score_section(scored: Scored) -> Sequence[Child]:
    """Write the table for a report; nothing where there is none."""
    found = at_scores(scored)
    if not found:
        return ()
    labels = list(dict.fromkeys(row.label for row in found))
    note = (
        "Of predictions with a score of at least t: their share of all rows (coverage), how many of them are correct "
        "(precision), and how many of the rows with the label they find (recall). `predict --threshold` and "
        "`--abstain-below` act on scores."
    )
    columns = ["label", *(f"≥ {score:g}" for score in SCORES)]
    return (_laid(columns, labels, found), tag("p", note, class_="muted"))


def _laid(columns: Sequence[str], labels: Sequence[str], found: Sequence[AtScore]) -> Html:
    by_place = {(row.label, row.score): row for row in found}
    rows = []
    for label in labels:
        cells = [_cell(by_place[label, score]) for score in SCORES]
        rows.append([tag("span", label, title=label), *cells])
    return html_table(columns, rows, class_="names")


def _cell(row: AtScore) -> Html:
    """Write share, precision and recall one under the other."""
    if row.precision is None:
        return tag("span", "none", class_="muted")
    recall = "" if row.recall is None else f"recall {row.recall:.3f}"
    parts: list[Child] = [f"{row.share:.1%}", tag("br"), f"precision {row.precision:.3f}"]
    return joined([*parts, *((tag("br"), recall) if recall else ())])


def _of_classes(answers: Answers) -> Iterator[AtScore]:
    task = answers.task
    sureness: NDArray[np.float64] = task.sureness(answers.outputs)  # type: ignore[attr-defined]
    gold, given = np.array(answers.gold, object), np.array(answers.predicted, object)
    yield from _rows(EVERY, sureness, gold == given, len(gold))
    for label in _shown(answers.labels, gold):
        mine = given == label
        yield from _rows(label, np.where(mine, sureness, -1.0), gold == given, int((gold == label).sum()))


def _of_sets(answers: Answers) -> Iterator[AtScore]:
    is_gold, scores = answers.is_gold, answers.probabilities
    order = np.argsort(-is_gold.sum(axis=0), kind="stable")[:_MOST_LABELS]
    for place in sorted(order.tolist()):
        yield from _rows(answers.labels[place], scores[:, place], is_gold[:, place], int(is_gold[:, place].sum()))


def _shown(labels: Sequence[str], gold: NDArray[np.object_]) -> list[str]:
    """Return the labels with most rows, in their order."""
    counts = {label: int((gold == label).sum()) for label in labels} if len(labels) <= _MOST_LABELS else {}
    if not counts:
        names, found = np.unique(gold.astype(str), return_counts=True)
        counts = dict(zip(names.tolist(), found.tolist(), strict=True))
    most = set(sorted(counts, key=lambda label: -counts[label])[:_MOST_LABELS])
    return [label for label in labels if label in most]


def _rows(label: str, sureness: NDArray[np.float64], is_right: NDArray[np.bool_], all_gold: int) -> Iterator[AtScore]:
    for score in SCORES:
        sure = sureness >= score
        right = int((sure & is_right).sum())
        precision = right / int(sure.sum()) if sure.any() else None
        yield AtScore(label, score, float(sure.mean()), precision, right / all_gold if all_gold else None)
