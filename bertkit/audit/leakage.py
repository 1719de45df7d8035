"""Rows and sentences that stand in two splits, so that a score on one of them is too good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.duplicates import Indices, is_empty, side_by_side
from bertkit.audit.findings import Finding, Severity, counted
from bertkit.audit.keys import Keys, RowKeys, stable_key
from bertkit.data.faults import MAX_PLACES
from bertkit.data.records import Place

# from this share of the held-out rows on, its score can no longer be believed
SERIOUS = 0.01


def leakage_findings(tables: Mapping[str, RowKeys], *, is_pair: bool) -> Iterator[Finding]:
    """Compare every two splits, normalised texts against normalised texts.

    Args:
        tables: the splits, the one that is trained on first.
        is_pair: whether rows are pairs of sentences; then a swapped pair is the same row,
            and single sentences are looked for too.
    """
    for (name, rows), (held_name, held) in combinations(tables.items(), 2):
        yield from _between(name, rows, held_name, held, is_pair=is_pair)


def severity_of(count: int, held_rows: int) -> Severity:
    """Judge leaked rows by their share of the held-out split."""
    return "error" if count >= SERIOUS * held_rows else "warning"


def _between(name: str, rows: RowKeys, held_name: str, held: RowKeys, *, is_pair: bool) -> Iterator[Finding]:
    filled = ~is_empty(held)
    same = filled & np.isin(held.normal, rows.normal)
    if same.any():
        count = int(same.sum())
        share = count / len(held)
        message = (
            f"{held_name} and {name} have {counted(count, 'row')} in common ({share:.1%} of {held_name}); "
            f"take them out of one of the two."
        )
        places = _beside(held, held.normal, rows, rows.normal, same)
        yield Finding("rows_in_two_splits", severity_of(count, len(held)), count, message, places)
    if not is_pair:
        return
    swapped = filled & ~same & np.isin(held.unordered, rows.unordered)
    if swapped.any():
        count = int(swapped.sum())
        message = (
            f"{held_name} and {name} have {counted(count, 'pair')} in common with the sentences swapped; "
            "take them out of one of the two."
        )
        places = _beside(held, held.unordered, rows, rows.unordered, swapped)
        yield Finding("swapped_rows_in_two_splits", severity_of(count, len(held)), count, message, places)
    yield from _sentences(name, rows, held_name, held, filled & ~same & ~swapped)


def _sentences(name: str, rows: RowKeys, held_name: str, held: RowKeys, others: NDArray[np.bool_]) -> Iterator[Finding]:
    """Find single sentences on both sides of the split, in rows that are not the same as a whole."""
    empty = np.uint64(stable_key(""))
    known = np.isin(held.columns, rows.columns) & (held.columns != empty)
    where = np.flatnonzero(others & known.any(axis=1))
    if not len(where):
        return
    columns = known[where].argmax(axis=1)
    sentences = held.columns[where, columns]
    flat = rows.columns.ravel()
    matches = _first_of(sentences[:MAX_PLACES], flat) // rows.columns.shape[1]
    message = (
        f"{held_name}: {counted(len(where), 'row', 'have')} a sentence that also stands in {name}, elsewhere paired."
    )
    places = side_by_side(held, where, rows, matches)
    yield Finding("sentences_in_two_splits", "info", len(where), message, places)


def _beside(held: RowKeys, held_keys: Keys, rows: RowKeys, keys: Keys, chosen: NDArray[np.bool_]) -> tuple[Place, ...]:
    where = np.flatnonzero(chosen)[:MAX_PLACES]
    return side_by_side(held, where, rows, _first_of(held_keys[where], keys))


def _first_of(wanted: Keys, keys: Keys) -> Indices:
    """Return where each wanted key stands first; all of them do."""
    found: Indices = np.array([np.flatnonzero(keys == key)[0] for key in wanted], dtype=np.int64)
    return found
