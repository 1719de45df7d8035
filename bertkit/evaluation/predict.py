"""Predict over a stream: one record out for each record in, in order, in flat memory.

Rows are read and tokenized in a thread of their own while the model computes. They travel in
chunks: the first is small, so that the first answer comes at once, later ones are large
enough for batches of like length. A source that is slow (a pipe someone types into) is not
waited for: what is there is answered.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle
from bertkit.compute.device import Placement
from bertkit.compute.processes import ALONE, World, undealt
from bertkit.data.kept import FILE
from bertkit.data.records import BadRow, Example
from bertkit.errors import BertkitError
from bertkit.evaluation.decisions import AS_TRAINED, Decisions
from bertkit.evaluation.forward import forward
from bertkit.evaluation.span import Item, Span
from bertkit.tasks.base import EncodedRow, Outputs
from bertkit.tasks.parts import MOST_FIGURES, Tick
from bertkit.tokenization.health import FitWatch
from bertkit.tokenization.trimming import DropWatch

if TYPE_CHECKING:
    from bertkit.evaluation.partner import Partnership

FIRST_CHUNK, LARGEST_CHUNK, GROWTH = 16, 4096, 8
# Characters after which a chunk is full, however few its rows: some thousand rows of prose.
CHARACTERS = 2**22
# Rows that are read ahead of a slow source, and characters of a row that is waited for.
AHEAD, LONG = 256, 2**14
# Seconds a chunk waits for more rows of a slow source; who types one waits as long, too.
PATIENCE_S = 0.01
# Seconds the reading thread is given to notice that nobody listens any more; where it shares
# the rows with other processes, it may be waiting for one that has gone.
LAST_WORDS_S, LAST_WORDS_TOGETHER_S = 10.0, 1.0

# Keys of a record whatever the task; a kept column of such a name gets another.
_OWN_NAMES = frozenset({FILE, "line", "n_tokens", "truncated", "error", "top"})


@dataclass(frozen=True)
class _Chunk:
    """Rows that are answered together; `encoded` has one entry per good row, and so has `theirs`, a partner's say."""

    items: Sequence[Item]
    encoded: list[EncodedRow]
    theirs: Outputs = ()


@dataclass(frozen=True)
class _Failed:
    """The reading thread's last word: what went wrong there."""

    error: BaseException


def predict_stream(
    bundle: Bundle,
    rows: Iterable[Item],
    placement: Placement,
    *,
    top_k: int = 0,
    batch_size: int | None = None,
    slow_source: bool = False,
    watch: FitWatch | None = None,
    drops: DropWatch | None = None,
    world: World = ALONE,
    decisions: Decisions = AS_TRAINED,
    tick: Tick = lambda _: None,
    span: Span | None = None,
) -> Generator[list[dict[str, Any]], None, None]:
    """Predict a stream of rows; what can be wrong with the run is found before the first is read.

    Args:
        bundle: the run; its model is on the placement's device.
        rows: examples, or records that could not be read.
        placement: device and precision.
        top_k: how many labels to list; 0 for the best one only.
        batch_size: most rows of a batch; None: by the token budget.
        slow_source: whether rows may come slowly and should be answered as they come.
        watch: is shown every encoding made here.
        drops: is shown the texts of every row read here, once it is answered.
        world: the processes that share the rows; the rows of the first are taken, and it gets
            all records.
        decisions: which answers are given.
        tick: is told how many more rows have been computed, before their records come.
        span: the rows that are answered; None: all.

    Returns:
        Records in the order of the rows, in lists that are ready together. A record has
        `line`, the task's keys, `n_tokens` and `truncated`; or `line` and `error`.

    Raises:
        RunError: who has a say in the answers beside the encoder is missing or damaged.
    """
    partnership = _partnership(bundle)

    def answers() -> Generator[list[dict[str, Any]], None, None]:
        with closing(
            _chunks(bundle, partnership, rows, PATIENCE_S if slow_source else None, world, span or Span())
        ) as chunks:
            for chunk in chunks:
                if watch is not None:
                    watch.see([part for row in chunk.encoded for part in row.parts])
                outputs = _outputs(bundle, chunk.encoded, placement, batch_size, tick)
                if partnership is not None:
                    outputs = iter(partnership.blend.mix(list(outputs), chunk.theirs))
                yield undealt(world.to_main(_records(bundle, chunk, outputs, top_k, decisions)))
                if drops is not None:
                    drops.see(item.all_texts for item in chunk.items if isinstance(item, Example))

    return answers()


def _partnership(bundle: Bundle) -> Partnership | None:
    """Open who has a say beside the encoder; baselines of all kinds are imported only where somebody has."""
    if not bundle.manifest.blend:
        return None
    from bertkit.evaluation.partner import open_partnership

    return open_partnership(bundle)


def _outputs(
    bundle: Bundle, rows: Sequence[EncodedRow], placement: Placement, batch_size: int | None, tick: Tick
) -> Iterator[Any]:
    """Yield the output of every row; where labels are many, no more rows are computed than their figures allow."""
    step = max(1, MOST_FIGURES // max(1, len(bundle.task.settings.labels)))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        each = _by_rows(some, tick)
        yield from forward(bundle.model, bundle.task, some, placement, batch_size=batch_size, tick=each)


def _by_rows(rows: Sequence[EncodedRow], tick: Tick) -> Tick:
    """Return what hears of parts of rows, and tells of so many rows as that is."""
    share = len(rows) / max(1, sum(len(row.parts) for row in rows))
    return lambda parts: tick(parts * share)


def _records(
    bundle: Bundle, chunk: _Chunk, outputs: Iterable[Any], top_k: int, decisions: Decisions
) -> list[dict[str, Any]]:
    answers = iter(zip(outputs, chunk.encoded, strict=True))
    taken = {*_OWN_NAMES, *bundle.task.record_fields(top_k), *decisions.fields}
    records: list[dict[str, Any]] = []
    for item in chunk.items:
        if isinstance(item, BadRow):
            records.append(_with_kept({"line": item.line, "error": item.message}, item, taken))
            continue
        output, row = next(answers)
        answer = decisions.record(bundle.task, bundle.task.record(item, output, top_k), output)
        record = {"line": item.line, **answer, "n_tokens": row.n_tokens, "truncated": row.truncated}
        records.append(_with_kept(record, item, taken))
    return records


def kept_of(item: Item, own: Sequence[str]) -> dict[str, Any]:
    """Return what is kept of a row, as its record has it.

    Args:
        item: the row.
        own: the keys that the task's answers have.
    """
    return _with_kept({}, item, {*_OWN_NAMES, *own})


def _with_kept(record: dict[str, Any], item: Item, taken: Set[str]) -> dict[str, Any]:
    """Add what is kept of a row, under another name where records use it; the file goes first."""
    kept = dict(item.kept)
    file = {FILE: kept.pop(FILE)} if item.kept[:1] and item.kept[0][0] == FILE else {}
    return {**file, **record, **{f"in_{name}" if name in taken else name: value for name, value in kept.items()}}


def _chunks(
    bundle: Bundle,
    partnership: Partnership | None,
    rows: Iterable[Item],
    patience_s: float | None,
    world: World,
    span: Span,
) -> Generator[_Chunk, None, None]:
    """Encode chunk by chunk, one chunk ahead of the consumer."""
    ready: queue.Queue[_Chunk | _Failed | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def hand_over(thing: _Chunk | _Failed | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(thing, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for items in world.deal(span.of(_grouped(rows, patience_s, stopped, world.size))):
                hand_over(_heard(_encoded(bundle, items), partnership))
                if stopped.is_set():
                    return
            hand_over(None)
        except BaseException as error:  # raised again where the user is
            hand_over(_Failed(error))

    # A daemon: reading a pipe that nobody closes must not keep the process alive.
    worker = threading.Thread(target=work, name="bertkit-reader", daemon=True)
    worker.start()
    try:
        while (thing := ready.get()) is not None:
            if isinstance(thing, _Failed):
                raise thing.error
            yield thing
    finally:
        stopped.set()
        # A thread that is still inside compiled code when Python ends aborts the process.
        worker.join(LAST_WORDS_S if world.size == 1 else LAST_WORDS_TOGETHER_S)


def blocks(rows: Iterable[Item], processes: int = 1) -> Iterator[list[Item]]:
    """Yield the blocks in which rows are answered that do not come slowly.

    Args:
        rows: all rows of the inputs.
        processes: those that share the work.
    """
    return _grouped(rows, None, threading.Event(), processes)


def _grouped(
    rows: Iterable[Item], patience_s: float | None, stopped: threading.Event, processes: int
) -> Iterator[list[Item]]:
    size, held = FIRST_CHUNK * processes, 0
    group: list[Item] = []
    for row in _patiently(rows, patience_s, stopped):
        if row is not None:
            group.append(row)
            held += _characters(row)
        if group and (row is None or len(group) >= size or held >= CHARACTERS):
            size = min(size * GROWTH, LARGEST_CHUNK * processes)
            yield group
            group, held = [], 0
    if group:
        yield group


def _characters(row: Item) -> int:
    return 0 if isinstance(row, BadRow) else sum(map(len, row.all_texts))


def _patiently(rows: Iterable[Item], patience_s: float | None, stopped: threading.Event) -> Iterator[Item | None]:
    """Pass rows on; None means that the source has paused."""
    if patience_s is None:
        yield from rows
        return
    source: queue.Queue[Item | _Failed | None] = queue.Queue(maxsize=AHEAD)

    def read() -> None:
        try:
            for row in rows:
                source.put(row)
                if _characters(row) > LONG:
                    source.join()
                if stopped.is_set():
                    return
            source.put(None)
        except BaseException as error:
            source.put(_Failed(error))

    threading.Thread(target=read, name="bertkit-stdin", daemon=True).start()
    paused = True
    while not stopped.is_set():
        try:
            row = source.get(timeout=patience_s)
        except queue.Empty:
            if not paused:
                yield None
            paused = True
            continue
        source.task_done()
        if row is None:
            return
        if isinstance(row, _Failed):
            raise row.error
        paused = False
        yield row


def _encoded(bundle: Bundle, items: Sequence[Item]) -> _Chunk:
    """Encode the good rows; a row the task refuses becomes an error record."""
    good = [item for item in items if isinstance(item, Example)]
    try:
        return _Chunk(items, bundle.task.encode(good))
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
    return _Chunk(kept, encoded)


def _heard(chunk: _Chunk, partnership: Partnership | None) -> _Chunk:
    """Add what the partner says, while the model computes the chunk before."""
    if partnership is None:
        return chunk
    good = [item for item in chunk.items if isinstance(item, Example)]
    return replace(chunk, theirs=partnership.partner.answers(good, {}))


def _clause(error: BertkitError, row: Example) -> str:
    """Say why a row was refused without its place, which the record has."""
    return str(error).removeprefix(f"{row.source}:{row.line}: ").rstrip(".")
