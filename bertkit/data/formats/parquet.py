"""Rows of parquet, Arrow and the hub: only columns that are looked at are read, and none is lost in silence."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from bertkit import hub
from bertkit.data.column_names import column_name
from bertkit.data.formats.lines import decoding_fault
from bertkit.data.records import Row
from bertkit.data.values import JsonText, RowError, is_encodable, value_text
from bertkit.errors import BertkitError, DataError, HubError, first_repeated
from bertkit.files import is_dir
from bertkit.plain import quoted, shortened, visible

# --- Rows of an Arrow table: a column becomes text only where one is looked at --------------------
#
# What nobody reads must not be able to stop the reading: a date of the year 10000, or a text in
# another encoding. Where a cell that is read cannot be written as text, only its row is bad.

Load = Callable[[str], Sequence[Any]]
"""Returns the Arrow arrays that a column of a batch consists of."""


class ArrowBatch:
    """Some rows, column by column.

    Args:
        columns: the names of columns as they are compared, each with that of the table.
        load: gives the arrays of a column by its name in the table.
    """

    def __init__(self, columns: Mapping[str, str], load: Load) -> None:
        self.columns = columns
        self._load = load
        self._texts: dict[str, list[str | RowError]] = {}

    def text(self, name: str, row: int) -> str:
        """Return a cell as text.

        Raises:
            KeyError: there is no such column.
            RowError: the cell cannot be written as text.
        """
        texts = self._texts.get(name)
        if texts is None:
            arrays = self._load(self.columns[name])
            texts = self._texts[name] = [text for array in arrays for text in _texts(array, name)]
        found = texts[row]
        if isinstance(found, RowError):
            raise found
        return found


class ArrowFields(Mapping[str, str]):
    """The fields of one row of a batch."""

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: ArrowBatch, row: int) -> None:
        self._batch = batch
        self._row = row

    def __getitem__(self, name: str) -> str:
        return self._batch.text(name, self._row)

    def __contains__(self, name: object) -> bool:
        return name in self._batch.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.columns)

    def __len__(self) -> int:
        return len(self._batch.columns)


def compared_names(names: Sequence[str]) -> dict[str, str]:
    """Return the names of a table's columns by the form in which names are compared."""
    return {column_name(name): name for name in names}


def _texts(array: Any, name: str) -> list[str | RowError]:
    try:
        return [value if type(value) is str else _text_of(value) for value in array.to_pylist()]
    except Exception:  # Arrow raises whatever its parts raise; one cell must not cost the others
        return [_text_or_fault(cell, name) for cell in array]


def _text_of(value: Any) -> str:
    """Write a value as text; what is a list or an object is known to be one."""
    text = value_text(value)
    return JsonText(text) if isinstance(value, list | dict) else text


def _text_or_fault(cell: Any, name: str) -> str | RowError:
    column = f"(column {quoted(name)})"
    try:
        return _text_of(cell.as_py())
    except UnicodeDecodeError as error:
        raw = error.object
        return RowError(f"{decoding_fault(raw, error, 'utf-8').replace(' of the line', '')} {column}")
    except Exception as error:
        text = _as_arrow_writes(cell)
        reason = visible(shortened(str(error)))
        return RowError(f"the value cannot be written as text: {reason} {column}") if text is None else text


def _as_arrow_writes(cell: Any) -> str | None:
    """Write a point in time that Python's types cannot hold, if it is one."""
    import pyarrow as pa

    if not pa.types.is_temporal(cell.type):
        return None
    try:
        text = str(cell.cast(pa.string()).as_py())
    except pa.ArrowException:
        return None
    return None if text.startswith("<") else text


# --- Rows of Arrow's own files and streams, as the datasets library and feather write them --------

# How a file of Arrow begins, and how a stream of it does.
ARROW_MAGIC = (b"ARROW1\0\0", b"\xff\xff\xff\xff")


def read_arrow(stream: BinaryIO, source: str, path: Path | None = None) -> Iterator[Row]:
    """Iterate the rows of a file or a stream of Arrow; memory holds one batch of it, or all where it is no plain file.

    Args:
        stream: its bytes, from the first on.
        source: what errors call it.
        path: where the file is, if it is one.

    Raises:
        DataError: it is damaged, or names a column twice.
    """
    import pyarrow as pa

    row = 0
    with _arrow_faults(source):
        file = pa.memory_map(str(path)) if _is_plain(stream, path) else pa.BufferReader(stream.read())
        for batch in _batches(file):
            names = list(batch.schema.names)
            if (repeated := first_repeated(list(map(column_name, names)))) is not None:
                raise DataError(f"{source}: two columns are called {quoted(repeated)}; rename one.")
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                part = batch.slice(start, _BATCH_ROWS)
                fields = ArrowBatch(compared_names(names), partial(_column_of, part))
                yield from (Row(row + place, ArrowFields(fields, place - 1)) for place in range(1, part.num_rows + 1))
                row += part.num_rows


def _batches(file: Any) -> Iterator[Any]:
    import pyarrow as pa

    is_file = file.read(len(ARROW_MAGIC[0])) == ARROW_MAGIC[0]
    file.seek(0)
    if not is_file:
        yield from pa.ipc.open_stream(file)
        return
    opened = pa.ipc.open_file(file)
    yield from (opened.get_batch(place) for place in range(opened.num_record_batches))


def _column_of(batch: Any, name: str) -> Sequence[Any]:
    return [batch.column(batch.schema.get_field_index(name))]


@contextmanager
def _arrow_faults(source: str) -> Iterator[None]:
    try:
        yield
    except (BertkitError, GeneratorExit):
        raise
    except Exception as error:  # pyarrow raises whatever its parts raise
        reason = visible(shortened(str(error), 200))
        raise DataError(f"{source}: this is not a readable Arrow file ({reason}).") from error


def _is_plain(stream: BinaryIO, path: Path | None) -> bool:
    """Tell whether a stream is a file that Arrow can open for itself: neither packed nor a pipe."""
    return path is not None and type(stream) is io.BufferedReader and is_encodable(str(path))


# --- Data sets of the hub as rows of text ---------------------------------------------------------
#
# The `datasets` library fetches, verifies and caches; what comes out of here are the same
# `Row`s that a file would give, so that nothing further up knows where rows come from.


@dataclass(frozen=True)
class HubData:
    """The splits of a data set, and the names behind the integers of its label columns.

    A column of classes (or of lists of classes, as tags are) holds integers as text in the
    rows; `class_names[column][i]` is what `i` means. `files` are those of the library's cache.
    """

    splits: Mapping[str, Iterable[Row]]
    class_names: Mapping[str, tuple[str, ...]]
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)


def open_hub_data(repo_id: str, config: str | None = None, *, ways_on: Sequence[str] = ()) -> HubData:
    """Open a data set of the hub, from the cache where it is already there.

    Args:
        repo_id: `organisation/name`.
        config: one of the configurations of the data set; None where it has only one.
        ways_on: what the user can do where the hub is out of reach, each a clause.

    Raises:
        HubError: out of reach, unknown, gated, or no such config.
    """
    if is_dir(Path(repo_id)):
        raise HubError(
            f"a folder {quoted(repo_id)} is here, and the datasets library would open it instead of the "
            "data set of that name on the hub: give the folder's path as the data, or run from elsewhere."
        )
    hub.require(repo_id, "dataset", config=config, ways_on=ways_on)
    with hub.hub_errors(repo_id, "dataset"):
        from datasets import load_dataset

        loaded = load_dataset(repo_id, config)
    features = next(iter(loaded.values())).features.to_dict()
    return HubData(
        splits={name: HubRows(split) for name, split in loaded.items()},
        class_names={name: tuple(names) for name, own in features.items() if (names := _names_of(own))},
        files={name: [Path(file["filename"]) for file in split.cache_files] for name, split in loaded.items()},
    )


@dataclass(frozen=True)
class HubRows:
    """A split, read from the start each time."""

    split: Any

    def __iter__(self) -> Iterator[Row]:
        """Iterate it in slices: one Arrow slice becomes text far faster than its rows one by one."""
        line = 0
        for table in self.split.with_format("arrow").iter(_BATCH_ROWS):
            batch = ArrowBatch({name: name for name in table.column_names}, partial(_arrays, table))
            for place in range(table.num_rows):
                line += 1
                yield Row(line, ArrowFields(batch, place))


def _arrays(table: Any, name: str) -> Sequence[Any]:
    chunks: Sequence[Any] = table.column(name).chunks
    return chunks


# --- Rows of parquet: only the columns that are looked at are read, and none is lost in silence ---

_BATCH_ROWS = 1024


def read_parquet(stream: BinaryIO, source: str, path: Path | None = None) -> Iterator[Row]:
    """Iterate the rows of a parquet file; a column is read when its first field is looked at.

    The file keeps its index at the end, so a stream that is not a file, or is packed, is read
    whole first. A row may outlive the stream, and its fields are read when they are looked
    at: Arrow opens the file for itself, and lets go of it with the last row.

    Args:
        stream: the bytes of the file.
        source: what errors call it.
        path: where the file is, if it is one.

    Raises:
        DataError: it is not a readable parquet file, names a column twice, or (there or where a
            field is looked at) has fewer rows than it says.
    """
    table = _ParquetTable(str(path) if _is_plain(stream, path) else io.BytesIO(stream.read()), source)
    for start in range(0, table.rows, _BATCH_ROWS):
        batch = ArrowBatch(table.columns, table.loader(start))
        for place in range(min(_BATCH_ROWS, table.rows - start)):
            yield Row(start + place + 1, ArrowFields(batch, place))


def read_parquet_part(file: Any, source: str, first: int, end: int) -> Iterator[Row]:
    """Iterate some rows of a parquet file, of which no more is read than the row groups that hold them.

    Args:
        file: a path, or a file that can be sought in, as Arrow's object stores give one.
        source: what errors call it.
        first: the first row, from 0.
        end: the row after the last.

    Raises:
        DataError: as `read_parquet`.
    """
    table = _ParquetTable(file, source, first, end)
    for start in range(0, table.rows, _BATCH_ROWS):
        batch = ArrowBatch(table.columns, table.loader(start))
        for place in range(min(_BATCH_ROWS, table.rows - start)):
            row = table.before + start + place
            if first <= row < end:
                yield Row(row + 1, ArrowFields(batch, place))


# What the rows of such an answer have above them, behind short values at most.
_FEATURES = re.compile(rb'\s*\{(?:\s*"\w+"\s*:\s*"[^"]*"\s*,)*\s*"features"\s*:\s*(?=\[)')


def class_names(path: Path, head: bytes = b"") -> dict[str, tuple[str, ...]]:
    """Return the names behind the integers of a file's class columns, as the datasets library stores them with it.

    They are those of columns of classes, and of lists of classes, as tags are; a file without
    any, or one that cannot be read, has none. JSON, whose beginning is `head`, has them where it is an answer of
    the hub's viewer of rows.
    """
    try:
        if (told := _FEATURES.match(head)) is not None:
            items, _ = json.JSONDecoder().raw_decode(head[told.end() :].decode("utf-8", "ignore"))
            features = {item["name"]: item["type"] for item in items}
        else:
            stored = (_schema_of(path).metadata or {}).get(b"huggingface", b"{}")
            features = json.loads(stored)["info"]["features"]
        return {column_name(name): tuple(words) for name, feature in features.items() if (words := _names_of(feature))}
    except Exception:  # whoever reads the rows says what is wrong with the file; what is stored may be anything
        return {}


def _schema_of(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as stream:
        head = stream.read(len(ARROW_MAGIC[0]))
    if not head.startswith(ARROW_MAGIC):
        return pq.read_schema(path)
    with pa.memory_map(str(path)) as file:
        return (pa.ipc.open_file if head == ARROW_MAGIC[0] else pa.ipc.open_stream)(file).schema


def _names_of(feature: Any) -> Sequence[str]:
    """Find the names of a class feature, or of a list of one, however the list is written."""
    while isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    if not isinstance(feature, dict):
        return ()
    names = feature.get("names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    return _names_of(feature.get("feature"))


class _ParquetTable:
    """An open file: its columns by name, and how many rows it says it has.

    With `first` and `end` it stands for the row groups that hold these rows alone; `before` is how
    many rows come before them.
    """

    def __init__(self, file: Any, source: str, first: int = 0, end: int | None = None) -> None:
        import pyarrow.parquet as pq

        self.source = source
        with self.faults():
            self.file = pq.ParquetFile(file, page_checksum_verification=True)
            names = list(self.file.schema_arrow.names)
            metadata = self.file.metadata
            groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self.rows: int = metadata.num_rows
        if sum(groups) != self.rows:
            raise DataError(
                f"{source}: this parquet file is damaged: it says it has {self.rows:,} rows, and its parts "
                f"{sum(groups):,}."
            )
        repeated = first_repeated(list(map(column_name, names)))
        if repeated is not None:
            raise DataError(f"{source}: two columns are called {quoted(repeated)}; rename one.")
        self.columns = compared_names(names)
        starts = list(itertools.accumulate(groups, initial=0))
        inside = [i for i in range(len(groups)) if end is None or (starts[i] < end and starts[i + 1] > first)]
        self.groups = inside if end is not None else None
        self.before = starts[inside[0]] if end is not None and inside else 0
        if end is not None:
            self.rows = sum(groups[i] for i in inside)
        self._readers: dict[str, _Column] = {}

    def loader(self, start: int) -> Any:
        """Return what loads a column's part from row `start` (from 0) on."""
        count = min(_BATCH_ROWS, self.rows - start)
        return lambda name: self._reader(name, start).take(count)

    def _reader(self, name: str, start: int) -> _Column:
        """Return the reader of a column where it stands at a row; mostly it does already."""
        reader = self._readers.get(name)
        if reader is None or reader.at > start:
            reader = self._readers[name] = _Column(self, name)
        while reader.at < start:
            reader.take(min(_BATCH_ROWS, start - reader.at))
        return reader

    @contextmanager
    def faults(self, row: int | None = None) -> Iterator[None]:
        """Say in one sentence what was raised while the file was read; `row` is the first concerned, from 1."""
        try:
            yield
        except BertkitError:
            raise
        except Exception as error:  # pyarrow raises whatever its parts raise
            reason = visible(shortened(str(error), 200))
            what = "this is not a readable parquet file" if row is None else "this parquet file cannot be read further"
            raise DataError.at(self.source, row, f"{what} ({reason}).") from error


class _Column:
    """Reads one column from its first row on."""

    def __init__(self, table: _ParquetTable, name: str) -> None:
        self.at = 0
        self._table = table
        self._name = name
        self._left: Any = None
        self._batches: Iterator[Any] = iter(())
        with table.faults(1):
            self._batches = table.file.iter_batches(
                batch_size=_BATCH_ROWS, row_groups=table.groups, columns=[name], use_threads=False
            )

    def take(self, count: int) -> list[Any]:
        """Return the arrays that hold the next `count` rows."""
        arrays = []
        while count:
            if self._left is None or not len(self._left):
                self._left = self._next()
            part = self._left.slice(0, count)
            self._left = self._left.slice(len(part))
            arrays.append(part)
            count -= len(part)
            self.at += len(part)
        return arrays

    def _next(self) -> Any:
        with self._table.faults(self.at + 1):
            batch = next(self._batches, None)
            if batch is not None:
                return batch.column(batch.schema.get_field_index(self._name))
        raise DataError.at(
            self._table.source,
            self.at + 1,
            f"the parquet file is damaged: it says it has {self._table.rows:,} rows, and column "
            f"{quoted(self._name)} has {self.at:,}.",
        )
