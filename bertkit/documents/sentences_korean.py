"""Where Korean sentences end.

The rules look at end marks: the full stop of a number, a date, a list item or a Latin
abbreviation ends nothing, and nothing ends within a quotation or between its closing
mark and the particle that takes it up (`"…한다."고 말했다`). Where marks are missing, as in
speech written down, text is cut behind endings that close a sentence, adorned ones (~, ^^,
ㅠㅠ, a heart) too. The analyser kiwipiepy finds more such ends; where it is installed its ends
are taken, and ours are the care for quotations on top of it. Endings are looked for in NFC,
and places are those of the text as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from bertkit.documents.kiwi import kiwi_installed, load_kiwi
from bertkit.documents.quotes import Span, quotations

# Only the first mark of a run is a start, and nothing is given back, which keeps time linear.
_STOP = re.compile(
    r"[.!?…。！？](?<![.!?…。！？]{2})[.!?…。！？]*+[\"'”’」』»)\]*_]*+(?:\[\d{1,3}\])*+(?=\s|[\"'“‘「『(]?[가-힣A-Z])"
)
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
# Endings with what people put behind them in place of a full stop, or beside it.
_ADORNED_END = re.compile(
    r"(?<=[다요죠까네음함임됨지군걸래게듯구야어])(?:[.!?…]{0,3}(?:[~∼〜～^]+|[ㅋㅎㅠㅜㅡ]+|;+|[♥♡❤☆★♪]|[\U0001F300-\U0001FAFF☺️✨]))"
    r"(?:[~∼〜～^ㅋㅎㅠㅜㅡ;♥♡❤☆★♪.!?…]|[\U0001F300-\U0001FAFF☺️✨])*+(?=\s)"
)
# What is drawn of letters and signs, and belongs to the sentence before it.
_FACE = re.compile(
    r"[(]?(?:\^[_0oO.ㅇ~-]*\^|[TㅠㅜㅡOoㅇ>][_.ㅅㅁw-]+[TㅠㅜㅡOoㅇ<]|[:;=]['-]?[)(DPp3]+|[-=>]_?[-=<])[)~;!ㅋㅎㅠㅜ♡♥^]*"
)
_PICTURES = re.compile(r"(?:[\U0001F300-\U0001FAFF☀-➿❤♥♡★☆]\ufe0f?)+[~!ㅋㅎㅠㅜ]*(?=\s|$)")
_NOTES = re.compile(r"(?:\[\d{1,3}\])+(?=\s|$|[가-힣A-Z])")
# What is said before a closing quotation mark, where a sentence is over there and not only a name.
_SAID = re.compile(r"[.!?…。！？~다요죠까네군지자라음함임됨ㅋㅎㅠㅜ]\W*$")
_OPENING_MARKS = tuple("\"'“‘「『«")
_LATIN_END = re.compile(r"[A-Za-z]{2}[.!?]+[\"'”’)]*$")
_CLOSING_MARKS = tuple("\"'”’」』»")
_BULLET_AT_END = re.compile(r"(?<=\s)[-–•ㆍ·▶*★☆◆◇■□▷※○●◎▲△]\s*$")
# A character with what combines with it: lone vowels and finals of Hangul, and marks.
_CLUSTER = re.compile(r"[\s\S][\u0300-\u036f\u1160-\u11ff\ud7b0-\ud7ff\u3099\u309a]*")
_AT_ONCE = 20_000  # characters that the analyser reads at once
_LONGEST_SENTENCE = 300  # characters; in longer ones the writer seems to have left out end marks
_NESTED = 8  # quotations within quotations that are looked at
_LONGEST_QUOTATION = 400  # characters; a longer one is a text of its own, and its sentences are told apart


def korean_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Yield the places in text[start:end] behind which a new sentence begins."""
    piece = text[start:end]
    composed, places = _composed(piece)
    for behind in _ends_of(composed):
        yield start + (behind if places is None else places[behind])


def _composed(piece: str) -> tuple[str, list[int] | None]:
    """Return a text in NFC, in which endings are looked for, and where its characters stand in the piece.

    Places are None where they are the same.
    """
    if unicodedata.is_normalized("NFC", piece):
        return piece, None
    parts, places, place = [], [], 0
    for cluster in _CLUSTER.findall(piece):
        part = unicodedata.normalize("NFC", cluster)
        parts.append(part)
        places += [place] * len(part)
        place += len(cluster)
    return "".join(parts), [*places, place]


def _ends_of(text: str) -> list[int]:
    """Return the ends in a text in NFC: those of the analyser or of the rules, and behind endings that are adorned."""
    guards = [span for span in quotations(text, 0, len(text)) if span[1] - span[0] <= _LONGEST_QUOTATION]
    found = _analysed_ends(text) if kiwi_installed() else list(_rule_ends(text))
    found += [match.end() for match in _ADORNED_END.finditer(text)]
    return _without_quoted(text, _behind_signs(text, found), guards)


def _behind_signs(text: str, ends: Sequence[int]) -> list[int]:
    """Put ends behind the faces, pictures and marks of notes that belong to the sentence; sorted."""
    faces = [match.span() for match in _FACE.finditer(text)]
    faces_at = dict(faces)
    within = {place: behind for begin, behind in faces for place in range(begin + 1, behind)}
    found = set()
    for end in ends:
        place = within.get(end, end)
        is_attached = not text[place - 1 : place].isspace()
        signs = _NOTES.match(text, place) or (_PICTURES.match(text, place) if is_attached else None)
        place = signs.end() if signs else place
        blank = place + (len(text[place : place + 3]) - len(text[place : place + 3].lstrip()))
        behind = faces_at.get(blank, place)
        found.add(behind if text[behind : behind + 1].isspace() or behind == len(text) else place)
    return sorted(found)


def _analysed_ends(text: str) -> list[int]:
    """Return kiwipiepy's ends, and those that it joins over: before quotations, and of English sentences."""
    marked = (
        end
        for end in _marked_ends(text, 0, len(text))
        if text[end : end + 9].lstrip()[:1] in _OPENING_MARKS or _LATIN_END.search(text, max(0, end - 9), end)
    )
    return [*(end - _hanging(text, end) for end in _kiwi_ends(text) if not _is_name(text, end)), *marked]


def _is_name(text: str, end: int) -> bool:
    """Tell whether what stands before an end is a word between quotation marks, which is no sentence."""
    before = text[max(0, end - 9) : end].rstrip()
    return before[-1:] in _CLOSING_MARKS and _SAID.search(before[:-1]) is None


def _kiwi_ends(text: str) -> Iterator[int]:
    """Yield kiwipiepy's ends, of long texts piece by piece, so that memory stays flat."""
    begin = 0
    plain = text.replace("\n", " ").replace("\r", " ")
    while begin < len(plain):
        behind = len(plain)
        if behind - begin > _AT_ONCE:
            space = plain.rfind(" ", begin, begin + _AT_ONCE)
            behind = space + 1 if space > begin else begin + _AT_ONCE
        ends = [begin + sentence.end for sentence in load_kiwi().split_into_sents(plain[begin:behind])]
        is_last = behind == len(plain)
        yield from ends if is_last else ends[:-1]
        # the last sentence of a piece may go on; it is read again with what comes
        begin = behind if is_last or len(ends) < 2 else ends[-2]


def _hanging(text: str, end: int) -> int:
    """Return how many characters at an end are the bullet of what comes next."""
    bullet = _BULLET_AT_END.search(text, max(0, end - 4), end)
    return end - bullet.start() if bullet else 0


def _without_quoted(text: str, ends: Sequence[int], guards: Sequence[Span]) -> list[int]:
    """Leave out ends within a quotation, or between its closing mark and what takes it up."""
    kept, place = [], 0
    spans = _merged(guards)
    for end in ends:
        while place < len(spans) and spans[place][1] <= end:
            place += 1
        is_within = place < len(spans) and spans[place][0] < end
        is_taken_up = text[end - 1] in _CLOSING_MARKS and _PARTICLE.match(text, end, end + 8) is not None
        if not (is_within or is_taken_up):
            kept.append(end)
    return kept


def _merged(guards: Sequence[Span]) -> list[Span]:
    """Join quotations that lie within others."""
    spans: list[Span] = []
    for begin, behind in sorted(guards):
        if spans and begin < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(behind, spans[-1][1]))
        else:
            spans.append((begin, behind))
    return spans


def _rule_ends(text: str) -> Iterator[int]:
    """Yield the ends that marks show, and where marks are missing those that endings show."""
    sentence = 0
    for behind in _marked_ends(text, 0, len(text)):
        if behind - sentence > _LONGEST_SENTENCE:
            yield from (match.end() for match in _UNMARKED_END.finditer(text, sentence, behind))
        yield behind
        sentence = behind
    yield from (match.end() for match in _UNMARKED_END.finditer(text, sentence))


def _marked_ends(text: str, start: int, end: int) -> Iterator[int]:
    guards = [span for span in quotations(text, start, end) if span[1] - span[0] <= _LONGEST_QUOTATION]
    guards.reverse()
    sentence = start
    for stop in _STOP.finditer(text, start, end):
        if stop.start() >= sentence and _ends(text, sentence, stop, end) and not _within(guards, stop):
            yield stop.end()
            sentence = stop.end()


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
    is_latin = before[-1:].isascii() and before[-1:].isalpha()
    if is_latin and following.isascii() and following.islower():  # multiflora Thunb. var. …
        return False
    if _COUNTER.match(before) and stop.start() - sentence < 30:
        return False
    is_number = before[-1:].isdigit() and (following.isdigit() or _DATE.search(before) is not None)
    return not (is_number or _ABBREVIATION.search(before))
