"""Summaries of texts and of whole inputs, by any method."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from bertkit.data.formats.metering import metered
from bertkit.data.kept import Keep, parse_keep
from bertkit.documents.rouge import resolve_mode
from bertkit.errors import DataError, UsageError
from bertkit.progress import Progress, unheard
from bertkit.summarization.comparing import beside_baselines, open_all
from bertkit.summarization.document_rows import document_columns
from bertkit.summarization.documents_in import document_files, read_documents
from bertkit.summarization.methods import asked_method, open_summarizer, run_column
from bertkit.summarization.options import DEFAULT_SENTENCES, SummaryOptions
from bertkit.summarization.records import (
    Answer,
    Answers,
    Item,
    Listener,
    Rouge,
    SourceText,
    Summarizer,
    Summary,
    Unreadable,
)
from bertkit.summarization.scoring import mean_sentence, read_references, score_summary
from bertkit.summarization.sections import by_section


def summarize(
    document: SourceText | str, options: SummaryOptions | None = None, listener: Listener | None = None
) -> Summary:
    """Summarize one document.

    Args:
        document: a text, or one with its source.
        options: method, length, model; the default is that of the command.
        listener: hears what is no result.

    Raises:
        DataError: there is no sentence in it.
        BertkitError: the method's model cannot be opened.
    """
    given = SourceText(document) if isinstance(document, str) else document
    summarizer = open_summarizer(options or SummaryOptions(), listener or Listener())
    (answer,) = summarizer([given])
    if isinstance(answer, Unreadable):
        raise DataError(f"{answer.place}: {answer.message}.")
    return answer


@dataclass(frozen=True)
class SummarizeRequest:
    """What `bertkit summarize` is asked.

    Inputs and how to read them, references with ROUGE's tokenization, the columns that go
    through to the records, and those where documents (and references) stand; whether every
    method is tried on each document.
    """

    names: tuple[str, ...] = ("-",)
    options: SummaryOptions = field(default_factory=SummaryOptions)
    input_format: str = "auto"
    references: tuple[str, ...] = ()
    rouge: str = "auto"
    keep: str | None = None
    columns: str | None = None
    compare: bool = False


@dataclass
class Done:
    """How it went."""

    documents: int = 0
    errors: int = 0
    first_error: str = ""
    scores: dict[str, list[Rouge]] = field(default_factory=dict)
    """By method."""

    def see(self, answer: Answer) -> None:
        """Count an answer."""
        self.documents += 1
        if isinstance(answer, Unreadable):
            self.errors += 1
            self.first_error = self.first_error or f"{answer.place}: {answer.message}"
        elif answer.rouge is not None:
            for method, rouge in ((answer.method, answer.rouge), *answer.baselines):
                self.scores.setdefault(method, []).append(rouge)

    @property
    def note(self) -> str | None:
        """The mean of the scores, where there are several; by method, where these are several."""
        means = {method: mean_sentence(scores) for method, scores in self.scores.items() if len(scores) > 1}
        if len(means) < 2:
            return next(iter(means.values()), None)
        return "\n".join(f"{method}: {mean}" for method, mean in means.items())

    def raise_for_status(self) -> None:
        """Turn errors into the exit code they deserve.

        Raises:
            DataError: there were documents that could not be summarized.
        """
        if self.errors == self.documents == 1:
            raise DataError(f"{self.first_error}.")
        if self.errors:
            raise DataError(
                f"{self.errors:,} of {self.documents:,} documents could not be summarized; "
                f"the first: {self.first_error}."
            )


def summarize_inputs(request: SummarizeRequest, listener: Listener) -> Answers:
    """Open inputs and method, and return the answers, one for each document, in order.

    Raises:
        UsageError: a word that a flag does not take.
        DataError: a file is missing, or the only one cannot be read; or, while the answers
            are iterated, there is not one reference for each document.
        BertkitError: the method's model cannot be opened.
    """
    keep = None if request.keep is None else parse_keep(request.keep)
    columns = document_columns(request.columns, run_column(request.options.model))
    counted = _Counted(request.names)
    items = counted.reading(
        read_documents(request.names, input_format=request.input_format, columns=columns, note=listener.note, keep=keep)
    )
    references = read_references(request.references, listener.note) if request.references else None
    mode = request.rouge if request.rouge == "auto" else resolve_mode(request.rouge, ())
    first = next(items)  # before a model is opened for it: the only file may be unreadable
    items = itertools.chain([first], items)
    answers = counted.answering(
        _opened(request, listener)(items if references is None else _referred(items, references)),
        unheard if request.compare else listener.documents,
    )
    if keep is not None:
        answers = _with_doubts(answers, keep, listener)
    answers = _scored(_with_hint(answers, request.options, listener), mode)
    if not request.compare and asked_method(request.options).writes:
        answers = beside_baselines(answers, request.options, lambda summary: _beside(summary, mode))
    return answers


def _opened(request: SummarizeRequest, listener: Listener) -> Summarizer:
    if request.compare:
        if request.options.sections:
            raise UsageError("--compare: does not go with --sections; compare whole documents.")
        return open_all(request.options, listener)
    summarizer = open_summarizer(request.options, listener)
    return by_section(summarizer) if request.options.sections else summarizer


def _with_hint(answers: Answers, options: SummaryOptions, listener: Listener) -> Answers:
    """Say once how long the summary of a long document is, and what else may be asked for."""
    said = not options.is_usual or options.sections
    with closing(answers):
        for answer in answers:
            yield answer
            if not said and isinstance(answer, Summary) and len(answer.sentences) > DEFAULT_SENTENCES:
                headings = len({passage.section for passage in answer.document.passages or () if passage.section})
                parts = f", --sections gives each of its {headings:,} headings its own" if headings > 1 else ""
                listener.note(
                    f"{answer.document.place}: has {answer.total:,} sentences, so {len(answer.sentences)} are taken "
                    f"(0.3 times the square root); --sentences, --words and --ratio say otherwise{parts}."
                )
                said = True


class _Counted:
    """Counts documents that are read and answered, and tells by the bytes that were read how many there may be."""

    def __init__(self, names: Sequence[str]) -> None:
        self._stack = ExitStack()
        self._meter = self._stack.enter_context(metered())
        self._meter.expect(document_files(names))
        self._read = 0

    def reading(self, items: Iterator[Item]) -> Iterator[Item]:
        """Count documents as they are read."""
        for item in items:
            self._read += 1
            yield item

    def answering(self, answers: Answers, progress: Progress) -> Answers:
        """Tell of answers as they go by."""
        with self._stack, closing(answers):
            for done, answer in enumerate(answers, start=1):
                yield answer
                progress(done, self._meter.expected(self._read))


def _with_doubts(answers: Answers, keep: Keep, listener: Listener) -> Answers:
    with closing(answers):
        yield from answers
    for doubt in keep.doubts():
        listener.note(f"warning: {doubt}")


def _referred(items: Iterable[Item], references: Iterator[str]) -> Iterator[Item]:
    """Give each document its reference.

    Raises:
        DataError: there is not one for each.
    """
    for item in items:
        reference = next(references, None)
        if reference is None:
            raise DataError(f"{item.place}: no reference is left for it; --reference needs one for each document.")
        yield replace(item, reference=reference) if isinstance(item, SourceText) else item
    if next(references, None) is not None:
        raise DataError("--reference: there are more references than documents; they must go together one by one.")


def _scored(unscored: Answers, mode: str) -> Answers:
    """Score summaries of documents that have a reference."""
    with closing(unscored) as answers:
        for answer in answers:
            if isinstance(answer, Summary) and answer.document.reference.strip():
                yield _beside(answer, mode)
            else:
                yield answer


def _beside(summary: Summary, mode: str) -> Answer:
    try:
        return replace(summary, rouge=score_summary(summary.summary, summary.document.reference, mode))
    except DataError as error:
        return Unreadable.of(summary.document, str(error).rstrip("."))
