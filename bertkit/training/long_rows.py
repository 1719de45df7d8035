"""Rows that are longer than what is read of them, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from bertkit.models.registry import EXTENDABLE
from bertkit.models.table import ModelSpec
from bertkit.tasks.base import EncodedRow, TaskSettings, TrainingRow
from bertkit.tasks.encoded import StoredTraining, cut_of
from bertkit.tasks.registry import find_task


def cut_sentence(
    rows: Sequence[TrainingRow], validation: Sequence[EncodedRow], settings: TaskSettings, spec: ModelSpec
) -> tuple[str, ...]:
    """Say how many rows were cut, and what can be done about it."""
    if isinstance(rows, StoredTraining):
        cut, lost = rows.facts.cut, rows.facts.lost
    else:
        cut, lost = cut_of(row.encoded for row in rows)
    of_validation = cut_of(validation)
    cut, lost = cut + of_validation[0], lost + of_validation[1]
    if not cut:
        return ()
    # What is cut in windows is a single sentence that is longer than one.
    kind = "rows have sentences that are" if settings.on_long == "window" else "rows are"
    return (
        f"{cut:,} of {len(rows) + len(validation):,} {kind} longer than {settings.max_length} tokens and were cut "
        f"({lost:,} tokens lost); {_ways_on(settings, spec)}",
    )


def _ways_on(settings: TaskSettings, spec: ModelSpec) -> str:
    """Name what the task and the model allow."""
    extendable = find_task(settings.task).more_positions and spec.architecture in EXTENDABLE
    has_windows = (
        settings.on_long != "window"
        and settings.task not in ("choice", "matching")
        and settings.pooling != "siamese"
        and settings.sentence_pairs == "none"
    )
    ways = ["raise --max-length"] if extendable or settings.max_length < spec.max_length else []
    ways += ["read them in parts with --on-long window"] if has_windows else []
    if ways:
        return ", or ".join(ways)
    return f"{spec.name} reads no more at once: take a --model that does (longformer, modernbert), or shorten the rows"
