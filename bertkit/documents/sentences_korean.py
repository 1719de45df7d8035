"""Where Korean sentences end.

The rules look at end marks: the full stop of a number, a date, a list item or a Latin
abbreviation ends nothing, and nothing ends within a quotation or between its closing
mark and the particle that takes it up (`"…한다."고 말했다`). Where marks are missing, as in
speech written down, text is cut behind endings that close a sentence; the analyser
kiwipiepy does this better and is asked if it is installed and the stretch is long. On
text with its marks the rules are the better of the two, and fifty times faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bertkit.documents.kiwi import kiwi_installed, load_kiwi
from bertkit.documents.quotes import Span, quotations

# Only the first mark of a run is a start, and nothing is given back, which keeps time linear.
_STOP = re.compile(r"[.!?…。！？](?<![.!?…。！？]{2})[.!?…。！？]*+[\"'”’」』»)\]*_]*+(?=\s|[\"'“‘「『(]?[가-힣A-Z])")
# What may come between a quotation and the verb that reports it.
_PARTICLE = re.compile(r"\s*(?:이?라[고며는]|이?라면서|하[고며]|[고며는란]|면서|라)(?![가-힣])|[가-힣]")
_FINAL = re.compile(r"[다요죠까네지군]$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:(?:[A-Za-z]\.)*[A-Za-z]|[Mm]rs?|[Dd]r|[Pp]rof|[Ss]t|[Vv]s|[Nn]o|[Cc]f)$"
)
_COUNTER = re.compile(r"\s*\(?(?:\d{1,3}|[가-힣]|[A-Za-z])$")
_DATE = re.compile(r"\d\s*\.\s*\d{1,2}$")
# Endings that close a sentence even without a mark: 갔다 and 간다 by their last consonant, 갑니다, 가요, 갑니까.
_CLOSED_BY = {final: "".join(map(chr, range(0xAC00 + number, 0xD7A4, 28))) for final, number in (("ㄴ", 4), ("ㅆ", 20))}
FINAL_ENDING = f"(?:[{_CLOSED_BY['ㄴ']}{_CLOSED_BY['ㅆ']}이니]다|[어아해에예네세까지군]요|니까)"
_UNMARKED_END = re.compile(rf"{FINAL_ENDING}(?=\s)")
_LONGEST_SENTENCE = 300  # characters; in longer ones the writer seems to have left out end marks
_NESTED = 8  # quotations within quotations that are looked at
_LONGEST_QUOTATION = 400  # characters; a longer one is a text of its own, and its sentences are told apart


def korean_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Yield the places in text[start:end] behind which a new sentence begins."""
    sentence = start
    for behind in _marked_ends(text, start, end):
        if behind - sentence > _LONGEST_SENTENCE:
            yield from _unmarked_ends(text, sentence, behind)
        yield behind
        sentence = behind
    yield from _unmarked_ends(text, sentence, end)


def _marked_ends(text: str, start: int, end: int) -> Iterator[int]:
    guards = [span for span in quotations(text, start, end) if span[1] - span[0] <= _LONGEST_QUOTATION]
    guards.reverse()
    sentence = start
    for stop in _STOP.finditer(text, start, end):
        if stop.start() >= sentence and _ends(text, sentence, stop, end) and not _within(guards, stop):
            yield stop.end()
            sentence = stop.end()


def _unmarked_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Yield the ends that no mark shows; kiwipiepy, where it is installed, finds more in long stretches."""
    if end - start > _LONGEST_SENTENCE and kiwi_installed():
        yield from (start + sentence.end for sentence in load_kiwi().split_into_sents(text[start:end]))
    else:
        yield from (match.end() for match in _UNMARKED_END.finditer(text, start, end))


def _within(guards: list[Span], stop: re.Match[str]) -> bool:
    """Tell whether a stop lies in a quotation that goes on behind it; those that end before it are dropped."""
    while guards and guards[-1][1] <= stop.start():
        guards.pop()
    return any(begun < stop.start() and stop.end() < behind for begun, behind in guards[-_NESTED:])


def _ends(text: str, sentence: int, stop: re.Match[str], end: int) -> bool:
    marks = stop.group()
    behind = text[stop.end() : min(end, stop.end() + 8)]
    if marks[-1] in "\"'”’」』»" and _PARTICLE.match(behind):
        return False
    before = text[max(sentence, stop.start() - 30) : stop.start()]
    if not text[stop.end()].isspace():  # the space was forgotten: 갔다.그리고
        return before.endswith(("다", "요", "죠", "까"))
    if marks.startswith(("..", "…")):
        return _FINAL.search(before) is not None
    if not marks.startswith("."):
        return True
    following = behind.lstrip()[:1]
    if _COUNTER.match(before) and stop.start() - sentence < 30:
        return False
    is_number = before[-1:].isdigit() and (following.isdigit() or _DATE.search(before) is not None)
    return not (is_number or _ABBREVIATION.search(before))
