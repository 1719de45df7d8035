"""Tables as they are found: format, task and columns of every file, and its rows as examples.

A file is opened by reading no further than its first rows; the names and labels of the
catalog hold here as they do in `loading`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice
from bertkit.data.formats.readers import read_rows
from bertkit.data.formats.telling import TableFormat, encoding_note, sniff_format
from bertkit.data.groups import Groups, find_groups, refuse_groups
from bertkit.data.records import BadRow, ColumnMap, Example, LeftOut, Row
from bertkit.data.shape_names import AUTO, ENTITIES, LABEL_SETS
from bertkit.data.shapes.label_sets import with_flags
from bertkit.data.shapes.labelled import strange_label
from bertkit.data.shapes.table import guess_shape, shape_of, spec_of
from bertkit.data.sources import Source
from bertkit.data.table_rules import (
    SeenIds,
    check_shared,
    expected_header,
    find_renames,
    header_of_bare,
    lacks_labels,
    rename,
    spec_for_labels,
)
from bertkit.data.tagged.column_files import read_tagged_file, tagged_lines
from bertkit.errors import DataError

Watch = Callable[[Iterator[Row | BadRow]], Iterator[Row | BadRow]]
_TAGGED = ColumnMap(("text",), None, "entities")


@dataclass(frozen=True)
class Table:
    """One file, with all that reading it takes."""

    path: Path
    kind: TableFormat
    columns: ColumnMap
    shape: str
    header: tuple[str, ...] | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    spec: DatasetSpec | None = None
    id_column: str | None = None
    group: str | None = None

    def rows(self) -> Iterator[Row | BadRow]:
        """Read the rows, columns under the data set's own names."""
        yield from rename(read_rows(self.path, table_format=self.kind, header=self.header), self.renames)

    def examples(
        self, problems: list[BadRow], seen: SeenIds | None = None, watch: Watch | None = None
    ) -> Iterator[Example | BadRow]:
        """Read the rows as examples; a label may be missing, for that is a finding of its own.

        Args:
            problems: gathers entities that are not in their texts.
            seen: leaves out rows of other files' ids, where the data set has a column of ids.
            watch: sees the rows as they pass, with all their columns.
        """
        if self.kind.kind == "conll":
            yield from read_tagged_file(self.path, table_format=self.kind, problems=problems)
            return
        rows = self.rows()
        if seen is not None and self.id_column is not None:
            rows = seen.filter(rows, self.id_column)
        if watch is not None:
            rows = watch(rows)
        groups = None if self.group is None else Groups(self.group)
        if groups is not None:
            rows = groups.note(rows)
        need_label = self.shape == ENTITIES and self.columns.label is not None
        columns = replace(self.columns, label=None, labels=()) if spec_of(self.shape).labels_are_texts else self.columns
        shape = shape_of(self.shape, problems=problems)
        found = shape.examples(rows, columns, str(self.path), spec=self.spec, need_label=need_label)
        for example in found if groups is None else groups.give(found):
            yield self._checked(example)

    def _checked(self, example: Example | BadRow) -> Example | BadRow:
        """Refuse a label that a data set of the catalog does not have."""
        if isinstance(example, BadRow) or self.spec is None or not self.spec.labels or example.label is None:
            return example
        if self.spec.canonical_label(example.label) is None:
            return BadRow(example.line, strange_label(example.label, self.spec))
        return example


@dataclass
class Opener:
    """Finds format, task and columns of every file, and reads no further than that takes."""

    source: Source
    choice: ColumnChoice | None
    shape: str
    group: str | None = None
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
        known = sniff_format(path, header=expected_header(spec))
        note = encoding_note(path, known)
        if note is not None:
            self.notes.append(note)
        if known.kind == "txt" and self.shape == ENTITIES:
            known = tagged_lines(known)
        if known.kind == "conll" and self.shape in (AUTO, ENTITIES):
            refuse_groups(self.group, str(path))
            self.shape, self._resolved = ENTITIES, self._resolved or _TAGGED
            return Table(path, known, _TAGGED, ENTITIES)
        headerless = known.kind in ("csv", "tsv") and not known.has_header
        table = Table(path, known, _TAGGED, self.shape, header_of_bare(spec) if headerless else None)
        first = self._first_row(table)
        renames = find_renames(first, spec)
        names = [renames.get(name, name) for name in first.fields]
        choice = self.choice
        if self.shape == LABEL_SETS:
            choice, _ = with_flags(table.rows(), choice, self._resolved)
        columns = self._resolve(names, path, split, renames, given, choice=choice)
        groups = find_groups(self.group, names, str(path), renames)
        return replace(
            table,
            shape=self.shape,
            columns=columns,
            renames=renames,
            spec=spec_for_labels(spec, self.choice),
            id_column=None if spec is None else spec.id_column,
            group=None if groups is None else groups.column,
        )

    def _first_row(self, table: Table) -> Row:
        """Return the first row that can be read, and decide the shape by it and the next ones if need be."""
        rows = table.rows()
        if self.shape == AUTO:
            guessed, rows = guess_shape(rows, self.choice)
            self.shape = guessed or AUTO
        bad: BadRow | None = None
        for row in rows:
            if isinstance(row, Row):
                return row
            bad = bad or (None if isinstance(row, LeftOut) else row)
        if bad is not None:
            raise DataError.at(table.path, bad.line, f"{bad.message}; no row can be read.")
        raise DataError(f"{table.path}: there are no rows in it (empty, or only a header line).")

    def _resolve(
        self,
        names: Sequence[str],
        path: Path,
        split: str,
        renames: Mapping[str, str],
        given: ColumnMap | None,
        *,
        choice: ColumnChoice | None,
    ) -> ColumnMap:
        if given is not None:
            check_shared(given, names, str(path))
            return given
        spec = self.source.spec
        may_lack_label = not spec_of(self.shape).need_labels or lacks_labels(spec, split)
        try:
            columns = shape_of(self.shape).resolve(
                names,
                mapping=choice.renamed(renames) if choice is not None else None,
                usual=None if spec is None else spec.columns,
                stored=self._resolved,
                need_label=not may_lack_label,
            )
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        self._resolved = self._resolved or columns
        return columns
