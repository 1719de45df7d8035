"""Summaries of texts and of whole inputs, by any method."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from bertkit.data.formats.metering import metered
from bertkit.data.kept import Keep, parse_keep
from bertkit.data.sources import input_files
from bertkit.documents.rouge import resolve_mode
from bertkit.errors import DataError
from bertkit.progress import Progress
from bertkit.summarization.document_rows import document_columns
from bertkit.summarization.documents_in import read_documents
from bertkit.summarization.methods import open_summarizer, run_column
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.records import Answer, Answers, Item, Listener, Rouge, SourceText, Summary, Unreadable
from bertkit.summarization.scoring import mean_sentence, read_references, score_summary


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
    through to the records, and those where documents (and references) stand.
    """

    names: tuple[str, ...] = ("-",)
    options: SummaryOptions = field(default_factory=SummaryOptions)
    input_format: str = "auto"
    references: tuple[str, ...] = ()
    rouge: str = "auto"
    keep: str | None = None
    columns: str | None = None


@dataclass
class Done:
    """How it went."""

    documents: int = 0
    errors: int = 0
    first_error: str = ""
    scores: list[Rouge] = field(default_factory=list)

    def see(self, answer: Answer) -> None:
        """Count an answer."""
        self.documents += 1
        if isinstance(answer, Unreadable):
            self.errors += 1
            self.first_error = self.first_error or f"{answer.place}: {answer.message}"
        elif answer.rouge is not None:
            self.scores.append(answer.rouge)

    @property
    def note(self) -> str | None:
        """The mean of the scores, where there are several."""
        return mean_sentence(self.scores) if len(self.scores) > 1 else None

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
    answers = counted.answering(
        open_summarizer(request.options, listener)(itertools.chain([first], items)), listener.documents
    )
    if keep is not None:
        answers = _with_doubts(answers, keep, listener)
    return _beside_own(answers, mode) if references is None else _scored(answers, references, mode)


class _Counted:
    """Counts documents that are read and answered, and tells by the bytes that were read how many there may be."""

    def __init__(self, names: Sequence[str]) -> None:
        self._stack = ExitStack()
        self._meter = self._stack.enter_context(metered())
        self._meter.expect(input_files(names))
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


def _scored(unscored: Answers, references: Iterator[str], mode: str) -> Answers:
    with closing(unscored) as answers:
        for answer in answers:
            reference = next(references, None)
            if reference is None:
                place = answer.place if isinstance(answer, Unreadable) else answer.document.place
                raise DataError(f"{place}: no reference is left for it; --reference needs one for each document.")
            yield answer if isinstance(answer, Unreadable) else _beside(answer, reference, mode)
    if next(references, None) is not None:
        raise DataError("--reference: there are more references than documents; they must go together one by one.")


def _beside_own(unscored: Answers, mode: str) -> Answers:
    """Score those documents that came with a reference."""
    with closing(unscored) as answers:
        for answer in answers:
            if isinstance(answer, Summary) and answer.document.reference.strip():
                yield _beside(answer, answer.document.reference, mode)
            else:
                yield answer


def _beside(summary: Summary, reference: str, mode: str) -> Answer:
    try:
        return replace(summary, rouge=score_summary(summary.summary, reference, mode))
    except DataError as error:
        return Unreadable.of(summary.document, str(error).rstrip("."))
