"""Rows on disk, as Arrow that is mapped into memory: what is too much to be held, and read more than once.

A file holds the rows of one split as they were read. The pages of a mapped file are the
operating system's, which takes them back where memory is short; a row becomes an object when
somebody asks for it. The files are Arrow streams, which `datasets.Dataset.from_file` opens too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from bertkit.data.records import Document, Entity, Example, LabelSet, Place, Question, ReadingQuestion, TaggedText

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROOM = "rows-1"
"""Where rows lie in the cache; the number is of how the files are laid out, and another one's are not read."""
MANY = 20_000
"""Rows from which they are no longer held."""
# Rows of a batch, and characters after which one is closed sooner.
_ROWS, _CHARACTERS = 4096, 1 << 22
_KINDS: dict[str, type[Example]] = {
    kind.__name__: kind for kind in (Example, LabelSet, TaggedText, Question, ReadingQuestion, Document)
}
_SHARED = frozenset(field.name for field in fields(Example))
# Different labels that are kept as one object each.
_MOST_KNOWN = 10_000

Spell = Callable[[str], str]
Read = Callable[[Example], Example]


@dataclass(frozen=True)
class SplitFacts:
    """What a file of rows does not say of itself: how many there are, and which files they are from.

    Attributes:
        rows: how many.
        texts: columns of text.
        kind: which record they are.
        size: of the file, in bytes.
        sources: files by number.
        is_regular: whether all rows have as many texts.
    """

    rows: int
    texts: int
    kind: str
    size: int
    sources: tuple[str, ...]
    is_regular: bool = True


def write_rows(path: Path, rows: Iterable[Example]) -> SplitFacts:
    """Write rows as they come, holding some thousands of them.

    Args:
        path: the file.
        rows: all of one kind.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow as pa

    sources: dict[str, int] = {}
    count, kind, width, writer, is_regular = 0, Example, 0, None, True
    with path.open("wb") as stream:
        for part in _parts(rows):
            if writer is None:
                kind, width = type(part[0]), max(len(row.texts) for row in part)
                writer = pa.ipc.new_stream(stream, _schema(width))
            count += len(part)
            is_regular = is_regular and all(len(row.texts) == width for row in part)
            columns = _columns(part, width, kind, sources)
            writer.write_batch(pa.record_batch(columns, schema=_schema(width)))
        if writer is not None:
            writer.close()
    return SplitFacts(count, width, kind.__name__, path.stat().st_size, tuple(sources), is_regular)


def _parts(rows: Iterable[Example]) -> Iterator[list[Example]]:
    """Cut rows into batches, of fewer rows where texts are long."""
    rows = iter(rows)
    part: list[Example] = []
    characters = 0
    while some := list(itertools.islice(rows, _ROWS // 16)):
        part += some
        characters += sum(len(text) for row in some for text in row.all_texts)
        if len(part) >= _ROWS or characters >= _CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part


def _schema(width: int) -> Any:
    import pyarrow as pa

    texts = [pa.field(f"text_{i}", pa.string()) for i in range(width)]
    return pa.schema([
        *texts, pa.field("label", pa.string()), pa.field("line", pa.int64()), pa.field("file", pa.int32()),
        pa.field("group", pa.string()), pa.field("more", pa.string()),
    ])  # fmt: skip


def _columns(part: Sequence[Example], width: int, kind: type[Example], sources: dict[str, int]) -> list[Any]:
    import pyarrow as pa

    texts: list[list[str | None]]
    if all(len(row.texts) == width for row in part):
        texts = [[row.texts[i] for row in part] for i in range(width)]
    else:
        texts = [[row.texts[i] if i < len(row.texts) else None for row in part] for i in range(width)]
    more: list[str | None] = [_more(row, width, kind) for row in part] if _has_more(part, width, kind) else []
    return [
        *(pa.array(column, pa.string()) for column in texts),
        pa.array([row.label for row in part], pa.string()),
        pa.array([row.line for row in part], pa.int64()),
        pa.array([sources.setdefault(row.source, len(sources)) for row in part], pa.int32()),
        pa.array([row.group or None for row in part], pa.string()),
        pa.array(more, pa.string()) if more else pa.nulls(len(part), pa.string()),
    ]


def _has_more(part: Sequence[Example], width: int, kind: type[Example]) -> bool:
    return kind is not Example or any(len(row.texts) > width for row in part)


def _more(row: Example, width: int, kind: type[Example]) -> str:
    """Write what a row has besides the columns that all rows have."""
    own = {field.name: getattr(row, field.name) for field in fields(kind) if field.name not in _SHARED}
    if own.get("entities") is not None:
        own["entities"] = [[e.start, e.end, e.label] for e in own["entities"]]
    return json.dumps({**own, "texts": row.texts[width:]})


def _read_more(written: str) -> dict[str, Any]:
    own = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(written).items()}
    if own.get("entities") is not None:
        own["entities"] = tuple(Entity(*entity) for entity in own["entities"])
    if own.get("places") is not None:
        own["places"] = tuple(tuple(place) for place in own["places"])
    return own


@dataclass(frozen=True, slots=True)
class Block:
    """Some thousands of plain rows, as columns: no row is an object unless it is asked for."""

    rows: StoredRows
    batch: Any

    @property
    def texts(self) -> list[list[str]]:
        """The columns of text."""
        return [column.to_pylist() for column in self.batch.columns[: self.rows.facts.texts]]

    @property
    def rows_of_text(self) -> list[tuple[str, ...]]:
        """The texts of each row."""
        return list(zip(*self.texts, strict=True))

    @property
    def labels(self) -> list[str | None]:
        """The labels as they are to be read."""
        return self.rows.labels_of(self.batch)

    @property
    def groups(self) -> list[str | None]:
        """The groups; None: the row is of none."""
        return self.batch.column("group").to_pylist()  # type: ignore[no-any-return]

    @property
    def places(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The numbers of the rows' files, and their lines."""
        return self.batch.column("file").to_numpy(), self.batch.column("line").to_numpy()

    def place(self, row: int) -> Place:
        """Tell where a row stands."""
        files, lines = self.places
        return Place(self.rows.facts.sources[files[row]], int(lines[row]))

    @property
    def examples(self) -> list[Example]:
        """The rows, each as an object."""
        return self.rows.examples_of(self.batch)


class StoredRows(Sequence[Example]):
    """Rows of a file, all or some; each is made when it is asked for.

    Args:
        path: what `write_rows` wrote.
        facts: what it returned.
        chosen: the places of the rows that are meant, ascending; None: all.
        spell: gives labels as they are to be read; None: as they are written.
        read: gives rows, all but plain ones, as they are to be read; None: as they are written.
    """

    def __init__(
        self,
        path: Path,
        facts: SplitFacts,
        chosen: NDArray[np.int32] | None = None,
        spell: Spell | None = None,
        read: Read | None = None,
    ) -> None:
        self.path, self.facts = path, facts
        self._chosen, self._spell, self._read = chosen, spell, read
        self._known: dict[str | None, str | None] = {None: None}

    @cached_property
    def _batches(self) -> list[Any]:
        import pyarrow as pa

        if not self.facts.rows:
            return []
        return list(pa.ipc.open_stream(pa.memory_map(str(self.path))))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each batch starts, and where the last one ends."""
        import numpy as np

        return np.cumsum([0, *(batch.num_rows for batch in self._batches)])

    def __len__(self) -> int:
        return self.facts.rows if self._chosen is None else len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        import numpy as np

        if isinstance(index, slice):
            return self.select(np.arange(*index.indices(len(self)), dtype=np.int32))
        place = range(len(self))[index]
        row = place if self._chosen is None else int(self._chosen[place])
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        (example,) = self.examples_of(self._batches[number].slice(row - int(self._starts[number]), 1))
        return example

    def __iter__(self) -> Iterator[Example]:
        for part in self.parts():
            yield from part

    @property
    def key(self) -> list[str]:
        """What tells these rows from others of the cache."""
        chosen = b"" if self._chosen is None else self._chosen.tobytes()
        return [self.path.parent.name, self.path.name, hashlib.sha256(chosen).hexdigest()]

    def select(self, places: NDArray[np.integer[Any]]) -> Self:
        """Return the rows at some places of these, in ascending order, as rows of their own."""
        import numpy as np

        chosen = places if self._chosen is None else self._chosen[places]
        return type(self)(self.path, self.facts, np.asarray(chosen, np.int32), self._spell, self._read)

    def spelt(self, spell: Spell) -> Self:
        """Return the same rows with labels that are spelt otherwise."""
        before = self._spell
        both = spell if before is None else lambda label: spell(before(label))
        return type(self)(self.path, self.facts, self._chosen, both, self._read)

    def read_by(self, read: Read) -> Self:
        """Return the same rows, each as a function makes it."""
        return type(self)(self.path, self.facts, self._chosen, self._spell, read)

    def parts(self) -> Iterator[list[Example]]:
        """Read the rows, some thousands at a time."""
        return map(self.examples_of, self._meant())

    def blocks(self) -> Iterator[Block]:
        """Read plain rows column by column, some thousands at a time, however thinly they were chosen."""
        import pyarrow as pa

        some: list[Any] = []
        for batch in itertools.chain(self._meant(), [None]):
            if some and (batch is None or sum(part.num_rows for part in some) + batch.num_rows > _ROWS):
                yield Block(self, pa.Table.from_batches(some).combine_chunks().to_batches()[0] if some[1:] else some[0])
                some = []
            some.append(batch)

    def labels(self) -> Iterator[str | None]:
        """Read the labels alone."""
        if self._read is not None:
            yield from (row.label for row in self)
            return
        for batch in self._meant(["label"]):
            yield from self.labels_of(batch)

    def first_texts(self) -> Iterator[list[str]]:
        """Read the first text of each row alone, some thousands at a time."""
        for batch in self._meant(["text_0"]):
            yield batch.column(0).to_pylist()

    @property
    def is_regular(self) -> bool:
        """Whether every row has as many texts as there are columns of text, and no others."""
        return self.facts.kind != Question.__name__ and self.facts.is_regular

    @property
    def are_plain(self) -> bool:
        """Whether rows have texts and labels and nothing else."""
        return self.facts.kind == Example.__name__ and self.facts.is_regular

    def _meant(self, names: Sequence[str] | None = None) -> Iterator[Any]:
        """Read the batches, cut down to the rows that are meant."""
        import numpy as np
        import pyarrow as pa

        for start, batch in zip(self._starts.tolist(), self._batches, strict=False):
            part = batch if names is None else batch.select(names)
            if self._chosen is not None:
                first, last = np.searchsorted(self._chosen, [start, start + batch.num_rows])
                if first == last:
                    continue
                if last - first < batch.num_rows:
                    part = part.take(pa.array(self._chosen[first:last] - np.int32(start)))
            yield part

    def examples_of(self, batch: Any) -> list[Example]:
        """Make the rows of a batch."""
        width, sources = self.facts.texts, self.facts.sources
        columns = [column.to_pylist() for column in batch.columns[:width]]
        lines, files, groups, more = (column.to_pylist() for column in batch.columns[width + 1 :])
        labels = self.labels_of(batch)
        texts: Iterable[tuple[str, ...]] = zip(*columns, strict=True)
        if self.are_plain and not any(more):
            rows = zip(texts, labels, lines, files, groups, strict=True)
            return [Example(t, label, line, sources[file], group=g or "") for t, label, line, file, g in rows]
        kind, found = _KINDS[self.facts.kind], []
        for t, label, line, file, g, written in zip(texts, labels, lines, files, groups, more, strict=True):
            own = _read_more(written) if written else {"texts": ()}
            there = tuple(text for text in t if text is not None) + own.pop("texts")
            found.append(kind(there, label, line, sources[file], group=g or "", **own))
        return found if self._read is None else list(map(self._read, found))

    def labels_of(self, batch: Any) -> list[str | None]:
        """Return the labels of a batch, equal ones as one object: there may be millions."""
        known, written = self._known, batch.column("label").to_pylist()
        if len(known) <= _MOST_KNOWN:
            for label in set(written).difference(known):
                known[label] = self._spell(label) if self._spell is not None else label
            return [known[label] for label in written]
        if self._spell is None:
            return written  # type: ignore[no-any-return]
        return [label if label is None else self._spell(label) for label in written]


def blocks_of(rows: Sequence[Example]) -> Iterator[Block | Sequence[Example]]:
    """Read rows in order, some thousands at a time; plain ones of a file as columns."""
    return rows.blocks() if isinstance(rows, StoredRows) and rows.are_plain else parts_of(rows)


def parts_of(rows: Sequence[Example]) -> Iterator[Sequence[Example]]:
    """Read rows in order, some thousands at a time."""
    if isinstance(rows, StoredRows):
        return rows.parts()
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def labels_of(rows: Sequence[Example]) -> Iterator[str | None]:
    """Read the labels alone, in order."""
    return rows.labels() if isinstance(rows, StoredRows) else (row.label for row in rows)


def texts_of(rows: Sequence[Example]) -> Iterator[str]:
    """Read every text that a model may read, in order."""
    if isinstance(rows, StoredRows) and rows.are_plain and rows.facts.texts == 1:
        return itertools.chain.from_iterable(rows.first_texts())
    return (text for row in rows for text in row.all_texts)


def taken(rows: Sequence[Example], places: NDArray[np.integer[Any]]) -> Sequence[Example]:
    """Return the rows at some places, which ascend."""
    return rows.select(places) if isinstance(rows, StoredRows) else tuple([rows[i] for i in places.tolist()])


def read_by(rows: Sequence[Example], read: Read) -> Sequence[Example]:
    """Return rows, each as a function makes it."""
    return rows.read_by(read) if isinstance(rows, StoredRows) else tuple(map(read, rows))


def spelt(rows: Sequence[Example], spell: Callable[[str], str]) -> Sequence[Example]:
    """Return rows with labels that are spelt otherwise."""
    if isinstance(rows, StoredRows):
        return rows.spelt(spell)
    return tuple(
        row if row.label is None or (new := spell(row.label)) == row.label else replace(row, label=new) for row in rows
    )


class RowTexts(Sequence[str]):
    """All texts of rows, in order, read when they are asked for.

    Args:
        rows: the rows.
    """

    def __init__(self, rows: Sequence[Example]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        width = self._width
        return sum(1 for _ in self) if width is None else width * len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return texts_of(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        places = range(len(self))[index]
        width = self._width
        if width is None:
            wanted = places if isinstance(places, range) else (places,)
            found = (
                list(itertools.islice(self, wanted[0], wanted[-1] + 1, getattr(wanted, "step", 1))) if wanted else []
            )
            return found if isinstance(places, range) else found[0]
        if isinstance(places, int):
            return self._rows[places // width].all_texts[places % width]
        return [self._rows[place // width].all_texts[place % width] for place in places]

    @property
    def _width(self) -> int | None:
        """How many texts each row has; None where it may differ."""
        if not isinstance(self._rows, StoredRows):
            return None
        return self._rows.facts.texts if self._rows.is_regular else None
