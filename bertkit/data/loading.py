"""From DATA to a `DataSet`: every split that is wanted, its columns found, its labels checked.

A row that cannot be used ends the loading with its file and line: training on what is left
would hide the fault. (Prediction reads row by row, with `readers`, and goes on.)
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from bertkit.data.catalog import SPLITS, DatasetSpec
from bertkit.data.columns import ColumnChoice, parse_columns
from bertkit.data.faults import Faults
from bertkit.data.folders import SPLIT_WORDS
from bertkit.data.formats.readers import read_rows
from bertkit.data.formats.telling import encoding_note, sniff_format
from bertkit.data.groups import find_groups, refuse_groups
from bertkit.data.oddities import Oddities
from bertkit.data.records import BadRow, ColumnMap, DataSet, Example, LeftOut, Row
from bertkit.data.shape_names import AUTO, CLASSES, ENTITIES, LABEL_SETS, Tasks, shape_asked, word_of
from bertkit.data.shapes.label_sets import why_label_sets, with_flags
from bertkit.data.shapes.table import Shape, decide_labels, guess_shape, shape_of, spec_of
from bertkit.data.sources import Source, find_source
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

_WAYS_ON = ("name a file or a directory", "try the bundled sample:paraphrase")
_CATALOG_WAYS_ON = ("say where its files lie with --data-dir DIR", *_WAYS_ON)


def load_data(
    names: Sequence[str],
    *,
    tasks: Tasks,
    data_dir: Path | None = None,
    columns: str | None = None,
    task: str = "auto",
    splits: Sequence[str] | None = None,
    stored: ColumnMap | None = None,
    as_split: str | None = None,
    need_label: bool = True,
    group: str | None = None,
    labels: Sequence[str] = (),
    respell: bool = True,
    skip_bad: bool = False,
) -> DataSet:
    """Load DATA: a catalog name, a bundled sample, files, a directory, or a hub id.

    Args:
        names: the words of DATA; several files are more rows of the same table.
        tasks: the shape that each task reads.
        data_dir: where the files of a catalog name lie.
        columns: the value of `--columns`.
        task: a task word, or "auto" to let the data say.
        splits: the splits that are wanted (None: all there are); one that is absent, or
            whose labels are withheld, is absent from the result.
        stored: the columns of the run that will read the data.
        as_split: the split that bare files are; train if not given.
        need_label: whether every row must have a label.
        group: the column that names the rows' groups.
        labels: those of the run that will read the data; numbers equal to them are spelt as they are.
        respell: whether labels may be spelt otherwise than they stand there (1.0 as 1 beside 1).
        skip_bad: whether rows that cannot be used are left out, and said; else they end the loading,
            with all kinds of fault that a file has.

    Raises:
        UsageError: DATA or `--columns` is malformed.
        UnknownNameError: DATA is no known name and no path.
        DataError: files, columns, rows or labels cannot be used, or no wanted split has rows.
        HubError: the hub cannot be reached and nothing is cached.
    """
    source = find_source(names, data_dir=data_dir, as_split=as_split)
    choice = parse_columns(columns) if columns is not None else None
    wanted = set(SPLITS if splits is None else splits) | {split for split in source.files if split == as_split}
    asked = shape_asked(task, tasks, None if source.spec is None else source.spec.shape)
    need_label = need_label and spec_of(asked).need_labels
    loader = _Loader(source, choice, stored, need_label, asked, group, skip_bad)
    loaded = loader.load(wanted)
    lost = loader.read.skipped if skip_bad else None
    decided, loaded, reason = decide_labels(loader.shape, loaded, tasks=tasks, known=labels, respell=respell, lost=lost)
    if asked == AUTO and decided == LABEL_SETS:
        reason = (why_label_sets(loader.columns, tasks), *reason)
    return DataSet(
        name=source.name,
        task=word_of(decided, tasks, task),
        columns=loader.columns,
        splits=loaded,
        fingerprint=fingerprint(loaded),
        is_sample=source.is_sample,
        notes=(*loader.notes, *loader.read.notes(), *reason),
        warnings=tuple(loader.read.warnings()),
    )


def fingerprint(splits: Mapping[str, Sequence[Example]]) -> str:
    """Hash the texts, labels and groups of all splits, in order (SHA-256, hexadecimal)."""
    digest = hashlib.sha256()
    for split, examples in splits.items():
        for example in examples:
            group = [example.group] if example.group else []
            digest.update(json.dumps([split, example.all_texts, example.answer, *group]).encode())
            digest.update(b"\n")
    return digest.hexdigest()


@dataclass
class _Loader:
    """Reads the splits of one source, and gathers what the user should know about them."""

    source: Source
    choice: ColumnChoice | None
    stored: ColumnMap | None
    need_label: bool
    shape: str
    group: str | None = None
    skip_bad: bool = False
    notes: list[str] = field(default_factory=list)
    read: Oddities = field(default_factory=Oddities)
    withheld: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    _resolved: ColumnMap | None = None

    @property
    def columns(self) -> ColumnMap:
        """The columns of the data set, under the names a run stores."""
        assert self._resolved is not None, "nothing has been loaded yet"
        return self._resolved

    def load(self, wanted: Set[str]) -> dict[str, tuple[Example, ...]]:
        read = self._load_files if self.source.hub_id is None else self._load_hub
        loaded = self._without_withheld(read(wanted))
        if not loaded:
            raise DataError(self._why_nothing(sorted(wanted)))
        return loaded

    def _load_files(self, wanted: Set[str]) -> dict[str, tuple[Example, ...]]:
        self.found = list(self.source.files)
        loaded = {}
        for split, paths in self.source.files.items():
            if split not in wanted:
                continue
            seen = SeenIds() if len(paths) > 1 else None
            columns: ColumnMap | None = None
            examples: list[Example] = []
            for path in paths:
                part, columns = self._load_file(path, split, columns, seen)
                examples += part
            if seen is not None and seen.repeated:
                self.notes.append(f"{split}: rows left out because an earlier file has their id: {seen.repeated}")
            if examples:
                loaded[split] = tuple(examples)
        if not loaded and self.read.skipped.count:
            raise self.read.skipped.error()
        return loaded

    def _load_hub(self, wanted: Set[str]) -> dict[str, tuple[Example, ...]]:
        from bertkit.data.hub_data import open_hub_data

        assert self.source.hub_id is not None
        ways_on = _WAYS_ON if self.source.spec is None else _CATALOG_WAYS_ON
        hub = open_hub_data(self.source.hub_id, self.source.hub_config, ways_on=ways_on)
        names = _hub_split_names(self.source.spec, list(hub.splits))
        self.found = list(names)
        loaded = {}
        for split in names:
            if split not in wanted:
                continue
            place = f"{self.source.name}/{split}"
            rows: Iterator[Row | BadRow] = iter(hub.splits[names[split]])
            tag_names = next(iter(hub.class_names.values()), ()) if self.shape in (AUTO, ENTITIES) else ()
            examples, _ = self._examples(rows, place, split, columns=None, tag_names=tag_names)
            of_classes = self.shape in (AUTO, CLASSES)
            class_names = hub.class_names if of_classes else {}
            loaded[split] = _with_class_names(examples, self.source.spec, self.columns, class_names)
        return loaded

    def _why_nothing(self, wanted: Sequence[str]) -> str:
        """Say in one sentence why no wanted split could be loaded."""
        name = self.source.name
        if self.withheld:
            others = [split for split in self.found if split not in self.withheld]
            way_on = f"score another split ({', '.join(others)})" if others else "score another data set"
            return f"{name}: the labels of {' and '.join(self.withheld)} are withheld; {way_on}."
        there_are = ", ".join(self.found) or "none"
        return f"{name}: there is no split {' or '.join(wanted)}; the splits are: {there_are}."

    def _load_file(
        self, path: Path, split: str, columns: ColumnMap | None, seen: SeenIds | None
    ) -> tuple[list[Example], ColumnMap]:
        spec = self.source.spec
        known = sniff_format(path, header=expected_header(spec))
        note = encoding_note(path, known)
        if note is not None:
            self.notes.append(note)
        if known.kind == "txt" and self.shape == ENTITIES:
            known = tagged_lines(known)
        if known.kind == "conll" and self.shape in (AUTO, ENTITIES):
            refuse_groups(self.group, str(path))
            self.shape, self._resolved = ENTITIES, self._resolved or ColumnMap(("text",), None, "entities")
            problems: list[BadRow] = []
            tagged = read_tagged_file(path, table_format=known, need_tags=self.need_label, problems=problems)
            found = self._checked(tagged, str(path))
            self.read.problems += [f"{path}:{problem.line}: {problem.message}" for problem in problems]
            return found, self.columns
        headerless = known.kind in ("csv", "tsv") and not known.has_header
        rows = read_rows(path, table_format=known, header=header_of_bare(spec) if headerless else None)
        if seen is not None and spec is not None and spec.id_column is not None:
            rows = seen.filter(rows, spec.id_column)
        return self._examples(rows, str(path), split, columns)

    def _examples(
        self,
        rows: Iterator[Row | BadRow],
        place: str,
        split: str,
        columns: ColumnMap | None,
        tag_names: Sequence[str] = (),
    ) -> tuple[list[Example], ColumnMap]:
        """Turn the rows of one file or hub split into examples; the first bad row is an error."""
        if self.shape == AUTO:
            guessed, rows = guess_shape(rows, self.choice)
            self.shape = guessed or AUTO
        choice = self.choice
        if self.shape == LABEL_SETS:
            choice, rows = with_flags(rows, choice, self.stored or self._resolved)
        ahead = list(self._up_to_good(rows, place))
        first = ahead[-1] if ahead else None
        if first is None:
            raise DataError(f"{place}: there are no rows in it (empty, or only a header line).")
        if not isinstance(first, Row):
            faults = Faults()
            faults.note(place, [row for row in ahead if isinstance(row, BadRow)])
            raise faults.error()
        renames = find_renames(first, self.source.spec)
        names = [renames.get(name, name) for name in first.fields]
        problems: list[BadRow] = []
        shape = shape_of(self.shape, tag_names=tag_names, problems=problems)
        columns = self._resolve(shape, names, place, split, renames, columns, choice=choice)
        renamed = rename(itertools.chain(ahead, rows), renames)
        groups = find_groups(self.group, names, place, renames)
        if groups is not None:
            renamed = groups.note(renamed)
        need_label = self.need_label and (columns.label is not None or bool(columns.labels))
        found = shape.examples(
            renamed, columns, place, spec=spec_for_labels(self.source.spec, self.choice), need_label=need_label
        )
        examples = self._checked(found if groups is None else groups.give(found), place)
        self.read.problems += [f"{place}:{problem.line}: {problem.message}" for problem in problems]
        return examples, columns

    def _up_to_good(self, rows: Iterable[Row | BadRow], place: str) -> Iterator[Row | BadRow]:
        """Take rows up to the first that can be read."""
        for row in rows:
            if isinstance(row, LeftOut):
                self.read.left_out.note(place, [row])
                continue
            yield row
            if isinstance(row, Row):
                return

    def _checked(self, found: Iterable[Example | BadRow], place: str) -> list[Example]:
        examples, bad = [], Faults()
        for example in found:
            if isinstance(example, LeftOut):
                self.read.left_out.note(place, [example])
            elif isinstance(example, BadRow):
                (self.read.skipped if self.skip_bad else bad).note(place, [example])
            else:
                self.read.see(example)
                examples.append(example)
        if bad.count:
            raise bad.error()
        return examples

    def _resolve(
        self,
        shape: Shape,
        names: Sequence[str],
        place: str,
        split: str,
        renames: Mapping[str, str],
        given: ColumnMap | None,
        *,
        choice: ColumnChoice | None,
    ) -> ColumnMap:
        """Find the columns; files of one split share them, other splits may spell them otherwise."""
        if given is not None:
            check_shared(given, names, place)
            return given
        may_lack_label = not self.need_label or lacks_labels(self.source.spec, split)
        try:
            columns = shape.resolve(
                names,
                mapping=choice.renamed(renames) if choice is not None else None,
                usual=None if self.source.spec is None else self.source.spec.columns,
                stored=self.stored or self._resolved,
                need_label=not may_lack_label,
            )
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
        self._resolved = self._resolved or columns
        return columns

    def _without_withheld(self, loaded: dict[str, tuple[Example, ...]]) -> dict[str, tuple[Example, ...]]:
        """Leave out splits that cannot be scored, for a label is None only where it is withheld."""
        if not self.need_label:
            return loaded
        for split, examples in loaded.items():
            bare = [example for example in examples if example.answer is None]
            if bare and len(bare) < len(examples):
                raise DataError.at(bare[0].source, bare[0].line, "the label is withheld, while other rows have one.")
            if bare:
                self.withheld.append(split)
                self.notes.append(f"{split} is left out: its labels are withheld")
        return {split: examples for split, examples in loaded.items() if split not in self.withheld}


def _hub_split_names(spec: DatasetSpec | None, there: Sequence[str]) -> dict[str, str]:
    if spec is not None:
        return {split: name for split, name in spec.hub_splits.items() if name in there}
    words = {split: next((word for word in words if word in there), None) for split, words in SPLIT_WORDS.items()}
    return {split: word for split, word in words.items() if word is not None}


def _with_class_names(
    examples: Sequence[Example],
    spec: DatasetSpec | None,
    columns: ColumnMap,
    class_names: Mapping[str, Sequence[str]],
) -> tuple[Example, ...]:
    """Write class ids of a data set the catalog does not know as the words the hub has for them."""
    words = class_names.get(columns.label or "", ())
    if spec is not None or not words:
        return tuple(examples)
    by_id = {str(index): word for index, word in enumerate(words)}
    return tuple(replace(e, label=None if e.label == "-1" else by_id.get(e.label or "", e.label)) for e in examples)
