"""The one thing that is kept of every row: 64-bit hashes of its texts and answer, and its place.

Some 50 bytes a row, whatever the length of the texts. The hashes are BLAKE2b's, so two
processes, and two machines, find the same rows. Among a million texts, two different ones
share a hash with probability 3e-8.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.chunk import Chunk
from bertkit.cache import cache_folder, scratch_array, scratch_file
from bertkit.data.numerals import is_score
from bertkit.data.records import Example, LabelSet, Place, ReadingQuestion, TaggedText
from bertkit.data.same_row import plain_form
from bertkit.data.store import MANY
from bertkit.files import write_errors

Keys = NDArray[np.uint64]
# Figures of a row that are kept, and rows that are compared at once.
_COLUMNS, _PART_ROWS = 6, 1 << 16


@dataclass(frozen=True)
class RowKeys:
    """The rows of one split, N of them with C columns of text.

    `answers` are hashes, or in regression the numbers themselves; `has_answer` tells the
    rows that have one.
    """

    exact: Keys  # (N)
    columns: Keys  # (N, C), of the normalised texts
    answers: NDArray[Any]  # (N) of uint64, or of float64
    has_answer: NDArray[np.bool_]  # (N)
    lines: NDArray[np.int64]  # (N)
    files: NDArray[np.int32]  # (N)
    file_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.exact)

    @cached_property
    def normal(self) -> Keys:
        """One key a row, of its normalised texts in their order, (N)."""
        return _combined(self.columns, lambda part: part)

    @cached_property
    def unordered(self) -> Keys:
        """The same, but a swapped pair is the same pair, (N)."""
        return _combined(self.columns, lambda part: np.sort(part, axis=1))

    def place(self, index: int) -> Place:
        """Tell where a row stands."""
        return Place(self.file_names[self.files[index]], int(self.lines[index]))

    def places(self, indices: Iterable[int]) -> tuple[Place, ...]:
        """Tell where several rows stand."""
        return tuple(self.place(int(index)) for index in indices)


class _Column:
    """One figure (or several) of each row, as they come; of many rows in a file without a name, and not in memory."""

    def __init__(self) -> None:
        self._parts: list[NDArray[Any]] = []
        self._rows = 0
        self._stream: IO[bytes] | None = None

    def add(self, part: NDArray[Any]) -> None:
        """Take the figures of some rows."""
        self._rows += len(part)
        if self._stream is None and self._rows <= MANY:
            self._parts.append(part)
            return
        if self._stream is None:
            self._stream = scratch_file()
            for earlier in self._parts:
                self._stream.write(earlier.tobytes())
            self._parts = [part[:0]]
        with write_errors(cache_folder()):
            self._stream.write(part.tobytes())

    def whole(self) -> NDArray[Any]:
        """Return those of all rows."""
        if self._stream is None:
            return np.concatenate(self._parts)
        self._stream.flush()
        kind = self._parts[0]
        return np.asarray(np.memmap(self._stream, kind.dtype, "r", shape=(self._rows, *kind.shape[1:])))


class KeyTable:
    """Gathers the keys of every split.

    Args:
        numeric: whether answers are numbers (regression).
    """

    def __init__(self, *, numeric: bool = False) -> None:
        self._numeric = numeric
        self._columns: dict[str, list[_Column]] = defaultdict(lambda: [_Column() for _ in range(_COLUMNS)])
        self._files: dict[str, int] = {}

    def see(self, chunk: Chunk) -> None:
        """Hash some rows."""
        answer = _number if self._numeric else _answer_key
        figures: tuple[NDArray[Any], ...] = (
            _hash_columns([("\x1f".join(texts),) for texts in chunk.texts])[:, 0],
            _hash_columns(chunk.normal),
            np.array(list(map(answer, chunk.rows)), dtype=np.float64 if self._numeric else np.uint64),
            np.array([row.answer is not None for row in chunk.rows]),
            np.array([row.line for row in chunk.rows], dtype=np.int64),
            np.array([self._file(row.source) for row in chunk.rows], dtype=np.int32),
        )
        for column, part in zip(self._columns[chunk.split], figures, strict=True):
            column.add(part)

    def tables(self) -> dict[str, RowKeys]:
        """Join what was gathered, by split, and let go of the pieces."""
        names = tuple(self._files)
        return {
            split: RowKeys(*(column.whole() for column in self._columns.pop(split)), file_names=names)  # type: ignore[misc, arg-type]
            for split in list(self._columns)
        }

    def _file(self, source: str) -> int:
        return self._files.setdefault(source, len(self._files))


def in_parts(keys: Keys) -> Iterator[NDArray[np.int64]]:
    """Part rows so that those with equal keys are in one part, of some ten thousand rows where there are many.

    Yields:
        The places of a part's rows, ascending.
    """
    count = 1
    while len(keys) > count * _PART_ROWS:
        count *= 2
    if count == 1:
        yield np.arange(len(keys))
        return
    part_of = by_row(len(keys), "uint16")
    for start in range(0, len(keys), _PART_ROWS):
        part = keys[start : start + _PART_ROWS]
        part_of[start : start + _PART_ROWS] = part % np.uint64(count)
    for number in range(count):
        yield np.flatnonzero(part_of == number)


def by_row(rows: int, kind: str) -> NDArray[Any]:
    """Make an array of a figure for each row; of many, one that is not held in memory."""
    return scratch_array((rows,), kind) if rows > MANY else np.zeros(rows, kind)


def stable_key(text: str) -> int:
    """Hash a text to 64 bits, the same in every process."""
    return int.from_bytes(_digest(text), "little")


def combine(columns: Keys) -> Keys:
    """Mix the keys of each row, (N, C), into one that depends on their order, (N)."""
    mixed = np.full(len(columns), columns.shape[1], dtype=np.uint64)
    for column in columns.T:
        # one round of SplitMix64's finalizer (Steele et al. 2014) a column
        mixed = (mixed ^ column) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _combined(columns: Keys, ordered: Callable[[Keys], Keys]) -> Keys:
    found = by_row(len(columns), "uint64")
    for start in range(0, len(columns), _PART_ROWS):
        found[start : start + _PART_ROWS] = combine(ordered(columns[start : start + _PART_ROWS]))
    return found


def _hash_columns(rows: list[tuple[str, ...]]) -> Keys:
    digests = b"".join([_digest(text) for texts in rows for text in texts])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64).reshape(len(rows), -1)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _answer_key(row: Example) -> int:
    if isinstance(row, TaggedText):
        # by what an entity says, not where it stands: white space may be all that moved it
        said = [(entity.label, plain_form(row.texts[0][entity.start : entity.end])) for entity in row.entities or ()]
        return stable_key(repr(said))
    if isinstance(row, ReadingQuestion):
        return _label_key(repr(sorted(map(plain_form, row.answers))))
    if isinstance(row, LabelSet):
        return _label_key(repr(sorted(row.labels or ())))
    return _label_key(row.label or "")


@lru_cache(maxsize=4096)
def _label_key(label: str) -> int:
    return stable_key(label)


def _number(row: Example) -> float:
    return float(row.label) if row.label is not None and is_score(row.label) else 0.0
