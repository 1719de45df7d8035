"""Tables as they are found, on disk or on the hub: format, shape and columns of each, and its rows as examples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bertkit.data.catalog import DatasetSpec
from bertkit.data.column_names import first_named
from bertkit.data.columns import (
    GROUP_FORM,
    ColumnChoice,
    UnnamedColumnsError,
    Wanted,
    find_group,
    groups_of,
    of_whole_chat,
    refuse_groups,
    there_are,
)
from bertkit.data.contents import ROWS_LOOKED_AT, is_never_label, likely_labels, told_or_refused, unread_columns
from bertkit.data.faults import Faults, Unread
from bertkit.data.formats.opened import open_input
from bertkit.data.formats.parquet import HubData, class_names, open_hub_data
from bertkit.data.formats.readers import read_rows
from bertkit.data.formats.telling import TableFormat, encoding_note, sniff_format
from bertkit.data.records import (
    AUTO,
    CLASSES,
    ENTITIES,
    LABEL_SETS,
    RELATIONS,
    TEXTS,
    BadRow,
    ColumnMap,
    Example,
    LeftOut,
    Row,
)
from bertkit.data.shapes.labelled import with_flags
from bertkit.data.shapes.table import guess_shape, shape_of, spec_of
from bertkit.data.sources import SPLIT_WORDS, Source, labels_beside, text_reader
from bertkit.data.tagged.column_files import read_tagged_file, tagged_lines
from bertkit.data.values import RowError
from bertkit.errors import DataError, first_repeated
from bertkit.plain import brief, listed, quoted

# --- What the catalog and a user's choice say of a table, however its rows are read ---------------
#
# Names under which its columns stand, ids that came before, whether its labels are those of the
# catalog, and what files of one split must share.


@dataclass
class SeenIds:
    """Leaves out rows whose id came before, and counts them."""

    repeated: int = 0
    _seen: set[str] = field(default_factory=set)

    def filter(self, rows: Iterable[Row | BadRow], column: str) -> Iterator[Row | BadRow]:
        """Hand on rows with a new id in their `column`, and those without one."""
        for row in rows:
            name = None if isinstance(row, BadRow) else _readable(row, column)
            if name is not None and name in self._seen:
                self.repeated += 1
                continue
            if name is not None:
                self._seen.add(name)
            yield row


def expected_header(spec: DatasetSpec | None) -> tuple[str, ...]:
    """Return the names a first line must hold to be the header of the data set; none: any may."""
    return (*spec.header, *spec.renames.values()) if spec is not None and spec.header else ()


def header_of_bare(spec: DatasetSpec | None) -> tuple[str, ...] | None:
    """Return the names of the columns of a file without a header, where the catalog knows them."""
    return spec.header or None if spec is not None else None


def find_renames(row: Row, spec: DatasetSpec | None) -> dict[str, str]:
    """Return which names of a row to write as the hub's; a name that is there already stays."""
    if spec is None:
        return {}
    return {old: new for old, new in spec.renames.items() if old in row.fields and new not in row.fields}


def rename(rows: Iterable[Row | BadRow], renames: Mapping[str, str]) -> Iterator[Row | BadRow]:
    """Hand on rows with their columns renamed."""
    for row in rows:
        if isinstance(row, BadRow) or not renames:
            yield row
        elif isinstance(row.fields, dict):
            yield Row(row.line, {renames.get(name, name): text for name, text in row.fields.items()})
        else:
            yield Row(row.line, _Renamed(row.fields, renames))


def spelt_as(columns: ColumnMap, names: Sequence[str]) -> dict[str, str]:
    """Return which names to write as the columns of the first file: they differ in letter case and spaces only."""
    wanted = (*columns.inputs, *columns.choices, *columns.spans, *columns.labels, columns.label)
    missing = [name for name in wanted if name is not None and name not in names and "." not in name]
    found = {name: first_named(names, [name]) for name in missing}
    return {own: name for name, own in found.items() if own is not None and own not in wanted}


def check_shared(columns: ColumnMap, names: Sequence[str], place: str) -> None:
    """Check that a file has the columns of the first one of its split.

    Raises:
        DataError: it lacks one.
    """
    wanted = (*columns.inputs, *columns.choices, *columns.spans, columns.label)
    missing = next((name for name in wanted if name is not None and name not in names), None)
    if missing is not None:
        raise DataError(f"{place}: no column {quoted(missing)} as in the first file: {there_are(names)}.")


def _readable(row: Row, column: str) -> str | None:
    try:
        return row.fields.get(column)
    except RowError:
        return None


class _Renamed(Mapping[str, str]):
    """Fields under other names; as with those of an Arrow table, none is read that is not looked at."""

    def __init__(self, fields: Mapping[str, str], renames: Mapping[str, str]) -> None:
        self._fields = fields
        self._names = {renames.get(name, name): name for name in fields}

    def __getitem__(self, name: str) -> str:
        return self._fields[self._names[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


# --- Tables as they are found: format, shape and columns of every file, and its rows as examples --
#
# One road for whatever reads data. A table is opened by reading no further than its first rows,
# and what cannot be read of it comes as records between the others: whether such a record ends
# the work, is counted or is answered is for those who ask.

Watch = Callable[[Iterator[Row | BadRow]], Iterator[Row | BadRow]]
_TAGGED = ColumnMap(("text",), None, "entities")
_WAYS_ON = ("name a file or a directory", "try the bundled sample:paraphrase")
_CATALOG_WAYS_ON = ("name the folder of its files with --data-dir DIR", *_WAYS_ON)


@dataclass(frozen=True)
class Table:
    """One file, or one split on the hub, with all that reading it takes.

    Attributes:
        place: what errors call it.
        read: begins to read its records, from the start each time.
        read_tagged: the same for a file without columns, of tokens and tags; None: it has columns.
        class_names: words that the hub, or a parquet file, has for class ids.
        tag_names: the same for the tags of tokens.
    """

    place: str
    read: Callable[[], Iterator[Row | BadRow]]
    columns: ColumnMap = _TAGGED
    shape: str = ENTITIES
    read_tagged: Callable[[list[BadRow]], Iterator[Example | BadRow]] | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    spec: DatasetSpec | None = None
    id_column: str | None = None
    group: str | None = None
    group_form: int = GROUP_FORM
    need_label: bool = True
    checks_labels: bool = False
    class_names: Sequence[str] = ()
    tag_names: Sequence[str] = ()

    def first_rows(self) -> list[Row]:
        """Return those of the first rows that can be read, by which columns are told."""
        return [row for row in itertools.islice(self.read(), ROWS_LOOKED_AT) if isinstance(row, Row)]

    def examples(
        self, problems: list[BadRow], seen: SeenIds | None = None, watch: Watch | None = None
    ) -> Iterator[Example | BadRow]:
        """Read the rows as examples.

        Args:
            problems: gathers entities that are not in their texts.
            seen: leaves out rows of other files' ids, where the data set has a column of ids.
            watch: sees the rows as they pass, with all their columns.
        """
        if self.read_tagged is not None:
            return self.read_tagged(problems)
        rows = rename(self.read(), self.renames) if self.renames else self.read()
        if seen is not None and self.id_column is not None:
            rows = seen.filter(rows, self.id_column)
        if watch is not None:
            rows = watch(rows)
        groups = None if self.group is None else groups_of(self.group, self.group_form)
        rows = rows if groups is None else groups.note(rows)
        shape = shape_of(self.shape, tag_names=self.tag_names, problems=problems)
        found = shape.examples(rows, self.columns, self.place, spec=self.spec, need_label=self.need_label)
        found = found if groups is None else groups.give(found)
        if self.class_names:
            found = _with_class_names(found, self.class_names)
        return map(self._checked, found) if self.checks_labels and self.spec is not None else found

    def _checked(self, example: Example | BadRow) -> Example | BadRow:
        """Refuse a label that a data set of the catalog does not have."""
        if isinstance(example, BadRow) or self.spec is None or not self.spec.labels or example.label is None:
            return example
        if self.spec.canonical_label(example.label) is None:
            return BadRow(example.line, self.spec.strange_label(example.label))
        return example


def usable_rows(tables: Sequence[Table], unread: Unread, watch: Watch | None = None) -> Iterator[Example]:
    """Read the files of a split one after the other.

    Args:
        tables: the files.
        unread: counts what cannot be used of them.
        watch: sees the rows as they pass, with all their columns.
    """
    seen = SeenIds() if len(tables) > 1 else None
    for table in tables:
        problems: list[BadRow] = []
        for example in table.examples(problems, seen, watch):
            if type(example) is Example:  # of which there is nothing odd
                yield example
            elif isinstance(example, BadRow):
                (unread.left_out if isinstance(example, LeftOut) else unread.unusable).note(table.place, [example])
            else:
                unread.see(example)
                yield example
        unread.lost.note(table.place, problems)
    unread.repeated = 0 if seen is None else seen.repeated


def _with_class_names(found: Iterable[Example | BadRow], words: Sequence[str]) -> Iterator[Example | BadRow]:
    """Write class ids as the words that the hub has for them."""
    by_id: dict[str | None, str | None] = {"-1": None, **{str(index): word for index, word in enumerate(words)}}
    for example in found:
        if isinstance(example, BadRow):
            yield example
        else:
            yield replace(example, label=by_id.get(example.label, example.label))


@dataclass
class Opener:
    """Finds format, shape and columns of every table, and reads no further than that takes.

    Attributes:
        stored: the columns of the run that will read the data.
        found: the splits that are there.
        known: the labels of that run.
        need_label: whether every row must have a label; None: a missing one is a finding.
    """

    source: Source
    choice: ColumnChoice | None
    shape: str
    group: str | None = None
    group_form: int = GROUP_FORM
    stored: ColumnMap | None = None
    need_label: bool | None = None
    known: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    _resolved: ColumnMap | None = None
    _names: set[str] = field(default_factory=set)
    _is_told: bool = False
    _first_place: str = ""
    _class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def columns(self) -> ColumnMap:
        """The columns of the data set: those of the first split."""
        assert self._resolved is not None, "nothing has been opened yet"
        return self._resolved

    def splits(self, wanted: Iterable[str] | None = None) -> Iterator[tuple[str, list[Table]]]:
        """Open the tables of each split that is there and wanted, one split after the other."""
        is_of_hub = self.source.hub_id is not None
        self.found[:] = self._of_split if is_of_hub else self.source.files
        self.notes += [self.source.note] if self.source.note else []
        for split in self.found:
            if wanted is None or split in wanted:
                yield split, [self._of_hub(split)] if is_of_hub else self._of_files(split)

    @property
    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files of each split, on disk or, where the data are the hub's, in the cache of `datasets`."""
        if self.source.hub_id is None:
            return self.source.files
        return {split: self._hub.files.get(name, ()) for split, name in self._of_split.items()}

    def _of_files(self, split: str) -> list[Table]:
        """Open the files of a split; they share their columns."""
        if self.source.are_texts:
            return self._of_texts(split)
        found: list[Table] = []
        paths = self.source.files[split]
        if (again := first_repeated([*map(str, paths)])) is not None:
            self.notes.append(f"{again} is named more than once, and its rows are read as often")
        for path in paths:
            found.append(self._open(path, split, found[0].columns if found else None))
        return found

    def _of_texts(self, split: str) -> list[Table]:
        """Open files that are one text each, of the class that their folder is called."""
        paths = self.source.files[split]
        top = paths[0].parent.parent
        classes = dict.fromkeys(path.parent.name for path in paths)
        self.notes.append(f"{top}: each file is a text, and its folder ({brief(listed(list(classes)))}) is its label")
        first = self._opened(Table(str(paths[0]), text_reader(paths[0])), split, None)
        return [replace(first, place=str(path), read=text_reader(path)) for path in paths]

    @cached_property
    def _hub(self) -> HubData:
        ways_on = _WAYS_ON if self.source.spec is None else _CATALOG_WAYS_ON
        return open_hub_data(str(self.source.hub_id), self.source.hub_config, ways_on=ways_on)

    @property
    def _of_split(self) -> dict[str, str]:
        """What the hub calls the splits."""
        return _hub_split_names(self.source.spec, list(self._hub.splits))

    def _of_hub(self, split: str) -> Table:
        self._class_names = self._hub.class_names
        rows = self._hub.splits[self._of_split[split]]
        return self._opened(Table(f"{self.source.name}/{split}", rows.__iter__), split, None)

    def _open(self, path: Path, split: str, given: ColumnMap | None) -> Table:
        spec = self.source.spec
        known = sniff_format(path, header=expected_header(spec))
        note = encoding_note(path, known)
        if note is not None:
            self.notes.append(note)
        is_auto = self.shape == AUTO
        known = known.parted(
            entities=is_auto or self.shape == ENTITIES, classes=is_auto or self.shape in (CLASSES, LABEL_SETS)
        )
        if self.shape != TEXTS:
            _refuse_lines(path, known)
        if known.marks_note is not None:
            self.notes.append(f"{path}: {known.marks_note}")
        if known.kind == "txt" and self.shape == ENTITIES:
            known = tagged_lines(known)
        header = header_of_bare(spec) if known.kind in ("csv", "tsv") and not known.has_header else None
        table = Table(str(path), lambda: read_rows(path, table_format=known, header=header))
        head = open_input(path).head if known.kind == "json" else b""
        self._class_names = class_names(path, head) if head or known.kind in ("parquet", "arrow") else {}
        if known.kind == "conll" and self.shape in (AUTO, ENTITIES):
            refuse_groups(self.group, str(path))
            self._take_shape(ENTITIES, str(path))
            self._resolved = self._resolved or _TAGGED
            need_tags = self.need_label is not False
            tagged = lambda lost: read_tagged_file(path, table_format=known, need_tags=need_tags, problems=lost)  # noqa: E731
            return replace(table, read_tagged=tagged)
        return self._opened(table, split, given)

    def _opened(self, table: Table, split: str, given: ColumnMap | None) -> Table:
        spec = self.source.spec
        first = self._first_row(table)
        renames = find_renames(first, spec) | ({} if given is None else spelt_as(given, list(first.fields)))
        names = [renames.get(name, name) for name in first.fields]
        choice = self.choice
        if self.shape == LABEL_SETS:
            choice = with_flags(table.first_rows(), choice, self.stored or self._resolved)
        columns = self._resolve(table, names, split, renames, given, choice)
        finds = self.need_label is None  # a label that is missing or strange is a finding
        need_label = self.shape == ENTITIES if self.need_label is None else self.need_label
        need_label = need_label and (columns.label is not None or bool(columns.labels))
        if finds and spec_of(self.shape).labels_are_texts:
            columns = replace(columns, label=None, labels=())
        return replace(
            table,
            shape=self.shape,
            columns=columns,
            renames=renames,
            # A column that the user chose does not have the labels of the catalog.
            spec=None if self.choice is not None and self.choice.label is not None else spec,
            id_column=None if spec is None else spec.id_column,
            group=find_group(self.group, names, table.place, renames),
            group_form=self.group_form,
            need_label=need_label,
            checks_labels=finds,
            class_names=self._words_for_ids(columns)
            if self.shape in (AUTO, CLASSES, RELATIONS) and spec is None
            else (),
            tag_names=self._class_names.get(columns.label or "", ()) if self.shape == ENTITIES else (),
        )

    def _words_for_ids(self, columns: ColumnMap) -> Sequence[str]:
        """Return the words for class ids, unless the run that reads them learnt the ids themselves."""
        words = self._class_names.get(columns.label or "", ())
        ids = set(map(str, range(len(words))))
        return () if ids.intersection(self.known) and not set(words).intersection(self.known) else words

    def _first_row(self, table: Table) -> Row:
        """Return the first row that can be read, and decide the shape by it and the next ones if need be."""
        rows = table.read()
        if self.shape == AUTO:
            guessed, rows = guess_shape(rows, self.choice)
            self._take_shape(guessed or AUTO, table.place)
        bad = Faults()
        for row in rows:
            if isinstance(row, Row):
                return row
            if not isinstance(row, LeftOut):
                bad.note(table.place, [row])
        if not bad.count:
            raise DataError(f"{table.place}: there are no rows in it (empty, or only a header line).")
        if self.need_label is None:
            raise DataError.at(table.place, bad.places[0].line, f"{bad.first}; no row can be read.")
        raise bad.error(are_all=True)

    def _take_shape(self, shape: str, place: str) -> None:
        """Take what the rows of a file hold as what all rows do.

        Raises:
            DataError: the files before it hold something else.
        """
        if self.shape == AUTO and self._first_place and shape != AUTO:
            raise DataError(
                f"{place}: its rows are of another kind than those of {self._first_place}; name files of one kind, or "
                "say with --task how to read them all."
            )
        self.shape, self._first_place = shape, self._first_place or place

    def _resolve(
        self,
        table: Table,
        names: Sequence[str],
        split: str,
        renames: Mapping[str, str],
        given: ColumnMap | None,
        choice: ColumnChoice | None,
    ) -> ColumnMap:
        """Find the columns; files of one split share them, other splits may spell them otherwise."""
        if given is not None:
            check_shared(given, names, table.place)
            return given
        spec = self.source.spec
        may_lack_label = self.need_label is False or not spec_of(self.shape).need_labels
        if split == "test":  # GLUE's have no column of labels, and nobody but its makers knows those of a competition
            is_known = self._names.issuperset(name for name in names if not is_never_label(name))
            may_lack_label = may_lack_label or (is_known if spec is None else bool(spec.withheld))
        try:
            wanted = Wanted(
                choice.renamed(renames) if choice is not None else None,
                usual=None if spec is None else spec.columns,
                stored=self.stored or self._resolved,
                need_label=not may_lack_label,
            )
            columns = shape_of(self.shape).resolve(names, wanted)
        except UnnamedColumnsError as error:
            if self.stored is not None or self._resolved is not None or spec is not None:
                said = "; ".join(filter(None, (error.what, self._like_labels(table, names), error.way_on)))
                raise DataError(f"{table.place}: {said}.") from None
            rows = self._told(table, choice, error, need_label=not may_lack_label)
            if self.shape == AUTO:
                self.shape = guess_shape(iter(rows), self.choice)[0] or AUTO
            return self._resolve(table, names, split, renames, given, self.choice)
        except DataError as error:
            raise DataError(f"{table.place}: {error}") from None
        if self.stored is not None and (whole := of_whole_chat(names, columns, self.stored)):
            self.notes.append(f"{table.place}: {whole}")
        of_names = (choice is None or self._is_told) and spec is None and self.stored is None
        if of_names and self._resolved is None:
            unread = unread_columns(table.first_rows(), columns, self.shape)
            self.notes += [f"{table.place}: {sentence}" for sentence in unread]
        self._resolved, self._names = self._resolved or columns, self._names or set(names)
        return columns

    def _like_labels(self, table: Table, names: Sequence[str]) -> str:
        """Say which columns may be the label that is missing beside the texts of a run or of another split."""
        known = self.stored or self._resolved
        if known is None or not set(known.inputs) <= set(names):
            return ""
        return likely_labels(table.first_rows(), self.choice, known.inputs)

    def _told(
        self, table: Table, choice: ColumnChoice | None, error: UnnamedColumnsError, *, need_label: bool
    ) -> list[Row]:
        """Tell the columns by what is in them, and return the rows that say it.

        Raises:
            DataError: they do not; the likeliest are proposed.
        """
        rows = table.first_rows()
        try:
            told, said = told_or_refused(table.place, rows, self.shape, choice, error, need_label=need_label)
        except DataError:
            self._refuse_apart(table, error)
            raise
        self.notes.append(said)
        self.choice, self.shape, self._is_told = told.choice, told.shape, True
        return rows

    def _refuse_apart(self, table: Table, error: UnnamedColumnsError) -> None:
        """Refuse a table without labels beside which another one has them.

        Raises:
            DataError: it is one.
        """
        beside = labels_beside(Path(table.place)) if not self.choice and self.source.hub_id is None else None
        if beside is not None:
            read = "sep='\\t'" if beside.suffix == ".tsv" else ""
            one, other = (f"p.read_csv({str(path)!r}{', ' * bool(read)}{read})" for path in (table.place, beside))
            raise DataError(
                f"{table.place}: {error.what}; {beside.name} beside it may hold the labels, so join both by the column "
                f"they share: python -c \"import pandas as p; {one}.merge({other}).to_csv('joined.csv', index=False)\"."
            )


def _refuse_lines(path: Path, known: TableFormat) -> None:
    """Refuse lines that are texts at most, and carry no labels or entities.

    Raises:
        DataError: they are such.
    """
    if known.has_speech_tags:
        raise DataError(f"{path}: a part-of-speech tag follows each word, and there are no labels or entities.")
    if known.written_in:
        raise DataError(
            f"{path}: this is {known.written_in} and not a table; write csv, or a JSON object a line (jsonl)."
        )


def _hub_split_names(spec: DatasetSpec | None, there: Sequence[str]) -> dict[str, str]:
    if spec is not None:
        return {split: name for split, name in spec.hub_splits.items() if name in there}
    words = {split: next((word for word in words if word in there), None) for split, words in SPLIT_WORDS.items()}
    return {split: word for split, word in words.items() if word is not None}
