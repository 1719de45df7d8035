"""Rows answered by an opened run: encoded, computed, and made into records, some at a time.

Who asks decides which rows go together: `predict` by blocks of its input (`predict.py`), the
listening predictor by who waits at the moment (`serving/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle
from bertkit.compute.device import Placement
from bertkit.data.kept import FILE
from bertkit.data.records import BadRow, Example
from bertkit.errors import BertkitError
from bertkit.evaluation.decisions import AS_TRAINED, Decisions
from bertkit.evaluation.forward import forward
from bertkit.tasks.base import EncodedRow, Outputs
from bertkit.tasks.parts import MOST_FIGURES, Tick

if TYPE_CHECKING:
    from bertkit.evaluation.ensemble import Ensemble

Item = Example | BadRow
Record = dict[str, Any]

# Keys of a record whatever the task; a kept column of such a name gets another.
_OWN_NAMES = frozenset({FILE, "line", "n_tokens", "truncated", "error", "top"})


@dataclass(frozen=True)
class Chunk:
    """Rows answered together; `encoded` has one entry per good row, and so has `others`, the other member's answers."""

    items: Sequence[Item]
    encoded: list[EncodedRow]
    others: Outputs = ()


class Answerer:
    """Answers rows of one run; encoding and computing may be done by two threads, each by one at a time.

    Args:
        bundle: the run; its model is on the placement's device.
        placement: device and precision.
        top_k: how many labels to list; 0 for the best one only.
        batch_size: most rows of a batch; None: by the token budget.
        decisions: which answers are given.

    Raises:
        RunError: the other member of the ensemble is missing or damaged.
    """

    def __init__(
        self,
        bundle: Bundle,
        placement: Placement,
        *,
        top_k: int = 0,
        batch_size: int | None = None,
        decisions: Decisions = AS_TRAINED,
    ) -> None:
        self.bundle, self._placement = bundle, placement
        self._top_k, self._batch_size, self._decisions = top_k, batch_size, decisions
        self._ensemble = _ensemble(bundle)
        self._taken = {*_OWN_NAMES, *bundle.task.record_fields(top_k), *decisions.fields(bundle.task)}

    def encode(self, items: Sequence[Item]) -> Chunk:
        """Encode the good rows, and ask the other member, if any; a row the task refuses becomes an error."""
        encoded = _encoded(self.bundle, items)
        if self._ensemble is None:
            return encoded
        good = [item for item in encoded.items if isinstance(item, Example)]
        return Chunk(encoded.items, encoded.encoded, self._ensemble.member.answers(good, {}))

    def records(self, chunk: Chunk, tick: Tick = lambda _: None) -> list[Record]:
        """Compute the answers.

        Args:
            chunk: rows of `encode`.
            tick: is told how many more rows have been computed.

        Returns:
            A record for each item, in order: `line`, the task's keys, `n_tokens` and `truncated`;
            or `line` and `error`.
        """
        outputs: Iterable[Any] = self._outputs(chunk.encoded, tick)
        if self._ensemble is not None:
            outputs = self._ensemble.blend.mix(list(outputs), chunk.others)
        answers = iter(zip(outputs, chunk.encoded, strict=True))
        task, decisions, records = self.bundle.task, self._decisions, []
        for item in chunk.items:
            if isinstance(item, BadRow):
                records.append(_with_kept({"line": item.line, "error": item.message}, item, self._taken))
                continue
            output, row = next(answers)
            answer = decisions.record(task, task.record(item, output, self._top_k), output)
            record = {"line": item.line, **answer, "n_tokens": row.n_tokens, "truncated": row.truncated}
            records.append(_with_kept(record, item, self._taken))
        return records

    def _outputs(self, rows: Sequence[EncodedRow], tick: Tick) -> Iterator[Any]:
        """Yield the output of every row; where labels are many, no more rows are computed than their figures allow."""
        bundle = self.bundle
        step = max(1, MOST_FIGURES // max(1, len(bundle.task.settings.labels)))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            yield from forward(
                bundle.model,
                bundle.task,
                some,
                self._placement,
                batch_size=self._batch_size,
                tick=_by_rows(some, tick),
            )


def kept_of(item: Item, own: Sequence[str]) -> Record:
    """Return what is kept of a row, as its record has it.

    Args:
        item: the row.
        own: the keys that the task's answers have.
    """
    return _with_kept({}, item, {*_OWN_NAMES, *own})


def _by_rows(rows: Sequence[EncodedRow], tick: Tick) -> Tick:
    """Return what hears of parts of rows, and tells of so many rows as that is."""
    share = len(rows) / max(1, sum(len(row.parts) for row in rows))
    return lambda parts: tick(parts * share)


def _ensemble(bundle: Bundle) -> Ensemble | None:
    """Open the ensemble of a run; baselines are imported only where there is one."""
    if not bundle.manifest.blend:
        return None
    from bertkit.evaluation.ensemble import open_ensemble

    return open_ensemble(bundle)


def _with_kept(record: dict[str, Any], item: Item, taken: Set[str]) -> dict[str, Any]:
    """Add what is kept of a row, under another name where records use it; the file goes first."""
    kept = dict(item.kept)
    file = {FILE: kept.pop(FILE)} if item.kept[:1] and item.kept[0][0] == FILE else {}
    return {**file, **record, **{f"in_{name}" if name in taken else name: value for name, value in kept.items()}}


def _encoded(bundle: Bundle, items: Sequence[Item]) -> Chunk:
    """Encode the good rows; a row the task refuses becomes an error record."""
    good = [item for item in items if isinstance(item, Example)]
    try:
        return Chunk(items, bundle.task.encode(good))
    except BertkitError:
        pass
    kept: list[Item] = []
    encoded: list[EncodedRow] = []
    for item in items:
        if isinstance(item, Example):
            try:
                encoded += bundle.task.encode([item])
            except BertkitError as error:
                kept.append(BadRow(item.line, _clause(error, item), kept=item.kept))
                continue
        kept.append(item)
    return Chunk(kept, encoded)


def _clause(error: BertkitError, row: Example) -> str:
    """Say why a row was refused without its place, which the record has."""
    return str(error).removeprefix(f"{row.source}:{row.line}: ").rstrip(".")
