"""Who says what: names before a colon, and the other ways in which transcripts and chats are written.

One label says nothing (`Note: …`); people who talk come back, or nearly every line has one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_CLOCK = r"(?:오전|오후)?\s*\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?\s*(?:[AaPp]\.?[Mm]\.?)?"
_DATE = r"(?:\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}\.?|\d{4}년\s*\d{1,2}월\s*\d{1,2}일)"
_WHEN = rf"[\[(<]?(?:{_DATE},?\s*)?(?:{_CLOCK})[\])>]?\s*(?:(?:-->|[-–—,|])\s*(?:{_CLOCK}\]?)?\s*)?"
_NAME = r"[^\W\d_](?:[\w.'’&/-]| (?! )){0,40}?"
_ASIDE = r"(?:\s*[(\[][^()\[\]\n]{1,40}[)\]])"
# 10:02 Ana (chair): …, [0:03] Ana: …, Ana: …
_LABEL = re.compile(rf"(?P<when>{_WHEN})?(?P<name>{_NAME})(?P<aside>{_ASIDE})?\s*[:：](?:\s+|$)(?!//)")
_CHATS = (
    re.compile(rf"\[(?P<name>[^\[\]\n]{{1,30}})\]\s*\[(?:{_CLOCK})\]\s*"),  # [아나] [오후 3:12] …
    re.compile(rf"(?:(?:{_WHEN})\s*)?<(?P<name>[^<>\s]{{1,30}})>\s+"),  # <ana> …
)
# A line that says who speaks now and when, and nothing else.
_TURN_LINE = re.compile(
    rf"(?:(?P<name>{_NAME}){_ASIDE}?\s*[-–—|,]?\s+[\[(]?(?:{_CLOCK})[\])]?|(?:{_WHEN})(?P<behind>{_NAME}))\s*$"
)
_WHEN_LINE = re.compile(rf"(?:(?:{_WHEN})|[\[(]?{_DATE}[\])]?\.?(?:\s*\(?[월화수목금토일](?:요일)?\)?)?)$")
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
_SHARE = 0.5


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
    counts = Counter(turn.speaker for turn in turns if turn)
    filled = sum(1 for line in lines if line.strip())
    is_dialogue = len(counts) > 1 and (max(counts.values()) > 1 or counts.total() >= _SHARE * filled)
    if not is_dialogue:
        return [None] * len(lines)
    everybody = counts.total() >= _SHARE * filled
    return [turn if turn and (everybody or turn.is_sure or counts[turn.speaker] > 1) else None for turn in turns]


def is_time(line: str) -> bool:
    """Tell whether a line says when and nothing else."""
    return _WHEN_LINE.match(line) is not None


def begins_turn(line: str, *, is_closed: bool) -> bool:
    """Tell whether a line may be a turn of its own; `is_closed` where the line above it ends a sentence."""
    turn = _turn(line)
    return turn is not None and (is_closed or turn.is_sure)


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
        is_plain = not label["aside"]
        start = label.start("name") if is_plain else label.end()
        return Turn(label["name"], start, label.end(), is_sure=bool(label["when"]))
    alone = _TURN_LINE.match(line)
    if alone and _is_name(alone["name"] or alone["behind"]):
        return Turn(alone["name"] or alone["behind"], len(line), len(line), is_sure=True)
    return None


def _is_name(name: str) -> bool:
    words = name.split()
    if len(words) > _MOST_WORDS or name.casefold().rstrip(".") in _NO_SPEAKERS:
        return False
    if not name.isascii() and any("가" <= mark <= "힣" for mark in name):
        return len(name) <= _MOST_LETTERS_KOREAN
    return all(not word[0].islower() or word in _SMALL for word in words) or (len(words) == 1 and len(name) <= 16)
