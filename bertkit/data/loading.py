"""From DATA to a `DataSet`: every split that is wanted, its columns found, its labels checked.

A row that cannot be used ends the loading with its file and line: training on what is left
would hide the fault. (Prediction reads row by row, with `readers`, and goes on.)
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from bertkit.data.catalog import SPLITS, DatasetSpec
from bertkit.data.columns import ColumnChoice, parse_columns, resolve_columns, to_examples
from bertkit.data.formats import encoding_note, sniff_format
from bertkit.data.numerals import is_number, is_whole
from bertkit.data.readers import read_rows
from bertkit.data.records import BadRow, ColumnMap, DataSet, Example, Row
from bertkit.data.sources import SPLIT_WORDS, Source, find_source
from bertkit.errors import DataError

_WAYS_ON = ("name a file or a directory", "try the bundled sample:paraphrase")
_CATALOG_WAYS_ON = ("say where its files lie with --data-dir DIR", *_WAYS_ON)


def load_data(
    names: Sequence[str],
    *,
    data_dir: Path | None = None,
    columns: str | None = None,
    task: str = "auto",
    splits: Sequence[str] | None = None,
    stored: ColumnMap | None = None,
    as_split: str | None = None,
    need_label: bool = True,
) -> DataSet:
    """Load DATA: a catalog name, a bundled sample, files, a directory, or a hub id.

    Args:
        names: the words of DATA; several files are more rows of the same table.
        data_dir: where the files of a catalog name lie.
        columns: the value of `--columns`.
        task: a task word, or "auto" to let the data say.
        splits: the splits that are wanted (None: all there are); one that is absent, or
            whose labels are withheld, is absent from the result.
        stored: the columns of the run that will read the data.
        as_split: the split that bare files are; train if not given.
        need_label: whether every row must have a label.

    Raises:
        UsageError: DATA or `--columns` is malformed.
        UnknownNameError: DATA is no known name and no path.
        DataError: files, columns, rows or labels cannot be used, or no wanted split has rows.
        HubError: the hub cannot be reached and nothing is cached.
    """
    source = find_source(names, data_dir=data_dir, as_split=as_split)
    choice = parse_columns(columns) if columns is not None else None
    wanted = set(SPLITS if splits is None else splits) | {split for split in source.files if split == as_split}
    loader = _Loader(source, choice, stored, need_label)
    loaded = loader.load(wanted)
    decided, reason = _decide_task(task, source, loaded)
    return DataSet(
        name=source.name,
        task=decided,
        columns=loader.columns,
        splits=loaded,
        fingerprint=fingerprint(loaded),
        is_sample=source.is_sample,
        notes=(*loader.notes, *reason),
    )


def fingerprint(splits: Mapping[str, Sequence[Example]]) -> str:
    """Hash the texts and labels of all splits, in order (SHA-256, hexadecimal)."""
    digest = hashlib.sha256()
    for split, examples in splits.items():
        for example in examples:
            digest.update(json.dumps([split, example.texts, example.label]).encode())
            digest.update(b"\n")
    return digest.hexdigest()


@dataclass
class _Loader:
    """Reads the splits of one source, and gathers what the user should know about them."""

    source: Source
    choice: ColumnChoice | None
    stored: ColumnMap | None
    need_label: bool
    notes: list[str] = field(default_factory=list)
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
            seen = _SeenIds(self.source.spec) if len(paths) > 1 else None
            columns: ColumnMap | None = None
            examples: list[Example] = []
            for path in paths:
                part, columns = self._load_file(path, split, columns, seen)
                examples += part
            if seen is not None and seen.repeated:
                self.notes.append(f"{split}: rows left out because an earlier file has their id: {seen.repeated}")
            if examples:
                loaded[split] = tuple(examples)
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
            examples, _ = self._examples(rows, place, split, columns=None)
            loaded[split] = _with_class_names(examples, self.source.spec, self.columns, hub.class_names)
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
        self, path: Path, split: str, columns: ColumnMap | None, seen: _SeenIds | None
    ) -> tuple[list[Example], ColumnMap]:
        spec = self.source.spec
        header = spec.header if spec is not None else ()
        expected = (*header, *spec.renames.values()) if spec is not None and header else ()
        known = sniff_format(path, header=expected)
        note = encoding_note(path, known)
        if note is not None:
            self.notes.append(note)
        headerless = known.kind in ("csv", "tsv") and not known.has_header
        rows = read_rows(path, table_format=known, header=header if headerless and header else None)
        rows = seen.filter(rows) if seen is not None else rows
        return self._examples(rows, str(path), split, columns)

    def _examples(
        self, rows: Iterator[Row | BadRow], place: str, split: str, columns: ColumnMap | None
    ) -> tuple[list[Example], ColumnMap]:
        """Turn the rows of one file or hub split into examples; the first bad row is an error."""
        first = next(rows, None)
        if first is None:
            raise DataError(f"{place}: there are no rows in it (empty, or only a header line).")
        if isinstance(first, BadRow):
            raise DataError.at(place, first.line, f"{first.message}.")
        renames = _renames(first, self.source.spec)
        names = [renames.get(name, name) for name in first.fields]
        columns = self._resolve(names, place, split, renames, columns)
        renamed = _renamed(itertools.chain([first], rows), renames)
        need_label = self.need_label and columns.label is not None
        examples = []
        for example in to_examples(renamed, columns, place, need_label=need_label, spec=self._spec_for_labels()):
            if isinstance(example, BadRow):
                raise DataError.at(place, example.line, f"{example.message}.")
            examples.append(example)
        return examples, columns

    def _resolve(
        self,
        names: Sequence[str],
        place: str,
        split: str,
        renames: Mapping[str, str],
        given: ColumnMap | None,
    ) -> ColumnMap:
        """Find the columns; files of one split share them, other splits may spell them otherwise."""
        if given is not None:
            missing = [name for name in (*given.inputs, given.label) if name is not None and name not in names]
            if missing:
                there_are = ", ".join(map(repr, names))
                raise DataError(f"{place}: no column {missing[0]!r} as in the first file: there are {there_are}.")
            return given
        may_lack_label = not self.need_label or self._is_glue_test(split)
        try:
            columns = resolve_columns(
                names,
                mapping=self.choice.renamed(renames) if self.choice is not None else None,
                spec=self.source.spec,
                stored=self.stored or self._resolved,
                need_label=not may_lack_label,
            )
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
        self._resolved = self._resolved or columns
        return columns

    def _is_glue_test(self, split: str) -> bool:
        """GLUE's test.tsv has no label column at all."""
        return split == "test" and self.source.spec is not None and bool(self.source.spec.withheld)

    def _spec_for_labels(self) -> DatasetSpec | None:
        """A label column of the user's own choice does not hold the data set's labels."""
        return None if self.choice is not None and self.choice.label is not None else self.source.spec

    def _without_withheld(self, loaded: dict[str, tuple[Example, ...]]) -> dict[str, tuple[Example, ...]]:
        """Leave out splits that cannot be scored, for a label is None only where it is withheld."""
        if not self.need_label:
            return loaded
        for split, examples in loaded.items():
            bare = [example for example in examples if example.label is None]
            if bare and len(bare) < len(examples):
                raise DataError.at(bare[0].source, bare[0].line, "the label is withheld, while other rows have one.")
            if bare:
                self.withheld.append(split)
                self.notes.append(f"{split} is left out: its labels are withheld")
        return {split: examples for split, examples in loaded.items() if split not in self.withheld}


class _SeenIds:
    """Leaves out rows whose id came before, where the catalog knows the column of ids."""

    def __init__(self, spec: DatasetSpec | None) -> None:
        self.repeated = 0
        self._column = None if spec is None else spec.id_column
        self._seen: set[str] = set()

    def filter(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        for row in rows:
            name = None if self._column is None or isinstance(row, BadRow) else row.fields.get(self._column)
            if name is not None and name in self._seen:
                self.repeated += 1
                continue
            if name is not None:
                self._seen.add(name)
            yield row


def _renames(row: Row, spec: DatasetSpec | None) -> dict[str, str]:
    """Which names of this row to write as the hub's; a name that is there already stays."""
    if spec is None:
        return {}
    return {old: new for old, new in spec.renames.items() if old in row.fields and new not in row.fields}


def _renamed(rows: Iterable[Row | BadRow], renames: Mapping[str, str]) -> Iterator[Row | BadRow]:
    for row in rows:
        if isinstance(row, BadRow) or not renames:
            yield row
        else:
            yield Row(row.line, {renames.get(name, name): text for name, text in row.fields.items()})


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
    return tuple(
        Example(e.texts, None if e.label == "-1" else by_id.get(e.label or "", e.label), e.line, e.source)
        for e in examples
    )


def _decide_task(task: str, source: Source, loaded: Mapping[str, Sequence[Example]]) -> tuple[str, tuple[str, ...]]:
    """Give the task word, and a note of how it was found where nobody said.

    Raises:
        DataError: the task is regression and a label is no number.
    """
    if task == "auto" and source.spec is not None:
        task = source.spec.task
    if task == "regression":
        _require_numbers(loaded)
    if task != "auto":
        return task, ()
    labels = {example.label for examples in loaded.values() for example in examples if example.label is not None}
    if labels and all(map(is_number, labels)) and not all(map(is_whole, labels)):
        return "regression", ("task: regression, for all labels are numbers and not all are whole",)
    return "classify", (f"task: classify, for the labels are words or whole numbers ({len(labels)} different)",)


def _require_numbers(loaded: Mapping[str, Sequence[Example]]) -> None:
    for examples in loaded.values():
        for example in examples:
            if example.label is not None and not is_number(example.label):
                raise DataError.at(
                    example.source,
                    example.line,
                    f"the label {example.label!r} is no number, as regression needs.",
                )
