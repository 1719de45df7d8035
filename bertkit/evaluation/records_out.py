"""Where the records of `predict` go, in which form, and for which rows (`--resume`, `--shard`, `--skip`)."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

from bertkit.data.records import BadRow, Example
from bertkit.data.tagged.places import word_places
from bertkit.data.tagged.schemes import TagScheme, write_tags
from bertkit.errors import DataError, UsageError
from bertkit.evaluation.answers import kept_of
from bertkit.files import is_file, temporary, writing, writing_on
from bertkit.plain import brief, listed, to_json
from bertkit.tasks.base import TaskSettings

# --- What a prediction that was interrupted has written, so that it is gone on with ---------------
#
# The last bytes may be half a record, and are dropped. What is there before them is kept, and the
# last block of it computed once more: other bytes would be of another run, input or option.

TABLES = {"csv": ",", "tsv": "\t"}
FORMATS = ("jsonl", *TABLES)
_BEYOND = 1 << 24


@dataclass(frozen=True)
class Written:
    """What is there of an output.

    Attributes:
        place: the file that holds it: the output's own, or the one it is written as beside it.
        rows: its whole records.
        size: their bytes, a table's header included.
        errors: how many are error records.
        truncated: of how many the row was cut.
        first_error: line and message of the first.
        names: the header of a table.
    """

    place: Path
    rows: int
    size: int
    errors: int = 0
    truncated: int = 0
    first_error: tuple[str, str] | None = None
    names: tuple[str, ...] = ()


def read_written(output: Path, output_format: str) -> Written | None:
    """Look at what an interrupted command has left of an output.

    Args:
        output: the file of --output.
        output_format: jsonl, csv or tsv.

    Returns:
        None where there is not one whole record.

    Raises:
        UsageError: records of the format cannot be told from its lines.
        DataError: what is there is no such output.
    """
    if output_format not in FORMATS:
        raise UsageError(f"--resume: needs --output-format {', '.join(FORMATS)}; {output_format} cannot be continued.")
    place = next((path for path in (temporary(output), output) if is_file(path)), None)
    if place is None:
        return None
    rows, size, errors, truncated, first = 0, 0, 0, 0, None
    names: tuple[str, ...] = ()
    for values, end in _records(place, output_format):
        if output_format in TABLES and not names:
            names = tuple(values)
            continue
        rows, size = rows + 1, end
        if values.get("error"):
            errors += 1
            first = first or (str(values.get("line", "")), str(values["error"]))
        truncated += str(values.get("truncated", "")).lower() == "true"
    return Written(place, rows, size, errors, truncated, first, names) if rows else None


def bytes_from(written: Written, row: int, output_format: str) -> bytes:
    """Return the bytes of the records that are there from one on."""
    before = row + (output_format in TABLES)
    start = (
        next((end for _, end in islice(_stretches(written.place, output_format), before - 1, None)), 0) if before else 0
    )
    with written.place.open("rb") as stream:
        stream.seek(start)
        return stream.read(written.size - start)


def _records(place: Path, output_format: str) -> Iterator[tuple[dict[str, object], int]]:
    """Yield the whole records of a file and where each ends; a table's header is one whose keys are its names."""
    names: list[str] = []
    for text, end in _stretches(place, output_format):
        if output_format not in TABLES:
            values = _json(text)
            if values is None:
                raise DataError(f"{place}: byte {end:,}: is not a record of bertkit predict; --force starts over.")
            yield values, end
            continue
        cells = next(csv.reader([text.decode("utf-8", "replace")], delimiter=TABLES[output_format]), [])
        if not names:
            names = cells
            if "line" not in names:
                raise DataError(f"{place}: has another header than bertkit predict writes; --force starts over.")
            yield dict.fromkeys(names), end
        else:
            yield dict(zip(names, cells, strict=False)), end


def _stretches(place: Path, output_format: str) -> Iterator[tuple[bytes, int]]:
    """Yield the bytes of each whole record, and where it ends: in a table a quoted cell may hold line ends."""
    end, held = 0, b""
    with place.open("rb") as stream:
        for line in stream:
            end += len(line)
            held += line
            if not line.endswith(b"\n"):
                return
            if output_format in TABLES and held.count(b'"') % 2 and len(held) < _BEYOND:
                continue
            yield held, end
            held = b""


def _json(text: bytes) -> dict[str, object] | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) and "line" in values else None


# --- Which rows of an input are answered, where it is not all of them: to go on, or to share the work
#
# Rows are read in blocks, and a block's rows are put into batches by their lengths. An answer's
# last digits depend on its batch; so whatever is left out, the blocks are those of the whole
# input, and a part of the answers is the same bytes as in all of them.

Item = Example | BadRow


@dataclass
class Span:
    """Rows from `first` on, before `end`, counted from 0 through all inputs.

    Attributes:
        first: rows before it are read and not answered.
        end: where the block begins that is no longer answered; None: nowhere.
        looks_back: whether the block of the row before `first` is computed too, to be compared
            with what was written of it.
        begins: the first row that is computed; known when its answers are.
        head: the first row of all, read whatever is answered.
    """

    first: int = 0
    end: int | None = None
    looks_back: bool = False
    begins: int = 0
    head: Item | None = field(default=None, repr=False)

    def of(self, blocks: Iterable[list[Item]]) -> Iterator[list[Item]]:
        """Leave out blocks; what is read of the others is all of it."""
        start, is_inside = 0, False
        needed = self.first - 1 if self.looks_back and self.first else self.first
        for block in blocks:
            self.head = self.head or block[0]
            if self.end is not None and start >= self.end:
                return
            if not is_inside and start + len(block) > needed:
                is_inside, self.begins = True, start
            start += len(block)
            if is_inside:
                yield block
        if not is_inside:
            self.begins = start


@dataclass(frozen=True)
class Shard:
    """The `number`-th of `count` parts of an input, from 1."""

    number: int
    count: int

    def span(self, blocks: Iterable[Sequence[object]]) -> Span:
        """Return the rows of this part: those of whole blocks, each block in the part that its middle falls into.

        Args:
            blocks: those of the whole input.
        """
        sizes = [len(block) for block in blocks]
        total, start, first, end = sum(sizes), 0, None, 0
        for size in sizes:
            part = int((2 * start + size) * self.count / (2 * total)) + 1
            if part == self.number:
                first, end = (start if first is None else first), start + size
            start += size
        return Span(total, total) if first is None else Span(first, end)


def parse_shard(word: str) -> Shard:
    """Read a value of --shard, I/N.

    Raises:
        UsageError: it is not such a value.
    """
    number, slash, count = word.partition("/")
    if slash and all(part.isdecimal() and len(part) < 7 for part in (number, count)) and 1 <= int(number) <= int(count):
        return Shard(int(number), int(count))
    raise UsageError(f"--shard {brief(word)}: must be I/N, the I-th of N parts, as 1/4.")


# --- How `predict` writes its records: JSON lines, tables, and the forms that annotation tools import
#
# A tool is given the text with what the run found in it, to be looked through and corrected; a row
# that could not be read is not a task for it, and is left out.

TOOLS = ("labelstudio", "doccano", "conll")
OUTPUT_FORMATS = ("jsonl", "csv", "tsv", *TOOLS)
# The record's name for the text that a tool shows.
TEXT = "_text"
_OF_LABELS = ("ner", "classify", "multilabel")
_TASKS = {"labelstudio": _OF_LABELS, "doccano": _OF_LABELS, "conll": ("ner",)}
# Keys of a record that are not columns of the input's.
_OWN = (
    *("line", "label", "score", "labels", "scores", "abstained", "n_tokens", "truncated", "error", "top", "entities"),
    TEXT,
)

Record = dict[str, Any]


class Writer(Protocol):
    """Writes records as they come."""

    warnings: tuple[str, ...]

    def write(self, records: Sequence[Record]) -> None:
        """Write some records."""
        ...

    def finish(self) -> None:
        """Write what stands behind the last one."""
        ...

    def go_on(self, first: Record) -> None:
        """Go on after records that are elsewhere; a table has no header then, and the columns of `first`."""
        ...


def open_writer(
    stream: TextIO, output_format: str, settings: TaskSettings, own: Sequence[str], *, names: Sequence[str] = ()
) -> Writer:
    """Build the writer of a format.

    Args:
        stream: where it writes.
        output_format: a word of `OUTPUT_FORMATS`.
        settings: of the run.
        own: the columns of a table that the task's answers fill.
        names: the columns of a table whose header is written already.

    Raises:
        UsageError: the tool has nothing for the task's answers.
    """
    if output_format in ("csv", "tsv"):
        return _Table(stream, "\t" if output_format == "tsv" else ",", own, tuple(names))
    if output_format not in TOOLS:
        return _Lines(stream, to_json)
    if settings.task not in _TASKS[output_format] or len(settings.columns.inputs) > 1:
        tasks, columns = listed(_TASKS[output_format], quotes=False, joint=" or "), len(settings.columns.inputs)
        raise UsageError(
            f"--output-format {output_format}: is for one text and the task {tasks}; "
            f"the run's is {settings.task} of {columns} column{'s' if columns > 1 else ''}."
        )
    if output_format == "labelstudio":
        return _LabelStudio(stream)
    return _Lines(stream, _doccano if output_format == "doccano" else _conll, skips_errors=True)


@dataclass
class _Lines:
    """One record after the other, each on a line or on some."""

    stream: TextIO
    written: Callable[[Record], str]
    skips_errors: bool = False
    warnings: tuple[str, ...] = ()

    def write(self, records: Sequence[Record]) -> None:
        kept = [record for record in records if not (self.skips_errors and "error" in record)]
        self.stream.write("".join(self.written(record) + "\n" for record in kept))

    def finish(self) -> None:
        """There is nothing behind the last one."""

    def go_on(self, first: Record) -> None:
        """Nothing is before the first one."""


@dataclass
class _Table:
    """Rows under a header; the kept columns are those of the first record."""

    stream: TextIO
    delimiter: str
    own: Sequence[str]
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    _table: csv.DictWriter[str] | None = None

    def __post_init__(self) -> None:
        """Go on with a table whose header is known."""
        if self.names:
            self._table = self._opened()

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        table = self._table or self._begun(records[0])
        for record in records:
            flat = _flat(record)
            if not self.warnings and (more := [name for name in flat if name not in self.names]):
                self.warnings = (f"columns that the first row does not have are left out of the table: {listed(more)}",)
            table.writerow(flat)

    def finish(self) -> None:
        if self._table is None:
            self._begun({})

    def go_on(self, first: Record) -> None:
        """Write no header."""
        self._name_columns(first)
        self._table = self._opened()

    def _begun(self, first: Record) -> csv.DictWriter[str]:
        self._name_columns(first)
        self._table = self._opened()
        self._table.writeheader()
        return self._table

    def _name_columns(self, first: Record) -> None:
        known = ["line", *self.own, "n_tokens", "truncated", "error"]
        kept = [name for name in _flat(first) if name not in known]
        file = ["file"] if kept[:1] == ["file"] else []
        self.names = (*file, *known, *kept[len(file) :])

    def _opened(self) -> csv.DictWriter[str]:
        # Only what ends a line may stand in a cell unquoted, so rows are ended as \r\n and cut to \n.
        return csv.DictWriter(
            _UnixLines(self.stream),
            self.names,
            delimiter=self.delimiter,
            lineterminator="\r\n",
            restval="",
            extrasaction="ignore",
        )


class _UnixLines:
    """Takes rows that end with a carriage return and a line feed, and writes them with the latter."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: str) -> int:
        return self._stream.write(row.removesuffix("\r\n") + "\n")


@dataclass
class _LabelStudio:
    """Tasks with predictions, as one JSON array, which Label Studio imports."""

    stream: TextIO
    warnings: tuple[str, ...] = ()
    _count: int = field(default=0)

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            if "error" not in record:
                self.stream.write(f"{',' if self._count else '['}\n{to_json(_task(record))}")
                self._count += 1

    def go_on(self, first: Record) -> None:
        """A list is written whole."""

    def finish(self) -> None:
        self.stream.write("\n]\n" if self._count else "[]\n")


def _task(record: Record) -> Record:
    data = {"text": record[TEXT], "line": record["line"], **_columns(record)}
    if "entities" in record:
        result = [
            _result("labels", {"start": e["start"], "end": e["end"], "text": e["text"], "labels": [e["label"]]}, e)
            for e in record["entities"]
        ]
    elif (labels := _labels(record)) and "scores" in record:
        lowest = min(record["scores"][label] for label in labels)
        result = [_result("choices", {"choices": labels}, {"score": lowest})]
    else:
        result = [_result("choices", {"choices": labels}, record)] if labels else []
    scores = [part["score"] for part in result]
    return {"data": data, "predictions": [{"result": result, "score": min(scores, default=1.0)}]}


def _labels(record: Record) -> list[str]:
    """Return the labels that a record has: several, one, or none where none was sure enough."""
    if "labels" in record:
        return list(record["labels"])
    return [] if record["label"] is None else [record["label"]]


def _result(kind: str, value: Record, answer: Record) -> Record:
    return {"from_name": "label", "to_name": "text", "type": kind, "value": value, "score": answer["score"]}


def _doccano(record: Record) -> str:
    if "entities" in record:
        label: list[Any] = [[e["start"], e["end"], e["label"]] for e in record["entities"]]
    else:
        label = list(_labels(record))
    return to_json({"text": record[TEXT], "label": label, **_columns(record)})


def _conll(record: Record) -> str:
    """Write words and tags; a word is tagged whole, however much of it the entity is."""
    places = word_places(record[TEXT])
    spans, end = [], 0
    for entity in record["entities"]:
        touched = [i for i, (start, stop) in enumerate(places) if start < entity["end"] and entity["start"] < stop]
        inside = [i for i in touched if i >= end]
        if inside:
            spans.append((inside[0], inside[-1] + 1, entity["label"]))
            end = inside[-1] + 1
    tags = write_tags(spans, len(places), TagScheme())
    words = [record[TEXT][start:stop] for start, stop in places]
    return "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))


def _columns(record: Record) -> Record:
    return {name: value for name, value in record.items() if name not in _OWN}


def _flat(record: Record) -> Record:
    """Write lists as JSON in one cell, and ranked answers as columns of their own."""
    flat = {name: value for name, value in record.items() if name != "top"}
    for name, value in flat.items():
        if isinstance(value, bool | list | dict):
            flat[name] = to_json(value)
    for i, best in enumerate(record.get("top", ()), start=1):
        flat |= {f"top{i}_{part}": value for part, value in best.items()}
    return flat


# --- Where the records of `predict` go: to standard output or a file, all of them or those of a span


def written_before(output: Path | None, output_format: str, *, is_part: bool) -> Written | None:
    """Look at what an interrupted command has left, to continue it.

    Args:
        output: the file of --output.
        output_format: what is written.
        is_part: whether --skip or --shard leave rows out.

    Raises:
        UsageError: there is no file, or records of the format cannot be told from its lines.
        DataError: what is there is no such output.
    """
    if output is None or (output.exists() and not is_file(output)):
        raise UsageError("--resume: needs the file that was written, --output FILE.")
    if is_part and output_format in TABLES:
        raise UsageError("--resume: a part of a table (--skip, --shard) has no header to check against; take jsonl.")
    return read_written(output, output_format)


def has_partial(output: Path | None) -> bool:
    """Tell whether an interrupted command has left something beside an output."""
    return output is not None and is_file(temporary(output))


@contextmanager
def opened(output: Path | None, written: Written | None) -> Iterator[TextIO]:
    """Give standard output, or a file that gets its name only when all is written.

    Args:
        output: the file; None: standard output.
        written: what is there of it and is gone on with.
    """
    if output is None:
        yield _standard_output()
    elif written is None:
        with writing(output, "--output", keep_interrupted=True) as stream:
            yield stream
    else:
        with writing_on(output, "--output", written.place, written.size) as stream:
            yield stream


def _standard_output() -> TextIO:
    """Return stdout as UTF-8, whatever the locale says."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    return sys.stdout


class Records:
    """Writes the records of a span; those that were written before are compared and not written again.

    Args:
        stream: where they go.
        output_format: a word of `OUTPUT_FORMATS`.
        settings: of the run.
        own: the columns of a table that the task's answers fill.
        span: which rows they are of.
        written: what is there already; None: nothing.
    """

    def __init__(
        self,
        stream: TextIO,
        output_format: str,
        settings: TaskSettings,
        own: Sequence[str],
        span: Span,
        written: Written | None,
    ) -> None:
        self._format, self._settings, self._own = output_format, settings, own
        self._span, self._written, self._next = span, written, -1
        self._writer = open_writer(stream, output_format, settings, own, names=written.names if written else ())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said of them at the end."""
        return self._writer.warnings

    def write(self, records: list[Record]) -> list[Record]:
        """Write those of the records that are wanted and not there; returns them.

        Raises:
            DataError: what is there is not what the run answers.
        """
        span = self._span
        if self._next < 0:
            self._next = span.begins
            if span.first and self._written is None and self._format in TABLES and span.head is not None:
                self._writer.go_on({"line": span.head.line, **kept_of(span.head, self._own)})
        over = min(len(records), max(0, span.first - self._next))
        if self._written is not None and over:
            self._compare(records[:over])
        self._next += len(records)
        if new := records[over:]:
            self._writer.write(new)
        return new

    def finish(self) -> None:
        """Write what stands behind the last one.

        Raises:
            DataError: more is there than the inputs have rows.
        """
        if self._written is not None and max(self._next, self._span.begins) < self._span.first:
            raise DataError(
                f"--resume: {self._written.place} holds {self._written.rows:,} records, and the input has fewer rows; "
                "nothing was changed. Start over with --force."
            )
        if self._span.first == 0 or self._written is not None:
            self._writer.finish()

    def _compare(self, records: list[Record]) -> None:
        """Hold records against the bytes that are there."""
        assert self._written is not None
        before = self._span.first - self._written.rows  # rows that --skip or --shard leave out
        again = records[max(0, before - self._next) :]
        buffer = io.StringIO()
        writer = open_writer(buffer, self._format, self._settings, self._own, names=self._written.names)
        writer.write(again)
        found = bytes_from(self._written, self._written.rows - len(again), self._format)
        if found != buffer.getvalue().encode("utf-8", "backslashreplace"):
            raise DataError(
                f"--resume: the last {len(again):,} records of {self._written.place} are not what this command writes "
                "for these rows (another run, input or option?); nothing was changed. Start over with --force."
            )
