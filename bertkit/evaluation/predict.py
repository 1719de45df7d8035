"""Predict over a stream: one record out for each record in, in order, in flat memory.

Rows are read and tokenized in a thread of their own while the model computes. They travel in
chunks: the first is small, so that the first answer comes at once, later ones are large
enough for batches of like length. A source that is slow (a pipe someone types into) is not
waited for: what is there is answered.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bertkit.bundle import Bundle
from bertkit.compute.device import Placement
from bertkit.compute.processes import ALONE, World, undealt
from bertkit.data.records import BadRow, Example
from bertkit.evaluation.answers import Answerer, Chunk
from bertkit.evaluation.decisions import AS_TRAINED, Decisions
from bertkit.evaluation.span import Item, Span
from bertkit.tasks.parts import Tick
from bertkit.tokenization.health import FitWatch
from bertkit.tokenization.trimming import DropWatch

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
        RunError: the other member of the ensemble is missing or damaged.
    """
    answerer = Answerer(bundle, placement, top_k=top_k, batch_size=batch_size, decisions=decisions)

    def answers() -> Generator[list[dict[str, Any]], None, None]:
        with closing(_chunks(answerer, rows, PATIENCE_S if slow_source else None, world, span or Span())) as chunks:
            for chunk in chunks:
                if watch is not None:
                    watch.see([part for row in chunk.encoded for part in row.parts])
                yield undealt(world.to_main(answerer.records(chunk, tick)))
                if drops is not None:
                    drops.see(item.all_texts for item in chunk.items if isinstance(item, Example))

    return answers()


def _chunks(
    answerer: Answerer,
    rows: Iterable[Item],
    patience_s: float | None,
    world: World,
    span: Span,
) -> Generator[Chunk, None, None]:
    """Encode chunk by chunk, one chunk ahead of the consumer."""
    ready: queue.Queue[Chunk | _Failed | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def hand_over(thing: Chunk | _Failed | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(thing, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for items in world.deal(span.of(_grouped(rows, patience_s, stopped, world.size))):
                hand_over(answerer.encode(items))
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
