"""What a reader makes of a document: passages of prose that know where each of their characters stands."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from enum import Enum

Span = tuple[int, int]


class Kind(Enum):
    """What a passage is. Only prose and items are summarized, unless there is nothing else."""

    PROSE = "prose"
    ITEM = "item"
    HEADING = "heading"
    CELL = "cell"
    LABEL = "label"
    """A greeting, a signature, a notice, a date, a line of who was there."""
    MENU = "menu"
    """What leads elsewhere."""


@dataclass(frozen=True, slots=True)
class Run:
    """`length` characters of what is read, from `read` on, are document[start:end].

    They are the same characters where both are of one length; else (an entity, a line end that is
    read as a space) all of them stand for all of it.
    """

    read: int
    length: int
    start: int
    end: int

    @property
    def is_verbatim(self) -> bool:
        """Whether the characters go one by one."""
        return self.end - self.start == self.length


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph, a list's item, a turn of a dialogue: `text` as a person reads it, and where it stands.

    Attributes:
        text: on one line, or as it stands in the document where nothing was taken out.
        runs: where its characters stand, in order.
        kind: what it is.
        section: the heading that it stands under; empty where there is none.
        level: of that heading, 1 for the highest.
        speaker: who says it.
        said_from: where in `text` the speaker's name is over.
        follows: whether it goes on directly below the passage before, without a blank line.
        page: the page it begins on, from 1.
        next_pages: where in the document the pages begin that it goes on over.
        paragraph: which of its document it is, from 1, where that has no other places.
    """

    text: str
    runs: tuple[Run, ...]
    kind: Kind = Kind.PROSE
    section: str = ""
    level: int = 0
    speaker: str = ""
    said_from: int = 0
    follows: bool = False
    page: int | None = None
    paragraph: int | None = None
    next_pages: tuple[int, ...] = ()

    def page_at(self, place: int) -> int | None:
        """Return the page that a place of the document is on."""
        return None if self.page is None else self.page + bisect_right(self.next_pages, place)

    @property
    def start(self) -> int:
        """Where it begins in the document."""
        return self.runs[0].start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.runs[-1].end

    def place(self, begin: int, behind: int) -> Span:
        """Return where text[begin:behind] stands in the document; neither end is white space."""
        first, last = self._run_at(begin), self._run_at(behind - 1)
        start = first.start + (begin - first.read) * first.is_verbatim
        end = last.start + (behind - last.read) if last.is_verbatim else last.end
        return start, end

    def _run_at(self, place: int) -> Run:
        return self.runs[bisect_right(self.runs, place, key=lambda run: run.read) - 1]

    def moved(self, by: int) -> Passage:
        """Return the passage where it stands in a document that has so many characters before."""
        return replace(self, runs=tuple(replace(run, start=run.start + by, end=run.end + by) for run in self.runs))

    def part(self, begin: int) -> Passage:
        """Return the passage from a character on."""
        start = next(place for place in range(begin, len(self.text) + 1) if not self.text[place : place + 1].isspace())
        runs = []
        for run in self.runs:
            if run.read + run.length <= start:
                continue
            over = max(0, start - run.read)
            from_ = run.start + over * run.is_verbatim
            runs.append(Run(run.read + over - start, run.length - over, from_, run.end))
        return replace(self, text=self.text[start:], runs=tuple(runs))


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document and what is to be read of it.

    Attributes:
        text: the file as it is, or what was taken out of it where it is no text.
        passages: in the order of the text.
        span: which part of `text` is this document, where a file holds several.
        reference: the summary that came with it.
    """

    text: str
    passages: tuple[Passage, ...]
    span: Span | None = None
    reference: str = ""


def slice_of(text: str, start: int, end: int, kind: Kind = Kind.PROSE) -> Passage:
    """Return text[start:end] as a passage."""
    return Passage(text[start:end], (Run(0, end - start, start, end),), kind)


@dataclass
class Builder:
    """Puts a passage together, white space collapsed, out of pieces of a document."""

    _parts: list[str] = field(default_factory=list)
    _runs: list[Run] = field(default_factory=list)
    _length: int = 0
    _gap: Span | None = None

    @property
    def text(self) -> str:
        """What has been put together."""
        return "".join(self._parts)

    @property
    def tail(self) -> str:
        """The last characters."""
        return "".join(self._parts[-2:])[-4:]

    def space(self, start: int, end: int) -> None:
        """Note white space, or what is read as such; it counts between words only."""
        if self._parts and self._gap is None:
            self._gap = (start, end)

    def add(self, piece: str, start: int) -> None:
        """Add characters as they stand from `start` on."""
        place = 0
        while place < len(piece):
            behind = place
            blank = piece[place].isspace()
            while behind < len(piece) and piece[behind].isspace() is blank:
                behind += 1
            if blank:
                self.space(start + place, start + behind)
            else:
                self._put(piece[place:behind], start + place, start + behind)
            place = behind

    def add_read(self, piece: str, start: int, end: int) -> None:
        """Add what document[start:end] is read as."""
        if piece.isspace():
            self.space(start, end)
        elif piece:
            self._put(piece, start, end)

    def _put(self, piece: str, start: int, end: int) -> None:
        if self._gap is not None:
            self._append(" ", *self._gap)
            self._gap = None
        self._append(piece, start, end)

    def _append(self, piece: str, start: int, end: int) -> None:
        last = self._runs[-1] if self._runs else None
        joins = last is not None and last.is_verbatim and last.end == start and end - start == len(piece)
        if last is not None and joins:
            self._runs[-1] = Run(last.read, last.length + len(piece), last.start, end)
        else:
            self._runs.append(Run(self._length, len(piece), start, end))
        self._parts.append(piece)
        self._length += len(piece)

    def passage(self, kind: Kind = Kind.PROSE) -> Passage | None:
        """Return the passage, None where there is nothing in it, and begin another."""
        made = Passage(self.text, tuple(self._runs), kind) if self._parts else None
        self._parts, self._runs, self._length, self._gap = [], [], 0, None
        return made


def is_candidate(passage: Passage) -> bool:
    """Tell whether a passage's sentences may be chosen."""
    return passage.kind in (Kind.PROSE, Kind.ITEM)
