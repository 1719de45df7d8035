"""What `train` should hear of its rows: few of the findings, and none that needs a second look at all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Tally, counted
from bertkit.audit.labels import Labels
from bertkit.data.records import Example
from bertkit.data.store import parts_of

_KINDS = ("label_variants", "placeholder_label", "joined_labels")


def training_doubts(task: str, rows: Sequence[Example]) -> Iterator[str]:
    """Say which labels look alike or like missing ones, and which rows have no text.

    Args:
        task: the task word.
        rows: the training rows.
    """
    empty, labels = Tally(), Labels(task)
    has_labels = task in ("classify", "relation", "ner")
    for part in parts_of(rows):
        for row in part:
            if not any(text and not text.isspace() for text in row.all_texts):
                empty.add(row)
        if has_labels:
            labels.see(Chunk("train", part))
    if empty.count:
        first = empty.places[0]
        yield f"train: {counted(empty.count, 'row', 'have')} no text, the first at {first.file}:{first.line}"
    if not has_labels:
        return
    for finding in labels.findings("train"):
        if finding.kind in _KINDS:
            place = next(iter(finding.places), None)
            where = "" if place is None else f" ({place.file}:{place.line})"
            yield f"{finding.message.rstrip('.')}{where}"
