"""What a reader makes of a document: passages of prose that know their places, without greetings and notices."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

# --- What a reader makes of a document: passages of prose that know where each of their characters stands

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
        text: the file as it is, or what was taken out of it where it is not text.
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

    def ending(self, length: int) -> str:
        """Return the last characters, without putting all of them together."""
        return "".join(self._parts[-length:])[-length:]

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


# --- Who says what: names before a colon, and the other ways in which transcripts and chats are written
#
# One label says nothing (`Note: …`); people who talk come back, or nearly every line has one.

_CLOCK = r"(?:오전|오후)?\s*\d{1,2}:\d{2}(?::\d{2}(?:[:;]\d{2}\b)?)?(?:[.,]\d{1,3})?\s*(?:[AaPp]\.?[Mm]\.?)?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}\.?|\d{4}년\s*\d{1,2}월\s*\d{1,2}일"
    rf"|\d{{1,2}}[ -](?i:{_MONTH})[ -]\d{{2,4}}|(?i:{_MONTH})\s\d{{1,2}},\s\d{{4}})"
)
_WHEN = rf"[\[(<]?(?:{_DATE},?\s*)?(?:{_CLOCK})[\])>]?\s*(?:(?:-->|[-–—,|])\s*(?:{_CLOCK}\]?)?\s*)?"
_NAME = r"[^\W\d_](?:[\w.'’&/-]| (?! )){0,40}?"
_ASIDE = r"(?:\s*[(\[][^()\[\]\n]{1,40}[)\]])"
# 10:02 Ana (chair): …, [0:03] Ana: …, Ana: …
_LABEL = re.compile(
    rf"(?P<when>{_WHEN})?(?P<bold>\*\*|__)?(?P<name>{_NAME}|#\w{{1,20}}#)(?P<aside>{_ASIDE})?(?:\*\*|__)?\s*[:：]"
    r"(?:\*\*|__)?(?:\s+|$|(?=[가-힣“]))(?!//)"
)
# Labels that only their coming back tells from prose: Ana – …, Q. …, 시장 박하나  …
_LOOSE = (
    re.compile(rf"(?P<name>{_NAME})\s+[–—-]\s+(?=\S)"),
    re.compile(r"(?P<name>(?:[가-힣]{1,10} ){0,2}[가-힣]{2,10})(?: {2,}| ?\u3000+)(?=\S)"),
    re.compile(rf"\((?P<name>{_NAME})\)\s+(?=\S)"),
    re.compile(r"(?P<name>[A-Z][A-Z'’-]+(?: [A-Z][A-Z'’-]+){0,2})\.\s+(?=[A-Z\[(\"“])"),  # of plays: ANA. …
)
_TIME_BEFORE = re.compile(
    rf"(?:[\[(]\s*(?:{_CLOCK})\s*[\])]|\d{{1,2}}:\d{{2}}:\d{{2}}(?:[.,]\d{{1,3}})?|(?:{_CLOCK})(?=\s[-–—|]))\s*[-–—|:]?\s*(?=\S)"
)
_ASKED = re.compile(r"(?P<name>[QA]|문|답)\d{0,3}[.)]\s+(?=\S)")
_PRESENT = re.compile(
    r"\W*(?:present|in\s+attendance|attendees|attending|participants|chair|참\s*석\s*자?|출\s*석\s*자?|배석자?|참석\s*위원)\s*[:：](.+)",
    re.I,
)
_NAMES_APART = re.compile(r"[,;·/、]|\band\b|(?<=[가-힣]),?\s+외\s")
# What messengers write before a message: [13/05/2024, 09:12:01] …, 13/05/2024, 09:12 - …, 2024. 5. 13. 오전 9:12, …
_STAMP = (
    rf"[\u200e\u200f\s]*(?:\[{_DATE},?\s+(?:{_CLOCK})\s*\]|{_DATE},?\s+(?:{_CLOCK})\s*(?:,|:(?=\s)|[-–]))\s+\u200e?"
)
_STAMPED = re.compile(_STAMP)
_CHATS = (
    re.compile(rf"\[(?P<name>[^\[\]\n]{{1,30}})\]\s*\[(?:{_CLOCK})\]\s*"),  # [아나] [오후 3:12] …
    re.compile(rf"(?:(?:{_WHEN})\s*)?<[ @+%&~]?(?P<name>[^<>\s]{{1,30}})>\s+"),  # <ana> …
    re.compile(rf"(?:{_CLOCK})\s+From\s+(?P<name>{_NAME})(?:\s+to\s+[^:\n]{{1,60}})?\s*:\s*(?=\S|$)"),  # Zoom's chat
    re.compile(rf"(?:{_CLOCK})\t(?P<name>[^\t\n]{{1,30}})\t"),  # LINE's
    # ○의장 박하나  …, ○박하나 의원 …: minutes of Korean councils
    re.compile(
        r"[○◯]\s?(?P<name>[가-힣]{0,12}(?:장|위원|의원|관|인) [가-힣]{2,4}|[가-힣]{2,4} [가-힣]{0,8}(?:장|위원|의원)"
        r"|(?:[가-힣]{1,10} ){0,2}[가-힣]{2,10}(?=\s{2}))\s+(?=\S)"
    ),
    # 13/05/2024, 09:13 - Ana: …, [13.05.24, 09:13:12] ~ Bo 🌱: …
    re.compile(rf"{_STAMP}(?:~\s*)?(?P<name>[^:\n]{{1,40}}?)\s*:\s+(?=\S)"),
)
# A line that says who speaks now and when, and nothing else.
_TURN_LINE = re.compile(
    rf"(?:(?:\[(?P<bracketed>{_NAME})\]|(?P<name>{_NAME}){_ASIDE}?)\s*[-–—|,]?\s+[\[(]?(?:{_DATE},?\s+)?(?:{_CLOCK})[\])]?"
    rf"|(?:{_WHEN})(?P<behind>{_NAME}))\s*$"
)
_WHEN_LINE = re.compile(
    rf"[-=*–—_ ]*(?:(?:{_WHEN})|(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?[\[(]?{_DATE}[\])]?\.?"
    r"(?:\s*\(?[월화수목금토일](?:요일)?\)?)?)[-=*–—_ ]*$",
    re.IGNORECASE,
)
_PAGE_NUMBER = re.compile(
    r"[-–—\s]*(?:(?:page|p\.|쪽)\s*\d{1,4}|\d{1,3}|\d{1,4}\s*쪽)\s*(?:(?:of|/)\s*\d{1,4})?[-–—\s]*$", re.IGNORECASE
)
# What a messenger writes of its own.
_NO_MESSAGE = re.compile(
    r"(?:[\w.'-]+ ){1,3}(?:has |have )?(?:joins?|joined|left|quits?|(?:was )?added|removed|created)\b"
    r"[^.!?]{0,40}[.!]?$"
    r"|.{1,30}님이\s.{0,30}(?:들어왔습니다|나갔습니다|초대했습니다|초대하였습니다)\.?$"
    r"|(?:\[?사진|\[?동영상|\[?스티커|\[?파일|이모티콘|음성메시지|지도|연락처|보이스톡|페이스톡)(?:\s*\d+장)?\]?(?:\s*[:：].{0,60})?$"
    r"|[\u200e<]*(?:media|photo|image|video|audio|sticker|gif|document|contact card)(?: omitted)?>?$"
    r"|<file_\w+>$|<사진[^<>]{0,20}>$|샵검색\s*[:：]|(?:you deleted this message|this message was deleted)\W*$"
    r"|(?:\*{1,3}|-?!-|-->|<--)\s.{0,80}\b(?:joined|left|quit|parted|is now known|sets mode|set the topic)\b"
    r"|exported \d+ messages?|\{(?:reactions|attachments|embed|stickers)\}$",
    re.IGNORECASE,
)
_SMALL = frozenset("de da di van von der den la le el al bin of the and".split())
_NO_SPEAKERS = frozenset(
    "note notes warning tip tips caution important example examples date time place venue location present "
    "attendees attending participants absent apologies agenda subject to from cc bcc re fwd sent ps p.s todo "
    "action actions decision decisions summary result results conclusion source sources figure table update "
    "edit tl;dr http https tel phone fax email mail address page pages title author authors keywords abstract "
    "version price total 일시 날짜 시간 장소 참석 참석자 불참 안건 주의 참고 문의 전화 주소 제목 작성자 "
    "보낸사람 받는사람 출처 예 결론 결정 요약 결과 비고 대상 기간 방법 내용 목적 저장한날짜 저장일시 샵검색 "
    "회의명 von gesendet an betreff datum de envoyé à objet para asunto assunto enviado inviato oggetto "
    "verzonden aan onderwerp datesaved anwesend anwesende abwesend entschuldigt ort beginn ende protokoll "
    "joined posts posted registered message message-id content-type in-reply-to 보낸이 받는이 발신 수신 참조".split()
)
_NUMBERED_PART = re.compile(
    r"(?:TOP|agenda\s+item|item|section|sec\.|article|art\.|motion|resolution|question|part|step|chapter|안건|질문)\s*\d",
    re.I,
)
_MOST_WORDS, _MOST_LETTERS_KOREAN = 4, 12
_LONGEST_NAME = 40  # letters
_SHARE, _SHARE_OF_OTHERS = 0.5, 0.3
"""Of the lines those with a label, from which all labels are speakers; and from which those like them are."""
_IS_NAME = re.compile(rf"{_NAME}$")
_ENDED = re.compile(r"[.!?…。！？,;:]$")


@dataclass(frozen=True, slots=True)
class Turn:
    """Who begins to speak on a line; where what is kept of the line begins, and where the words do.

    `is_sure` where the form is a transcript's or a chat's, and hardly anything else's.
    """

    speaker: str
    start: int
    said: int
    is_sure: bool = False


def find_turns(lines: Sequence[str]) -> list[Turn | None]:
    """Return for each line of a document who begins to speak there, None where nobody does."""
    turns = [_turn(line) for line in lines]
    turns = [turn or _named_above(*pair) for turn, pair in zip(turns, _with_next(lines), strict=True)]
    turns = [
        turn or _named_below(*pair) for turn, pair in zip(turns, zip(["", *lines], lines, strict=False), strict=True)
    ]
    filled = sum(1 for line in lines if line.strip() and not is_time(line))
    turns = _with_loose(lines, turns, filled)
    counts = Counter(turn.speaker for turn in turns if turn)
    present = _present(lines)
    is_known = any(_is_present(name, present) for name in counts)
    is_dialogue = len(counts) > 1 and (max(counts.values()) > 1 or counts.total() >= _SHARE * filled)
    if not (is_dialogue or is_known):
        return [None] * len(lines)
    everybody = counts.total() >= _SHARE * filled
    often = [name for name, count in counts.items() if count > 1]
    has_more = sum(counts[name] for name in often) >= _SHARE_OF_OTHERS * filled
    styles = {name.isupper() for name in often if has_more or name.isupper()}

    def speaks(turn: Turn) -> bool:
        name = turn.speaker
        is_like_others = name.isupper() in styles and len(name.split()) < _MOST_WORDS
        return everybody or turn.is_sure or counts[name] > 1 or is_like_others or _is_present(name, present)

    found = [turn if turn and speaks(turn) else None for turn in turns]
    return [own or _between(found, place, turns[place]) for place, own in enumerate(found)]


def _between(found: Sequence[Turn | None], place: int, turn: Turn | None) -> Turn | None:
    """Take a label for a speaker's where others speak right above and below it."""
    is_within = 0 < place < len(found) - 1 and found[place - 1] and found[place + 1]
    return turn if is_within else None


def _with_next(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(lines, [*lines[1:], ""], strict=False)


def _named_above(line: str, following: str) -> Turn | None:
    """Take a line for a speaker's name that stands above a time."""
    is_name = not _ENDED.search(line) and len(line) <= _LONGEST_NAME and _IS_NAME.match(line) and may_be_name(line)
    return Turn(line, len(line), len(line), is_sure=True) if is_name and is_time(following) and following else None


def _named_below(above: str, line: str) -> Turn | None:
    """Take a line for a speaker's name that stands below a time, if it comes back."""
    is_below = above.strip() and is_time(above) and not _ENDED.search(line) and len(line) <= _LONGEST_NAME
    return Turn(line, len(line), len(line)) if is_below and _IS_NAME.match(line) and may_be_name(line) else None


def _with_loose(lines: Sequence[str], turns: Sequence[Turn | None], filled: int) -> list[Turn | None]:
    """Add the turns of labels that are loose, where most lines have one and several come back."""
    found = list(turns)
    present = _present(lines)
    for forms in (*((form,) for form in _LOOSE), (_ASKED,)):
        matches = [next((m for form in forms if (m := form.match(line))), None) for line in lines]
        names = [m["name"] if m and (m.re is _ASKED or may_be_name(m["name"])) else None for m in matches]
        counts = Counter(name for name in names if name)
        come_back = [name for name, count in counts.items() if count > 1]
        is_asked = forms == (_ASKED,) and len(come_back) > 1
        is_known = sum(_is_present(name, present) for name in counts) > 1
        if not (is_asked or is_known) and (len(come_back) < 2 or counts.total() < _SHARE * filled):
            continue
        for place, (name, match) in enumerate(zip(names, matches, strict=True)):
            if name and match and found[place] is None:
                found[place] = Turn(name, match.end(), match.end(), is_sure=True)
    return found


def _present(lines: Sequence[str]) -> set[str]:
    """Return the names of those who were there, by what minutes say at their head."""
    said = [match[1] for line in lines if (match := _PRESENT.match(line))]
    names = [re.sub(r"[(\[].*?[)\]]", "", name).strip(" .") for line in said for name in _NAMES_APART.split(line)]
    return {name for name in names if name and may_be_name(name)}


def _is_present(name: str, present: Collection[str]) -> bool:
    return any(name == other or name in other.split() or other in name.split() for other in present)


def is_no_message(text: str) -> bool:
    """Tell whether a line of a chat is the messenger's own."""
    return _NO_MESSAGE.match(text) is not None


def is_time(line: str) -> bool:
    """Tell whether a line says when and nothing else."""
    return _WHEN_LINE.match(line) is not None


def is_page_number(line: str) -> bool:
    """Tell whether a line is the number of a page and nothing else."""
    return _PAGE_NUMBER.match(line) is not None


def time_before(line: str) -> int:
    """Return how long the time is that a line of a transcript begins with, and what parts it from what is said."""
    found = _TIME_BEFORE.match(line)
    return found.end() if found else 0


def begins_turn(line: str, *, is_closed: bool) -> bool:
    """Tell whether a line may be a turn of its own; `is_closed` where the line above it ends a sentence."""
    turn = _turn(line)
    return turn is not None and (is_closed or turn.is_sure)


def ends_turn(line: str) -> bool:
    """Tell whether a line begins with a label that is nobody's name: a decision, a note."""
    label = _LABEL.match(line)
    return label is not None and label["name"].casefold() in _NO_SPEAKERS


def names_speaker(line: str) -> bool:
    """Tell whether a line says who speaks and when, and nothing else."""
    turn = _turn(line)
    return turn is not None and turn.is_sure and turn.said >= len(line)


def _turn(line: str) -> Turn | None:
    if is_time(line):
        return None
    for chat in _CHATS:
        found = chat.match(line)
        if found:
            return Turn(found["name"].strip(), found.end(), found.end(), is_sure=True)
    label = _LABEL.match(line)
    if label and may_be_name(label["name"]):
        is_plain = not label["aside"] and not label["bold"]
        start = label.start("name") if is_plain else label.end()
        return Turn(label["name"].strip("#"), start, label.end(), is_sure=bool(label["when"]))
    alone = _TURN_LINE.match(line)
    name = (alone["name"] or alone["behind"] or alone["bracketed"]) if alone else ""
    return Turn(name, len(line), len(line), is_sure=True) if may_be_name(name) else None


def may_be_name(name: str) -> bool:
    """Tell whether a label may be a speaker's."""
    words = name.split()
    names_nobody = {name.casefold().rstrip("."), "".join(words).casefold()} & _NO_SPEAKERS or _NUMBERED_PART.match(name)
    if not words or len(words) > _MOST_WORDS or names_nobody:
        return False
    if not name.isascii() and any("가" <= mark <= "힣" for mark in name):
        return len(name) <= _MOST_LETTERS_KOREAN
    return all(not word[0].islower() or word in _SMALL for word in words) or (len(words) == 1 and len(name) <= 16)


# --- Greetings, signatures, notices: what stands in a document and is not one of what it says --------

_NOTICE = re.compile(
    r"""
      \b(?:we|this\s+(?:web)?site|our\s+(?:web)?site|and\s+our\s+partners)\b.{0,40}\buses?\b.{0,30}\bcookies\b
    | \bcookie\s+(?:settings|policy|preferences|notice)\b | \b(?:accept|reject|manage)\s+(?:all\s+)?cookies\b
    | \bby\s+(?:continuing|using)\b.{0,60}\b(?:site|cookies|terms)\b.{0,40}\b(?:agree|accept|consent)
    | ^(?:\w+\s){0,2}© | ^(?:copyright\b|©|\(c\)\s*\d{4}) | \ball\s+rights\s+reserved\b
    | \b(?:subscribe|sign\s+up)\b.{0,40}\b(?:newsletter|mailing\s+list)\b
    | ^(?:share\s+(?:this|on)|follow\s+us|read\s+more|click\s+here|skip\s+to|back\s+to\s+top|advertisement)\b
    | \b(?:enable|requires?)\s+javascript\b
    | ^(?:last\s+)?(?:updated|modified|published|posted|filed|tagged|reporting)\s*(?::|on\b|by\b|in\b|under\b).{0,80}$
    | ^this\s+(?:article|story|post|page)\s+(?:was|has\s+been)\s+(?:last\s+)?(?:amended|updated|corrected|edited)
    | \bif\s+you\s+(?:liked|enjoyed)\s+this\b.{0,60}\b(?:clap|follow|subscribe|share)
    | \bas\s+an\s+amazon\s+associate\b | \baffiliate\s+links\b | ^jump\s+to\s+recipe
    | ^(?:comments?|replies)\s*\(?\d | \be-?mail\s+address\s+will\s+not\s+be\s+published\b
    | ^required\s+fields\s+are\s+marked\b | \b(?:proudly\s+)?powered\s+by\s+(?:wordpress|drupal|hugo|jekyll|blogger)\b
    | \bwe\s+(?:and|&)\s+our\s+(?:\d+\s+)?(?:partners|vendors)\b
    | \bby\s+clicking\b.{0,60}\b(?:agree|accept|consent)
    | ^(?:subtitles?|captions?|captioning|transcri\w+|translated|synced?|sync\s+and\s+corrections)\s+(?:\w+\s+)?by\b
    | \byou\s+(?:are\s+receiving|received|get)\s+this\s+(?:e-?mail|message|newsletter)\b
    | \bconsider\s+the\s+environment\s+before\s+printing\b
    | \bmessages\s+and\s+calls\s+are\s+end-to-end\s+encrypted\b
    | ^[\u200e\s]*(?:<media\s+omitted>|(?:image|video|audio|sticker|gif|document|contact\s+card)\s+omitted)$
    | ^this\s+message\s+was\s+deleted\W*$ | ^삭제된\s*메시지입니다\W*$
    | ^(?:https?://|www\.)\S+$ | ^\S+@\S+\.\w+$ | ^transcribed\s+by\b
    | ^(?:the\s+)?(?:meeting|transcript(?:ion)?|recording|call)\s+(?:has\s+)?(?:started|ended|stopped)\b[^.!?]{0,40}$
    | ^\d+\s+(?:repl(?:y|ies)|comments?|likes?|attachments?|shares?|views?)$ | ^-{3}\s+(?:log|day)\s
    | \bsent\s+from\s+my\s+\w+ | ^get\s+outlook\s+for\b | ^unsubscribe\b | \bto\s+unsubscribe\b
    | \bview\s+this\s+e-?mail\s+in\s+your\s+browser\b
    | \bthis\s+(?:e-?mail|message|communication)\b.{0,60}\b(?:confidential|intended|privileged)\b
    | \bif\s+you\s+(?:are\s+not\s+the\s+intended|have\s+received\s+this\s+(?:e-?mail|message)\s+in\s+error)
    | 무단\s*(?:전재|복제|배포) | 저작권자\s*(?:ⓒ|©|\() | 쿠키(?:를|\s*설정) | 나의\s*\w+에서\s*보냄 | 수신\s*거부
    | ^(?:자막|자막\s*제[공작]|번역|(?:기사\s*)?입력|(?:최종\s*)?수정|등록|승인|송고)\s*:?\s*(?:\d{4}[.\-/년]|:).{0,60}$
    | ^[\w\s()]{0,14}자막\s*(?:제공|제작)\s*[:：] | 구독\s*(?:하기|신청|해\s*주세요)\W*$ | 기사\s*제보 | 광고\s*문의
    | ^[▶▷☞►].{0,80}[^.!?다요]$ | ^\[?관련\s*기사\]? | 정보에\s*만족하십니까
    | ^좋아요\s*\d | 이메일\s*(?:주소는|무단\s*수집)
    | ^\[?[\w\s]{2,20}기자\]?\s*\S+@\S+$ | ^[▲△▼].{0,100}(?:제공|사진|촬영|캡처|ⓒ).{0,20}$
    | (?:제공|지원|협찬|원고료)\S*\s*(?:을|를)?\s*받아\s*(?:솔직하게\s*)?작성 | ^was\s+this\s+(?:page|article)\s+helpful
    | \b(?:e-?mail|message)\s+originated\s+(?:from\s+)?outside\b
    | \bnot\s+click\s+(?:on\s+)?(?:any\s+)?links\s+or\s+open
    | ^\S+\.(?:pdf|docx?|xlsx?|pptx?|hwpx?|zip|png|jpe?g)$ | ^\d+(?:\.\d+)?\s?[KMG]B?$
    | ^electronically\s+signed\b | ^page\s+\d+\s+of\s+\d+$ | ^끝\W*$
    | (?:이|본)\s*(?:이?메일|전자우편)(?:에는|은|에|의).{0,60}(?:기밀|수신)
    | 본\s*메일은.{0,40}(?:발신\s*전용|기밀|수신자)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OF_SITE = re.compile(
    r"(?:media\s+playback\s+is\s+(?:not\s+supported|unsupported)\b.{0,40}|(?:image|video)\s+(?:copyright|source|caption)\b.{0,120}"
    r"|advertisement|story\s+continues\s+below.{0,40})$",
    re.IGNORECASE,
)
_CAPTION = re.compile(
    r"(?:[<\[〈【]\s*(?:table|figure|fig\.?|표|그림|사진|도표)\s*\d+"
    r"|(?:table|figure|fig\.|exhibit|chart|표|그림|사진|도표)\s*\d+(?:[.-]\d+)*\s*[.:：]\s)",
    re.IGNORECASE,
)
_LONGEST_CAPTION = 200  # characters
# Headings of what stands behind a text and is not one of it.
_BACK_MATTER = re.compile(
    r"(?:\d{1,2}\.?\s+)?(?:references|bibliography|works\s+cited|literature\s+cited|footnotes|endnotes|see\s+also"
    r"|external\s+links|further\s+reading|related\s+(?:posts|articles|stories)|참고\s*(?:문헌|자료)|각주|미주|같이\s*보기"
    r"|외부\s*링크)\s*:?$",
    re.IGNORECASE,
)
# Headings of what stands beside the text of a page.
_SIDE_MATTER = re.compile(
    r"(?:about\s+(?:me|the\s+author)|(?:popular|recent|latest|more)\s+(?:posts|articles|stories|news)|archives?|categories"
    r"|you\s+(?:may|might)\s+also\s+like|leave\s+a\s+(?:reply|comment)|(?:\d+\s+)?comments?|share\s+this|most\s+read"
    r"|.{0,30}카테고리의\s*다른\s*글|(?:관련|많이\s*본|인기)\s*(?:기사|뉴스|글)|(?:\d+개의\s*)?댓글)\s*:?$",
    re.IGNORECASE,
)
_SOURCE = re.compile(r"\[\d{1,3}\]\s")
_DISCLAIMER = re.compile(
    r"\W*(?:this|the\s+information\s+(?:contained\s+)?in\s+this)\s+(?:e-?mail|message|communication|transmission)\b.{0,160}"
    r"\b(?:confidential|intended|privileged)|\W*(?:confidentiality(?:\s+notice)?|legal\s+notice|disclaimer)\s*:",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_DISCLAIMER = 3000
_LONGEST_NOTICE = 600  # characters; what is longer speaks of such things
_GREETING = re.compile(
    r"(?:hi|hello|dear|hey|good\s+(?:morning|afternoon|evening)|greetings|to\s+whom)\b[^.!?\n]{0,60}[,!:;]?$"
    r"|(?-i:[A-Z])[\w.'-]*(?: (?:and|&|(?-i:[A-Z])[\w.'-]*)){0,3},$"
    r"|(?:hallo|liebe[r]?|guten\s+(?:tag|morgen)|sehr\s+geehrte[r]?|bonjour|cher|chère|hola|estimad[oa])\b[^.!?\n]{0,60}[,!]$"
    r"|[^.!?\n]{0,30}안녕하(?:세요|십니까)[,.!]?\s*[^.!?\n]{1,40}입니다\.?$|[^.!?\n]{0,30}안녕하(?:세요|십니까|신지요)\W*$|[^.!?\n]{1,30}(?:님|께|귀하)[,.]?$",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:(?:best|kind|warm|warmest|with\s+best|with\s+kind)(?:\s+(?:regards|wishes))?|regards|thanks|many\s+thanks"
    r"|thank\s+you|cheers|sincerely|yours(?:\s+\w+)?|love|respectfully(?:\s+submitted)?|all\s+the\s+best|see\s+you|take\s+care"
    r"|(?:viele|liebe|beste|schöne|mit\s+(?:freundlichen|besten|herzlichen))\s+grü(?:ß|ss)en?|lg|mfg|cordialement|bien\s+à\s+vous"
    r"|saludos(?:\s+cordiales)?|감사합니다|고맙습니다|수고하세요|[가-힣\s]{1,20}(?:드림|올림|배상))[,.!]*$",
    re.IGNORECASE,
)
_PARTICULARS = re.compile(
    r"(?:date|time|place|venue|location|(?:also\s+|not\s+)?present|in\s+attendance|attendees|attending|participants|absent|apologies|chair|minutes|agenda"
    r"|(?:next|date\s+of\s+next)\s+meeting|minute\s+taker|taken\s+by|subject|to|from|cc|bcc|sent|when|where|who|message(?=\s*:\s*\d)|contact|date\s+saved|anwesende?|abwesend|entschuldigt|ort|datum|beginn|protokoll\w*|joined|posts|posted|registered|tel|phone|fax|e-?mail|address|author|authors|keywords|tags|published|updated"
    r"|회의명|조회수?|추천수?|작성일|등록일|첨부(?:파일)?|일\s*시|날\s*짜|시\s*간|장\s*소|참\s*석\s*자?|불\s*참\s*자?|안건|작성자|제목|전화|주소|출처|문의|기록자?|다음\s*회의|차기\s*회의)\s*[:：]"
    r"|저장(?:한\s*날짜|\s*일시)\s*[:：]|[○◯]?\s?출[석결]\s*(?:의원|위원|공무원)|(?:attendees|speakers|participants|present)$"
    r"|(?:meeting\s+)?held\s+(?:at|in|on)\b(?=.*\d).*(?<![.!?])$"
    r"|(?:minutes|notes)\s+(?:taken|recorded|prepared|submitted)\s+by\b[^.]*$",
    re.IGNORECASE,
)
# Mails within texts: who wrote on which day, and the headers above what is answered, as programs write them.
_FROM_WORDS = r"From|Von|De|Da|Van|Fra|Från|Od|보낸\s*(?:사람|이)|발신(?:인|자)?|发件人|寄件者|差出人"
_HEADER_WORDS = (
    r"Sent|Date|To|Cc|Subject|\w+(?:-[\w.]+)+|References|Organization|Lines|Distribution|Newsgroups|Summary|Keywords|Sender|Expires|Gesendet|Datum|An|Betreff|Envoyé(?:e)?|À|Objet|Enviad[oa](?:\s+el|\s+em)?|Para|Asunto|Assunto"
    r"|Fecha|Data|Inviato|A|Oggetto|Verzonden|Aan|Onderwerp|Sendt|Til|Emne|Skickat|Till|Ämne"
    r"|(?:보낸\s*)?(?:날짜|시간|일시)|받는\s*(?:사람|이)|수신(?:인|자)?|참조|제목|发送时间|收件人|主题|送信日時|宛先|件名"
)
_MAIL_HEADERS = re.compile(
    rf"^[ \t*]*(?:{_FROM_WORDS})[ \t*\u00a0]*[:：][^\n]*\n"
    rf"(?:[ \t*]*(?:{_HEADER_WORDS})[ \t*\u00a0]*[:：][^\n]*(?:\n|\Z))+",
    re.IGNORECASE | re.MULTILINE,
)
WROTE = re.compile(
    r"^[ \t]*(?:(?:on|am|le|el|il|em|op|den|dnia)\b[^\n]{3,150}(?:\n[^\n]{0,80})?"
    r"\b(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef|skrev|napisał)\b[^\n:]{0,80}"
    r"|\d{4}[년./-][^\n]{3,150}(?:작성|썼습니다|쓴\s*글|写道)[^\n\w]{0,6}):[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_FORWARDED = re.compile(
    r"-{2,}\s*(?:forwarded\s+(?:message|by)|전달된\s*(?:메시지|메일))[^\n]{0,60}|begin\s+forwarded\s+message:",
    re.IGNORECASE,
)
_RULE = re.compile(r"[\W_]*$")


def is_notice(text: str) -> bool:
    """Tell whether a paragraph is a notice of a site, a sender or a publisher, or what stands below a picture."""
    if len(text) <= _LONGEST_CAPTION and _CAPTION.match(text):
        return True
    if is_line_of_site(text):
        return True
    if len(text) <= _LONGEST_DISCLAIMER and _DISCLAIMER.match(text):
        return True
    return len(text) <= _LONGEST_NOTICE and _NOTICE.search(text) is not None


def opens_back_matter(text: str) -> bool:
    """Tell whether a line is the heading of sources and the like, which are not summarized."""
    return _BACK_MATTER.match(text) is not None


def is_source(text: str) -> bool:
    """Tell whether a line is a numbered note or source, as [1] begins one."""
    return _SOURCE.match(text) is not None


def is_greeting(text: str) -> bool:
    """Tell whether a line greets."""
    return _GREETING.match(text) is not None


def is_closing(text: str) -> bool:
    """Tell whether a line takes leave; names stand below it."""
    return _CLOSING.match(text) is not None


def is_particular(text: str) -> bool:
    """Tell whether a line says who was there, when and where, as minutes and mails do at their head."""
    return _PARTICULARS.match(text) is not None


def find_forwarded(text: str, start: int, end: int) -> int | None:
    """Return where text[start:end] hands on another's mail, None where it does not."""
    found = _FORWARDED.search(text, start, end)
    return None if found is None else found.start()


def mail_headers(text: str, start: int, end: int) -> list[Span]:
    """Return where headers of mails stand in text[start:end]."""
    return [match.span() for match in _MAIL_HEADERS.finditer(text, start, end)]


def names_firm(line: str) -> bool:
    """Tell whether a full stop at the end of a line belongs to the name of a firm."""
    return _FIRM.search(line) is not None


def is_line_of_site(line: str) -> bool:
    """Tell whether a line is one that news sites put between paragraphs."""
    return _OF_SITE.match(line) is not None


def is_rule(text: str) -> bool:
    """Tell whether a line is drawn and not written."""
    return _RULE.match(text) is not None


# --------------------------------------------------------------------------------------------------
# What all readers leave to one place: sections, speakers, notices, and what to do where nothing is left.

_TEXT_ENDED = re.compile(r"[.!?…。！？][\"'”’」』»)\]]*$")
_FIRM = re.compile(r"\b(?:Ltd|Inc|Co|Corp|LLC|GmbH)\.$")
_DATED = re.compile(r"\d\.?(?:\s*\(\w+\))?\.?$")
_UNENDED = re.compile(r"(?![다요죠까음함임됨~ㅋㅎㅠㅜ])[\w)]$")
_SENTENCE_END = re.compile(r"[다요죠까음함임됨~ㅋㅎㅠㅜ]\W*$|(?<=[^\W\d])[.!?]\s")
_FEW_WORDS, _LOWEST, _SEVERAL = 5, 6, 2
_LONGEST_SIGNATURE = 10  # passages
_LONGEST_HEAD, _LONGEST_LINE = 20, 12  # passages above the first turn of a transcript, and words of a line there


def candidates(passages: Iterable[Passage]) -> list[Passage]:
    """Return the passages that a summary may be made of, under their headings and with their speakers.

    Where a document has nothing but headings, lines of a table and the like, these are.
    """
    placed = _under_headings(_with_speakers(_without_edges(_without_back_matter(_without_times(list(passages))))))
    found = [p for p in placed if is_candidate(p) and not is_notice(p.text) and not _is_particular_line(p)]
    if found:
        return found
    return [passage for passage in placed if passage.kind is not Kind.MENU] or placed


def _is_particular_line(passage: Passage) -> bool:
    is_said = _TEXT_ENDED.search(passage.text) is not None and not _DATED.search(passage.text)
    return not passage.speaker and not is_said and is_particular(passage.text)


def _without_times(passages: list[Passage]) -> list[Passage]:
    """Take off the times that the lines of a transcript begin with, where several do and nobody's name follows."""
    times = [time_before(passage.text) if is_candidate(passage) else 0 for passage in passages]
    if sum(map(bool, times)) < _SEVERAL:
        return passages
    turns = find_turns([passage.text for passage in passages])
    return [p if turn or not time else p.part(time) for p, turn, time in zip(passages, turns, times, strict=True)]


def _without_back_matter(passages: list[Passage]) -> list[Passage]:
    """Make labels of numbered notes, and of what stands under the heading of sources, up to the next one."""
    level = 0  # of the heading of sources that is open
    for place, passage in enumerate(passages):
        is_heading = passage.kind is Kind.HEADING
        is_beside = is_heading and place and _SIDE_MATTER.match(passage.text)
        if is_beside or (opens_back_matter(passage.text) and (place or is_heading)):
            level = (passage.level or 1) if is_heading else _LOWEST
            if not is_heading:
                passages[place] = replace(passage, kind=Kind.LABEL)
        elif is_heading and level and passage.level <= level:
            level = 0
        elif (level and is_candidate(passage)) or is_source(passage.text):
            passages[place] = replace(passage, kind=Kind.LABEL)
    return passages


def _without_edges(passages: list[Passage]) -> list[Passage]:
    """Make labels of a letter's greeting and of the names below its closing."""
    for place, passage in enumerate(passages):
        stands_apart = place == 0 or not passage.follows
        if stands_apart and passage.kind in (Kind.PROSE, Kind.HEADING) and is_greeting(passage.text):
            passages[place] = replace(passage, kind=Kind.LABEL, level=0)
    from_ = max(0, len(passages) - _LONGEST_SIGNATURE)
    closing = next((i for i in range(from_, len(passages)) if is_closing(passages[i].text)), len(passages))
    if 0 < closing < len(passages) and not any(map(_is_said, passages[closing + 1 :])):
        for place in range(closing, len(passages)):
            passages[place] = replace(passages[place], kind=Kind.LABEL, level=0)
    elif len(passages) > 1 and _TEXT_ENDED.search(passages[-2].text) and _is_sender(passages[-1]):
        passages[-1] = replace(passages[-1], kind=Kind.LABEL)
    return passages


def _is_said(passage: Passage) -> bool:
    """Tell whether something is said below a letter's closing, where else names, firms and notices stand."""
    is_firm = "|" in passage.text or names_firm(passage.text) or len(passage.text.split()) < _SEVERAL
    return _TEXT_ENDED.search(passage.text) is not None and not is_firm and not is_notice(passage.text)


def _is_sender(last: Passage) -> bool:
    """Tell whether the last line of a document is who wrote it."""
    is_apart = last.kind is Kind.PROSE and not last.follows and not last.speaker
    is_name = not last.text[0].islower() and len(last.text.split()) < _FEW_WORDS
    return is_apart and is_name and _UNENDED.search(last.text) is not None


def _under_headings(passages: Iterable[Passage]) -> list[Passage]:
    found, section, level = [], "", 0
    for passage in passages:
        if passage.kind is Kind.HEADING:
            section, level = " ".join(passage.text.split()), passage.level or 1
        found.append(replace(passage, section=section, level=level) if section else passage)
    return found


def _with_speakers(passages: Sequence[Passage]) -> Sequence[Passage]:
    """Find the speakers of a dialogue whose turns are passages; a turn without a name is of the same speaker."""
    if any(passage.speaker for passage in passages):
        return passages
    turns = find_turns([passage.text for passage in passages])
    if not any(turns):
        return passages
    found: list[Passage] = []
    speaker, is_below_name = "", False
    first = next(place for place, turn in enumerate(turns) if turn)
    for place, (passage, turn) in enumerate(zip(passages, turns, strict=True)):
        if turn is None:
            if (
                is_no_message(passage.text)
                or _STAMPED.match(passage.text)
                or _is_aside(passage, found, place < first <= _LONGEST_HEAD)
            ):
                found.append(replace(passage, kind=passage.kind if place < first else Kind.LABEL))
                if is_candidate(passage):
                    found[-1] = replace(passage, kind=Kind.LABEL)
                continue
            goes_on = (passage.follows or is_below_name) and not ends_turn(passage.text)
            speaker = speaker if goes_on else ""
            kind = Kind.PROSE if speaker and passage.kind is Kind.HEADING else passage.kind
            found.append(replace(passage, speaker=speaker, kind=kind))
            continue
        speaker, is_below_name = turn.speaker, turn.said >= len(passage.text)
        if is_below_name:  # a line with a name and a time; what is said stands below
            found.append(replace(passage, kind=Kind.LABEL))
        else:
            kept = passage.part(turn.start)
            said = passage.text[turn.said :]
            is_said = not ((turn.is_sure or said[:1] == "<") and is_no_message(said))
            kept = replace(kept, kind=Kind.PROSE if is_said else Kind.LABEL, level=0)
            found.append(replace(kept, speaker=speaker, said_from=turn.said - turn.start))
    return found


def _is_aside(passage: Passage, before: Sequence[Passage], is_head: bool) -> bool:
    """Tell whether what nobody says is no sentence: above the first turn, or below a line that names who is there."""
    is_listed = passage.follows and bool(before) and is_particular(before[-1].text)
    is_short = len(passage.text.split()) <= _LONGEST_LINE
    return (
        is_short
        and (is_head or is_listed)
        and not _TEXT_ENDED.search(passage.text)
        and not _SENTENCE_END.search(passage.text)
    )
