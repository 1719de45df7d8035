"""The rows that are left after an inspection's findings, as a table, and beside it what was left out and why.

Left out are rows that cannot be used, that have no text or no label, whose label looks like a
missing one, that repeat an earlier row, and that have the text of another row and another label.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from bertkit.data.label_kinds import header_like, placeholders
from bertkit.data.numerals import is_score, score_fault
from bertkit.data.records import BadRow, Example, Question
from bertkit.data.streaming import SplitStream, StreamedData
from bertkit.errors import DataError, UsageError
from bertkit.files import writing
from bertkit.plain import brief, quoted, to_json

FLAG = "--write"
_SUFFIXES = (".csv", ".tsv", ".jsonl")
_LABELLED = ("classify", "relation", "regression", "choice")
_PLACE = ("file", "line", "why")


def clean_files(path: Path, splits: Sequence[str]) -> dict[str, tuple[Path, Path]]:
    """Return where the rows of each split go, and those left out: clean.csv and clean.left_out.csv.

    Of several splits each has its name in those of its files.

    Raises:
        UsageError: the name does not say what kind of table it is to be.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{FLAG} {brief(str(path))}: the name must end in {', '.join(_SUFFIXES)}.")
    names = {split: f".{split}" if len(splits) > 1 else "" for split in splits}
    return {split: (_named(path, name), _named(path, f"{name}.left_out")) for split, name in names.items()}


def _named(path: Path, part: str) -> Path:
    return path.with_name(f"{path.stem}{part}{path.suffix}")


def write_clean(path: Path, data: StreamedData, task: str, labels: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Write the rows of every split, and say of each how many there are.

    Args:
        path: where they go (`clean_files`).
        data: the rows, which are read again.
        task: what they are for.
        labels: how many rows of each split have which label.

    Raises:
        DataError: the data is of the hub.
        OutputError: a file cannot be written.
    """
    for split, (kept, left) in clean_files(path, list(data.splits)).items():
        rows = data.splits[split]
        if not isinstance(rows, SplitStream):
            raise DataError(f"{FLAG}: writes tables, and {data.name} has no table of its own.")
        counts = Counter(labels.get(split, {})) if task in ("classify", "relation") else Counter[str]()
        sorter = _Sorter(task, {*placeholders(counts), *header_like(counts)})
        names: dict[str, None] = {}
        for _, record in rows.records():
            names.update(dict.fromkeys(name for name, _ in record.kept))
            sorter.look(record)
        with ExitStack() as stack:
            good = _Table(stack.enter_context(writing(kept, FLAG)), kept, list(names))
            bad = _Table(stack.enter_context(writing(left, FLAG)), left, [*_PLACE, *names])
            for file, record in rows.records():
                why = sorter.why(record)
                if why is None:
                    good.write(dict(record.kept))
                else:
                    bad.write(dict(zip(_PLACE, (file, str(record.line), why), strict=True)) | dict(record.kept))
        yield f"{kept}: {good.rows:,} rows of {split}; {bad.rows:,} are left out, in {left}"


@dataclass
class _Sorter:
    """Decides which rows are left out; it looks at all of them first."""

    task: str
    missing: set[str]
    _answers: dict[bytes, str] = field(default_factory=dict)
    _conflicts: set[bytes] = field(default_factory=set)
    _seen: set[bytes] = field(default_factory=set)

    def look(self, record: Example | BadRow) -> None:
        """Take note of a row."""
        if self._fault(record) is None:
            assert isinstance(record, Example), "any other record is a fault"
            key, answer = _key(record), repr(record.answer)
            if self._answers.setdefault(key, answer) != answer:
                self._conflicts.add(key)

    def why(self, record: Example | BadRow) -> str | None:
        """Say why a row is left out; None: it stays."""
        fault = self._fault(record)
        if fault is not None or not isinstance(record, Example):
            return fault
        key = _key(record)
        if key in self._conflicts and self.task != "regression":
            return "another row has the same text and another label"
        if key in self._seen:
            return "an earlier row is the same"
        self._seen.add(key)
        return None

    def _fault(self, record: Example | BadRow) -> str | None:
        if isinstance(record, BadRow):
            return record.message
        if not any(text.strip() for text in record.all_texts):
            return "there is no text"
        if self.task == "multilabel":
            return "there is no label" if record.answer is None else None
        if self.task not in _LABELLED:
            return None
        if record.label is None:
            unread = record.unread if isinstance(record, Question) else ""
            return unread or "there is no label"
        if self.task == "regression" and not is_score(record.label):
            return score_fault(record.label)
        return f"the label {quoted(record.label)} looks like none" if record.label in self.missing else None


def _key(record: Example) -> bytes:
    return hashlib.blake2b("\x1f".join(record.all_texts).encode("utf-8", "surrogatepass"), digest_size=8).digest()


class _Table:
    """Writes rows under a header, or as JSON lines."""

    def __init__(self, stream: TextIO, path: Path, names: Sequence[str]) -> None:
        self.rows = 0
        self._write = _json_writer(stream) if path.suffix.lower() == ".jsonl" else _writer(stream, path, names)

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        self.rows += 1
        self._write(row)


def _json_writer(stream: TextIO) -> Callable[[Mapping[str, Any]], object]:
    return lambda row: stream.write(to_json(dict(row)) + "\n")


def _writer(stream: TextIO, path: Path, names: Sequence[str]) -> Callable[[Mapping[str, Any]], object]:
    if path.suffix.lower() == ".tsv":
        # Nothing is quoted in a tsv, so nothing may stand in a field that ends it.
        stream.write("\t".join(names) + "\n")
        return lambda row: stream.write("\t".join(" ".join(_cell(row.get(name)).split()) for name in names) + "\n")
    table = csv.DictWriter(stream, names, lineterminator="\n", restval="")
    table.writeheader()
    return lambda row: table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value)
