"""Inspect data before it is trained on: what `bertkit inspect-data` does."""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from bertkit.audit import Audit, Finding, Place, TrainCommand, audit
from bertkit.audit.findings import Reservoir, counted, worst_first
from bertkit.audit.labels import label_error_finding
from bertkit.audit.run import PIPED, unread_findings, write_verdict
from bertkit.config import TASKS
from bertkit.data.column_names import has_text
from bertkit.data.faults import MAX_PLACES
from bertkit.data.formats.opened import Meter, metered
from bertkit.data.label_kinds import LabelKinds, Spelling, header_like, placeholders, spelling_notes
from bertkit.data.records import MARKERS, SCORES, BadRow, ColumnMap, Example, Question, word_of
from bertkit.data.shapes.table import reason_of, spec_of
from bertkit.data.sources import files_of
from bertkit.data.streaming import SplitStream, StreamedData
from bertkit.data.values import is_score, score_fault
from bertkit.errors import DataError, UsageError
from bertkit.files import writing
from bertkit.models.finding import AUTO, choose_model
from bertkit.models.registry import find_model
from bertkit.models.table import TFIDF
from bertkit.models.tokenizers import open_tokenizer
from bertkit.plain import Progress, as_shown, brief, is_kept_stdin, quoted, to_json, unheard
from bertkit.reporting.inspection_page import Inspection, draw_data, figure_names, write_page
from bertkit.reporting.page import PLOTS, refuse_figures
from bertkit.run_folder import check_outputs
from bertkit.tasks.registry import SHAPE_OF
from bertkit.tasks.rows import stream_data
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import ANOTHER, SAMPLE, examine

# --------------------------------------------------------------------------------------------------
# The rows that are left after an inspection's findings, as a table, and beside it what was left out and why.
#
# Left out are rows that cannot be used, that have no text or no label, whose label looks like a
# missing one, that repeat an earlier row, and that have the text of another row and another label.

FLAG = "--write"
_SUFFIXES = (".csv", ".tsv", ".jsonl")
_LABELLED = ("classify", "relation", "regression", "choice")
_PLACE = ("file", "line", "why")
_ENDS_FIELD = re.compile(r"[\t\r\n]")  # each is one space, for entities have places


def clean_files(path: Path, splits: Sequence[str]) -> dict[str, tuple[Path, Path]]:
    """Return where the rows of each split go, and those left out: clean.csv and clean.left_out.csv.

    Of several splits each has its name in those of its files.

    Raises:
        UsageError: the name does not say what kind of table it is to be.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{FLAG} {brief(str(path))}: the name must end in {', '.join(_SUFFIXES)}.")
    names = {split: f".{split}" if len(splits) > 1 else "" for split in splits}
    return {split: (_named(path, name), _named(path, f"{name}.left_out")) for split, name in names.items()}


def _named(path: Path, part: str) -> Path:
    return path.with_name(f"{path.stem}{part}{path.suffix}")


def write_clean(path: Path, data: StreamedData, task: str, labels: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Write the rows of every split, and say of each how many there are.

    Args:
        path: where they go (`clean_files`).
        data: the rows, which are read again.
        task: what they are for.
        labels: how many rows of each split have which label.

    Raises:
        DataError: the data is of the hub.
        OutputError: a file cannot be written.
    """
    for split, (kept, left) in clean_files(path, list(data.splits)).items():
        rows = data.splits[split]
        if not isinstance(rows, SplitStream):
            raise DataError(f"{FLAG}: writes tables, and {data.name} has no table of its own.")
        counts = Counter(labels.get(split, {})) if task in ("classify", "relation") else Counter[str]()
        sorter = _Sorter(task, {*placeholders(counts), *header_like(counts)})
        names: dict[str, None] = {}
        for _, record in rows.records():
            names.update(dict.fromkeys(name for name, _ in record.kept))
            sorter.look(record)
        with ExitStack() as stack:
            good = _Table(stack.enter_context(writing(kept, FLAG)), kept, list(names))
            bad = _Table(stack.enter_context(writing(left, FLAG)), left, [*_PLACE, *names])
            for file, record in rows.records():
                why = sorter.why(record)
                if why is None:
                    good.write(dict(record.kept))
                else:
                    bad.write(
                        dict(zip(_PLACE, (as_shown(file), str(record.line), why), strict=True)) | dict(record.kept)
                    )
        yield f"{kept}: {good.rows:,} rows of {split}; {bad.rows:,} are left out, in {left}"
        if good.changed:
            rows_have = counted(good.changed, "row", "have")
            yield f"{kept}: {rows_have} spaces for tabs and line ends, which a tsv cannot hold"


@dataclass
class _Sorter:
    """Decides which rows are left out; it looks at all of them first."""

    task: str
    missing: set[str]
    _answers: dict[bytes, str] = field(default_factory=dict)
    _conflicts: set[bytes] = field(default_factory=set)
    _seen: set[bytes] = field(default_factory=set)

    def look(self, record: Example | BadRow) -> None:
        """Take note of a row."""
        if self._fault(record) is None:
            assert isinstance(record, Example), "any other record is a fault"
            key, answer = _key(record), repr(record.answer)
            if self._answers.setdefault(key, answer) != answer:
                self._conflicts.add(key)

    def why(self, record: Example | BadRow) -> str | None:
        """Say why a row is left out; None: it stays."""
        fault = self._fault(record)
        if fault is not None or not isinstance(record, Example):
            return fault
        key = _key(record)
        if key in self._conflicts and self.task != "regression":
            return "another row has the same text and another label"
        if key in self._seen:
            return "an earlier row is the same"
        self._seen.add(key)
        return None

    def _fault(self, record: Example | BadRow) -> str | None:
        if isinstance(record, BadRow):
            return record.message
        if not any(map(has_text, record.all_texts)):
            return "there is no text"
        if self.task == "multilabel":
            return "there is no label" if record.answer is None else None
        if self.task not in _LABELLED:
            return None
        if record.label is None:
            unread = record.unread if isinstance(record, Question) else ""
            return unread or "there is no label"
        if self.task == "regression" and not is_score(record.label):
            return score_fault(record.label)
        return f"the label {quoted(record.label)} looks like none" if record.label in self.missing else None


def _key(record: Example) -> bytes:
    return hashlib.blake2b("\x1f".join(record.all_texts).encode("utf-8", "surrogatepass"), digest_size=8).digest()


class _Table:
    """Writes rows under a header, or as JSON lines."""

    def __init__(self, stream: TextIO, path: Path, names: Sequence[str]) -> None:
        self.rows = self.changed = 0
        self._is_tsv = path.suffix.lower() == ".tsv"
        self._write = _json_writer(stream) if path.suffix.lower() == ".jsonl" else _writer(stream, path, names)

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row; nothing is quoted in a tsv, so what would end a field is a space there."""
        self.rows += 1
        if self._is_tsv:
            cells = {name: _cell(value) for name, value in row.items()}
            row = {name: _ENDS_FIELD.sub(" ", cell) for name, cell in cells.items()}
            self.changed += row != cells
        self._write(row)


def _json_writer(stream: TextIO) -> Callable[[Mapping[str, Any]], object]:
    return lambda row: stream.write(to_json(dict(row)) + "\n")


def _writer(stream: TextIO, path: Path, names: Sequence[str]) -> Callable[[Mapping[str, Any]], object]:
    if path.suffix.lower() == ".tsv":
        stream.write("\t".join(names) + "\n")
        return lambda row: stream.write("\t".join(row.get(name, "") for name in names) + "\n")
    table = csv.DictWriter(stream, names, lineterminator="\n", restval="")
    table.writeheader()
    return lambda row: table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value)


# --- How many tokens rows have, and whether the tokenizer that counts them fits their texts -------

Rows = list[tuple[str, ...]]
"""All texts of some rows."""
_TO_COUNT = re.compile("|".join(map(re.escape, MARKERS)))


class TokenCounter:
    """Counts the tokens of rows, special tokens included, as the task would have them read.

    Args:
        tokenizer: the model's.
        task: a choice is as long as the question with its longest choice.
        columns: says what is the second text of a pair.
    """

    def __init__(self, tokenizer: Tokenizer, task: str, columns: ColumnMap) -> None:
        self._tokenizer = tokenizer
        # As the tasks do, which put separators between columns.
        self._respells = tokenizer.reads_control = len(columns.text) > 1 or task in ("choice", "mlm")
        # Masks that are to be filled stay what they are.
        self._masks = tuple(filter(None, ("[MASK]", "<mask>", tokenizer.special.mask))) if task == "mlm" else ()
        self._separator = f" {tokenizer.special.sep or ' '} "
        self._own = len(columns.text)
        self._has_choices = task == "choice"
        self._are_marked = task == "relation"
        self._is_pair = columns.pair is not None and task != "mlm"

    def __call__(self, rows: Rows) -> list[int]:
        """Return the number of tokens of each row."""
        if self._has_choices:
            return self._of_choices(rows)
        if self._are_marked:  # each marker will be one token
            return [length + len(MARKERS) for length in self._lengths([_TO_COUNT.sub(" ", row[0]) for row in rows])]
        if not self._is_pair:
            return self._lengths([self._joined(texts) for texts in rows])
        firsts, seconds = ([self._joined(part) for part in parts] for parts in self._parts(rows))
        return self._lengths(list(zip(firsts, seconds, strict=True)))

    def _parts(self, rows: Rows) -> tuple[Rows, Rows]:
        return [texts[: self._own] for texts in rows], [texts[self._own :] for texts in rows]

    def _of_choices(self, rows: Rows) -> list[int]:
        stems, choices = self._parts(rows)
        pairs = [
            (self._joined(stem), self._joined((choice,)))
            for stem, own in zip(stems, choices, strict=True)
            for choice in own
        ]
        lengths = iter(self._lengths(pairs))
        return [max(itertools.islice(lengths, len(own)), default=0) for own in choices]

    def _lengths(self, rows: Sequence[str] | Sequence[tuple[str, str]]) -> list[int]:
        # The ids stay in the Rust library: to bring them all into Python takes longer than to count.
        return [len(row) for row in self._tokenizer.backend.encode_batch_fast(list(rows))]

    def _joined(self, texts: Sequence[str]) -> str:
        if not self._respells:
            return self._separator.join(texts)
        return self._separator.join(self._tokenizer.plain(text, but=self._masks) for text in texts)


def fit_findings(tokenizer: Tokenizer, model: str, sample: Sequence[Example]) -> Iterator[Finding]:
    """Say so where a tokenizer does not fit the texts of a sample of rows."""
    texts = [text for row in sample for text in row.all_texts]
    tokenizer.reads_control = False  # whatever the task needs: here, what is spelt is text
    fit = examine(tokenizer, texts)
    places = _unknown_places(tokenizer, sample) if fit.faults or fit.doubts else ()
    for fault in fit.faults:
        message = f"the tokenizer of {model} does not fit {fault}; {ANOTHER}."
        yield Finding("tokenizer_misfit", "error", len(sample), message, places)
    for doubt in fit.doubts:
        yield Finding("tokenizer_doubt", "warning", len(sample), f"{model}: {doubt}.", places)


def _unknown_places(tokenizer: Tokenizer, sample: Sequence[Example]) -> tuple[Place, ...]:
    """Return where the rows with most unknown tokens stand."""
    if tokenizer.special.unk is None:
        return ()
    unknown = tokenizer.id_of(tokenizer.special.unk, "unknown")
    encoded = tokenizer.encode([" ".join(row.all_texts) for row in sample])
    counts = [encoding.ids.count(unknown) for encoding in encoded]
    worst = sorted((i for i, count in enumerate(counts) if count), key=lambda i: -counts[i])[:MAX_PLACES]
    return tuple(Place(sample[i].source, sample[i].line) for i in worst)


_ROWS_AT_A_TIME = 512


@dataclass(frozen=True)
class InspectRequest:
    """What `bertkit inspect-data` is asked; `max_length` is in tokens of `model`.

    Raises:
        UsageError: a word that a flag does not take.
    """

    data: tuple[str, ...]
    model: str = AUTO
    data_dir: Path | None = None
    columns: str | None = None
    task: str = "auto"
    max_length: int | None = None
    plots: Path | None = None
    report: Path | None = None
    force: bool = False
    group: str | None = None
    write: Path | None = None
    run: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Check the words."""
        if self.task not in TASKS:
            raise UsageError(f"--task {brief(self.task)}: must be one of {', '.join(TASKS)}.")

    @property
    def is_piped(self) -> bool:
        """Whether the data came on standard input, which the suggested command finds empty."""
        return any(map(is_kept_stdin, self.data))


def inspect_data(request: InspectRequest, progress: Progress = unheard) -> Inspection:
    """Look through a data set, and write figures and a page about it where they are asked for.

    Every row is read once and none is kept. Rows are counted as they stand in the files,
    before `train` holds splits out of them.

    Args:
        request: data, model and files.
        progress: is told every few hundred rows how many were read, and how many there may be.

    Raises:
        DataError: the data cannot be read, or lacks a column.
        OutputError: a file is there already, or cannot be written.
        HubError: data or tokenizer are out of reach.
        TokenizerError: the model's tokenizer cannot be opened.
    """
    check_outputs(
        {"--report": request.report},
        [*files_of(request.data, request.data_dir), request.model],
        force=request.force,
        folders={PLOTS: request.plots},
    )
    if request.model != AUTO:
        find_model(request.model)  # a wrong name ends here
    data = stream_data(
        request.data, data_dir=request.data_dir, columns=request.columns, task=request.task, group=request.group
    )
    _refuse_outputs(request, data)
    request, why = _with_model(request, data)
    spec = find_model(request.model)
    tokenizer = None if spec.is_scratch or spec.is_linear else open_tokenizer(spec)
    with metered() as meter:
        meter.expect(files_of(request.data, request.data_dir))
        inspection = _inspect(request, data, tokenizer, _Counter(progress, meter))
    if why:
        found = inspection.audit
        inspection = replace(inspection, audit=replace(found, notes=(*found.notes, why)))
    if request.run:
        inspection = replace(inspection, audit=_with_label_errors(inspection.audit, request))
    if request.write is not None:
        labels = {split: figures.labels for split, figures in inspection.audit.splits.items()}
        said = tuple(write_clean(request.write, data, inspection.task, labels))
        inspection = replace(inspection, audit=replace(inspection.audit, notes=(*inspection.audit.notes, *said)))
    if request.plots is not None:
        draw_data(request.plots, inspection)
    if request.report is not None:
        write_page(request.report, inspection)
    return inspection


def _refuse_outputs(request: InspectRequest, data: StreamedData) -> None:
    """Refuse files of --write and --plots that are there already; their names depend on splits and columns."""
    if request.write is not None:
        for clean, left in clean_files(request.write, list(data.splits)).values():
            for path in (clean, left):
                check_outputs({FLAG: path}, files_of(request.data, request.data_dir), force=request.force)
    refuse_figures(request.plots, figure_names(data.columns.inputs), force=request.force)


def _with_label_errors(audit: Audit, request: InspectRequest) -> Audit:
    """Add the labels that the models of `--run` think wrong."""
    wrong = label_error_finding(request.run, [str(path) for path in files_of(request.data, request.data_dir)])
    return audit if wrong is None else _with_findings(audit, (wrong,))


def _with_model(request: InspectRequest, data: StreamedData) -> tuple[InspectRequest, str]:
    """Choose a model by the first rows where that is left to them, and say why."""
    if request.model != AUTO:
        return request, ""
    rows = data.splits.get("train") or next(iter(data.splits.values()))
    choice = choose_model((text for row in itertools.islice(rows, SAMPLE) for text in row.all_texts), data.task)
    return replace(request, model=choice.name), f"--model {choice.name}: {choice.reason}"


def _inspect(request: InspectRequest, data: StreamedData, tokenizer: Tokenizer | None, count: _Counter) -> Inspection:
    """Audit the data; where the later labels belie the task that the first ones showed, once more."""
    kinds = LabelKinds(of_scores=SHAPE_OF.get(request.task) == SCORES)
    watched = {split: _Watched(rows, kinds, count) for split, rows in data.splits.items()}

    def once(task: str, spelling: Spelling) -> Audit:
        count.restart()
        for rows in data.splits.values():
            rows.expect(SHAPE_OF[task], spelling)
        return audit(
            watched,
            name=data.name,
            task=task,
            columns=data.columns,
            command=_command(request, tokenizer),
            count_tokens=None if tokenizer is None else TokenCounter(tokenizer, task, data.columns),
            max_length=_longest(request, tokenizer),
            group=request.group,
            control=() if tokenizer is None else tokenizer.control,
            mask=None if tokenizer is None else tokenizer.special.mask,
        )

    found, task = once(data.task, "as written"), data.task
    told, spelling = (word_of(kinds.shape, SHAPE_OF) if data.is_guessed else task), kinds.spelling
    if spec_of(SHAPE_OF[task]).has_labels and (told, spelling) != (task, "as written"):
        found, task = once(told, spelling), told
    more = [finding for split, rows in data.splits.items() for finding in unread_findings(split, rows.unread())]
    if tokenizer is not None:
        more += fit_findings(tokenizer, request.model, [row for rows in watched.values() for row in rows.sample])
    notes = (*_notes(request, data, task, tokenizer), *spelling_notes(spelling, SHAPE_OF[task]), *found.notes)
    numbers = {split: _numbers(rows.sample) for split, rows in watched.items()} if task == "regression" else {}
    return Inspection(_with_findings(replace(found, notes=notes), more), task, data.columns, numbers)


def _numbers(sample: Sequence[Example]) -> tuple[float, ...]:
    return tuple(float(row.label) for row in sample if row.label is not None and is_score(row.label))


class _Counter:
    """Counts the rows of a pass over all splits, and tells how many there may be by the bytes read for them."""

    def __init__(self, progress: Progress, meter: Meter) -> None:
        self._progress, self._meter = progress, meter
        self._rows = 0

    def restart(self) -> None:
        """Begin another pass."""
        self._meter.restart()
        self._rows = 0

    def __call__(self, rows: int) -> None:
        """Hear of more rows."""
        self._rows += rows
        self._progress(self._rows, self._meter.expected(self._rows))


class _Watched:
    """The rows of a split on their way into an audit; a sample of them is kept.

    Args:
        rows: can be read more than once.
        kinds: is shown their labels.
        count: told how many rows came.
    """

    def __init__(self, rows: Iterable[Example], kinds: LabelKinds, count: _Counter) -> None:
        self._rows = rows
        self._kinds = kinds
        self._count = count
        self._reservoir: Reservoir[Example, Example] = Reservoir(SAMPLE, keep=lambda row: row)

    def __iter__(self) -> Iterator[Example]:
        """Read the rows from the start."""
        self._reservoir = Reservoir(SAMPLE, keep=lambda row: row)
        rows = iter(self._rows)
        while part := list(itertools.islice(rows, _ROWS_AT_A_TIME)):
            self._reservoir.offer(part)
            self._kinds.see(row.label for row in part)
            self._count(len(part))
            yield from part

    @property
    def sample(self) -> list[Example]:
        """Up to 1,000 rows, each with the same chance."""
        return self._reservoir.items


def _longest(request: InspectRequest, tokenizer: Tokenizer | None) -> int | None:
    if tokenizer is None:
        return None
    return tokenizer.max_length if request.max_length is None else request.max_length


def _command(request: InspectRequest, tokenizer: Tokenizer | None) -> TrainCommand:
    options: list[str] = []
    asked = {"--data-dir": request.data_dir, "--columns": request.columns, "--group": request.group}
    for flag, value in asked.items():
        options += [flag, str(value)] if value is not None else []
    options += ["--task", request.task] if request.task != "auto" else []
    if tokenizer is None:
        # Nothing was counted that could go against what the user named.
        options += ["--max-length", str(request.max_length)] if request.max_length is not None else []
    longest = None if tokenizer is None else tokenizer.max_length
    # What came on standard input is gone, and what was written of it is there.
    names = (str(request.write),) if request.is_piped and request.write is not None else request.data
    return TrainCommand(names, request.model, longest, tuple(options))


def _notes(request: InspectRequest, data: StreamedData, task: str, tokenizer: Tokenizer | None) -> Iterator[str]:
    if data.is_sample:
        yield "this is a bundled sample, made to be small and easy"
    yield from data.notes
    if request.is_piped and request.write is None:
        yield PIPED
    if data.is_guessed:
        yield reason_of(SHAPE_OF[task], SHAPE_OF)
    if tokenizer is None:
        why = "reads words" if request.model == TFIDF else "makes its vocabulary when it is trained"
        yield (
            f"tokens are not counted: {request.model} {why}; lengths are in words (name a --model that has a tokenizer)"
        )


def _with_findings(found: Audit, more: Sequence[Finding]) -> Audit:
    findings = worst_first([*more, *found.findings])
    rows = sum(split.rows for split in found.splits.values())
    return replace(found, findings=findings, verdict=write_verdict(findings, rows))
