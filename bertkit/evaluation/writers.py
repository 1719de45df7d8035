"""How `predict` writes its records: JSON lines, tables, and the forms that annotation tools import.

A tool is given the text with what the run found in it, to be looked through and corrected; a row
that could not be read is no task for it, and is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from bertkit.data.tagged.schemes import TagScheme, write_tags
from bertkit.data.tagged.tokens import word_places
from bertkit.errors import UsageError
from bertkit.plain import listed, to_json
from bertkit.tasks.base import TaskSettings

TOOLS = ("labelstudio", "doccano", "conll")
OUTPUT_FORMATS = ("jsonl", "csv", "tsv", *TOOLS)
# The record's name for the text that a tool shows.
TEXT = "_text"
_OF_LABELS = ("ner", "classify", "multilabel")
_TASKS = {"labelstudio": _OF_LABELS, "doccano": _OF_LABELS, "conll": ("ner",)}
# Keys of a record that are no columns of the input's.
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
