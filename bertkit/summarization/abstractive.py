"""Summaries that a model writes, of documents of any length.

A document that does not fit the model is read in windows of whole sentences, and the
summaries of the windows are joined. Where that is still more than two summaries long, what
is joined is summarized in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import inf

from bertkit.documents.language import resolve_language
from bertkit.documents.sentences import Sentence, split_sentences
from bertkit.summarization.methods import Method
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.records import (
    Answer,
    Answers,
    Choice,
    Item,
    Listener,
    SourceText,
    Summarizer,
    Summary,
    Unreadable,
    Windows,
    document_sentences,
    nothing_in,
    on_one_line,
)
from bertkit.summarization.registry import WriterSpec, default_writer, described, find_writer
from bertkit.summarization.windows import even_windows, fitting
from bertkit.summarization.writer import Writer, open_writer

LONGEST = 2  # summaries of usual length


def open_writers(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open the model asked for; without one, each language's own is opened at its first document.

    Raises:
        BertkitError: the model cannot be opened.
    """
    desk = _Desk(method, options, listener)
    if options.model is not None:
        desk.writer(find_writer(options.model))
    return desk.summarize


@dataclass
class _Draft:
    """What has become of a document so far, sentence by sentence; `tokens` is how long that is."""

    document: SourceText
    sentences: list[str]
    tokens: float = inf


class _Desk:
    """The open models, and the documents that pass over them."""

    def __init__(self, method: Method, options: SummaryOptions, listener: Listener) -> None:
        self._method, self._options, self._listener = method, options, listener
        self._open: dict[str, Writer] = {}

    def writer(self, spec: WriterSpec) -> Writer:
        if spec.name not in self._open:
            self._listener.note(f"{self._method.name}: the model is {described(spec)}; it is loaded now.")
            self._open[spec.name] = open_writer(spec, self._options)
        return self._open[spec.name]

    def summarize(self, items: Iterable[Item]) -> Answers:
        for chunk in _chunks(items, self._most_at_once):
            yield from self._answers(chunk)
        for name, writer in self._open.items():
            if writer.watch.misfit is not None:
                self._listener.note(f"warning: {name} does not know these texts' words; choose another --model.")

    def _most_at_once(self) -> int:
        """Return how many documents to take: on a CPU a batch of them takes as long as one after the other."""
        return max((w.batch_size for w in self._open.values() if w.placement.kind != "cpu"), default=1)

    def _answers(self, items: Sequence[Item]) -> list[Answer]:
        answers: list[Answer] = []
        work: dict[str, list[tuple[int, _Draft]]] = {}
        for item in items:
            if isinstance(item, Unreadable):
                answers.append(item)
                continue
            draft = _Draft(item, _lines(document_sentences(item, self._options.language)))
            if draft.sentences:
                work.setdefault(self._spec(item).name, []).append((len(answers), draft))
            answers.append(Unreadable.of(item, nothing_in(item.text)))  # its summary takes this place
        for name, drafts in work.items():
            for place, summary in zip((p for p, _ in drafts), self._written(name, [d for _, d in drafts]), strict=True):
                answers[place] = summary
        return answers

    def _within(self, written: Sequence[str]) -> Sequence[str]:
        """Leave out what goes beyond the words that were asked for."""
        if self._options.words is None:
            return written
        room = accumulate(len(sentence.split()) for sentence in written)
        return written[: max(1, sum(words <= self._options.words for words in room))]

    def _spec(self, document: SourceText) -> WriterSpec:
        if self._options.model is not None:
            return find_writer(self._options.model)
        return default_writer(resolve_language(self._options.language, document.text))

    def _written(self, name: str, drafts: Sequence[_Draft]) -> list[Summary]:
        wanted = [self._options.most_written(len(draft.sentences)) for draft in drafts]
        source = drafts[0].document.source

        def report(total: int, done: int) -> None:
            if total > 1:
                self._listener.progress(Windows(source, done, total))

        _write(self.writer(find_writer(name)), drafts, self._options.language, report)
        return [
            Summary(draft.document, self._method.name, "\n".join(self._within(draft.sentences[:most])))
            for draft, most in zip(drafts, wanted, strict=True)
        ]


def _write(writer: Writer, drafts: Sequence[_Draft], language: str, report: Callable[[int, int], None]) -> None:
    """Replace the sentences of drafts by summaries of them, until these are short or shrink no more.

    `report` is told how many windows there are, and how many are done.
    """
    pending = list(drafts)
    while pending:
        cut = [_windows(writer, draft.sentences) for draft in pending]
        total = sum(map(len, cut))
        texts = iter(writer.write([w for windows in cut for w in windows], partial(report, total)))
        long = []
        for draft, windows in zip(pending, cut, strict=True):
            before = draft.tokens
            draft.sentences = [s for _ in windows for s in _sentences(next(texts), language, keep=True)]
            draft.tokens = sum(writer.lengths(draft.sentences))
            if len(windows) > 1 and LONGEST * writer.limits.most < draft.tokens < before:
                long.append(draft)
        pending = long


def _windows(writer: Writer, sentences: Sequence[str]) -> list[str]:
    pieces = fitting(sentences, writer.lengths, writer.room)
    runs = even_windows(writer.lengths(pieces), writer.room)
    return [" ".join(pieces[i] for i in run) for run in runs]


def _sentences(text: str, language: str, *, keep: bool = False) -> list[str]:
    """Return a text's sentences, each on one line; with `keep`, what has no words is one too."""
    found = _lines(split_sentences(text, language))
    return found or ([on_one_line(text)] if keep and text.strip() else [])


def _lines(sentences: Iterable[Sentence]) -> list[str]:
    return [Choice.of(0, sentence, 0.0).line for sentence in sentences]


def _chunks(items: Iterable[Item], most: Callable[[], int]) -> Iterator[list[Item]]:
    """Yield items in lists of 1, 2, 4, …, so that the first answers come soon."""
    size, chunk = 1, list[Item]()
    for item in items:
        chunk.append(item)
        if len(chunk) >= size:
            yield chunk
            size, chunk = min(2 * size, most()), []
    if chunk:
        yield chunk
