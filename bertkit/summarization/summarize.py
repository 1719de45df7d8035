"""Summaries of texts and of whole inputs, by any method or by all; by sections; scored where there are references."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import groupby

from bertkit.data.columns import Keep, parse_keep
from bertkit.data.formats.opened import metered
from bertkit.documents.rouge import highlight_lines, resolve_mode, score_pair, signature
from bertkit.documents.sentences import split_sentences
from bertkit.errors import DataError, ModelError, UsageError
from bertkit.plain import Progress, unheard
from bertkit.summarization.documents_in import (
    REFERENCES,
    Note,
    document_columns,
    document_files,
    holds_many,
    read_documents,
)
from bertkit.summarization.methods import (
    DEFAULT_SENTENCES,
    METHODS,
    Method,
    SummaryOptions,
    asked_method,
    open_summarizer,
    run_column,
)
from bertkit.summarization.records import (
    Answer,
    Answers,
    Choice,
    Item,
    Listener,
    Rouge,
    SectionSummary,
    SourceText,
    Summarizer,
    Summary,
    Unreadable,
    nothing_in,
    on_lines,
    passages_of,
)

# --------------------------------------------------------------------------------------------------
# Every method on the same document (`--compare`), and what lead and textrank reach beside what a model writes.

BASELINES = ("lead", "textrank")


def open_all(options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open every method that is at hand, and what `--model` names; a document gets an answer of each.

    Raises:
        BertkitError: the model cannot be opened.
    """
    summarizers = [_opened_or_none(method, options, listener) for method in METHODS if _needs_no_run(method)]
    if options.model is None:
        listener.note("--compare: a run, or a model that writes, joins with --model.")
    else:
        summarizers.append(open_summarizer(replace(options, method=asked_method(options).name), listener))

    def summarize(items: Iterable[Item]) -> Answers:
        for item in items:
            if isinstance(item, Unreadable):
                yield item
                continue
            for summarizer in summarizers:
                if summarizer is not None:
                    with closing(summarizer([item])) as answers:
                        yield from answers

    return summarize


def _needs_no_run(method: Method) -> bool:
    return not method.writes and (not method.task or method.without_run == method.name)


def _opened_or_none(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer | None:
    """Open a method that needs no model of the user's; where it lacks its encoder, say so and go on."""
    try:
        return open_summarizer(_without_model(options, method.name), listener)
    except ModelError as error:
        listener.note(f"--compare: left out: {error}")
        return None


def _without_model(options: SummaryOptions, method: str) -> SummaryOptions:
    return replace(options, method=method, model=None, beams=None, min_tokens=None, max_tokens=None)


def beside_baselines(answers: Answers, options: SummaryOptions, score: Callable[[Summary], Answer]) -> Answers:
    """Add to each scored answer what lead and textrank reach on its document."""
    methods = [(name, open_summarizer(_without_model(options, name), Listener())) for name in BASELINES]
    with closing(answers):
        for answer in answers:
            if not isinstance(answer, Summary) or answer.rouge is None:
                yield answer
                continue
            found = {}
            for name, summarizer in methods:
                (other,) = summarizer([answer.document])
                scored = score(other) if isinstance(other, Summary) else other
                if isinstance(scored, Summary) and scored.rouge is not None:
                    found[name] = scored.rouge
            yield replace(answer, baselines=tuple(found.items()))


# --- Summaries beside references: ROUGE with its signature ----------------------------------------

FIGURES = ("rouge1", "rouge2", "rougeLsum")


def read_references(names: Sequence[str], note: Note = lambda _: None) -> Iterator[str]:
    """Iterate the references of files: a text file is one, a table holds one on each row.

    Raises:
        DataError: a file or a row of it cannot be read.
    """
    for item in read_documents(names, columns=REFERENCES, note=note):
        if not isinstance(item, SourceText):
            raise DataError.at(item.source, item.line, f"{item.message}; a reference is expected here.")
        if not item.text.strip():
            raise DataError.at(item.source, item.line, "the reference is empty.")
        yield item.text


def score_summary(summary: str, reference: str, mode: str = "auto") -> Rouge:
    """Return the ROUGE of a summary; for Lsum the sentences of both texts are put on lines.

    Raises:
        DataError: the tokenization ignores more than half of the characters.
        TokenizerError: the mode needs a package that is not installed.
        UnknownNameError: there is no such tokenization.
    """
    reference, summary = _reference_lines(reference), on_lines(split_sentences(summary)) or summary
    mode = resolve_mode(mode, (reference, summary))
    scores = score_pair(reference, summary, mode)
    return Rouge(scores.rouge1, scores.rouge2, scores.rougeLsum, signature(mode), scores.ignored_share)


def mean_sentence(scores: Sequence[Rouge]) -> str:
    """Say the mean of many documents' scores, by signature, for scores of different ones cannot be compared."""
    parts = []
    for used in dict.fromkeys(score.signature for score in scores):
        own = [score for score in scores if score.signature == used]
        means = ", ".join(f"{name} {_mean(getattr(score, name) for score in own):.4f}" for name in FIGURES)
        parts.append(f"mean of {len(own):,} documents: {means} ({used})")
    return "; ".join(parts)


def _reference_lines(reference: str) -> str:
    if "<s>" in reference and "</s>" in reference:  # as CNN/DailyMail marks them
        return highlight_lines(reference)
    return on_lines(split_sentences(reference)) or reference


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


# --------------------------------------------------------------------------------------------------
# A summary for each heading: documents are handed to a method section by section, and put together again.


def by_section(summarizer: Summarizer) -> Summarizer:
    """Make a summarizer that summarizes what stands under each heading by itself."""

    def summarize(items: Iterable[Item]) -> Answers:
        passed: deque[tuple[Item, int]] = deque()  # filled by the reading side, emptied in the same order
        with closing(summarizer(_sections(items, passed))) as answers:
            for first in answers:
                item, count = passed.popleft()
                yield _together(item, [first, *(next(answers) for _ in range(count - 1))])

    return summarize


def _sections(items: Iterable[Item], passed: deque[tuple[Item, int]]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Unreadable):
            passed.append((item, 1))
            yield item
            continue
        groups = [tuple(group) for _, group in groupby(passages_of(item), key=lambda p: (p.section, p.level))]
        passed.append((item, max(1, len(groups))))
        for group in groups or [()]:
            yield replace(item, passages=group)


def _together(item: Item, answers: list[Answer]) -> Answer:
    """Put the summaries of a document's sections together; sections without a sentence are left out."""
    if isinstance(item, Unreadable):
        return item
    found = [answer for answer in answers if isinstance(answer, Summary)]
    if not found:
        return Unreadable.of(item, nothing_in(item.text))
    before, sections, choices = 0, list[SectionSummary](), list[Choice]()
    for summary in found:
        own = tuple(replace(choice, index=choice.index + before) for choice in summary.sentences)
        before += summary.total
        first = next(iter(summary.document.passages or ()), None)
        heading, level = (first.section, first.level) if first else ("", 0)
        sections.append(SectionSummary(heading, level, summary.summary, own))
        choices += own
    text = "\n".join(section.summary for section in sections if section.summary)
    return Summary(item, found[0].method, text, tuple(choices), total=before, sections=tuple(sections))


# --- Summaries of texts and of whole inputs, by any method ----------------------------------------


def summarize(
    document: SourceText | str, options: SummaryOptions | None = None, listener: Listener | None = None
) -> Summary:
    """Summarize one document.

    Args:
        document: a text, or one with its source.
        options: method, length, model; the default is that of the command.
        listener: hears what is not a result.

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
    counted = _Counted(request.names, request.input_format)
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
                    f"(0.3 times the square root); --sentences, --words and --ratio change that{parts}."
                )
                said = True


class _Counted:
    """Counts documents that are read and answered, and tells how many there are, or by their bytes may be."""

    def __init__(self, names: Sequence[str], input_format: str) -> None:
        self._stack = ExitStack()
        self._meter = self._stack.enter_context(metered())
        files = document_files(names)
        self._meter.expect(files)
        self._files = None if any(holds_many([name], input_format) for name in files) else len(files)
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
                progress(done, self._expected())

    def _expected(self) -> float | None:
        """Return how many documents there are where each file is one, unless one turns out to hold more."""
        is_one_each = self._files is not None and self._read <= self._files
        return self._files if is_one_each else self._meter.expected(self._read)


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
