"""Summaries for people: as plain text, or as the document with the chosen sentences marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from bertkit.plain import visible
from bertkit.summarization.records import Answer, Rouge, Summary, Unreadable

if TYPE_CHECKING:
    from rich.console import Console

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
