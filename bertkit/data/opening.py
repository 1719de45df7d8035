"""Tables as they are found: format, task and columns of every file, and its rows as examples.

A file is opened by reading no further than its first rows; the names and labels of the
catalog hold here as they do in `loading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice
from bertkit.data.formats import TableFormat, encoding_note, sniff_format
from bertkit.data.readers import read_rows
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.shapes import guess_task, shape_of
from bertkit.data.sources import Source
from bertkit.data.tagged_files import read_tagged_file
from bertkit.errors import DataError

# Tasks whose rows have an answer in the label column; of others that column is no label.
_LABELLED = ("auto", "classify", "regression", "ner", "choice")
_TAGGED = ColumnMap(("text",), None, "entities")


@dataclass
class SeenIds:
    """Leaves out rows whose id came before, and counts them."""

    repeated: int = 0
    _seen: set[str] = field(default_factory=set)

    def filter(self, rows: Iterable[Row | BadRow], column: str) -> Iterator[Row | BadRow]:
        """Hand on rows with a new id, and those without one."""
        for row in rows:
            name = None if isinstance(row, BadRow) else row.fields.get(column)
            if name is not None and name in self._seen:
                self.repeated += 1
                continue
            if name is not None:
                self._seen.add(name)
            yield row


@dataclass(frozen=True)
class Table:
    """One file, with all that reading it takes."""

    path: Path
    kind: TableFormat
    columns: ColumnMap
    task: str
    header: tuple[str, ...] | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    spec: DatasetSpec | None = None
    id_column: str | None = None

    def rows(self) -> Iterator[Row | BadRow]:
        """Read the rows, columns under the data set's own names."""
        for row in read_rows(self.path, table_format=self.kind, header=self.header):
            if isinstance(row, BadRow) or not self.renames:
                yield row
            else:
                yield Row(row.line, {self.renames.get(name, name): text for name, text in row.fields.items()})

    def examples(self, problems: list[BadRow], seen: SeenIds | None = None) -> Iterator[Example | BadRow]:
        """Read the rows as examples; a label may be missing, for that is a finding of its own.

        Args:
            problems: gathers entities that are not in their texts.
            seen: leaves out rows of other files' ids, where the data set has a column of ids.
        """
        if self.kind.kind == "conll":
            yield from read_tagged_file(self.path, table_format=self.kind)
            return
        rows = self.rows()
        if seen is not None and self.id_column is not None:
            rows = seen.filter(rows, self.id_column)
        need_label = self.task == "ner" and self.columns.label is not None
        columns = self.columns if self.task in _LABELLED else replace(self.columns, label=None)
        shape = shape_of(self.task, problems=problems)
        for example in shape.examples(rows, columns, str(self.path), spec=self.spec, need_label=need_label):
            yield self._checked(example)

    def _checked(self, example: Example | BadRow) -> Example | BadRow:
        """Refuse a label that a data set of the catalog does not have."""
        if isinstance(example, BadRow) or self.spec is None or not self.spec.labels or example.label is None:
            return example
        if self.spec.canonical_label(example.label) is None:
            message = f"label {example.label!r} is none of {self.spec.name}'s: {self.spec.label_words}"
            return BadRow(example.line, message)
        return example


@dataclass
class Opener:
    """Finds format, task and columns of every file, and reads no further than that takes."""

    source: Source
    choice: ColumnChoice | None
    task: str
    notes: list[str] = field(default_factory=list)
    _resolved: ColumnMap | None = None

    @property
    def columns(self) -> ColumnMap:
        """The columns of the data set: those of the first split."""
        assert self._resolved is not None, "nothing has been opened yet"
        return self._resolved

    def tables(self, split: str) -> list[Table]:
        """Open the files of a split; they share their columns."""
        found: list[Table] = []
        for path in self.source.files[split]:
            found.append(self._open(path, split, found[0].columns if found else None))
        return found

    def _open(self, path: Path, split: str, given: ColumnMap | None) -> Table:
        spec = self.source.spec
        header = spec.header if spec is not None else ()
        expected = (*header, *spec.renames.values()) if spec is not None and header else ()
        known = sniff_format(path, header=expected)
        note = encoding_note(path, known)
        if note is not None:
            self.notes.append(note)
        if known.kind == "conll" and self.task in ("auto", "ner"):
            self.task, self._resolved = "ner", self._resolved or _TAGGED
            return Table(path, known, _TAGGED, "ner")
        headerless = known.kind in ("csv", "tsv") and not known.has_header
        table = Table(path, known, _TAGGED, self.task, header if headerless and header else None)
        first = self._first_row(table)
        renames = _renames(first, spec)
        names = [renames.get(name, name) for name in first.fields]
        columns = self._resolve(names, path, split, renames, given)
        return replace(
            table,
            task=self.task,
            columns=columns,
            renames=renames,
            spec=self._spec_for_labels(),
            id_column=None if spec is None else spec.id_column,
        )

    def _first_row(self, table: Table) -> Row:
        """Return the first row that can be read, and decide the task by it and the next ones if need be."""
        rows = table.rows()
        if self.task == "auto":
            guessed, rows = guess_task(rows, self.choice)
            self.task = guessed or "auto"
        bad: BadRow | None = None
        for row in rows:
            if isinstance(row, Row):
                return row
            bad = bad or row
        if bad is not None:
            raise DataError.at(table.path, bad.line, f"{bad.message}; no row can be read.")
        raise DataError(f"{table.path}: there are no rows in it (empty, or only a header line).")

    def _resolve(
        self, names: Sequence[str], path: Path, split: str, renames: Mapping[str, str], given: ColumnMap | None
    ) -> ColumnMap:
        if given is not None:
            wanted = (*given.inputs, *given.choices, given.label)
            missing = next((name for name in wanted if name is not None and name not in names), None)
            if missing is not None:
                there_are = ", ".join(map(repr, names))
                raise DataError(f"{path}: no column {missing!r} as in the first file: there are {there_are}.")
            return given
        spec = self.source.spec
        # GLUE's test.tsv has no label column at all
        may_lack_label = self.task == "mlm" or (split == "test" and spec is not None and bool(spec.withheld))
        try:
            columns = shape_of(self.task).resolve(
                names,
                mapping=self.choice.renamed(renames) if self.choice is not None else None,
                spec=spec,
                stored=self._resolved,
                need_label=not may_lack_label,
            )
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        self._resolved = self._resolved or columns
        return columns

    def _spec_for_labels(self) -> DatasetSpec | None:
        """A label column of the user's own choice does not hold the data set's labels."""
        return None if self.choice is not None and self.choice.label is not None else self.source.spec


def _renames(row: Row, spec: DatasetSpec | None) -> dict[str, str]:
    """Which names of this row to write as the hub's; a name that is there already stays."""
    if spec is None:
        return {}
    return {old: new for old, new in spec.renames.items() if old in row.fields and new not in row.fields}
