"""Predict a whole input: open the run, read, predict in constant memory, write, report."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.compute.device import Placement, check_device_word, threads_note
from bertkit.compute.processes import ALONE, World, joined, this_world, unsharded
from bertkit.data.columns import FILE, parse_keep
from bertkit.data.formats.opened import Meter, metered
from bertkit.data.records import BadRow, Example
from bertkit.data.sources import input_files
from bertkit.engines.opening import Way, size_of_all
from bertkit.engines.sessions import check_engine_word
from bertkit.errors import DataError, StrictError, UsageError
from bertkit.evaluation.answers import AS_TRAINED, Answerer, Chunk, Decisions, ahead
from bertkit.evaluation.blend import open_to_answer
from bertkit.evaluation.inputs import FORMATS, Inputs, Note, open_all
from bertkit.evaluation.records_out import (
    OUTPUT_FORMATS,
    TEXT,
    TOOLS,
    Item,
    Records,
    Span,
    Written,
    has_partial,
    opened,
    parse_shard,
    written_before,
)
from bertkit.plain import STDIN, Progress, brief, unheard
from bertkit.run_folder import check_outputs
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.encoding import Tick
from bertkit.tasks.registry import check_on_long, find_task
from bertkit.tokenization.health import FitWatch
from bertkit.tokenization.trimming import DROPPED_FILE, DropWatch, read_dropped

# --- Predict over a stream: one record out for each record in, in order, in flat memory -----------
#
# Rows are read and tokenized in a thread of their own while the model computes. They travel in
# chunks: the first is small, so that the first answer comes at once, later ones are large
# enough for batches of like length. A source that is slow (a pipe someone types into) is not
# waited for: what is there is answered.

FIRST_CHUNK, LARGEST_CHUNK, GROWTH = 16, 4096, 8
# Characters after which a chunk is full, however few its rows: some thousand rows of prose.
CHARACTERS = 2**22
# Rows that are read ahead of a slow source, and characters of a row that is waited for.
AHEAD, LONG = 256, 2**14
# Seconds a chunk waits for more rows of a slow source: while the model computes, which costs nobody anything,
# and while it has nothing to do, as when one row comes alone and somebody waits for its answer.
PATIENCE_S, MOMENT_S = 0.01, 0.002
# Seconds after which who waits for the first row after a pause looks whether anybody listens still.
IDLE_S = 0.1
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
        world: the processes that share the rows; the first has the rows, and gets all records.
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
        with closing(_chunks(answerer, rows, slow_source, world, span or Span())) as chunks:
            for chunk in chunks:
                if watch is not None:
                    watch.see([part for row in chunk.encoded for part in row.parts])
                yield unsharded(world.gather(answerer.records(chunk, tick)))
                if drops is not None:
                    drops.see(item.all_texts for item in chunk.items if isinstance(item, Example))

    return answers()


def _chunks(
    answerer: Answerer,
    rows: Iterable[Item],
    slow_source: bool,
    world: World,
    span: Span,
) -> Generator[Chunk, None, None]:
    """Encode chunk by chunk, one chunk ahead of the consumer."""
    ready: queue.Queue[Chunk | _Failed | None] = queue.Queue(maxsize=1)
    stopped, busy = threading.Event(), threading.Event()
    patience = (lambda: PATIENCE_S if busy.is_set() else MOMENT_S) if slow_source else None

    def hand_over(thing: Chunk | _Failed | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(thing, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for items in world.scatter(span.of(_grouped(rows, patience, stopped, world.size))):
                if slow_source and not busy.is_set():
                    answerer.encode_for(hand_over, items)
                else:
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
            busy.set()
            yield thing
            busy.clear()
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
    rows: Iterable[Item], patience: Callable[[], float] | None, stopped: threading.Event, processes: int
) -> Iterator[list[Item]]:
    size, held = FIRST_CHUNK * processes, 0
    group: list[Item] = []
    for row in _patiently(rows, patience, stopped):
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


def _patiently(
    rows: Iterable[Item], patience: Callable[[], float] | None, stopped: threading.Event
) -> Iterator[Item | None]:
    """Pass rows on; None means that the source has paused for so many seconds."""
    if patience is None:
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
            row = source.get(timeout=IDLE_S if paused else patience())
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


# --- How far a prediction has come ----------------------------------------------------------------


class Shown:
    """Tells how many rows have been answered, and by the bytes that were read for them how many there may be."""

    def __init__(self, progress: Progress, meter: Meter) -> None:
        self._progress, self._meter = progress, meter
        self._answered = 0.0
        self._read = 0

    def expect(self, names: Sequence[str]) -> None:
        """Hear which inputs will be read."""
        self._meter.expect(names)

    def reading(self, rows: Iterator[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Count rows as they are read."""
        for row in rows:
            self._read += 1
            yield row

    def computed(self, rows: float) -> None:
        """Hear that more rows have been computed."""
        self._answered += rows
        self._progress(self._answered, self._meter.expected(self._read))

    def written(self, rows: int) -> None:
        """Hear how many rows have been answered in all."""
        self._answered = rows
        self.computed(0)


# --- Predict a whole input: open the run, read, answer, write, and say how it went ----------------

CHOICES = {
    "input_format": FORMATS,
    "output_format": OUTPUT_FORMATS,
    "on_long": ("truncate", "window", "error"),
    "on_error": ("record", "stop"),
    "precision": ("auto", "float32", "bfloat16"),
}


@dataclass(frozen=True)
class PredictRequest:
    """What `bertkit predict` is asked.

    Raises:
        UsageError: a word that a flag does not take.
    """

    run: Path
    source: str | tuple[str, ...] = "-"
    input_format: str = "auto"
    output_format: str = "jsonl"
    columns: str | None = None
    top_k: int = 0
    on_long: str | None = None
    on_error: str = "record"
    batch_size: int | None = None
    device: str = "auto"
    precision: str = "auto"
    engine: str = "auto"
    blend: bool = True
    keep: str | None = None
    threshold: str | None = None
    resume: bool = False
    skip: int = 0
    shard: str | None = None
    says_engine: bool = False
    abstain_below: float | None = None

    @property
    def is_part(self) -> bool:
        """Whether rows are left out."""
        return bool(self.skip) or self.shard is not None

    @property
    def way(self) -> Way:
        """How the run is to answer."""
        return Way(self.engine, self.device, self.precision, self.blend, says=self.says_engine)

    @property
    def decisions(self) -> Decisions:
        """Which answers are to be given."""
        return Decisions(self.threshold, self.abstain_below)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs."""
        return (self.source,) if isinstance(self.source, str) else self.source

    def __post_init__(self) -> None:
        """Check the words."""
        if self.keep is not None:
            parse_keep(self.keep)
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise UsageError(f"--{name.replace('_', '-')} {brief(value)}: must be one of {', '.join(allowed)}.")
        check_device_word(self.device)
        _ = self.decisions  # checks its number
        check_engine_word(self.engine)
        if self.shard is not None:
            parse_shard(self.shard)
        if self.skip and self.shard is not None:
            raise UsageError("--skip and --shard: both choose rows; give one of them.")
        if self.is_part and self.output_format == "labelstudio":
            raise UsageError(
                "--output-format labelstudio: is one list for all rows, so --skip and --shard do not go with it."
            )


@dataclass
class Done:
    """How a prediction went; `doubts` are warnings that have been said already."""

    rows: int = 0
    errors: int = 0
    truncated: int = 0
    first_error: str = ""
    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def raise_for_status(self, *, strict: bool) -> None:
        """Turn errors, or with `strict` warnings, into the exit code they deserve.

        Raises:
            DataError: there were error records.
            StrictError: strict, and there were warnings.
        """
        if self.errors:
            raise DataError(f"{self.errors:,} of {self.rows:,} rows could not be read; the first: {self.first_error}.")
        if strict and (problems := (*self.doubts, *self.warnings)):
            raise StrictError(f"--strict: {problems[0]}.")


def predict(
    request: PredictRequest,
    *,
    output: Path | None = None,
    force: bool = False,
    note: Note = lambda _: None,
    progress: Progress = unheard,
) -> Done:
    """Predict an input and write the records.

    Of several processes the first reads and writes, all answer, and only the first knows
    afterwards how it went.

    Args:
        request: run, input and how to read it.
        output: file to write; None: standard output.
        force: whether `output` may be replaced.
        note: is told in a sentence, as soon as it shows, how the input is read.
        progress: is told how many rows have been answered, and how many there may be.

    Raises:
        RunError: no run is there, or it is damaged or newer.
        DataError: the input cannot be read, or a row cannot and --on-error is stop.
        OutputError: the output exists or cannot be written.
    """
    with joined() as world, metered() as meter:
        shown = Shown(progress, meter)
        done = _predict(request, output, force, world, note, shown) if world.is_main else _help(request, world)
        world.leave()
        return done


def _help(request: PredictRequest, world: World) -> Done:
    """Answer the rows that the first process deals out."""
    loaded, placement = _loaded(request)
    stream = predict_stream(
        loaded, (), placement, top_k=request.top_k, batch_size=request.batch_size, world=world,
        decisions=request.decisions,
    )  # fmt: skip
    for _ in stream:
        pass
    return Done()


def _loaded(request: PredictRequest, note: Note = lambda _: None) -> tuple[Bundle, Placement]:
    loaded, placement = open_with(request, replace(request.way, input_bytes=size_of_all(request.names)), note)
    if (idle := threads_note(placement, this_world())) is not None:
        note(idle)
    return loaded, placement


def open_with(request: PredictRequest, way: Way, note: Note = lambda _: None) -> tuple[Bundle, Placement]:
    """Open the run of a request, with what is asked of its answers.

    Raises:
        UsageError: the run's task does not have what is asked.
        RunError: no run is there, or it is damaged or newer; and see `open_to_answer`.
    """
    loaded, placement = open_to_answer(request.run, way, note)
    settings = loaded.task.settings
    check_on_long(settings.task, request.on_long or settings.on_long)
    loaded.task.settings = replace(settings, on_long=request.on_long or settings.on_long)
    request.decisions.apply(loaded.task)
    return loaded, placement


def _predict(request: PredictRequest, output: Path | None, force: bool, world: World, note: Note, shown: Shown) -> Done:
    may_replace = force or (request.resume and not has_partial(output))
    check_outputs({"--output": output}, [*request.names, request.run], force=may_replace)
    settings = bundle.load_manifest(request.run).settings
    find_task(settings.task)
    keep = None if request.keep is None else parse_keep(request.keep)
    names = input_files(request.names, note=note)
    written = written_before(output, request.output_format, is_part=request.is_part) if request.resume else None
    shown.expect(names)
    with ahead(lambda: _loaded(request, note)) as opening:

        def inputs_with(note: Note) -> Inputs:
            kind, columns = request.input_format, request.columns
            return open_all(names, settings, input_format=kind, columns=columns, note=note, keep=keep)

        span = _span(request, written, lambda: inputs_with(lambda _: None), world)
        inputs = inputs_with(note)
        loaded, placement = opening.result()
    watch, drops = FitWatch(loaded.tokenizer), _drop_watch(loaded)
    rows = shown.reading(inputs.rows)
    chunks = predict_stream(
        loaded,
        map(_with_own_text, rows) if request.output_format in TOOLS else rows,
        placement,
        top_k=request.top_k,
        batch_size=request.batch_size,
        slow_source=inputs.slow_source,
        watch=watch,
        drops=drops,
        world=world,
        decisions=request.decisions,
        tick=shown.computed,
        span=span,
    )
    done = _begun(written, request)
    with _released(inputs.rows), closing(chunks), opened(output, written) as stream:
        own = [*loaded.task.record_fields(request.top_k), *request.decisions.fields(loaded.task)]
        records_out = Records(stream, request.output_format, settings, own, span, written)
        with _way_on_said(done, output, note):
            for records in chunks:
                _count(done, records_out.write(records), request)
                stream.flush()
                shown.written(span.first + done.rows)
        records_out.finish()
    _say_dropped(drops, note)
    done.doubts = tuple(inputs.doubts)
    unmet = () if keep is None or not done.rows else keep.doubts()
    ranks = _beyond_ranks(request.top_k, settings.task)
    done.warnings = (*_warnings(done, watch, settings), *unmet, *records_out.warnings, *ranks)
    return done


@contextmanager
def _way_on_said(done: Done, output: Path | None, note: Note) -> Iterator[None]:
    """Say how to go on where the user interrupts and rows are in a file."""
    try:
        yield
    except KeyboardInterrupt:
        if output is not None and done.rows:
            note(f"{done.rows:,} rows are written; the same command with --resume continues after them")
        raise


def _span(request: PredictRequest, written: Written | None, inputs: Callable[[], Inputs], world: World) -> Span:
    """Say which rows are answered.

    Args:
        request: --skip and --shard.
        written: what is gone on with.
        inputs: opens the inputs, which for a shard are read once more.
        world: the processes that share the work.

    Raises:
        UsageError: a shard is asked for of what can be read only once.
    """
    span = Span(request.skip)
    if request.shard is not None:
        if "-" in request.names:
            raise UsageError("--shard: needs files, for it reads them twice, and standard input can be read only once.")
        span = parse_shard(request.shard).span(blocks(inputs().rows, world.size))
    if written is None:
        return span
    return Span(span.first + written.rows, span.end, looks_back=True)


def _begun(written: Written | None, request: PredictRequest) -> Done:
    """Count what is there already."""
    if written is None:
        return Done()
    first = ""
    if written.first_error is not None:
        line, message = written.first_error
        first = f"{request.names[0]}:{line}: {message}"
    return Done(written.rows, written.errors, written.truncated, first)


@contextmanager
def _released(rows: Iterator[Example | BadRow]) -> Iterator[None]:
    """Close the inputs at the end of the body, however it ends."""
    try:
        yield
    finally:
        if isinstance(rows, Generator):
            with suppress(ValueError):  # the thread that reads them is in the middle of a row
                rows.close()


def _with_own_text(row: Example | BadRow) -> Example | BadRow:
    """Let a row's text go through to its record, for tools that show it."""
    return row if isinstance(row, BadRow) else replace(row, kept=(*row.kept, (TEXT, row.texts[0])))


def _count(done: Done, records: list[dict[str, Any]], request: PredictRequest) -> None:
    for record in records:
        done.rows += 1
        if "error" not in record:
            done.truncated += record["truncated"]
            continue
        file = record.get(FILE) or (STDIN if request.names[0] == "-" else request.names[0])
        place = f"{file}:{record['line']}"
        if request.on_error == "stop":
            raise DataError(f"{place}: {record['error']}.")
        done.errors += 1
        done.first_error = done.first_error or f"{place}: {record['error']}"


def _drop_watch(loaded: Bundle) -> DropWatch | None:
    """Count rows that need what the run's vocabulary lacks, where it was trimmed."""
    path = loaded.directory / DROPPED_FILE
    with bundle.sound(path):
        dropped = read_dropped(path)
        return None if dropped is None else DropWatch(loaded.tokenizer, dropped)


def _say_dropped(drops: DropWatch | None, note: Note) -> None:
    if drops is not None and drops.needing:  # no warning: it says how the rows were read, not that they were misread
        note(
            f"{drops.needing:,} of {drops.rows:,} rows need a piece that the run's trimmed vocabulary lacks, and were "
            "read in smaller ones"
        )


def _warnings(done: Done, watch: FitWatch, settings: TaskSettings) -> tuple[str, ...]:
    found = [] if watch.misfit is None else [watch.misfit]
    if done.truncated:
        found.append(f"{done.truncated:,} rows are longer than {settings.max_length} tokens and were cut")
    return tuple(found)


def _beyond_ranks(top_k: int, task: str) -> Iterator[str]:
    """Say that --top-k asks for more than the task ranks."""
    most = find_task(task).most_ranked
    if most == 0 < top_k:
        yield f"--top-k {top_k}: the task {task} has no ranked answers, so the flag has no effect"
    elif most is not None and most < top_k:
        yield f"--top-k {top_k}: of the task {task} only the {most} most probable answers are kept"
