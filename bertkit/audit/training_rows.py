"""What `train` should hear of its rows: few of the findings, and none that needs a second look at all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Tally, counted
from bertkit.audit.labels import Labels
from bertkit.data.records import Example

_KINDS = ("label_variants", "placeholder_label")


def training_doubts(task: str, rows: Sequence[Example]) -> Iterator[str]:
    """Say which labels look alike or like missing ones, and which rows have no text.

    Args:
        task: the task word.
        rows: the training rows.
    """
    empty = Tally()
    for row in rows:
        if not any(text.strip() for text in row.all_texts):
            empty.add(row)
    if empty.count:
        first = empty.places[0]
        yield f"train: {counted(empty.count, 'row', 'have')} no text, the first at {first.file}:{first.line}"
    if task not in ("classify", "ner"):
        return
    labels = Labels(task)
    labels.see(Chunk("train", rows))
    for finding in labels.findings("train"):
        if finding.kind in _KINDS:
            place = next(iter(finding.places), None)
            where = "" if place is None else f" ({place.file}:{place.line})"
            yield f"{finding.message.rstrip('.')}{where}"
