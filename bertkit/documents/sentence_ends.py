"""Where English and Korean sentences end, and where quotations do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from bertkit.documents.words import HANGUL, kiwi_installed, load_kiwi

# --- Where quotations begin and end ---------------------------------------------------------------
#
# Curly and corner marks say which side they are; straight ones do not, and are read by
# their neighbours: white space before and none after opens, the reverse closes. In
# tokenized text (`he said , " we went . "`) white space stands on both sides, and the
# marks take turns. A mark that finds no counterpart nearby is not a quotation: it was an
# apostrophe, an inch, or an opening that was never closed.

Span = tuple[int, int]

# It begins with one set of characters, which the engine looks for without trying the rest.
_MARK = re.compile(
    r"""[\"'`“”‘’「」『』«»]
    (?: (?<![`'])                                         # one of the unmistakable marks
      | (?<=`)` | (?<=')'                                 # `` and ''
      | (?<=') (?! (?:s|t|d|m|re|ve|ll)\b | (?<=s\ ')\s )  # but not it 's, drivers ' titles
    )""",
    re.VERBOSE,
)
# Opening, closing and straight marks of a kind; text mixes them, as in "물가가 올랐다”고.
_KIND = {mark: kind for kind in ('“”"', "‘’'", "「」", "『』", "«»") for mark in kind} | {"``": '“”"', "''": '“”"'}
_OPENING = frozenset(["``", *"“‘「『«"])
_STRAIGHT = frozenset("\"'")
_LATIN = re.compile(rf"(?![{HANGUL}])[^\W_]")
_LONGEST = 600  # characters; what is open for longer was never closed


def quotations(text: str, start: int, end: int) -> list[Span]:
    """Return the quotations in text[start:end], each from its opening mark to behind its closing one.

    They stand in the order of their closing marks; one may lie within another.
    """
    opened: dict[str, int] = {}  # kind -> place of the opening mark
    found: list[Span] = []
    for match in _MARK.finditer(text, start, end):
        mark, place = match.group(), match.start()
        kind = _KIND[mark]
        is_open = kind in opened and place - opened[kind] <= _LONGEST
        before = text[place - 1] if place else " "
        after = text[match.end()] if match.end() < len(text) else " "
        opens, closes = _sides(mark, before, after, is_open)
        if is_open and closes:
            found.append((opened.pop(kind), match.end()))
        elif opens:
            opened[kind] = place
    return found


def _sides(mark: str, before: str, after: str, is_open: bool) -> tuple[bool, bool]:
    """Tell whether a mark between two characters can open and whether it can close a quotation."""
    if mark in _STRAIGHT and before.isspace() != after.isspace():
        return before.isspace(), after.isspace()
    if mark in "'’" and _LATIN.match(before) and _LATIN.match(after):  # don't
        return False, False
    if mark not in _STRAIGHT:
        return mark in _OPENING, mark not in _OPENING
    return not is_open and not (mark == "'" and _LATIN.match(before)), True


# --- Where English sentences end, in text as it is written and as corpora tokenize it -------------
#
# A run of end marks followed by white space is a candidate; the words on its two sides
# decide. Tokenized text (`the u.s. army said . he went .`) sets its full stops apart, so a
# full stop that is attached belongs to an abbreviation there. In text without capitals the
# next word's case says nothing and is not asked.

# Only the first mark of a run is a start, and nothing is given back: time stays linear on a megabyte of dots.
_ENGLISH_STOP = re.compile(
    r"[.!?…。！？](?<![.!?…。！？]{2})[.!?…。！？]*+[\"'”’»)\]*_]*+(?:\[\d{1,3}\])*+(?=\s|[A-Z][a-z])"
)
# What is drawn behind a sentence, and belongs to it.
_SMILE = re.compile(r"[ \t]*(?:[:;=]['-]?[)(DPp3]+|<3+|[xX]D+|\^_?\^)(?=\s|$)")
_SPACED_CLOSER = re.compile(r"\s+(''|[\"”'’)\]])(?=\s)")
_NEXT = re.compile(r"\s*[\"'“‘«(\[*_`#]*\s*(\w+|.)")
_REPORTING = re.compile(
    r"\s+(?:[\w.'’-]+\s+){0,2}(?:said|says|say|asked|asks|added|adds|told|tells|replied|explained|shouted|cried|wrote"
    r"|writes|warned|insisted|joked|recalled|whispered|yelled|answered|wondered|tweeted)\b"
)
_NOT_CAPITALS = bytes(code for code in range(128) if not chr(code).isupper())
_DOTTED = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]$")
_TITLES = frozenset("mr mrs ms messrs dr prof rev hon sir lord lady sen rep gov".split())
_HOURS = frozenset(("a.m", "p.m"))
# What goes on behind an hour: 5 p.m. Monday, 5 p.m. Eastern Time.
_AFTER_HOURS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun january "
    "february march april may june july august september october november december jan feb mar apr jun jul aug sep "
    "sept oct nov dec et est edt ct cst cdt mt mst mdt pt pst pdt gmt bst utc cet cest kst jst local eastern central "
    "pacific mountain greenwich".split()
)
_BEFORE_NAMES = frozenset("at on by from around about before after since until till between near towards".split())
# What follows the word I where a question or another sentence begins.
_QUESTIONS = frozenset(
    "did do does are is was were am have has had can could will would shall should may might must please let".split()
)
# . . . as typists set it; a full stop that stands before it, or is its first, is seen by what is before it.
_SPACED_DOTS = re.compile(r"\.(?:[ \t]\.){2,}+")
_SHORTENED = re.compile(r"\s*[A-Z][A-Za-z']{0,4}\.")
_CITATION = re.compile(r"\s*\([^()\n]{1,80}\)\s*[.,;:]")
_NUMBER_GOES_ON = re.compile(r"\s*[\d.]+\s*;")
# Counters within a line: 1. … 2. …, 1.) …, b) …, • 10. …
_ENUMERATED = re.compile(r"(?:(?<=\s)|^)(?:[•⁃▪‣·]\s*)?(\d{1,3}|[a-z])(\.\)|\)|\.)(?=\s+[^\s\d])", re.MULTILINE)
_OPENS_LIST = re.compile(r"(?:^|[.!?:;\n])\s*[\"'“(]?$")
# (a) The …
_CLAUSE = re.compile(r"\s*\((?:[a-z]|[ivx]{1,4}|\d{1,2})\)\s+[\"“]?[A-Z]")
_ENGLISH_COUNTER = re.compile(r"[•⁃▪‣]?\s*\(?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{2,4})$")

# Never the last word of a sentence.
_LEADING = frozenset(
    "mr mrs ms messrs dr prof rev hon gen col maj capt cmdr lt sgt cpl sen rep gov pres supt det insp adm st mt ft vs "
    "viz e.g i.e cf approx ca med".split()
)
# An abbreviation only before a number.
_BEFORE_NUMBER = frozenset(
    "no nos n° nº fig figs eq eqs sec secs sect vol vols ch chap pp art arts op jan feb mar apr jun jul aug sep sept "
    "oct nov dec sch scheds cl cls para paras reg regs ann annex app appx ex exh pt pts tab ref refs ser tel ext "
    "temp blk pg bk cir stat supp ver".split()
)
_NUMBERED = re.compile(r"\s*[(\[\d]")
_BEFORE_APART = re.compile(r"\b(?:no|figs?|eqs?|refs?|sec|vol|pp)\s$")
# Of them those that letters number, too: Exh. A.
_BEFORE_LETTER = frozenset("app appx annex ex exh fig figs sch sec pt tab ann".split())
# Words of citations, which go on where another abbreviation follows: Fed. R. Civ. P. 12.
_CITED = frozenset(
    "fed civ crim evid proc ct dist supp cir app rev stat const code bankr super sup ass'n dep't gov't int'l nat'l "
    "univ ins mfg natl assn r p l".split()
)
# An abbreviation before the letter of a scale.
_SCALES = {"deg": frozenset("CFK")}
# May or may not be the last word: the next one decides.
_AMBIGUOUS = frozenset("inc co corp ltd bros jr sr etc al est dept univ assn ave blvd rd u.s u.k a.m p.m ph.d".split())
# Words that open sentences, and hardly ever follow an abbreviation or an initial.
_OPENERS = frozenset(
    "the a an this that these those he she it they we i you his her its their our my your in on at for from with by as "
    "after before when while if but and so or yet however there here what who why how where one some many most all no "
    "not now then also both each even just only since although though because during under according meanwhile".split()
)

# Those of them that seldom go on with a sentence either: for text without capitals.
_SUBJECTS = frozenset("the he she it they we i you this these those but".split())


@dataclass(frozen=True, slots=True)
class Habits:
    """How a text is written: full stops set apart by white space; no capitals."""

    spaced_stops: bool
    no_capitals: bool


def read_habits(text: str) -> Habits:
    """Tell how a text is written, by what most of it does."""
    text = text.replace(". . .", "")
    spaced, stops = text.count(" . ") + text.count(" .\n"), text.count(". ") + text.count(".\n")
    if text.endswith("."):
        spaced, stops = spaced + text.endswith(" ."), stops + 1
    capitals = len(text.encode("ascii", "ignore").translate(None, _NOT_CAPITALS))
    small = text.count("e")
    return Habits(spaced_stops=3 * spaced > stops, no_capitals=small > 30 * capitals)


def english_ends(text: str, start: int, end: int, habits: Habits) -> Iterator[int]:
    """Yield the places in text[start:end] behind which a new sentence begins."""
    items = _enumerated(text, start, end)
    for begin, behind in pairwise([start, *items, end]):
        if begin > start:
            yield begin
        yield from _ends_between(text, begin, behind, habits)


def _enumerated(text: str, start: int, end: int) -> list[int]:
    """Return where the items of enumerations begin that stand within a line, the first of each not counted in."""
    found: list[int] = []
    last: dict[str, tuple[int, int]] = {}  # the kind of counter, and its number and place
    for match in _ENUMERATED.finditer(text, start, end):
        kind = match[2] + ("n" if match[1].isdigit() else "a")
        number = int(match[1]) if match[1].isdigit() else ord(match[1]) - 96
        before = last.get(kind)
        if before is not None and number == before[0] + 1:
            if not found or found[-1] < before[1]:
                found += [before[1]] if before[1] > start else []
            found.append(match.start())
            last[kind] = number, match.start()
        elif _OPENS_LIST.search(text[max(start, match.start() - 4) : match.start()]):
            last[kind] = number, match.start()
    return sorted(set(found))


def _ends_between(text: str, start: int, end: int, habits: Habits) -> Iterator[int]:
    closing = {behind for _, behind in quotations(text, start, end)} if habits.spaced_stops else set[int]()
    sentence = start
    dots = {match.start(): match.end() for match in _SPACED_DOTS.finditer(text, start, end)}
    over = start
    for match in _ENGLISH_STOP.finditer(text, start, end):
        place, behind = match.span()
        if place < max(sentence, over):
            continue
        if place in dots:
            over = dots[place]
            cut = _end_at_dots(text, place, over, end)
            if cut is not None:
                yield cut
                sentence = cut
            continue
        is_apart = text[place - 1 : place].isspace()
        if is_apart:
            behind = _behind_closers(text, behind, end, closing)
        elif habits.spaced_stops:
            continue
        smile = _SMILE.match(text, behind, end)
        behind = smile.end() if smile else behind
        following = _NEXT.match(text, behind, end)
        if following and _ends_in_english(
            text, _Stop(sentence, place, behind, match.group(), is_apart), following[1], habits
        ):
            yield behind
            sentence = behind


def _end_at_dots(text: str, place: int, behind: int, end: int) -> int | None:
    """Return where a sentence ends at spaced dots: before an ellipsis that a full stop precedes, behind four dots."""
    following = _NEXT.match(text, behind, end)
    if following is None or not following[1][0].isalnum() or following[1][0].islower():
        return None
    if not text[place - 1 : place].isspace():  # a full stop, and the ellipsis opens what follows
        return place + 1
    return behind if text.count(".", place, behind) > 3 else None


class _Stop(NamedTuple):
    """End marks at a place in a text, in the sentence that begins at `sentence`."""

    sentence: int
    place: int
    behind: int
    marks: str
    is_apart: bool


def _behind_closers(text: str, behind: int, end: int, closing: set[int]) -> int:
    """Return the place behind the quotation marks and brackets that stand apart but belong to the sentence."""
    while (closer := _SPACED_CLOSER.match(text, behind, end)) and (closer.end() in closing or closer[1] in ")]”"):
        behind = closer.end()
    return behind


def _ends_in_english(text: str, stop: _Stop, following: str, habits: Habits) -> bool:
    could_open = habits.no_capitals or not (following[0].islower() and following.islower())
    if not (could_open or _CLAUSE.match(text, stop.behind)) or following[0] in "&;,":
        return False
    if text[stop.behind - 1] in "\"'”’" and _CITATION.match(text, stop.behind):
        return False
    if following[0].isdigit() and _NUMBER_GOES_ON.match(text, stop.behind):
        return False
    if not text[stop.behind].isspace():  # "home.He": the space was forgotten
        return len(following) > 1 and following.lower() in _OPENERS and text[stop.place - 1].islower()
    if "!" in stop.marks or "?" in stop.marks:
        is_quoted = text[stop.behind - 1] in "\"'”’"
        return not (is_quoted and _REPORTING.match(text, stop.behind))
    if stop.marks.startswith(("..", "…")):
        return not following[0].islower()
    if stop.is_apart or not stop.marks.startswith("."):
        is_number = stop.marks == "." and _NUMBERED.match(text, stop.behind)  # ( see fig . 1 )
        return not (is_number and _BEFORE_APART.search(text, max(stop.sentence, stop.place - 8), stop.place))
    return not _is_abbreviation(text, stop, following, habits)


def _hour_goes_on(before: str, following: str) -> bool:
    """Tell whether a sentence goes on behind a.m. or p.m., by the word that follows and by how the sentence began."""
    if following in _TITLES:
        return before.split(maxsplit=1)[0].lower() in _BEFORE_NAMES
    return following in _AFTER_HOURS


def _is_abbreviation(text: str, stop: _Stop, following: str, habits: Habits) -> bool:
    """Tell whether the full stop at a place belongs to the word before it, and ends nothing."""
    words = text[max(stop.sentence, stop.place - 40) : stop.place].split()
    if not words:
        return True
    if _ENGLISH_COUNTER.match("".join(words)) and len(words) < 3:
        return True
    word = words[-1].lstrip("\"'“‘([*_")
    lowered = word.lower()
    is_cited = lowered in _CITED and following[0].isupper() and _SHORTENED.match(text, stop.behind) is not None
    if is_cited or following in _SCALES.get(lowered, ()):
        return True
    if lowered in _BEFORE_NUMBER:
        return following[0].isdigit() or (lowered in _BEFORE_LETTER and len(following) == 1 and following.isupper())
    if lowered in _HOURS and following[0].isalpha() and not habits.no_capitals:
        return _hour_goes_on(text[stop.sentence : stop.place], following.lower())
    if word == "I" and len(words) > 1 and words[-2].islower() and following.lower() in _QUESTIONS | _OPENERS:
        return False
    if lowered in _AMBIGUOUS or _DOTTED.match(word):
        return following.lower() not in (_SUBJECTS if habits.no_capitals else _OPENERS)
    return lowered in _LEADING


# --- Where Korean sentences end -------------------------------------------------------------------
#
# The rules look at end marks: the full stop of a number, a date, a list item or a Latin
# abbreviation ends nothing, and nothing ends within a quotation or between its closing
# mark and the particle that takes it up (`"…한다."고 말했다`). Where marks are missing, as in
# speech written down, text is cut behind endings that close a sentence, adorned ones (~, ^^,
# ㅠㅠ, a heart) too. The analyser kiwipiepy finds more such ends; where it is installed its ends
# are taken, and ours are the care for quotations on top of it. Endings are looked for in NFC,
# and places are those of the text as it is.

# Only the first mark of a run is a start, and nothing is given back, which keeps time linear.
_KOREAN_STOP = re.compile(
    r"[.!?…。！？](?<![.!?…。！？]{2})[.!?…。！？]*+[\"'”’」』»)\]*_]*+(?:\[\d{1,3}\])*+(?=\s|[\"'“‘「『(]?[가-힣A-Z])"
)
# What may come between a quotation and the verb that reports it.
_PARTICLE = re.compile(r"\s*(?:이?라[고며는]|이?라면서|하[고며]|[고며는란]|면서|라)(?![가-힣])|[가-힣]")
_FINAL = re.compile(r"[다요죠까네지군]$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:(?:[A-Za-z]\.)*[A-Za-z]|[Mm]rs?|[Dd]r|[Pp]rof|[Ss]t|[Vv]s|[Nn]o|[Cc]f)$"
)
_KOREAN_COUNTER = re.compile(r"\s*\(?(?:\d{1,3}|[가-힣]|[A-Za-z])$")
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
_BULLET_AT_END = re.compile(r"(?<=\s)[-–•①-⑳ㆍ·▶*★☆◆◇■□▷※○●◎▲△]\s*$")
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
    """Tell whether what stands before an end is a word between quotation marks, which is not a sentence."""
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
    for stop in _KOREAN_STOP.finditer(text, start, end):
        if stop.start() >= sentence and _ends_in_korean(text, sentence, stop, end) and not _within(guards, stop):
            yield stop.end()
            sentence = stop.end()


def _within(guards: list[Span], stop: re.Match[str]) -> bool:
    """Tell whether a stop lies in a quotation that goes on behind it; those that end before it are dropped."""
    while guards and guards[-1][1] <= stop.start():
        guards.pop()
    return any(begun < stop.start() and stop.end() < behind for begun, behind in guards[-_NESTED:])


def _ends_in_korean(text: str, sentence: int, stop: re.Match[str], end: int) -> bool:
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
    if _KOREAN_COUNTER.match(before) and stop.start() - sentence < 30:
        return False
    is_number = before[-1:].isdigit() and (following.isdigit() or _DATE.search(before) is not None)
    return not (is_number or _ABBREVIATION.search(before))
