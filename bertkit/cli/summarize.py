"""`bertkit summarize`: the most important sentences, or a summary that a model writes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from bertkit.cli.options import DeviceOption, ForceOption, KeepOption, OutputOption, PrecisionOption
from bertkit.cli.progress import UNSHOWN_S, WARNING, QuietOption, progress_line, shown_work
from bertkit.cli.render import open_console, spoken
from bertkit.cli.streams import is_typed_at, say
from bertkit.errors import UsageError
from bertkit.plain import to_json, visible

if TYPE_CHECKING:
    from rich.console import Console

    from bertkit.summarization.records import Answer, Listener, Rouge, Summary
    from bertkit.summarization.summarize import SummarizeRequest

# --- Summaries for people: as plain text, or as the document with the chosen sentences marked -----

# Round a chosen sentence where nothing can be coloured.
BEGIN, END = "▶", "◀"
HIGHLIGHT = "bold black on yellow"


class SummaryText:
    """Writes answers to a stream; the terminal gets colours, and no control characters of the document's.

    Args:
        stream: a terminal, pipe or file.
        many: whether there may be several documents, which then get a heading each.
        marked: whether to write the whole documents, with the chosen sentences marked.
        methods: whether headings name the method, where there are several.
    """

    def __init__(self, stream: TextIO, *, many: bool, marked: bool, methods: bool = False) -> None:
        from rich.console import Console

        self._stream, self._many, self._marked = stream, many or methods, marked
        self._methods = methods
        self._console: Console | None = None
        if stream.isatty():
            console = Console(file=stream, highlight=False, markup=False, emoji=False)
            self._console = console if console.color_system is not None else None
        self._is_terminal = stream.isatty()
        self._first = True

    def __call__(self, answer: Answer) -> None:
        """Write an answer; of a document that cannot be summarized, only a heading that says so."""
        from bertkit.summarization.records import Unreadable

        if self._many:
            self._heading(answer)
        if isinstance(answer, Unreadable):
            return
        if self._marked:
            self._mark(answer)
        elif answer.sections:
            self._sections(answer)
        else:
            self._write(answer.summary)
        if answer.rouge is not None:
            self._write(_rouge(answer.rouge))

    def _heading(self, answer: Answer) -> None:
        from bertkit.summarization.records import Unreadable

        is_unreadable = isinstance(answer, Unreadable)
        place = answer.place if isinstance(answer, Unreadable) else answer.document.place
        if isinstance(answer, Unreadable):
            place = f"{place}: {answer.message}"
        elif self._methods:
            place = f"{place} ({answer.method})"
        said = visible(place)
        if not self._first:
            self._write("")
        self._first = False
        if self._console is None:
            self._write(f"== {said}")
        else:
            self._console.print(said, style="red" if is_unreadable else "bold", soft_wrap=True)

    def _sections(self, answer: Summary) -> None:
        for section in answer.sections:
            if section.heading:
                self._write(f"{'#' * max(1, section.level)} {section.heading}")
            self._write(section.summary)

    def _mark(self, summary: Summary) -> None:
        pieces = _pieces(summary)
        if self._console is None:
            marked = "".join(f"{BEGIN}{text}{END}" if chosen else text for text, chosen in pieces)
            self._write(marked.removesuffix("\n"))
            return
        from rich.text import Text

        text = Text()
        for piece, chosen in pieces:
            text.append(self._safe(piece), HIGHLIGHT if chosen else "")
        self._console.print(text, soft_wrap=True)

    def _write(self, text: str) -> None:
        self._stream.write(f"{self._safe(text)}\n")

    def _safe(self, text: str) -> str:
        """Show what would steer a terminal; in pipes and files a document's text stays as it is."""
        return visible(text.replace("\r\n", "\n"), keep="\n\t") if self._is_terminal else text


def _pieces(summary: Summary) -> list[tuple[str, bool]]:
    """Cut a document where chosen sentences begin and end; together the pieces are the document."""
    text = summary.document.text
    place, end = summary.document.span or (0, len(text))
    pieces: list[tuple[str, bool]] = []
    for choice in summary.sentences:
        pieces += [(text[place : choice.start], False), (text[choice.start : choice.end], True)]
        place = choice.end
    return [*pieces, (text[place:end], False)]


def _rouge(rouge: Rouge) -> str:
    figures = f"rouge1 {rouge.rouge1:.4f}  rouge2 {rouge.rouge2:.4f}  rougeLsum {rouge.rougeLsum:.4f}"
    return f"{figures}  ({rouge.signature}, {rouge.ignored_share:.0%} of characters ignored)"


SummaryColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Tables: the columns of document and reference, as text=a,label=b (default: by their names).",
        envvar="BERTKIT_COLUMNS",
    ),
]


class SummaryFormat(StrEnum):
    """How summaries are written."""

    TEXT = "text"
    JSON = "json"
    MARKED = "marked"


def summarize_command(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="Documents (text, Markdown, HTML, mails, subtitles, .story, .docx, .pdf), tables with "
            "one in each row, folders, or - for standard input (default: -).",
        ),
    ] = None,
    *,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            envvar="BERTKIT_METHOD",
            help="lead, textrank, salience, salience-sets, abstractive, or with --model RUN bertsum or "
            "matchsum (default: what --model is for, else salience-sets; textrank for Korean, and where "
            "the encoder is not installed).",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Run directory (bertsum, matchsum, salience); bart-large-cnn, t5-small, t5-base, "
            "t5-large, t5-3b, t5-11b, kobart, hf:org/name or a folder (abstractive) (default: "
            "salience's own model; abstractive: bart-large-cnn, Korean kobart).",
        ),
    ] = None,
    sentences: Annotated[
        int | None,
        typer.Option(
            "--sentences",
            min=1,
            help="Most sentences (default: 3; over 100 sentences 0.3 times the square root of their number; "
            "abstractive: as "
            "many as it writes).",
        ),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option(
            "--ratio",
            help="Instead of --sentences: share of the document's sentences at most, 0 to 1 (default: by --sentences).",
        ),
    ] = None,
    words: Annotated[
        int | None,
        typer.Option(
            "--words",
            min=1,
            help="Instead of --sentences: most words; sentences are taken whole (default: by --sentences).",
        ),
    ] = None,
    sections: Annotated[
        bool,
        typer.Option("--sections", help="A summary for each heading; --sentences, --ratio and --words hold for each."),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Run every method on each document, with ROUGE if there is a reference."),
    ] = False,
    language: Annotated[
        str, typer.Option("--language", help="Language of the documents: auto, en or ko.", envvar="BERTKIT_LANGUAGE")
    ] = "auto",
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", help="File of reference summaries, for ROUGE; may be repeated (default: none)."),
    ] = None,
    rouge: Annotated[
        str, typer.Option("--rouge", help="Tokenization of ROUGE: auto (by language), english, eojeol, morph or char.")
    ] = "auto",
    beams: Annotated[
        int | None,
        typer.Option("--beams", min=1, help="Abstractive: beams of the beam search (default: the model's, or 4)."),
    ] = None,
    min_tokens: Annotated[
        int | None,
        typer.Option("--min-tokens", min=1, help="Abstractive: fewest tokens of a summary (default: the model's)."),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens", min=1, help="Abstractive: most tokens of a window's summary (default: the model's)."
        ),
    ] = None,
    input_format: Annotated[
        str,
        typer.Option(
            "--input-format",
            help="Format of the input: auto, txt, md, ipynb, rst, org, adoc, wiki, tex, html, jats, vtt, srt, ass, "
            "ttml, story, eml, mbox, docx, pdf, jsonl, json, csv, tsv or parquet.",
        ),
    ] = "auto",
    columns: SummaryColumnsOption = None,
    keep: KeepOption = None,
    output_format: Annotated[
        SummaryFormat | None,
        typer.Option(
            "--format",
            help="text, json, or marked: the whole document with the chosen sentences marked (default: text on a "
            "terminal, JSON in a pipe).",
        ),
    ] = None,
    output: OutputOption = None,
    force: ForceOption = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Summarize documents, one record for each, in order.

    Example: cat docs.jsonl | bertkit summarize - --method textrank | jq .summary
    """
    from bertkit.summarization.methods import SummaryOptions
    from bertkit.summarization.summarize import SummarizeRequest

    if not files and is_typed_at():
        raise UsageError("there is nothing to read: give FILE, or - for standard input.")
    options = SummaryOptions(
        method, model, sentences, ratio, language, beams, min_tokens, max_tokens, device, precision,
        words, sections,
    )  # fmt: skip
    request = SummarizeRequest(
        tuple(files or ("-",)), options, input_format, tuple(reference or ()), rouge, keep, columns, compare
    )
    on_terminal = output is None and sys.stdout.isatty()
    _run(
        request,
        output_format or (SummaryFormat.TEXT if on_terminal else SummaryFormat.JSON),
        output,
        force=force,
        quiet=quiet,
    )


def _run(request: SummarizeRequest, wanted: SummaryFormat, output: Path | None, *, force: bool, quiet: bool) -> None:
    from bertkit.run_folder import check_outputs
    from bertkit.summarization.methods import asked_method
    from bertkit.summarization.summarize import Done, summarize_inputs

    if wanted is SummaryFormat.MARKED and asked_method(request.options).writes:
        raise UsageError("--format marked: shows sentences that are chosen, and abstractive writes its own.")
    model = [request.options.model] if request.options.model else []
    check_outputs({"--output": output}, [*request.names, *request.references, *model], force=force)
    done = Done()
    with (
        _listener(quiet=quiet, talks=output is None and sys.stdout.isatty()) as listener,
        closing(summarize_inputs(request, listener)) as answers,
        _stream(output) as stream,
    ):
        write = _writer(stream, wanted, request)
        for answer in answers:
            done.see(answer)
            write(answer)
            stream.flush()
    for line in (done.note or "").splitlines():
        say(line)
    done.raise_for_status()


def _writer(stream: TextIO, wanted: SummaryFormat, request: SummarizeRequest) -> Callable[[Answer], object]:
    if wanted is SummaryFormat.JSON:
        return lambda answer: stream.write(to_json(answer.to_json()) + "\n")
    from bertkit.summarization.documents_in import holds_many

    many = holds_many(request.names, request.input_format)
    marked = wanted is SummaryFormat.MARKED
    return SummaryText(stream, many=many, marked=marked, methods=request.compare)


@contextmanager
def _stream(output: Path | None) -> Iterator[TextIO]:
    """Give standard output, or a file that gets its name only when all is written."""
    from bertkit.files import writing

    if output is None:
        yield sys.stdout
        return
    with writing(output, "--output") as stream:
        yield stream


@contextmanager
def _listener(*, quiet: bool, talks: bool) -> Iterator[Listener]:
    """Say sentences on stderr, and show the windows of long documents there: a bar on a terminal, lines elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from bertkit.summarization.records import Listener, Windows

    console = open_console(stderr=True)

    def note(said: str) -> None:
        if quiet and not said.startswith(WARNING):
            return
        console.print(spoken(f"bertkit: {said}"), soft_wrap=True)

    if quiet or not console.is_terminal:
        with shown_work("documents", quiet=quiet) as documents:
            windows = lambda at: note(f"{at.place}: {at.done} of {at.total} windows read")  # noqa: E731
            yield Listener(note, windows, documents)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), TimeRemainingColumn())
    # Redirected, summaries that go to a file would be printed where the bar is.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        bar = progress.add_task("", total=None, visible=False)
        all_bar, began = progress.add_task("", total=None, visible=False), time.monotonic()

        def show(at: Windows) -> None:
            said = visible(f"{at.place}: {at.done} of {at.total} windows")
            progress.update(bar, description=said, completed=at.done, total=at.total, visible=at.done < at.total)
            if at.done == at.total:  # the bar makes room for what is written next
                progress.refresh()

        def documents(done: float, total: float | None) -> None:
            seconds = time.monotonic() - began
            said = progress_line("documents", done, total, seconds)
            is_shown = not talks and seconds > UNSHOWN_S
            progress.update(all_bar, description=said, completed=done, total=total, visible=is_shown)

        yield Listener(note, show, documents)
