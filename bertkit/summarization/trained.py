"""Methods that are a run of `bertkit train`: BertSum (task extractive) and MatchSum (task matching).

The run scores and chooses sentences; here texts become its rows, and what it makes of them
becomes summaries of the length asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from bertkit import bundle
from bertkit.compute.device import choose_placement
from bertkit.data.records import BadRow, Document, Example
from bertkit.documents.blocking import select
from bertkit.errors import ModelError
from bertkit.evaluation.predict import predict_stream
from bertkit.summarization.methods import Method
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.records import (
    Answer,
    Answers,
    Choice,
    Item,
    Listener,
    Summarizer,
    Summary,
    Unreadable,
    nothing_in,
)
from bertkit.tasks.base import Task
from bertkit.tasks.summary_scores import Extract
from bertkit.tokenization.health import FitWatch


def open_trained(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open a run.

    Raises:
        RunError: no run is there, or it is damaged or newer.
        ModelError: it is a run of another task.
        DeviceError: the machine has no such device.
    """
    directory = Path(options.model or "")
    task = bundle.load_manifest(directory).settings.task
    if task != method.task:
        raise ModelError(f"--model {directory}: is a run of the task {task}; {method.name} needs one of {method.task}.")
    loaded = bundle.load(directory)
    placement = choose_placement(options.device, options.precision, width=loaded.model.encoder.hidden_size)
    loaded.model.to(placement.device)
    whole = replace(loaded, task=cast("Task", _Whole(loaded.task)))
    watch = FitWatch(loaded.tokenizer)

    def summarize(items: Iterable[Item]) -> Answers:
        passed: deque[Item] = deque()  # filled by the reading thread, emptied in the same order
        rows = _rows(items, passed)
        with closing(predict_stream(whole, rows, placement, slow_source=True, watch=watch)) as chunks:
            for records in chunks:
                yield from (_answer(passed.popleft(), record, method, options) for record in records)
        if watch.misfit is not None:
            listener.note(f"warning: {watch.misfit}.")

    return summarize


class _Whole:
    """A task whose records hold all it made of a row: the scores of every sentence, not the chosen ones only."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def record(self, example: Example, output: Extract, top_k: int) -> dict[str, Any]:
        return {"extract": output}


def _rows(items: Iterable[Item], passed: deque[Item]) -> Iterator[Example | BadRow]:
    for item in items:
        passed.append(item)
        line = item.line or 1
        if isinstance(item, Unreadable):
            yield BadRow(line, item.message)
        else:
            yield Document((item.text,), None, line, item.source)


def _answer(item: Item, record: Mapping[str, Any], method: Method, options: SummaryOptions) -> Answer:
    if isinstance(item, Unreadable):
        return item
    if "error" in record:
        return Unreadable.of(item, str(record["error"]))
    extract: Extract = record["extract"]
    if not extract.sentences:
        return Unreadable.of(item, nothing_in(item.text))
    found = ((place, extract.sentences[place]) for place in _chosen(extract, method, options))
    choices = [Choice(i, s.start, s.end, s.text, round(extract.scores[i], 6)) for i, s in found]
    return Summary.of_choices(item, method.name, choices)


def _chosen(extract: Extract, method: Method, options: SummaryOptions) -> Sequence[int]:
    """Return the run's own choice, or as many of the best sentences as are asked for.

    Matching chooses sets, whose size is a part of the choice: of these only the worst are left out.
    """
    if options.sentences is None and options.ratio is None:
        return extract.chosen
    count = options.count(len(extract.sentences))
    if method.task == "matching":
        return sorted(extract.chosen, key=lambda place: -extract.scores[place])[:count]
    return select(extract.scores, [s.text.lower().split() for s in extract.sentences], count)
