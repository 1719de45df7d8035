"""The one thing that is kept of every row: 64-bit hashes of its texts and answer, and its place.

Some 50 bytes a row, whatever the length of the texts. The hashes are BLAKE2b's, so two
processes, and two machines, find the same rows. Among a million texts, two different ones
share a hash with probability 3e-8.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.chunk import Chunk
from bertkit.data.numerals import is_score
from bertkit.data.records import Example, LabelSet, Place, ReadingQuestion, TaggedText
from bertkit.data.same_row import plain_form

Keys = NDArray[np.uint64]


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
        return combine(self.columns)

    @cached_property
    def unordered(self) -> Keys:
        """The same, but a swapped pair is the same pair, (N)."""
        return combine(np.sort(self.columns, axis=1))

    def place(self, index: int) -> Place:
        """Tell where a row stands."""
        return Place(self.file_names[self.files[index]], int(self.lines[index]))

    def places(self, indices: Iterable[int]) -> tuple[Place, ...]:
        """Tell where several rows stand."""
        return tuple(self.place(int(index)) for index in indices)


class KeyTable:
    """Gathers the keys of every split.

    Args:
        numeric: whether answers are numbers (regression).
    """

    def __init__(self, *, numeric: bool = False) -> None:
        self._numeric = numeric
        self._parts: dict[str, list[RowKeys]] = defaultdict(list)
        self._files: dict[str, int] = {}

    def see(self, chunk: Chunk) -> None:
        """Hash some rows."""
        exact = _hash_columns([("\x1f".join(texts),) for texts in chunk.texts])[:, 0]
        answer = _number if self._numeric else _answer_key
        answers = np.array(list(map(answer, chunk.rows)), dtype=np.float64 if self._numeric else np.uint64)
        self._parts[chunk.split].append(
            RowKeys(
                exact=exact,
                columns=_hash_columns(chunk.normal),
                answers=answers,
                has_answer=np.array([row.answer is not None for row in chunk.rows]),
                lines=np.array([row.line for row in chunk.rows], dtype=np.int64),
                files=np.array([self._file(row.source) for row in chunk.rows], dtype=np.int32),
                file_names=(),
            )
        )

    def tables(self) -> dict[str, RowKeys]:
        """Join what was gathered, by split, and let go of the pieces."""
        names = tuple(self._files)
        return {split: _joined(self._parts.pop(split), names) for split in list(self._parts)}

    def _file(self, source: str) -> int:
        return self._files.setdefault(source, len(self._files))


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


def _joined(parts: list[RowKeys], file_names: tuple[str, ...]) -> RowKeys:
    return RowKeys(
        exact=np.concatenate([part.exact for part in parts]),
        columns=np.concatenate([part.columns for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
        has_answer=np.concatenate([part.has_answer for part in parts]),
        lines=np.concatenate([part.lines for part in parts]),
        files=np.concatenate([part.files for part in parts]),
        file_names=file_names,
    )


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
