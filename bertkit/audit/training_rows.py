"""What `train` should hear of its rows: few of the findings, and none that needs a second look at all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Tally, counted
from bertkit.audit.labels import Labels
from bertkit.data.records import Example
from bertkit.data.store import Block, blocks_of

_KINDS = ("label_variants", "placeholder_label", "joined_labels")


def training_doubts(task: str, rows: Sequence[Example]) -> Iterator[str]:
    """Say which labels look alike or like missing ones, and which rows have no text.

    Args:
        task: the task word.
        rows: the training rows.
    """
    empty, labels = Tally(), Labels(task)
    has_labels = task in ("classify", "relation", "ner")
    for part in blocks_of(rows):
        if isinstance(part, Block) and _all_there(part, labels if has_labels else None):
            continue
        examples = part.examples if isinstance(part, Block) else part
        for row in examples:
            if not any(text and not text.isspace() for text in row.all_texts):
                empty.add(row)
        if has_labels:
            labels.see(Chunk("train", examples))
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


def _all_there(block: Block, labels: Labels | None) -> bool:
    """Count the labels of plain rows, where every row has one, and a text; else tell that one lacks something."""
    there = any(all(texts) and not any(map(str.isspace, texts)) for texts in block.texts)
    own = [] if labels is None else [label for label in block.labels if label is not None]
    if labels is None or not there or len(own) < block.batch.num_rows:
        return there and labels is None
    labels.see_labels("train", own, block.place)
    return True
