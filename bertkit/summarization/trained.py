"""Methods that are a run of `bertkit train`: BertSum and salience (task extractive), MatchSum (task matching).

The run scores and chooses sentences. Here texts are cut into them, as `--language` says,
and what the run makes of them becomes summaries of the length asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.compute.device import choose_placement
from bertkit.data.records import BadRow, Document, Example
from bertkit.documents.blocking import select
from bertkit.documents.sentences import Sentence
from bertkit.evaluation.predict import predict_stream
from bertkit.summarization.methods import Method
from bertkit.summarization.options import DEFAULT_SENTENCES, SummaryOptions
from bertkit.summarization.records import (
    Answer,
    Answers,
    Choice,
    Item,
    Listener,
    Summarizer,
    Summary,
    Unreadable,
    document_sentences,
    nothing_in,
    word_counts,
)
from bertkit.tasks.base import Task
from bertkit.tasks.summary_scores import Extract
from bertkit.tokenization.health import FitWatch


def open_trained(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open a run.

    Raises:
        RunError: it is damaged or newer.
        DeviceError: the machine has no such device.
    """
    return summarizer_of(bundle.load(Path(options.model or "")), method, options, listener)


def summarizer_of(loaded: Bundle, method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Make a summarizer of a model that scores and chooses sentences.

    Raises:
        DeviceError: the machine has no such device.
    """
    placement = choose_placement(options.device, options.precision, width=loaded.model.encoder.hidden_size)
    loaded.model.to(placement.device)
    whole = replace(loaded, task=cast("Task", _Whole(loaded.task)))
    watch = FitWatch(loaded.tokenizer)

    def summarize(items: Iterable[Item]) -> Answers:
        passed: deque[_Split] = deque()  # filled by the reading thread, emptied in the same order
        rows = _rows(items, options.language, passed)
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


class _Split(NamedTuple):
    """An item with its sentences, and their places in its text."""

    item: Item
    sentences: Sequence[Sentence]


def _rows(items: Iterable[Item], language: str, passed: deque[_Split]) -> Iterator[Example | BadRow]:
    """Yield a row for each item: a document that comes split, so that the run takes these sentences and no others."""
    for item in items:
        line = item.line or 1
        if isinstance(item, Unreadable):
            passed.append(_Split(item, ()))
            yield BadRow(line, item.message)
        else:
            sentences = document_sentences(item, language)
            passed.append(_Split(item, sentences))
            texts = tuple(sentence.said for sentence in sentences)
            yield Document(("\n".join(texts),), None, line, item.source, None, texts)


def _answer(split: _Split, record: Mapping[str, Any], method: Method, options: SummaryOptions) -> Answer:
    item, sentences = split
    if isinstance(item, Unreadable):
        return item
    if "error" in record:
        return Unreadable.of(item, str(record["error"]))
    extract: Extract = record["extract"]
    if not extract.sentences:
        return Unreadable.of(item, nothing_in(item.text))
    found = ((place, sentences[place]) for place in _chosen(extract, options, word_counts(sentences)))
    choices = [Choice.of(i, sentence, round(extract.scores[i], 6)) for i, sentence in found]
    return Summary.of_choices(item, method.name, choices, len(sentences))


def _chosen(extract: Extract, options: SummaryOptions, lengths: Sequence[int] = ()) -> Sequence[int]:
    """Return the model's own choice, or as many of the best sentences as are asked for.

    Where there were sets to choose among, these are the best set of that size; where all are
    larger, the best sentences of the model's own choice.
    """
    count = options.count(len(extract.sentences))
    if options.is_usual and count == DEFAULT_SENTENCES:
        return extract.chosen
    if options.words is not None:
        tokens = [sentence.text.lower().split() for sentence in extract.sentences]
        return select(extract.scores, tokens, count, lengths=lengths, room=options.words)
    if count < min(map(len, extract.candidates), default=0):
        return sorted(extract.chosen, key=lambda place: -extract.scores[place])[:count]
    words = [sentence.text.lower().split() for sentence in extract.sentences]
    of_size = (found for found in extract.candidates if len(found) == count)
    return next(of_size, None) or select(extract.scores, words, count)
