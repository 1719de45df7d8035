"""Who says what: names before a colon, and the other ways in which transcripts and chats are written.

One label says nothing (`Note: …`); people who talk come back, or nearly every line has one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_CLOCK = r"(?:오전|오후)?\s*\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?\s*(?:[AaPp]\.?[Mm]\.?)?"
_DATE = r"(?:\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}\.?|\d{4}년\s*\d{1,2}월\s*\d{1,2}일)"
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
)
_TIME_BEFORE = re.compile(
    rf"(?:[\[(]\s*(?:{_CLOCK})\s*[\])]|\d{{1,2}}:\d{{2}}:\d{{2}}(?:[.,]\d{{1,3}})?|(?:{_CLOCK})(?=\s[-–—|]))\s*[-–—|:]?\s*(?=\S)"
)
_ASKED = re.compile(r"(?P<name>[QA]|문|답)\.\s+(?=\S)")
_PRESENT = re.compile(
    r"\W*(?:present|in\s+attendance|attendees|attending|participants|chair|참\s*석\s*자?|출\s*석\s*자?|배석자?|참석\s*위원)\s*[:：](.+)",
    re.I,
)
_NAMES_APART = re.compile(r"[,;·/、]|\band\b|(?<=[가-힣]),?\s+외\s")
_CHATS = (
    re.compile(rf"\[(?P<name>[^\[\]\n]{{1,30}})\]\s*\[(?:{_CLOCK})\]\s*"),  # [아나] [오후 3:12] …
    re.compile(rf"(?:(?:{_WHEN})\s*)?<(?P<name>[^<>\s]{{1,30}})>\s+"),  # <ana> …
)
# A line that says who speaks now and when, and nothing else.
_TURN_LINE = re.compile(
    rf"(?:(?P<name>{_NAME}){_ASIDE}?\s*[-–—|,]?\s+[\[(]?(?:{_CLOCK})[\])]?|(?:{_WHEN})(?P<behind>{_NAME}))\s*$"
)
_WHEN_LINE = re.compile(
    rf"[-=*–—_ ]*(?:(?:{_WHEN})|[\[(]?{_DATE}[\])]?\.?(?:\s*\(?[월화수목금토일](?:요일)?\)?)?)[-=*–—_ ]*$"
)
# What a messenger writes of its own.
_NO_MESSAGE = re.compile(
    r"(?:[\w.'-]+ ){1,3}(?:has |have )?(?:joins?|joined|left|quits?|(?:was )?added|removed|created)\b"
    r"[^.!?]{0,40}[.!]?$"
    r"|.{1,30}님이\s.{0,30}(?:들어왔습니다|나갔습니다|초대했습니다|초대하였습니다)\.?$"
    r"|(?:사진|동영상|이모티콘|음성메시지|파일|지도|연락처|보이스톡|페이스톡)(?:\s*\d+장)?(?:\s*[:：].{0,60})?$"
    r"|[\u200e<]*(?:media|photo|image|video|audio|sticker|gif|document|contact card)(?: omitted)?>?$",
    re.IGNORECASE,
)
_SMALL = frozenset("de da di van von der den la le el al bin of the and".split())
_NO_SPEAKERS = frozenset(
    "note notes warning tip tips caution important example examples date time place venue location present attendees "
    "attending participants absent apologies agenda subject to from cc bcc re fwd sent ps p.s todo action actions "
    "decision decisions summary result results conclusion source sources figure table update edit tl;dr http https "
    "tel phone fax email mail address page pages title author authors keywords abstract version price total "
    "일시 날짜 시간 장소 참석 참석자 불참 안건 주의 참고 문의 전화 주소 제목 작성자 보낸사람 받는사람 출처 예 결론 "
    "결정 요약 결과 비고 대상 기간 방법 내용 목적".split()
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
    filled = sum(1 for line in lines if line.strip())
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
    is_name = not _ENDED.search(line) and len(line) <= _LONGEST_NAME and _IS_NAME.match(line) and _is_name(line)
    return Turn(line, len(line), len(line), is_sure=True) if is_name and is_time(following) and following else None


def _with_loose(lines: Sequence[str], turns: Sequence[Turn | None], filled: int) -> list[Turn | None]:
    """Add the turns of labels that are loose, where most lines have one and several come back."""
    found = list(turns)
    present = _present(lines)
    for forms in (*((form,) for form in _LOOSE), (_ASKED,)):
        matches = [next((m for form in forms if (m := form.match(line))), None) for line in lines]
        names = [m["name"] if m and (m.re is _ASKED or _is_name(m["name"])) else None for m in matches]
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
    return {name for name in names if name and _is_name(name)}


def _is_present(name: str, present: Collection[str]) -> bool:
    return any(name == other or name in other.split() or other in name.split() for other in present)


def is_no_message(text: str) -> bool:
    """Tell whether a line of a chat is the messenger's own."""
    return _NO_MESSAGE.match(text) is not None


def is_time(line: str) -> bool:
    """Tell whether a line says when and nothing else."""
    return _WHEN_LINE.match(line) is not None


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
    for chat in _CHATS:
        found = chat.match(line)
        if found:
            return Turn(found["name"].strip(), found.end(), found.end(), is_sure=True)
    label = _LABEL.match(line)
    if label and _is_name(label["name"]):
        is_plain = not label["aside"] and not label["bold"]
        start = label.start("name") if is_plain else label.end()
        return Turn(label["name"].strip("#"), start, label.end(), is_sure=bool(label["when"]))
    alone = _TURN_LINE.match(line)
    if alone and _is_name(alone["name"] or alone["behind"]):
        return Turn(alone["name"] or alone["behind"], len(line), len(line), is_sure=True)
    return None


def _is_name(name: str) -> bool:
    words = name.split()
    if len(words) > _MOST_WORDS or {name.casefold().rstrip("."), "".join(words)} & _NO_SPEAKERS:
        return False
    if not name.isascii() and any("가" <= mark <= "힣" for mark in name):
        return len(name) <= _MOST_LETTERS_KOREAN
    return all(not word[0].islower() or word in _SMALL for word in words) or (len(words) == 1 and len(name) <= 16)
