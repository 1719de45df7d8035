"""Encoded rows of large tables, as bytes: those learnt from on disk, those scored as they are asked for."""

from __future__ import annotations

import hashlib
import importlib
import json
import struct
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from bertkit import __version__
from bertkit.cache import cached
from bertkit.data.records import Example
from bertkit.data.store import Block, StoredRows, blocks_of, parts_of
from bertkit.files import read_bytes, write_json
from bertkit.kinds import record_of
from bertkit.tasks.base import (
    EXTRACTORS,
    EncodedRow,
    InColumns,
    InPairs,
    NothingToLearnError,
    Task,
    TrainingOptions,
    TrainingRow,
)
from bertkit.tokenization.base import Encoding
from bertkit.tokenization.encoding import EncodedColumns

# --- Encoded rows as bytes, and back: what a task makes of a row, whatever it is made of ----------
#
# Numbers, texts, lists, arrays and bertkit's own records are written; nothing is executed when
# they are read. (A pickle could be made to run anything.)

_SIZE, _INT, _FLOAT = struct.Struct("<I"), struct.Struct("<q"), struct.Struct("<d")
_CONSTANTS = {b"N": None, b"T": True, b"F": False}
# Lists of fewer numbers are not worth an array.
_FEW = 4


class Packer:
    """Writes values.

    Attributes:
        records: the classes of records that were met; whoever reads needs them in this order.
    """

    def __init__(self) -> None:
        self.records: list[str] = []
        self._numbers: dict[type, tuple[int, tuple[str, ...]]] = {}

    def pack(self, value: Any) -> bytes:
        """Return a value as bytes.

        Raises:
            TypeError: it holds what cannot be written.
        """
        out = bytearray()
        self._put(value, out)
        return bytes(out)

    def _put(self, value: Any, out: bytearray) -> None:
        match value:
            case None | bool():
                out += b"N" if value is None else b"T" if value else b"F"
            case int():
                out += b"i" + _INT.pack(value)
            case float():
                out += b"f" + _FLOAT.pack(value)
            case str():
                self._put_bytes(b"s", value.encode("utf-8", "surrogatepass"), out)
            case array() if value.typecode == "i":
                self._put_bytes(b"a", value.tobytes(), out)
            case np.ndarray():
                out += b"n"
                self._put((value.dtype.str, *value.shape), out)
                self._put_bytes(b"", value.tobytes(), out)
            case range():
                out += b"r" + b"".join(map(_INT.pack, (value.start, value.stop, value.step)))
            case list() if len(value) >= _FEW and all(type(item) is int for item in value):
                self._put_bytes(b"I", array("q", value).tobytes(), out)
            case list() | tuple():
                out += (b"l" if isinstance(value, list) else b"t") + _SIZE.pack(len(value))
                for item in value:
                    self._put(item, out)
            case _:
                self._put_record(value, out)

    @staticmethod
    def _put_bytes(tag: bytes, content: bytes, out: bytearray) -> None:
        out += tag + _SIZE.pack(len(content)) + content

    def _put_record(self, value: Any, out: bytearray) -> None:
        kind = type(value)
        if kind not in self._numbers:
            name = f"{kind.__module__}:{kind.__qualname__}"
            if not is_dataclass(kind) or not name.startswith("bertkit."):
                raise TypeError(f"a {name} is not written")
            self._numbers[kind] = (len(self.records), tuple(field.name for field in fields(kind) if field.init))
            self.records.append(name)
        number, names = self._numbers[kind]
        out += b"d" + _SIZE.pack(number)
        for name in names:
            self._put(getattr(value, name), out)


class Unpacker:
    """Reads what a `Packer` has written.

    Args:
        records: the packer's.
    """

    def __init__(self, records: list[str]) -> None:
        self._kinds = [_record(name) for name in records]

    def unpack(self, packed: bytes) -> Any:
        """Return the value."""
        return self._take(memoryview(packed), 0)[0]

    def _take(self, packed: memoryview, at: int) -> tuple[Any, int]:
        tag, at = bytes(packed[at : at + 1]), at + 1
        if tag in _CONSTANTS:
            return _CONSTANTS[tag], at
        if tag in (b"i", b"f"):
            form: struct.Struct = _INT if tag == b"i" else _FLOAT
            return form.unpack_from(packed, at)[0], at + form.size
        if tag == b"r":
            return range(*struct.unpack_from("<3q", packed, at)), at + 24
        if tag == b"n":
            (kind, *shape), at = self._take(packed, at)
            content, at = _content(packed, at)
            return np.frombuffer(content, kind).reshape(shape), at
        if tag == b"d":
            own, names = self._kinds[_SIZE.unpack_from(packed, at)[0]]
            return self._filled(own, names, packed, at + _SIZE.size)
        if tag in (b"l", b"t"):
            return self._items(list if tag == b"l" else tuple, packed, at)
        content, at = _content(packed, at)
        if tag == b"s":
            return content.decode("utf-8", "surrogatepass"), at
        found = array("q" if tag == b"I" else "i", content)
        return found.tolist() if tag == b"I" else found, at

    def _items(self, kind: Callable[[list[Any]], Any], packed: memoryview, at: int) -> tuple[Any, int]:
        items, (count,) = [], _SIZE.unpack_from(packed, at)
        at += _SIZE.size
        for _ in range(count):
            item, at = self._take(packed, at)
            items.append(item)
        return kind(items), at

    def _filled(self, kind: type, names: tuple[str, ...], packed: memoryview, at: int) -> tuple[Any, int]:
        values = {}
        for name in names:
            values[name], at = self._take(packed, at)
        return kind(**values), at


def _content(packed: memoryview, at: int) -> tuple[bytes, int]:
    (size,) = _SIZE.unpack_from(packed, at)
    at += _SIZE.size
    return bytes(packed[at : at + size]), at + size


def _record(name: str) -> tuple[type, tuple[str, ...]]:
    module, _, inner = name.partition(":")
    kind = getattr(importlib.import_module(module), inner) if module.startswith("bertkit.") else None
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise ValueError(f"{name} is not a record of bertkit")
    return kind, tuple(field.name for field in fields(kind) if field.init)


# --------------------------------------------------------------------------------------------------
# Encoded rows of large tables: those that are learnt from on disk, those that are scored as they are asked for.
#
# A row that is learnt from is read in every epoch and at any place, so it lies in the cache as
# Arrow: ids of two bytes where they fit, and what else a task makes of a row in a column of its
# own. Rows to be scored pass in their order; they are encoded again each time, which costs a
# hundredth of what the model does with them.

P = TypeVar("P")
T = TypeVar("T")
ROOM = "encoded-1"
"""Where encoded rows lie in the cache; the number is of how the files are laid out."""
_ROWS, _LENGTHS, _FACTS = "rows.arrow", "lengths.npy", "facts.json"
_AT_ONCE = 4096
# Ids up to here take two bytes.
_SHORT_IDS = 1 << 16


@dataclass(frozen=True)
class Facts:
    """What is known of encoded rows.

    Attributes:
        rows: how many.
        cut: how many of them were longer than what is read.
        lost: the tokens that were cut away.
        size: of their file, in bytes.
        sources: the files that they are from, by number.
        records: which records are packed.
    """

    rows: int
    cut: int
    lost: int
    size: int
    sources: tuple[str, ...]
    records: tuple[str, ...]


def encode_training(task: Task, examples: Sequence[Example], options: TrainingOptions) -> Sequence[TrainingRow]:
    """Encode rows to learn from; many of them are put into the cache, or found there.

    Raises:
        DataError: see `Task.training_rows`.
        OutputError: the cache cannot be written.
    """
    if not isinstance(examples, StoredRows):
        return task.training_rows(examples, options)
    key = [__version__, task.settings.to_json(), asdict(options), _tokenizer_key(task), examples.key]
    if task.settings.candidates in EXTRACTORS:  # whose weights are not known here
        return task.training_rows(examples, options)
    name = f"{ROOM}/{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}"
    return StoredTraining(cached(name, lambda place: _write(place, task, examples, options), _is_sound))


def _tokenizer_key(task: Task) -> list[Any]:
    whole = task.tokenizer.backend.to_str()
    return [hashlib.sha256(whole.encode()).hexdigest(), task.tokenizer.reads_control, *_learnt(task)]


def _learnt(task: Task) -> Iterator[float]:
    """Yield what a task has learnt from rows besides its settings: the scale of scores."""
    objective = getattr(task, "objective", None)
    yield from (getattr(objective, name) for name in ("mean", "deviation") if hasattr(objective, name))


def _write(place: Path, task: Task, examples: Sequence[Example], options: TrainingOptions) -> None:
    writer = _Writer(place / _ROWS, task.tokenizer.vocab_size)
    nothing: NothingToLearnError | None = None
    numbers = _Targets(task)

    def encode(part: Block | Sequence[Example]) -> list[TrainingRow] | _Columns:
        if isinstance(part, Block) and (found := numbers.encoded(part)) is not None:
            return found
        return task.training_rows(part.examples if isinstance(part, Block) else part, options)

    work: Iterator[Callable[[], list[TrainingRow] | _Columns]]
    if isinstance(task, InPairs) and task.has_pairs:
        work = task.training_work(examples, options)
    else:
        work = (partial(encode, part) for part in _blocks(task, examples))
    with writer, ThreadPoolExecutor(max_workers=1) as worker:
        # A fast tokenizer computes outside of Python: while it does, what it returned before is written.
        for rows in ahead(worker, lambda make: make(), work):
            try:
                writer.write(rows())
            except NothingToLearnError as error:
                nothing = error
    if not writer.lengths and nothing is not None:
        raise nothing
    np.save(place / _LENGTHS, np.concatenate(writer.lengths))
    write_json(place / _FACTS, asdict(writer.facts()), lasting=False)


def _blocks(task: Task, examples: Sequence[Example]) -> Iterator[Block | Sequence[Example]]:
    """Read rows in parts, as columns where they are plain and the task can do with that."""
    return blocks_of(examples) if isinstance(task, InColumns) else parts_of(examples)


@dataclass(frozen=True)
class _Columns:
    """Encoded rows with what they are to be, (N), and where they stand: the numbers of their files, and lines."""

    encoded: EncodedColumns
    targets: NDArray[np.float64]
    sources: tuple[str, ...]
    files: NDArray[np.int32]
    lines: NDArray[np.int64]


class _Targets:
    """Encodes plain rows column by column, and what equal labels mean only once.

    Args:
        task: encodes them.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._known: dict[str | None, float] = {}

    def encoded(self, block: Block) -> _Columns | None:
        """Encode some rows; None where the task wants them one by one."""
        task = self._task
        encoded = task.encode_columns(block.texts) if isinstance(task, InColumns) else None
        if encoded is None or not isinstance(task, InColumns):
            return None
        labels, sources, (files, lines) = block.labels, block.rows.facts.sources, block.places
        for label in dict.fromkeys(labels):
            if label not in self._known:
                place = block.place(labels.index(label))
                self._known[label] = task.target(Example((), label, place.line, place.file))
        targets = np.fromiter((self._known[label] for label in labels), np.float64, len(labels))
        return _Columns(encoded, targets, sources, files, lines)


def ahead(worker: Executor, work: Callable[[P], T], parts: Iterable[P]) -> Iterator[Callable[[], T]]:
    """Do the work of each part in another thread while the result before it is used; yield what waits for it."""
    coming: deque[Future[T]] = deque()
    for part in parts:
        coming.append(worker.submit(work, part))
        if len(coming) > 1:
            yield coming.popleft().result
    if coming:
        yield coming.popleft().result


class _Writer:
    """Writes training rows to a file.

    Args:
        path: the file.
        vocab_size: how many ids there are.
    """

    def __init__(self, path: Path, vocab_size: int) -> None:
        self.lengths: list[NDArray[np.int32]] = []
        self._path, self._ids = path, np.uint16 if vocab_size <= _SHORT_IDS else np.int32
        self._sources: dict[str, int] = {}
        self._packer = Packer()
        self._cut = self._lost = self._count = 0

    def __enter__(self) -> _Writer:
        import pyarrow as pa

        ids = pa.list_(pa.uint16() if self._ids is np.uint16 else pa.int32())
        self._schema = pa.schema([
            ("ids", ids), ("types", pa.list_(pa.uint8())), ("n_tokens", pa.int32()), ("target", pa.float64()),
            ("file", pa.int32()), ("line", pa.int64()), ("rest", pa.binary()),
        ])  # fmt: skip
        self._stream = self._path.open("wb")
        self._file = pa.ipc.new_stream(self._stream, self._schema)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._file.close()
        self._stream.close()

    def write(self, rows: Sequence[TrainingRow] | _Columns) -> None:
        """Write some rows."""
        if isinstance(rows, _Columns):
            self._add_columns(rows)
        elif rows:
            self._add(rows)

    def _add_columns(self, rows: _Columns) -> None:
        import pyarrow as pa

        ids, starts, n_tokens = rows.encoded.ids, rows.encoded.starts, rows.encoded.n_tokens
        # By file: there are few, and a number is given to each as it comes.
        new = np.array([self._sources.get(source, -1) for source in rows.sources], np.int32)
        for file in dict.fromkeys(rows.files.tolist()):
            new[file] = self._sources.setdefault(rows.sources[file], len(self._sources))
        nothing, field = pa.nulls, self._schema.field
        self._put(
            pa.ListArray.from_arrays(pa.array(starts), pa.array(ids.astype(self._ids))),
            nothing(len(n_tokens), field("types").type),
            pa.array(n_tokens),
            pa.array(rows.targets),
            pa.array(new[rows.files]),
            pa.array(rows.lines),
            nothing(len(n_tokens), field("rest").type),
        )
        self._count_in(np.diff(starts), *rows.encoded.cut)

    def _add(self, rows: Sequence[TrainingRow]) -> None:
        import pyarrow as pa

        plain = [row.encoded.parts[0] if _is_plain(row) else _NOTHING for row in rows]
        places = [row.place.rpartition(":") for row in rows]
        pairs = list(zip(plain, rows, strict=True))
        rest = [self._packer.pack(row) if part is _NOTHING else None for part, row in pairs]
        types = None if not any(any(part.type_ids) for part in plain) else [part.type_ids for part in plain]
        self._put(
            _lists([part.ids for part in plain], self._ids),
            pa.nulls(len(rows), self._schema.field("types").type) if types is None else _lists(types, np.uint8),
            pa.array([part.n_tokens for part in plain], pa.int32()),
            pa.array([row.target if part is not _NOTHING else None for part, row in pairs], pa.float64()),
            pa.array([self._sources.setdefault(file, len(self._sources)) for file, _, _ in places], pa.int32()),
            pa.array([int(line) for _, _, line in places], pa.int64()),
            pa.array(rest, pa.binary()),
        )
        lengths = np.fromiter((row.length for row in rows), np.int32, len(rows))
        self._count_in(lengths, *cut_of(row.encoded for row in rows))

    def _put(self, *columns: Any) -> None:
        import pyarrow as pa

        self._file.write_batch(pa.record_batch(list(columns), schema=self._schema))

    def _count_in(self, lengths: NDArray[np.int32], cut: int, lost: int) -> None:
        self.lengths.append(lengths)
        self._count += len(lengths)
        self._cut, self._lost = self._cut + cut, self._lost + lost

    def facts(self) -> Facts:
        """Say what was written."""
        size = self._path.stat().st_size
        return Facts(self._count, self._cut, self._lost, size, tuple(self._sources), tuple(self._packer.records))


_NOTHING = Encoding([], [], 0)


def _is_plain(row: TrainingRow) -> bool:
    """Tell whether a row is one encoding without anything beside it, and a number."""
    if row.swapped is not None or len(row.encoded.parts) != 1 or type(row.target) is not float:
        return False
    part = row.encoded.parts[0]
    return type(part) is Encoding and not (part.spans or part.masked or part.is_part or part.begins)


def _lists(rows: Sequence[Sequence[int]], kind: type[np.integer[Any]]) -> Any:
    import pyarrow as pa

    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    flat = np.fromiter(chain.from_iterable(rows), kind, int(offsets[-1]))
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))


def cut_of(rows: Iterable[EncodedRow]) -> tuple[int, int]:
    """Count the rows that were cut, and the tokens that were lost."""
    if isinstance(rows, ScoredRows):
        return rows.cut
    cut = lost = 0
    for row in rows:
        if row.truncated:
            cut += 1
            lost += sum(max(0, part.n_tokens - len(part.ids)) for part in row.parts)
    return cut, lost


def _is_sound(folder: Path) -> bool:
    try:
        facts = json.loads(read_bytes(folder / _FACTS))
        Unpacker(facts["records"])  # bertkit's own classes, which may lie elsewhere since the rows were written
        return (folder / _ROWS).stat().st_size == facts["size"] and (folder / _LENGTHS).is_file()
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError):
        return False


class StoredTraining(Sequence[TrainingRow]):
    """Training rows in the cache; each is made when it is asked for.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.facts = record_of(Facts, json.loads(read_bytes(folder / _FACTS)))
        self.lengths: NDArray[np.int32] = np.load(folder / _LENGTHS, mmap_mode="r")
        self._folder = folder
        self._columns: dict[int, tuple[Any, ...]] = {}
        self._unpacker = Unpacker(list(self.facts.records))

    @cached_property
    def _batches(self) -> list[Any]:
        import pyarrow as pa

        return list(pa.ipc.open_stream(pa.memory_map(str(self._folder / _ROWS))))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(batch.num_rows for batch in self._batches)])

    def __len__(self) -> int:
        return self.facts.rows

    @overload
    def __getitem__(self, index: int) -> TrainingRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TrainingRow]: ...

    def __getitem__(self, index: int | slice) -> TrainingRow | Sequence[TrainingRow]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        number = int(np.searchsorted(self._starts, place, side="right")) - 1
        return self._row(number, place - int(self._starts[number]))

    def _row(self, number: int, place: int) -> TrainingRow:
        batch = self._batches[number]
        rest = batch.column("rest")[place].as_py()
        if rest is not None:
            found: TrainingRow = self._unpacker.unpack(rest)
            return found
        if number not in self._columns:
            self._columns[number] = _views(batch)
        offsets, ids, type_offsets, types, n_tokens, targets, files, lines = self._columns[number]
        own = ids[offsets[place] : offsets[place + 1]].tolist()
        own_types = [0] * len(own) if types is None else types[type_offsets[place] : type_offsets[place + 1]].tolist()
        encoded = EncodedRow.whole(Encoding(own, own_types, int(n_tokens[place])))
        where = f"{self.facts.sources[files[place]]}:{lines[place]}"
        return TrainingRow(encoded, None, float(targets[place]), where)


def _views(batch: Any) -> tuple[Any, ...]:
    """Look at the columns of a batch as arrays, without copying them."""
    ids, types = batch.column("ids"), batch.column("types")
    bare = types.null_count == len(types)
    return (
        ids.offsets.to_numpy(), ids.values.to_numpy(), None if bare else types.offsets.to_numpy(),
        None if bare else types.values.to_numpy(),
        *(batch.column(name).to_numpy(zero_copy_only=False) for name in ("n_tokens", "target", "file", "line")),
    )  # fmt: skip


class ScoredRows(Sequence[EncodedRow]):
    """Rows to be scored, encoded as they are read.

    Args:
        task: encodes them.
        examples: the rows.
    """

    def __init__(self, task: Task, examples: Sequence[Example]) -> None:
        self._task, self._examples = task, examples

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, index: int) -> EncodedRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EncodedRow]: ...

    def __getitem__(self, index: int | slice) -> EncodedRow | Sequence[EncodedRow]:
        if isinstance(index, slice):
            return ScoredRows(self._task, self._examples[index])
        return self._task.encode_scored([self._examples[index]])[0]

    @cached_property
    def cut(self) -> tuple[int, int]:
        """How many rows are cut, and the tokens that are lost."""
        task, cut, lost = self._task, 0, 0
        for part in _blocks(task, self._examples):
            columns = (
                task.encode_columns(part.texts) if isinstance(part, Block) and isinstance(task, InColumns) else None
            )
            if columns is not None:
                own = columns.cut
            else:
                own = cut_of(task.encode_scored(part.examples if isinstance(part, Block) else part))
            cut, lost = cut + own[0], lost + own[1]
        return cut, lost

    def __iter__(self) -> Iterator[EncodedRow]:
        with ThreadPoolExecutor(max_workers=1) as worker:
            for rows in ahead(worker, self._task.encode_scored, parts_of(self._examples)):
                yield from rows()


class RowsInWork(Sequence[EncodedRow]):
    """Rows on their way through a model: those that were cut are counted, and it is told how far it has come.

    Args:
        rows: encoded, perhaps only when they are read.
        progress: is told how many of how many rows are done.
    """

    def __init__(self, rows: Sequence[EncodedRow], progress: Callable[[float, int], None]) -> None:
        self._rows, self._progress = rows, progress
        self.cut = self._begun = self._parts = 0
        self._done = 0.0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __iter__(self) -> Iterator[EncodedRow]:
        for row in self._rows:
            self.cut += row.truncated
            self._begun, self._parts = self._begun + 1, self._parts + len(row.parts)
            yield row

    def tick(self, parts: float) -> None:
        """Hear that so many parts of rows are done."""
        self._done += parts
        self._progress(self._done * self._begun / max(1, self._parts), len(self))


def encode_scored(task: Task, examples: Sequence[Example]) -> Sequence[EncodedRow]:
    """Encode rows to be scored; many of them only when they are read."""
    if isinstance(examples, StoredRows) and task.settings.sentence_pairs == "none":
        return ScoredRows(task, examples)
    return task.encode_scored(examples)


def lengths_of(rows: Sequence[TrainingRow]) -> Sequence[int] | NDArray[np.int32]:
    """Return the tokens of each row's longest part."""
    return rows.lengths if isinstance(rows, StoredTraining) else [row.length for row in rows]
