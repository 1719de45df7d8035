"""Inputs of a cluster, on disk or in an object store, cut into shards that any machine can read by itself."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from bertkit.data.columns import FILE, Keep, parse_columns
from bertkit.data.formats.delimited import csv_records
from bertkit.data.formats.lines import Lines
from bertkit.data.formats.opened import HEAD_BYTES, Opened, is_packed, open_bytes, open_input, unpacked
from bertkit.data.formats.parquet import read_parquet_part
from bertkit.data.formats.published import usual_rows
from bertkit.data.formats.readers import read_stream_as
from bertkit.data.formats.telling import TableFormat
from bertkit.data.records import BadRow, Example, Row
from bertkit.data.sources import input_files, is_data_file
from bertkit.errors import DataError, UsageError
from bertkit.evaluation.answers import Item
from bertkit.evaluation.inputs import rows_as, tell_input
from bertkit.files import without_packing
from bertkit.plain import brief
from bertkit.tasks.base import TaskSettings

# --------------------------------------------------------------------------------------------------
# Inputs of a cluster: files of a disk that all machines see, or of an object store, by Arrow's file systems.
#
# What Arrow has no file system for, fsspec may have (http, az, webdav, …), as Ray reads it.

# What may stand in an address as it is; a blank or a letter of Korean is written as bytes of its own (%20).
_IN_ADDRESSES = ":/?#[]@!$&'()*+,;=%~"
# What would mean something else in an address than in the name of a file.
_NOT_IN_NAMES = re.compile("[%?#]")
_KEY = re.compile(r"(?<=://)[^/@:]*:[^/@]*@")
# What the end of a name in an object store says; a file of a disk is told by what is in it, too.
_KINDS = {".parquet": "parquet", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def is_address(name: str) -> bool:
    """Tell whether a name is one of an object store (s3://…, gs://…, hdfs://…, file://…)."""
    return "://" in name


def all_files(names: Sequence[str]) -> dict[str, str]:
    """Return the files that names stand for, each with where it is.

    That is a whole path, for another machine's folder is another one, or an address with its key.

    Raises:
        UsageError: standard input is among them, or one is named twice.
        DataError: a file is missing, or a folder holds none.
    """
    if "-" in names:
        raise UsageError("--ray: needs files that every machine can read, not standard input; name them.")
    files: list[str] = []
    for name in names:
        if is_address(name):
            files += _stored_files(name)
        else:
            files += input_files([name])
    if len(set(map(without_key, files))) < len(files):
        raise UsageError("--ray: a file is named twice, and its rows would be answered twice; name each once.")
    return {without_key(file): file if is_address(file) else str(Path(file).resolve()) for file in files}


def file_system(name: str) -> tuple[Any, str]:
    """Return Arrow's file system for an address, and the path in it.

    Raises:
        DataError: there is none for it.
    """
    from pyarrow import fs

    spelt = quote(name, safe=_IN_ADDRESSES)
    try:
        found, path = fs.FileSystem.from_uri(spelt)
    except (OSError, ValueError) as error:
        if "Unrecognized" not in str(error):
            raise DataError(f"{shown(name)}: no file system is known for this address ({_reason(error)}).") from error
        return _by_fsspec(name)
    return found, path


def _by_fsspec(name: str) -> tuple[Any, str]:
    import fsspec
    from pyarrow import fs

    try:
        found, path = fsspec.core.url_to_fs(name)
    except (ImportError, OSError, ValueError) as error:
        raise DataError(f"{shown(name)}: no file system is known for this address ({_reason(error)}).") from error
    return fs.PyFileSystem(fs.FSSpecHandler(found)), path


def without_key(name: str) -> str:
    """Return an address as it is said and stored: without a key and its secret before an @.

    >>> without_key("s3://KEY:SECRET@bucket/rows.jsonl")
    's3://bucket/rows.jsonl'
    """
    return _KEY.sub("", name)


def shown(name: str) -> str:
    """Return a name as an error says it."""
    return brief(without_key(name), 300)


def _reason(error: Exception) -> str:
    return brief(without_key(str(error)), 200)


def open_stored(name: str) -> Any:
    """Open a file to be sought in.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    if not is_address(name):
        return Path(name).open("rb")
    system, path = file_system(name)
    try:
        return system.open_input_file(path)
    except OSError as error:
        raise DataError(f"{shown(name)}: cannot be read ({_reason(error)}).") from error


def opened_at(name: str) -> Opened:
    """Look at the beginning of a file, as `open_input` does.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    if not is_address(name):
        return open_input(name)
    stream = stream_of(name)
    head = stream.read(HEAD_BYTES)
    stream.close()
    return Opened(name, head, len(head) < HEAD_BYTES, stream_of(name))


def stream_of(name: str) -> BinaryIO:
    """Open all bytes of a file, unpacked.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    if not is_address(name):
        return open_bytes(Path(name))
    raw = io.BufferedReader(open_stored(name), HEAD_BYTES)
    return unpacked(raw, raw.peek(HEAD_BYTES))


def kind_of(name: str, input_format: str) -> str:
    """Return what an input is said to be: of a stored file its name says it, too."""
    if input_format != "auto" or not is_address(name):
        return input_format
    path = name.partition("?")[0]
    return _KINDS.get(Path(without_packing(path)).suffix.lower(), "auto")


def _stored_files(name: str) -> list[str]:
    from pyarrow import fs

    system, path = file_system(name)
    try:
        found = system.get_file_info(path)
        inside = system.get_file_info(fs.FileSelector(path)) if found.type == fs.FileType.Directory else []
    except OSError as error:
        raise DataError(f"{shown(name)}: cannot be looked into ({_reason(error)}).") from error
    if found.type == fs.FileType.NotFound:
        raise DataError(f"{shown(name)}: no such file.")
    if found.type != fs.FileType.Directory:
        return [name]
    files = sorted(file.base_name for file in inside if file.is_file and is_data_file(Path(file.base_name)))
    if not files:
        raise DataError(f"{shown(name)}: there is no file in it that can be read (.csv, .tsv, .jsonl, .parquet, …).")
    # what an address says beside the path (a key, a host, options after ?) is of its files, too
    folder, mark, options = name.partition("?")
    return [f"{folder.rstrip('/')}/{_NOT_IN_NAMES.sub(_in_bytes, file)}{mark}{options}" for file in files]


def _in_bytes(found: re.Match[str]) -> str:
    return quote(found[0], safe="")


# --- An input cut into shards that any machine can read by itself, always the same ones ------------
#
# Where shards are cut follows from the bytes of a file and the rows of a shard alone, never from
# how many machines there are: whatever was answered before is known by its name. A shard of a
# table of lines begins with a record of its own; it is read from there, behind the first lines
# of the file, which say how the others are read, and its line numbers are those of the file.
# What cannot be cut (packed files, JSON documents, tagged text, a token a row) is one shard.

_LINED = ("jsonl", "csv", "tsv", "txt")
# Rows that must be as they stand for a table to be cut, and records that are looked through for them.
_LOOKED_AT, _MOST_LOOKED_AT = 20, 1000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Shard:
    """Some rows of a file.

    Attributes:
        file: where it is, the same from every folder.
        table: its format.
        first: lines or rows before the shard.
        end: the last line, or row, of the shard; None: the last of the file.
        offset: the byte at which the shard begins.
        head: lines at the beginning of the file that are read before it, and how many bytes they are.
        rows: about how many there are; 0: not known.
    """

    file: str
    table: TableFormat | None
    first: int = 0
    end: int | None = None
    offset: int = 0
    head: tuple[int, int] = (0, 0)
    rows: int = 0

    def to_json(self) -> list[Any]:
        """Write where it is cut."""
        return [self.first, self.end]


@dataclass(frozen=True)
class FilePlan:
    """A file: what its bytes are, and its shards."""

    file: str
    size: int
    digest: str
    shards: tuple[Shard, ...]

    def to_json(self) -> dict[str, Any]:
        """Write what must be the same for its answers to be."""
        cuts = [shard.to_json() for shard in self.shards]
        return {"file": self.file, "bytes": self.size, "blake2b": self.digest, "parts": cuts}


def plan_file(file: str, settings: TaskSettings, *, input_format: str, columns: str | None, rows: int) -> FilePlan:
    """Cut a file; reads it once, and once more where quotes may hold line ends.

    Args:
        file: its name.
        settings: the run's.
        input_format: the word of --input-format.
        columns: the value of --columns.
        rows: most rows of a shard.

    Raises:
        DataError: it cannot be read, or the run reads no such thing.
    """
    choice = None if columns is None else parse_columns(columns)
    with open_stored(file) as raw:
        digest, size, packed = _digest(raw)
    opened = opened_at(file)
    told = tell_input(opened, settings, input_format=kind_of(file, input_format), choice=choice)
    if told is None:
        return FilePlan(file, size, digest, ())
    table = told.table
    if table.kind == "parquet" and not packed:
        shards = list(_of_parquet(file, table, rows))
    elif table.kind in _LINED and not packed and (head := _head_lines(file, table)) is not None:
        shards = _of_lines(file, table, head, rows)
    else:
        shards = [Shard(file, table)]
    return FilePlan(file, size, digest, tuple(shards))


def read_shard(
    shard: Shard, settings: TaskSettings, *, columns: str | None, keep: Keep | None, name: str | None
) -> Iterator[Item]:
    """Read the rows of a shard as `predict` reads them.

    Args:
        shard: which.
        settings: the run's.
        columns: the value of --columns.
        keep: the columns that go through to the answers.
        name: of its file, which each row keeps; None: there is only one.

    Raises:
        DataError: the file cannot be read any more.
    """
    choice = None if columns is None else parse_columns(columns)
    assert shard.table is not None
    opened, physical = _opened(shard)
    found = rows_as(opened, shard.table, settings, choice, lambda _: None, keep, physical=physical)
    if shard.table.kind != "parquet":
        found = _own_lines(found, shard)
    for item in found:
        yield item if name is None else replace(item, kept=((FILE, name), *item.kept))


def _opened(shard: Shard) -> tuple[Opened, Iterator[Row | BadRow] | None]:
    """Open a shard: as a stream, or as the rows of a parquet file."""
    table = shard.table
    if table is not None and table.kind == "parquet" and shard.end is not None:
        file = open_stored(shard.file) if is_address(shard.file) else shard.file
        rows: Iterator[Row | BadRow] = read_parquet_part(file, shard.file, shard.first, shard.end)
        return Opened(shard.file, b"", False, cast("Any", io.BytesIO())), usual_rows(rows, shard.file)
    if not shard.offset:
        is_path = not is_address(shard.file)
        return Opened(shard.file, b"", False, Path(shard.file) if is_path else stream_of(shard.file)), None
    return Opened(shard.file, b"", False, cast("BinaryIO", io.BufferedReader(_Behind(shard), _BLOCK))), None


class _Behind(io.RawIOBase):
    """The first lines of a file, and behind them the file from a byte on."""

    def __init__(self, shard: Shard) -> None:
        self._file = open_stored(shard.file)
        self._head = memoryview(self._file.read(shard.head[1]))
        self._file.seek(shard.offset)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)
        found = self._head[: len(wanted)] if self._head else self._file.read(len(wanted))
        self._head = self._head[len(found) :] if self._head else self._head
        wanted[: len(found)] = found
        return len(found)


def _own_lines(rows: Iterator[Example | BadRow], shard: Shard) -> Iterator[Example | BadRow]:
    """Leave out the head, count lines as the file does, and end where the shard does."""
    lines, shift = (shard.head[0], shard.first - shard.head[0]) if shard.offset else (0, 0)
    for row in rows:
        if row.line <= lines:
            continue
        line = row.line + shift
        if shard.end is not None and line > shard.end:
            return
        yield replace(row, line=line) if shift else row


def _digest(raw: Any) -> tuple[str, int, bool]:
    found, size, packed = hashlib.blake2b(digest_size=16), 0, False
    while block := raw.read(_BLOCK):
        packed = packed or (size == 0 and is_packed(block))
        found.update(block)
        size += len(block)
    return found.hexdigest(), size, packed


def _of_parquet(file: str, table: TableFormat, rows: int) -> Iterator[Shard]:
    import pyarrow.parquet as pq

    try:
        with open_stored(file) as raw:
            total = pq.ParquetFile(raw).metadata.num_rows
    except Exception as error:  # pyarrow raises whatever its own libraries raise
        raise DataError(f"{file}: this is not a readable parquet file ({error}).") from error
    for first in range(0, total, rows):
        end = min(total, first + rows)
        yield Shard(file, table, first, end, rows=end - first)


def _head_lines(file: str, table: TableFormat) -> int | None:
    """Return how many lines must be read to read the others; None where the file cannot be cut.

    It can be cut where its first rows are the records as they stand: of a published form, or a
    table with a token a row, a row may be several records.
    """
    with stream_of(file) as stream:
        raw: list[Row | BadRow] = []
        good = 0
        for row in itertools.islice(read_stream_as(stream, file, table), _MOST_LOOKED_AT):
            raw.append(row)
            good += isinstance(row, Row)
            if good >= _LOOKED_AT:
                break
    try:
        usual = list(usual_rows(iter(raw), file))
    except DataError:
        return None
    first = next((row for row in raw if isinstance(row, Row)), None)
    if first is None or [_as_it_stands(row) for row in raw] != [_as_it_stands(row) for row in usual]:
        return None
    return first.line if table.kind == "jsonl" else first.line - 1


def _as_it_stands(row: Row | BadRow) -> object:
    return (row.line, dict(row.fields)) if isinstance(row, Row) else (row.line, row.message)


def _of_lines(file: str, table: TableFormat, head: int, rows: int) -> list[Shard]:
    """Cut a table of lines."""
    if table.kind == "csv" and _has_quotes(file):
        starts: set[int] | None = _starts_of_records(file, table, head, rows)
    else:
        starts = None
    cuts: list[tuple[int, int]] = []  # lines before the shard, and the byte where it begins
    head_bytes, offset, number, names = 0, 0, 0, b""
    no_rows = 0 if table.kind == "jsonl" else head
    with stream_of(file) as stream:
        for number, line in enumerate(stream, start=1):
            is_cut = number in starts if starts is not None else (number - no_rows - 1) % rows == 0
            if is_cut and number > head + 1:
                cuts.append((number - 1, offset))
            if table.has_header and number == head and table.kind in ("csv", "tsv"):
                names = line
            elif names and len(line) == len(names) and sorted(line) == sorted(names) and number > head:
                return [Shard(file, table)]  # a header once more: what follows may stand in another order
            offset += len(line)
            head_bytes = offset if number == head else head_bytes
    begins = [(0, 0), *cuts]
    ends: list[int | None] = [*(before for before, _ in cuts), None]
    sizes = [(end or number) - first - (0 if at else no_rows) for (first, at), end in zip(begins, ends, strict=True)]
    return [
        Shard(file, table, first, end, at, (head, head_bytes), size)
        for (first, at), end, size in zip(begins, ends, sizes, strict=True)
    ]


def _has_quotes(file: str) -> bool:
    with stream_of(file) as stream:
        return any(b'"' in block for block in iter(lambda: stream.read(_BLOCK), b""))


def _starts_of_records(file: str, table: TableFormat, head: int, rows: int) -> set[int]:
    """Return the lines at which shards begin where records may have several."""
    with stream_of(file) as stream:
        lines = Lines(stream, file, table.encoding, table.spelt)
        for _ in itertools.islice(lines, table.skip):
            lines.begin_record()
        records = (start for start, _ in csv_records(lines, table.delimiter) if start > head)
        return set(itertools.islice(records, 0, None, rows))
