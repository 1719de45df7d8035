"""Predict a whole input: open the run, read, answer, write, and say how it went."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.compute.device import Placement, check_device_word, threads_note
from bertkit.compute.processes import World, joined, this_world
from bertkit.data.formats.metering import metered
from bertkit.data.formats.opened import STDIN
from bertkit.data.kept import FILE, parse_keep
from bertkit.data.records import BadRow, Example
from bertkit.data.sources import input_files
from bertkit.engines.choosing import size_of_all
from bertkit.engines.opening import Way
from bertkit.engines.sessions import check_engine_word
from bertkit.errors import DataError, StrictError, UsageError
from bertkit.evaluation.ahead import ahead
from bertkit.evaluation.decisions import Decisions
from bertkit.evaluation.going_on import Written
from bertkit.evaluation.inputs import FORMATS, Inputs, Note, open_all
from bertkit.evaluation.linear_run import open_to_answer
from bertkit.evaluation.predict import blocks, predict_stream
from bertkit.evaluation.records_out import Records, has_partial, opened, written_before
from bertkit.evaluation.shown import Shown
from bertkit.evaluation.span import Span, parse_shard
from bertkit.evaluation.writers import OUTPUT_FORMATS, TEXT, TOOLS
from bertkit.outputs import check_outputs
from bertkit.plain import brief
from bertkit.progress import Progress, unheard
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.registry import check_on_long, find_task
from bertkit.tokenization.health import FitWatch
from bertkit.tokenization.trimming import DROPPED_FILE, DropWatch, read_dropped

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
            raise UsageError("--skip and --shard: both say where to begin; give one of them.")
        if self.is_part and self.output_format == "labelstudio":
            raise UsageError(
                "--output-format labelstudio: is one list, and a part of the rows (--skip, --shard) is none."
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
    names = input_files(request.names)
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
        try:
            for records in chunks:
                _count(done, records_out.write(records), request)
                stream.flush()
                shown.written(span.first + done.rows)
        except KeyboardInterrupt:
            if output is not None and done.rows:
                note(f"{done.rows:,} rows are written; the same command with --resume goes on after them")
            raise
        records_out.finish()
    _say_dropped(drops, note)
    done.doubts = tuple(inputs.doubts)
    unmet = () if keep is None or not done.rows else keep.doubts()
    ranks = _beyond_ranks(request.top_k, settings.task)
    done.warnings = (*_warnings(done, watch, settings), *unmet, *records_out.warnings, *ranks)
    return done


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
        yield f"--top-k {top_k}: the task {task} ranks nothing, so the flag did nothing"
    elif most is not None and most < top_k:
        yield f"--top-k {top_k}: of the task {task} only the {most} likeliest answers are kept"
