"""From DATA to a `DataSet`: every split that is wanted, its columns found, its labels checked.

A row that cannot be used ends the loading with its file and line: training on what is left
would hide the fault. (`inspect-data` and prediction go on, over the same tables.) Few rows are
held; many lie in the cache (`store`), where another command finds them read.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.cache import cached, cached_already
from bertkit.data.catalog import SPLITS
from bertkit.data.columns import GROUP_FORM, REJECTED, parse_columns, shared_groups
from bertkit.data.faults import Faults, Oddities
from bertkit.data.open import Opener, Table, usable_rows
from bertkit.data.records import (
    AUTO,
    CLASSES,
    LABEL_SETS,
    READINGS,
    ColumnMap,
    DataSet,
    Example,
    Tasks,
    shape_asked,
    word_of,
)
from bertkit.data.shapes.labelled import why_label_sets
from bertkit.data.shapes.table import decide_labels, spec_of
from bertkit.data.sources import Source, find_source
from bertkit.data.splits import LABEL_FORM, DataRequest, hold_out, limited
from bertkit.data.store import MANY, ROOM, SplitFacts, StoredRows, labels_of, write_rows
from bertkit.errors import DataError
from bertkit.files import read_bytes, write_json
from bertkit.kinds import record_of
from bertkit.plain import as_shown, quoted

# A smaller file has no rows to be stored.
_SMALL_BYTES = 2 * MANY
_FACTS = "facts.json"
_SOME_WITHHELD = "the label is withheld (-1), while other rows have one; leave such rows out."


@dataclass(frozen=True)
class _Asked:
    """What of a call decides which rows come out of a source; `shape` may be auto."""

    shape: str
    task: str
    splits: tuple[str, ...]
    columns: str | None
    stored: ColumnMap | None
    need_label: bool
    group: str | None
    labels: tuple[str, ...]
    forms: tuple[int, int]
    skip_bad: bool

    @property
    def respells(self) -> bool:
        """Whether labels may be spelt otherwise than they stand there."""
        return self.forms[0] >= LABEL_FORM


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
    forms: tuple[int, int] = (LABEL_FORM, GROUP_FORM),
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
        forms: how labels are spelt and which records have groups, for runs that were made with earlier ones.
        skip_bad: whether rows that cannot be used are left out, and said; else they end the loading,
            with all kinds of fault that a file has.

    Raises:
        UsageError: DATA or `--columns` is malformed.
        UnknownNameError: DATA is neither a known name nor a path.
        DataError: files, columns, rows or labels cannot be used, or no wanted split has rows.
        HubError: the hub cannot be reached and nothing is cached.
        OutputError: there are many rows, and the cache cannot be written.
    """
    source = find_source(names, data_dir=data_dir, as_split=as_split)
    wanted = tuple(sorted({*(SPLITS if splits is None else splits), *(s for s in source.files if s == as_split)}))
    shape = shape_asked(task, tasks, None if source.spec is None else source.spec.shape)
    need_label = need_label and spec_of(shape).need_labels
    asked = _Asked(shape, task, wanted, columns, stored, need_label, group, tuple(labels), forms, skip_bad)
    return _load(source, asked, tasks)


def _load(source: Source, asked: _Asked, tasks: Tasks) -> DataSet:
    """Read the rows, or open them where an earlier command has put them away."""
    reader = _Reader(source, asked)
    if sum(path.stat().st_size for paths in reader.opener.files.values() for path in paths) >= _SMALL_BYTES:
        if (folder := cached_already(_name(reader), _is_sound)) is not None:
            return _opened(folder, source, asked, tasks)
        reader.most = MANY
    try:
        return _decided(reader, reader.load(), tasks)
    except _ManyRowsError:
        return _put_away(reader, tasks)


def load_splits(request: DataRequest, *, tasks: Tasks, splits: Sequence[str] = ("train", "validation")) -> DataSet:
    """Load the data of a request and hold out the splits it lacks from the training rows.

    Args:
        request: which data.
        tasks: the shape that each task reads.
        splits: the official splits to read; a held-out test split needs "test" here too, so
            that it is held out only where there is no official one.

    Raises:
        DataError: the data cannot be read, or has no training rows.
        HubError: the hub is needed and cannot be reached.
        OutputError: there are many rows, and the cache cannot be written.
    """
    dataset = load_data(
        request.names,
        tasks=tasks,
        data_dir=Path(request.data_dir) if request.data_dir else None,
        columns=request.columns,
        task=request.task,
        splits=splits,
        group=request.group,
        forms=(request.label_form, request.group_form),
        skip_bad=request.on_error == "skip",
    )
    if "train" not in dataset.splits:
        have = ", ".join(dataset.splits)
        raise DataError(f"{dataset.name}: has no training split (only {have}); give a file with training rows.")
    dataset = hold_out(
        dataset,
        validation_fraction=request.validation_fraction,
        test_fraction=request.test_fraction,
        seed=request.seed,
        stratify=tasks[dataset.task] == CLASSES,
        passages=request.passages,
        group=request.group or _one_text(dataset, tasks),
        form=request.split_form,
    )
    if request.group is not None:
        dataset = replace(dataset, warnings=(*dataset.warnings, *shared_groups(dataset, request.group)))
    return limited(dataset, request.limit, seed=request.seed, passages=request.passages)


def _one_text(dataset: DataSet, tasks: Tasks) -> str | None:
    """Name the column of texts that several rows ask about: their rows stay together."""
    return dataset.columns.pair if tasks[dataset.task] == READINGS else None


def fingerprint(splits: Mapping[str, Sequence[Example]]) -> str:
    """Hash the texts, labels and groups of all splits, in order (SHA-256, hexadecimal)."""
    digest = hashlib.sha256()
    for split, examples in splits.items():
        if isinstance(examples, StoredRows) and examples.are_plain:
            for block in examples.blocks():
                rows = zip(zip(*block.texts, strict=True), block.labels, block.groups, strict=True)
                digest.update("".join(itertools.starmap(_plain_line(split), rows)).encode())
            continue
        for example in examples:
            group = [example.group] if example.group else []
            digest.update(json.dumps([split, example.all_texts, example.answer, *group]).encode())
            digest.update(b"\n")
    return digest.hexdigest()


def _plain_line(split: str) -> Any:
    """Make a function that writes what `json.dumps` would of a row's texts, label and group, several times as fast."""
    quote, begins = encode_basestring_ascii, f"[{encode_basestring_ascii(split)}, ["

    def line(texts: tuple[str, ...], label: str | None, group: str | None) -> str:
        ends = f", {quote(group)}]\n" if group else "]\n"
        return f"{begins}{', '.join(map(quote, texts))}], {'null' if label is None else quote(label)}{ends}"

    return line


def _decided(reader: _Reader, loaded: Mapping[str, Sequence[Example]], tasks: Tasks) -> DataSet:
    """Decide what the labels of rows are."""
    asked = reader.asked
    lost = reader.read.unusable
    decided, loaded, reason = decide_labels(
        reader.opener.shape,
        loaded,
        tasks=tasks,
        known=asked.labels,
        respell=asked.respells,
        lost=lost,
        stops=not asked.skip_bad,
    )
    if lost.count and not asked.skip_bad:
        raise lost.error()
    if decided == CLASSES and asked.stored is None and (rejected := reader.read.left_out.reasons[REJECTED]):
        _refuse_one_class(reader.source.name, loaded, rejected)
    if asked.shape == AUTO and decided == LABEL_SETS:
        reason = (why_label_sets(reader.opener.columns, tasks), *reason)
    return DataSet(
        name=reader.source.name,
        task=word_of(decided, tasks, asked.task),
        columns=reader.opener.columns,
        splits=loaded,
        fingerprint=fingerprint(loaded),
        is_sample=reader.source.is_sample,
        notes=tuple(map(as_shown, (*reader.opener.notes, *reader.notes, *reader.read.notes(), *reason))),
        warnings=tuple(map(as_shown, reader.read.warnings())),
    )


def _refuse_one_class(name: str, splits: Mapping[str, Sequence[Example]], rejected: int) -> None:
    """Refuse rows of one label that Prodigy's user accepted: beside those that were rejected it is a yes or a no.

    Raises:
        DataError: they are such.
    """
    labels = {label for examples in splits.values() for label in labels_of(examples) if label}
    if len(labels) == 1:
        raise DataError(
            f"{name}: every accepted row has the label {quoted(next(iter(labels)))}, and {rejected:,} rows were "
            "rejected (Prodigy); to learn which texts have it, add --columns label=answer (the classes accept and "
            "reject)."
        )


class _ManyRowsError(Exception):
    """More rows than are held."""


@dataclass
class _Reader:
    """Reads the splits of one source, and gathers what the user should know about them."""

    source: Source
    asked: _Asked
    place: Path | None = None
    most: int | None = None
    notes: list[str] = field(default_factory=list)
    read: Oddities = field(default_factory=Oddities)
    withheld: list[str] = field(default_factory=list)
    loaded: dict[str, Sequence[Example]] = field(default_factory=dict)
    _begun: tuple[str, _Bare, Iterator[Example]] | None = None

    def __post_init__(self) -> None:
        """Open nothing yet."""
        asked = self.asked
        choice = parse_columns(asked.columns) if asked.columns is not None else None
        self.opener = Opener(
            self.source,
            choice,
            asked.shape,
            asked.group,
            group_form=asked.forms[1],
            stored=asked.stored,
            need_label=asked.need_label,
            known=asked.labels,
        )
        self._splits = self.opener.splits(asked.splits)

    def load(self) -> dict[str, Sequence[Example]]:
        """Read every split that is wanted, and leave out those whose labels are withheld.

        Raises:
            _ManyRowsError: there are more rows than are held; they can be put somewhere, and the loading goes on.
        """
        for split, tables in self._splits:
            bare = _Bare()
            self._take(split, bare, bare.watch(self._examples(split, tables)))
        if not self.loaded and not self.withheld and self.read.unusable.count:
            raise self.read.unusable.error(are_all=True)
        if not self.loaded:
            raise DataError(self._why_nothing())
        return self.loaded

    def put_away(self, place: Path) -> dict[str, Sequence[Example]]:
        """Go on with a loading that had too many rows: all go to files in a folder."""
        self.place, self.most = place, None
        self.loaded = {split: self._written(split, rows) for split, rows in self.loaded.items()}
        if self._begun is not None:
            self._take(*self._begun)
        return self.load()

    def _take(self, split: str, bare: _Bare, examples: Iterator[Example]) -> None:
        rows: Sequence[Example]
        if self.place is not None:
            rows = self._written(split, examples)
        elif self.most is None:
            rows = tuple(examples)
        else:
            rows = tuple(itertools.islice(examples, self.most + 1))
            self.most -= len(rows)
            if self.most < 0:
                self._begun = (split, bare, itertools.chain(rows, examples))
                raise _ManyRowsError
        if rows and self.asked.need_label and bare.is_withheld(len(rows)):
            self.withheld.append(split)
            self.notes.append(f"{split} is left out: its labels are withheld")
        elif rows:
            self.loaded[split] = rows

    def _written(self, split: str, rows: Iterable[Example]) -> StoredRows:
        assert self.place is not None, "there is nowhere to write to"
        path = self.place / f"{split}.arrow"
        return StoredRows(path, write_rows(path, rows))

    def _examples(self, split: str, tables: Sequence[Table]) -> Iterator[Example]:
        """Read the files of a split one after the other, and count what cannot be used of them."""
        yield from usable_rows(tables, self.read)
        if self.read.repeated:
            self.notes.append(f"{split}: rows left out because an earlier file has their id: {self.read.repeated}")

    def _why_nothing(self) -> str:
        """Say in one sentence why no wanted split could be loaded."""
        name, found = self.source.name, self.opener.found
        if self.withheld:
            others = [split for split in found if split not in self.withheld]
            way_on = f"score another split ({', '.join(others)})" if others else "score another data set"
            return f"{name}: the labels of {' and '.join(self.withheld)} are withheld; {way_on}."
        if set(found).intersection(self.asked.splits):
            why = self.read.left_out.summary() or "empty, or only a header line"
            return f"{name}: there are no rows in it ({why})."
        there_are = ", ".join(found) or "none"
        return f"{name}: there is no split {' or '.join(self.asked.splits)}; the splits are: {there_are}."


@dataclass
class _Bare:
    """Counts rows without an answer: of all rows of a split, or of none."""

    count: int = 0
    first: Example | None = None

    def watch(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Hand rows on."""
        for example in examples:
            if example.answer is None:
                self.count += 1
                self.first = self.first or example
            yield example

    def is_withheld(self, rows: int) -> bool:
        """Tell whether no row has an answer, for it is None only where it is withheld.

        Raises:
            DataError: some have one.
        """
        if self.first is not None and self.count < rows:
            raise DataError.at(
                self.first.source,
                self.first.line,
                _SOME_WITHHELD,
            )
        return self.first is not None


def _put_away(reader: _Reader, tasks: Tasks) -> DataSet:
    """Put the rows of a source into the cache, those that were read and those that are to come."""
    name = _name(reader)

    def write(place: Path) -> None:
        dataset = _decided(reader, reader.put_away(place), tasks)
        if _name(reader) != name:
            raise DataError(f"{reader.source.name}: changed while it was being read; run the command again.")
        write_json(place / _FACTS, _facts_of(dataset, reader))

    return _opened(cached(name, write, _is_sound), reader.source, reader.asked, tasks)


def _name(reader: _Reader) -> str:
    """Name the part of the cache that holds the rows of some files, by what is in them and how it is read."""
    files = {split: [(str(path), _digest(path)) for path in paths] for split, paths in reader.opener.files.items()}
    key = json.dumps([__version__, reader.source.name, asdict(reader.asked), files])
    return f"{ROOM}/{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()


def _facts_of(dataset: DataSet, reader: _Reader) -> dict[str, Any]:
    """Return what is stored beside the rows."""
    rows = {split: rows for split, rows in reader.loaded.items() if isinstance(rows, StoredRows)}
    return {
        "splits": {split: asdict(own.facts) for split, own in rows.items()},
        "shape": reader.opener.shape,
        "task": dataset.task,
        "columns": asdict(dataset.columns),
        "fingerprint": dataset.fingerprint,
        "notes": dataset.notes,
        "warnings": dataset.warnings,
    }


def _opened(folder: Path, source: Source, asked: _Asked, tasks: Tasks) -> DataSet:
    """Open rows that lie in the cache."""
    facts = json.loads(read_bytes(folder / _FACTS))
    stored: dict[str, Sequence[Example]] = {
        split: StoredRows(folder / f"{split}.arrow", record_of(SplitFacts, own))
        for split, own in facts["splits"].items()
    }
    # Labels lie there as they were written; rows that no score can be learnt from were counted then.
    _, rows, _ = decide_labels(
        facts["shape"],
        stored,
        tasks=tasks,
        known=asked.labels,
        respell=asked.respells,
        lost=Faults(),
        noted=False,
    )
    return DataSet(
        name=source.name,
        task=facts["task"],
        columns=record_of(ColumnMap, facts["columns"]),
        splits=rows,
        fingerprint=facts["fingerprint"],
        is_sample=source.is_sample,
        notes=tuple(facts["notes"]),
        warnings=tuple(facts["warnings"]),
    )


def _is_sound(folder: Path) -> bool:
    """Tell whether a folder holds rows, whole."""
    try:
        facts = json.loads(read_bytes(folder / _FACTS))
        return all((folder / f"{split}.arrow").stat().st_size == own["size"] for split, own in facts["splits"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return False
