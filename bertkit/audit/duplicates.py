"""Rows of one split that repeat each other, and repeat each other with another answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.findings import Finding, Severity, counted
from bertkit.audit.keys import Keys, RowKeys, by_row, in_parts, stable_key
from bertkit.data.faults import MAX_PLACES
from bertkit.data.records import Place
from bertkit.data.store import MANY

Indices = NDArray[np.int64]

# two scores of the same text are at odds when this share of the whole range lies between them
_TOLERANCE = 0.1
_EMPTY = np.uint64(stable_key(""))


@dataclass(frozen=True, slots=True)
class _Sameness:
    """One sense in which two texts are the same."""

    copies: str
    conflicts: str
    severity: Severity
    repeat: str
    conflict: str


_EXACT = _Sameness("duplicate_rows", "conflicting_labels", "warning", "exactly", "the same text as another row")
_NORMALISED = _Sameness(
    "normalised_duplicates",
    "normalised_conflicts",
    "info",
    "but for letter case, white space or punctuation",
    "another row's text but for letter case, white space or punctuation,",
)


def duplicate_findings(split: str, rows: RowKeys, *, is_pair: bool) -> Iterator[Finding]:
    """Find what repeats within a split; rows without any text are left to the empty rows."""
    filled = ~is_empty(rows)
    exact, normal = first_rows(rows.exact), first_rows(rows.normal)
    # What is told of each row is written where it stands: of many rows these arrays are no memory.
    copies, near_copies = _is_later(exact), _is_later(normal)
    copies &= filled
    near_copies &= filled
    np.greater(near_copies, copies, out=near_copies)  # and not copies
    yield from _copies(split, rows, _EXACT, exact, copies)
    yield from _copies(split, rows, _NORMALISED, normal, near_copies)
    conflicting, loosely = _conflicting(rows, rows.exact), _conflicting(rows, rows.normal)
    conflicting &= filled
    yield from _conflicts(split, rows, _EXACT, exact, conflicting)
    loosely &= filled
    np.greater(loosely, conflicting, out=loosely)
    yield from _conflicts(split, rows, _NORMALISED, normal, loosely)
    if is_pair:
        yield from _same_sentences(split, rows)
        yield from _shared_sentences(split, rows, filled)


def first_rows(keys: Keys) -> Indices:
    """Return for each row the first row that has its key, (N)."""
    rows: Indices = by_row(len(keys), "int64")
    for places in in_parts(keys):
        _, first, group = np.unique(keys[places], return_index=True, return_inverse=True)
        rows[places] = places[first[group]]
    return rows


def _is_later(first: Indices) -> NDArray[np.bool_]:
    """Tell the rows before which another one stands, (N)."""
    later: NDArray[np.bool_] = by_row(len(first), "bool")
    for start in range(0, len(first), MANY):
        part = first[start : start + MANY]
        later[start : start + MANY] = part != np.arange(start, start + len(part))
    return later


def is_empty(rows: RowKeys) -> NDArray[np.bool_]:
    """Tell the rows that have no text in any column, (N)."""
    empty: NDArray[np.bool_] = np.ones(len(rows), np.bool_)
    for column in rows.columns.T:
        empty &= column == _EMPTY
    return empty


def _copies(split: str, rows: RowKeys, how: _Sameness, first: Indices, copies: NDArray[np.bool_]) -> Iterator[Finding]:
    where = np.flatnonzero(copies)
    if not len(where):
        return
    message = f"{split}: {counted(len(where), 'row', 'repeat')} an earlier row {how.repeat}."
    places = side_by_side(rows, first[where], rows, where)
    yield Finding(how.copies, how.severity, len(where), message, places)


def _conflicting(rows: RowKeys, keys: Keys) -> NDArray[np.bool_]:
    """Tell the rows of which another row with the same key has another answer, (N)."""
    conflicting: NDArray[np.bool_] = by_row(len(rows), "bool")
    known_at_all = rows.answers if rows.has_answer.all() else rows.answers[rows.has_answer]
    if not len(known_at_all):
        return conflicting
    least, most = known_at_all.min(), known_at_all.max()
    for places in in_parts(keys):
        known = places[rows.has_answer[places]]
        answers = rows.answers[known]
        groups, group = np.unique(keys[known], return_inverse=True)
        lowest = np.full(len(groups), most, dtype=answers.dtype)
        highest = np.full(len(groups), least, dtype=answers.dtype)
        np.minimum.at(lowest, group, answers)
        np.maximum.at(highest, group, answers)
        is_number = answers.dtype == np.float64
        at_odds = highest - lowest > _TOLERANCE * (most - least) if is_number else highest != lowest
        conflicting[known] = at_odds[group]
    return conflicting


def _conflicts(
    split: str, rows: RowKeys, how: _Sameness, first: Indices, conflicting: NDArray[np.bool_]
) -> Iterator[Finding]:
    where = np.flatnonzero(conflicting)
    if not len(where):
        return
    together = where[np.argsort(first[where], kind="stable")]
    message = (
        f"{split}: {counted(len(where), 'row', 'have')} {how.conflict} and a different label; "
        "decide which label is right, or drop them."
    )
    yield Finding(how.conflicts, how.severity, len(where), message, rows.places(together[:MAX_PLACES]))


def _same_sentences(split: str, rows: RowKeys) -> Iterator[Finding]:
    same = np.flatnonzero((rows.columns[:, 0] == rows.columns[:, 1]) & (rows.columns[:, 0] != _EMPTY))
    if len(same):
        message = f"{split}: {counted(len(same), 'row', 'have')} the same sentence on both sides."
        yield Finding("same_sentence_in_pair", "warning", len(same), message, rows.places(same[:MAX_PLACES]))


def _shared_sentences(split: str, rows: RowKeys, filled: NDArray[np.bool_]) -> Iterator[Finding]:
    """Find sentences that stand in several different pairs; copies of a pair do not count."""
    pairs = np.flatnonzero(filled & (first_rows(rows.unordered) == np.arange(len(rows))))
    columns = rows.columns[pairs]
    once = np.where(columns[:, 1] == columns[:, 0], _EMPTY, columns[:, 1])
    columns = np.column_stack([columns[:, 0], once])
    _, group, size = np.unique(columns, return_inverse=True, return_counts=True)
    shared = ((size[group.reshape(columns.shape)] > 1) & (columns != _EMPTY)).any(axis=1)
    where = pairs[shared]
    if len(where):
        message = (
            f"{split}: {counted(len(where), 'row', 'share')} a sentence with another row; "
            "a random split puts some of these sentences on both of its sides."
        )
        yield Finding("shared_sentences", "info", len(where), message, rows.places(where[:MAX_PLACES]))


def side_by_side(left: RowKeys, left_rows: Indices, right: RowKeys, right_rows: Indices) -> tuple[Place, ...]:
    """Tell where the first few rows of two lists stand, each beside the other."""
    few = slice(MAX_PLACES // 2)
    both = zip(left.places(left_rows[few]), right.places(right_rows[few]), strict=True)
    return tuple(dict.fromkeys(place for pair in both for place in pair))
