"""Inspect data before it is trained on: what `bertkit inspect-data` does."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.audit import Audit, Finding, TrainCommand, audit
from bertkit.audit.findings import worst_first
from bertkit.audit.label_errors import label_error_finding
from bertkit.audit.sampling import Reservoir
from bertkit.audit.unread import unread_findings
from bertkit.audit.verdict import write_verdict
from bertkit.config import TASKS
from bertkit.data.formats.metering import Meter, metered
from bertkit.data.label_kinds import NOTES, LabelKinds, Spelling
from bertkit.data.numerals import is_score
from bertkit.data.records import Example
from bertkit.data.shape_names import SCORES, word_of
from bertkit.data.shapes.table import reason_of, spec_of
from bertkit.data.sources import files_of
from bertkit.data.streaming import StreamedData
from bertkit.errors import UsageError
from bertkit.models.choosing import AUTO, choose_model
from bertkit.models.registry import find_model
from bertkit.models.table import TFIDF
from bertkit.models.tokenizers import open_tokenizer
from bertkit.outputs import check_outputs
from bertkit.plain import brief
from bertkit.progress import Progress, unheard
from bertkit.reporting.clean_rows import FLAG, clean_files, write_clean
from bertkit.reporting.data_figures import draw_data, figure_names
from bertkit.reporting.inspected import Inspection
from bertkit.reporting.inspection_page import write_page
from bertkit.reporting.output import PLOTS, refuse_figures
from bertkit.reporting.row_tokens import TokenCounter, fit_findings
from bertkit.tasks.reading import stream_data
from bertkit.tasks.registry import SHAPE_OF
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import SAMPLE

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
    if request.write is not None:
        for clean, left in clean_files(request.write, list(data.splits)).values():
            for path in (clean, left):
                check_outputs({FLAG: path}, files_of(request.data, request.data_dir), force=request.force)
    refuse_figures(request.plots, figure_names(data.columns.inputs), force=request.force)
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
        wrong = label_error_finding(request.run, [str(path) for path in files_of(request.data, request.data_dir)])
        more = () if wrong is None else (wrong,)
        inspection = replace(inspection, audit=_with_findings(inspection.audit, more))
    if request.write is not None:
        labels = {split: figures.labels for split, figures in inspection.audit.splits.items()}
        said = tuple(write_clean(request.write, data, inspection.task, labels))
        inspection = replace(inspection, audit=replace(inspection.audit, notes=(*inspection.audit.notes, *said)))
    if request.plots is not None:
        draw_data(request.plots, inspection)
    if request.report is not None:
        write_page(request.report, inspection)
    return inspection


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
    notes = (*_notes(request, data, task, tokenizer), *_spelt(spelling), *found.notes)
    numbers = {split: _numbers(rows.sample) for split, rows in watched.items()} if task == "regression" else {}
    return Inspection(_with_findings(replace(found, notes=notes), more), task, data.columns, numbers)


def _spelt(spelling: Spelling) -> Iterator[str]:
    if spelling in NOTES:
        yield NOTES[spelling]


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
    return TrainCommand(request.data, request.model, longest, tuple(options))


def _notes(request: InspectRequest, data: StreamedData, task: str, tokenizer: Tokenizer | None) -> Iterator[str]:
    if data.is_sample:
        yield "this is a bundled sample, made to be small and easy"
    yield from data.notes
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
