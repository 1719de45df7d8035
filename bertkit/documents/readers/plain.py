"""Documents that are plain text: texts, stories of CNN and Daily Mail, subtitles, reStructuredText, Org, LaTeX."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from itertools import groupby, pairwise
from operator import itemgetter
from unicodedata import normalize

from bertkit.documents.readers.passage import (
    WROTE,
    Builder,
    Kind,
    Passage,
    ReadDocument,
    Run,
    find_forwarded,
    find_turns,
    is_greeting,
    is_notice,
    is_page_number,
    is_particular,
    is_time,
    mail_headers,
    may_be_name,
    slice_of,
)
from bertkit.documents.sentence_ends import FINAL_ENDING
from bertkit.documents.sentences import blocks, has_words

# --- Plain text: what its lines are, told by how they stand ---------------------------------------
#
# A title stands alone above prose; a letter begins with a greeting and ends with names;
# tables are parted by bars, tabs or columns; the rest is prose, lists and dialogue.

_SMILE = r"[:;=][-']?[)(DPp3]+$|<3$|\bXD$"
_LINE_END = re.compile(rf"[.!?…。！？:;,~ㅋㅎㅠㅜ^♥♡][\"'”’」』»)\]*_]*$|\.\"?\s*\)$|{_SMILE}")
_ENDED = re.compile(rf"[.!?…。！？~ㅋㅎㅠㅜ^♥♡][\"'”’」』»)\]*_]*$|{_SMILE}")
_KOREAN_END = re.compile(rf"(?:{FINAL_ENDING}|[요죠음함임됨])$")
_HASHES = re.compile(r"(?:^|\n)[ \t]*(#{1,6})[ \t]+$")
_UNDERLINE = re.compile(r"[ \t]*\r?\n[ \t]*(={3,}|-{3,})[ \t]*(?:\r?\n|$)")
_BULLET_BEFORE = re.compile(r"(?:^|\n)[ \t]*(?:[-*+•·‣▪◦○●◎□■◆◇▶▷▲△※]|ㅇ)[ \t]+$")
_SOUND = re.compile(r"[\[(][^\[\]().!?]{1,40}[\])]$")
_SQUARE_BEFORE = re.compile(r"(?:^|\n)[ \t]*[□■◆◇▣][ \t]+$")
_NUMBERED = re.compile(r"(?:\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)]|\d+(?:\.\d+)+\.?|[①-⑳]|[가-하][.)])\s")
# 1   INTRODUCTION, 2.1 Costs; no date and no amount.
_SECTION = re.compile(
    r"(?P<number>\d{1,2}(?:\.\d{1,2}){0,3})\.?\s+(?=[A-Z가-힣])(?P<title>"
    r"(?!(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|[월일년명개원시분번째])[^.!?;:]{2,70})$",
    re.IGNORECASE,
)
_GAP = re.compile(r"(?<=\S)(?:\t+| {3,})(?=\S)")
_LEAD_IN = re.compile(r"(?:[^\s.!?。]+\s+){0,5}[^\s.!?。]+\s*[:：]$")
_CAPITALS = re.compile(r"(?=.*[A-Z]{2})[^a-z가-힣]+$")
_DIGITS = re.compile(r"\d+")
_BETWEEN_DASHES = re.compile(r"(?:[-–—]\s)?\w{1,20}\s[-–—]$")  # - and -
_SHARE_OF_PROSE = 0.25
"""Of the blocks those that end as sentences do, from which a line that does not is a title."""
_LONGEST_BEFORE = 200  # characters of a line that are looked at before a block
_LONGEST_TITLE, _MOST_WORDS, _FEW_WORDS = 90, 12, 6


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of a text, and whether blank lines (or the edge of the text) stand above and below it."""

    text: str
    start: int
    end: int
    above: bool
    below: bool


def read_plain(text: str) -> list[ReadDocument]:
    """Read a text; places are those in it."""
    return [ReadDocument(text, tuple(plain_passages(text, 0, len(text))))]


def plain_passages(text: str, start: int, end: int) -> list[Passage]:
    """Return the passages of text[start:end]."""
    timed = _timed_passages(text, start, end)
    if timed:
        return timed
    found = list(_blocks(text, start, end))
    headers = mail_headers(text, start, end)
    is_answer = WROTE.search(text, start, end) is not None
    if found and headers and is_greeting(found[0].text) and find_forwarded(text, start, end) is None:
        found = [block for block in found if block.end <= headers[0][0]]  # a letter, and the mail that it answers
    ended = sum(bool(_ENDED.search(block.text) or _KOREAN_END.search(block.text)) for block in found)
    has_prose = ended >= _SHARE_OF_PROSE * len(found)
    edges = _page_edges(found)
    passages: list[Passage] = []
    for place, (block, following) in enumerate(zip(found, [*found[1:], None], strict=False)):
        kind, level = _kind(text, block, following, has_prose=has_prose)
        header = bisect_right(headers, block.start, key=itemgetter(0)) - 1
        is_header = header >= 0 and block.start < headers[header][1]
        if is_header or place in edges or (is_answer and _is_quoted(text, block)):
            kind, level = Kind.LABEL, 0
        made = replace(slice_of(text, block.start, block.end, kind), level=level, follows=not block.above)
        below = _above_edges(passages, place, edges)
        if below is not None and _goes_on_over(passages[below], made):
            passages[below] = _over_pages(passages[below], made)
        passages.append(
            replace(made, kind=Kind.LABEL) if below is not None and passages[below].end == made.end else made
        )
    return passages


def _page_edges(found: Sequence[_Block]) -> set[int]:
    """Return which blocks are numbers of pages, or the lines beside them that come back on page after page."""
    numbers = {place for place, block in enumerate(found) if is_page_number(block.text)}
    bare = [_DIGITS.sub("0", block.text) if _may_be_edge(block.text) else "" for block in found]
    counts = Counter(line for line in bare if line)
    beside = Counter(line for place, line in enumerate(bare) if line and {place - 1, place + 1} & numbers)
    often = {line for line, count in counts.items() if count > 2 and (len(numbers) > 1 or line.endswith("0"))}
    often |= {line for line, count in beside.items() if count > 1 and count == counts[line]}
    return numbers | {place for place, line in enumerate(bare) if line in often}


def _may_be_edge(line: str) -> bool:
    return len(line) <= _LONGEST_TITLE and "\n" not in line and line[:1].isupper() and not _LINE_END.search(line)


def _above_edges(passages: Sequence[Passage], place: int, edges: set[int]) -> int | None:
    """Return the passage above the edges of pages that stand above a place; None where none do."""
    above = place
    while place not in edges and above and above - 1 in edges:
        above -= 1
    return above - 1 if 0 < above < place else None


def _goes_on_over(before: Passage, after: Passage) -> bool:
    """Tell whether a sentence goes on over the edge of a page."""
    is_prose = before.kind is after.kind is Kind.PROSE and not _LINE_END.search(before.text)
    return (
        is_prose and (after.text[0].islower() or "가" <= after.text[0] <= "힣") and not _KOREAN_END.search(before.text)
    )


def _over_pages(before: Passage, after: Passage) -> Passage:
    begin = len(before.text) + 1
    runs = (Run(begin - 1, 1, before.end, after.start), *(replace(run, read=run.read + begin) for run in after.runs))
    return replace(before, text=f"{before.text}\n{after.text}", runs=(*before.runs, *runs))


def _blocks(text: str, start: int, end: int) -> Iterator[_Block]:
    spans = [(start + b, start + e) for b, e in blocks(text[start:end])]
    above = True
    for (begin, behind), (following, _) in zip(spans, [*spans[1:], (end, end)], strict=False):
        below = following == end or text.count("\n", behind, following) > 1
        yield _Block(text[begin:behind], begin, behind, above, below)
        above = below


def _kind(text: str, block: _Block, following: _Block | None, *, has_prose: bool) -> tuple[Kind, int]:
    """Tell what a block is, and of a heading its level."""
    furthest = max(0, block.start - _LONGEST_BEFORE)
    before = text[max(furthest, text.rfind("\n", furthest, block.start)) : block.start]
    level = _marked_level(text, block, before)
    if level:
        return Kind.HEADING, level
    if (
        is_time(block.text)
        or _BETWEEN_DASHES.match(block.text)
        or is_particular(block.text)
        or _LEAD_IN.match(block.text)
        or _SOUND.match(block.text)
    ):
        return Kind.LABEL, 0
    is_short = len(block.text) <= _LONGEST_TITLE and "\n" not in block.text
    if _SQUARE_BEFORE.search(before) and is_short and following and not _LINE_END.search(block.text):
        return (Kind.ITEM, 0) if _KOREAN_END.search(block.text) else (Kind.HEADING, 3)
    is_section = following is not None and "\n" not in block.text and _opens_section(block.text, following.text)
    if is_section and has_prose:
        return Kind.HEADING, 2
    gaps = len(_GAP.findall(block.text))
    if block.text.count("|") > 1 or gaps > 1 or (gaps and not _LINE_END.search(block.text)):
        return Kind.CELL, 0
    is_item = _BULLET_BEFORE.search(before) is not None
    if not is_item and has_prose and following is not None and _is_title(block, following):
        return Kind.HEADING, 1 if not text[: block.start].strip() else 2
    if is_item or _NUMBERED.match(block.text):
        return Kind.ITEM, 0
    return Kind.PROSE, 0


def _is_quoted(text: str, block: _Block) -> bool:
    """Tell whether a block of a mail is quoted from another, or says who wrote that."""
    furthest = max(0, block.start - _LONGEST_BEFORE)
    line = max(furthest, text.rfind("\n", furthest, block.start) + 1)
    return ">" in text[line : block.start] or WROTE.match(block.text) is not None


def _marked_level(text: str, block: _Block, before: str) -> int:
    """Return the level of a heading that hashes or a line below it mark; 0 where nothing does."""
    hashes = _HASHES.search(before)
    if hashes:
        return len(hashes[1])
    underline = _UNDERLINE.match(text, block.end)
    if underline is None or "\n" in block.text:
        return 0
    return 1 if underline[1].startswith("=") else 2


def _opens_section(line: str, following: str) -> bool:
    """Tell whether a numbered line is a heading: prose stands below it, or a number that goes on from its own."""
    section = _SECTION.match(line)
    if section is None or len(line.split()) > _MOST_WORDS or section["title"][0].islower():
        return False
    if following.startswith(f"{section['number']}."):
        return True
    is_prose = len(following.split()) >= _FEW_WORDS and (_ENDED.search(following) is not None or ". " in following)
    return is_prose and not _NUMBERED.match(following) and not _SECTION.match(following)


def _is_title(block: _Block, following: _Block) -> bool:
    """Tell whether a block stands above what follows as its title."""
    line = block.text
    if len(line) > _LONGEST_TITLE or len(line.split()) > _MOST_WORDS or "\n" in line:
        return False
    if not block.above and not _CAPITALS.match(line):
        return False
    if _LINE_END.search(line) or _KOREAN_END.search(line) or not has_words(line) or line[0].islower():
        return False
    if _NUMBERED.match(line):
        return not _NUMBERED.match(following.text) and (block.below or len(line.split()) <= _FEW_WORDS)
    is_first = block.start == 0 or block.below
    return is_first or _CAPITALS.match(line) is not None


# --- The .story files of CNN and Daily Mail: an article, and its highlights, which are its reference

HIGHLIGHT = re.compile(r"(?:^|(?<=\s))@highlight[ \t]*(?=\s|\Z)", re.MULTILINE)


def read_story(text: str) -> list[ReadDocument]:
    """Read an article; what follows the first @highlight is not a part of it."""
    article, *highlights = HIGHLIGHT.split(text)
    reference = "\n".join(" ".join(line.split()) for line in highlights if line.strip())
    return [ReadDocument(text, tuple(plain_passages(text, 0, len(article))), reference=reference)]


# --- What subtitles say: cues become running text, speaker by speaker, without numbers, times and marks

TIMES = re.compile(
    r"[ \t]*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}[ \t]*(?:-->|,)[ \t]*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}(?:[ \t].*)?$"
)
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]*)>", re.IGNORECASE)
# What is in a line and is not said: tags, places on the screen, sounds.
_UNSAID = re.compile(
    r"<rt>[^<>\n]*</rt>|<[^<>\n]*>|\{\\?[^{}\n]*\}|\[[^\[\]\n]*\]|[♪♫#](?=\s|$)[^♪♫#\n]*[♪♫#]?|[♪♫]"
    r"|&(?:amp;)?#?\w{1,10};|\\[Nnh]"
)
# (민호) …, [Ana] …; and MAN: …, as subtitles for the deaf name speakers.
_NAMED = re.compile(r"\s*[\[(](?P<name>[^\[\]()\n]{1,30})[\])]\s*(?=\S)")
_CAPITALS_NAMED = re.compile(r"\s*(?P<name>[A-Z][A-Z\d.'’#-]*(?: [A-Z\d][A-Z\d.'’#-]*){0,3}):\s+(?=\S)")
_SAID_ASIDE = re.compile(r"\s*\((?![^()]*\d)[^\s()]+(?: [^\s()]+){0,2}\)\s+(?=\S)")
_WORD = re.compile(r"\S+")
_CUE_SOUND = re.compile(r"\s*\([^()]*\)\s*$")
_BREAK = re.compile(r"(?:<(?:\w+:)?br\s*/?>|\[br\]|\\[Nnh])$", re.IGNORECASE)
_NEXT_VOICE = re.compile(r"(?:>{2,3}\s*|[-–—]\s+(?=\S)|[-–—](?=[^\W\d_]|\d[\d,.]*[가-힣]))")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*(?:\s|$)")
_OPENS = re.compile(r"(?:so|okay|ok|now|well|but|alright|anyway|however|then|next|first|finally)\b", re.IGNORECASE)
_KOREAN_CUE_END = re.compile(rf"(?:{FINAL_ENDING}|[요죠까])\W*$")
_WORDS_WITHOUT_STOP = 40
"""Words for each end mark from which captions have none to speak of; then cues are put together up to a length."""
_LONGEST, _LONG = 20, 8  # words of what is put together: at most, and before a word that opens a sentence
_SHOWN_TWICE = 15  # letters from which what two cues have in common is shown twice, and not said twice
_ROLLS, _SHARE = 3, 0.3  # cues, and their share, that show the one before again, from which all that do roll
_OVERLAP = 60  # words in which two cues are compared


@dataclass(frozen=True, slots=True)
class CueLine:
    """A line of a cue, which stands at `start` of the document, in the `cue`-th cue; `voice` where its form has one."""

    text: str
    start: int
    cue: int
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What of a line is said, in pieces with their places, and by whom; `voice` is None where nothing tells."""

    pieces: tuple[tuple[str, int, int], ...]
    voice: str | None
    cue: int
    is_new: bool

    @property
    def text(self) -> str:
        return "".join(piece for piece, _, _ in self.pieces)


def passages_of_cues(lines: Iterable[CueLine]) -> list[Passage]:
    """Return the passages of subtitles: what one speaker says without another is one."""
    said = list(_without_repetition([found for line in _with_names(list(lines)) for found in _said(line)]))
    said = _labelled(said)
    words = sum(len(line.text.split()) for line in said)
    stops = sum(len(_SENTENCE_END.findall(line.text)) for line in said)
    return list(_passages(said, is_unmarked=words > _WORDS_WITHOUT_STOP * stops))


def _said(line: CueLine) -> Iterator[_Said]:
    """Cut a line where another voice begins, and take out what is not said."""
    voices = list(_VOICE.finditer(line.text))
    cuts = [0, *(match.start() for match in voices), len(line.text)]
    for number, (begin, behind) in enumerate(pairwise(cuts)):
        voice = unescape(voices[number - 1][1]).strip() if number else line.voice
        pieces, place = list[tuple[str, int, int]](), begin
        dash = _NEXT_VOICE.match(line.text, begin, behind)
        place = dash.end() if dash else begin
        for mark in _UNSAID.finditer(line.text, place, behind):
            pieces.append((line.text[place : mark.start()], line.start + place, line.start + mark.start()))
            if _BREAK.match(mark[0]):
                pieces.append((" ", line.start + mark.start(), line.start + mark.end()))
            elif mark[0].startswith("&"):
                pieces.append((unescape(unescape(mark[0])), line.start + mark.start(), line.start + mark.end()))
            place = mark.end()
        pieces.append((line.text[place:behind], line.start + place, line.start + behind))
        found = _Said(tuple(piece for piece in pieces if piece[0]), voice, line.cue, dash is not None)
        if found.text.strip() and not _CUE_SOUND.match(found.text) and not is_notice(found.text.strip()):
            yield found


def _without_repetition(said: Sequence[_Said]) -> Iterator[_Said]:
    """Leave out what is shown twice: captions that roll up, or grow word by word."""
    cues = [list(lines) for _, lines in groupby(said, key=lambda line: line.cue)]
    words = [[word for line in lines for word in line.text.split()] for lines in cues]
    common = [0, *(_in_common(*pair) for pair in pairwise(words))]
    rolls = sum(map(bool, common)) >= max(_ROLLS, _SHARE * len(cues))
    over = 0  # words of a cue that are left out of it
    for place, lines in enumerate(cues):
        shared = words[place][: common[place]]
        is_shown = rolls or (len(shared) > 1 and len("".join(shared)) > _SHOWN_TWICE)
        has_grown = is_shown and place > 0 and common[place] == len(words[place - 1])
        over = over if has_grown else common[place] if is_shown else 0
        ahead = common[place + 1] if place + 1 < len(cues) else 0
        next_shared = words[place][:ahead]
        grows = 0 < ahead == len(words[place]) and (rolls or len("".join(next_shared)) > _SHOWN_TWICE)
        if not grows:  # else the next cue shows all of it again
            yield from _behind(lines, over)


def _in_common(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many words end one cue and begin the next."""
    longest = min(len(before), len(after), _OVERLAP)
    return next((n for n in range(longest, 0, -1) if before[-n:] == after[:n]), 0)


def _behind(lines: Sequence[_Said], over: int) -> Iterator[_Said]:
    """Leave out the first words of a cue."""
    for line in lines:
        count = len(line.text.split())
        if over < count:
            place = [match.end() for match in _WORD.finditer(line.text)][over - 1] if over else 0
            yield replace(line, pieces=_cut(line.pieces, place)) if over else line
        over = max(0, over - count)


def _labelled(said: Sequence[_Said]) -> list[_Said]:
    """Take names before colons for voices, where they are a dialogue's."""
    if any(line.voice for line in said):
        return list(said)
    turns = find_turns([line.text for line in said])
    are_capitals = all(line.text.isupper() for line in said)
    found = []
    for line, turn in zip(said, turns, strict=True):
        label = _CAPITALS_NAMED.match(line.text) if line.is_new or not are_capitals else None
        if turn is not None:
            found.append(_of_turn(line, turn.speaker, turn.said))
        elif label and may_be_name(label["name"]):
            found.append(_of_turn(line, label["name"], label.end()))
        else:
            aside = _SAID_ASIDE.match(line.text)
            found.append(replace(line, pieces=_cut(line.pieces, aside.end())) if aside else line)
    return found


def _of_turn(line: _Said, speaker: str, said: int) -> _Said:
    return replace(line, pieces=_cut(line.pieces, said), voice=speaker)


def _with_names(lines: Sequence[CueLine]) -> list[CueLine]:
    """Take names in brackets before what is said for voices, where some come back."""
    matches = [_NAMED.match(line.text) for line in lines]
    names = [match["name"] if match and may_be_name(match["name"]) else None for match in matches]
    often = {name for name, count in Counter(name for name in names if name).items() if count > 1}
    if not often:
        return list(lines)
    return [
        replace(line, text=line.text[match.end() :], start=line.start + match.end(), voice=name)
        if match and name and (name in often or (len(name.split()) == 1 and not name.islower()))
        else line
        for line, match, name in zip(lines, matches, names, strict=True)
    ]


def _cut(pieces: Iterable[tuple[str, int, int]], over: int) -> tuple[tuple[str, int, int], ...]:
    """Leave out the first characters of a line."""
    kept = []
    for piece, start, end in pieces:
        cut = min(over, len(piece))
        over -= cut
        if cut < len(piece):
            kept.append((piece[cut:], start + cut * (end - start == len(piece)), end))
    return tuple(kept)


def _passages(said: Sequence[_Said], *, is_unmarked: bool) -> Iterator[Passage]:
    builder, speaker, cue = Builder(), "", -1
    for line in said:
        changes = line.is_new or (line.voice is not None and line.voice != speaker)
        is_over = line.cue != cue and _is_over(builder.text, line.text, is_unmarked=is_unmarked)
        if (changes or is_over) and (made := builder.passage()):
            yield replace(made, speaker=speaker)
        speaker = "" if line.is_new and line.voice is None else speaker if line.voice is None else line.voice
        cue = line.cue
        if line.pieces:
            builder.space(line.pieces[0][1], line.pieces[0][1])
        for piece, start, end in line.pieces:
            if end - start == len(piece):
                builder.add(piece, start)
            else:
                builder.add_read(piece, start, end)
    if made := builder.passage(Kind.PROSE):
        yield replace(made, speaker=speaker)


def _is_over(before: str, following: str, *, is_unmarked: bool) -> bool:
    """Tell whether a sentence is over between two cues, where no end mark says so."""
    if _KOREAN_CUE_END.search(before[-9:]):
        return True
    words = len(before.split()) if is_unmarked else 0
    return words >= _LONGEST or (words >= _LONG and _OPENS.match(following.strip()) is not None)


# --- WebVTT, as browsers, Zoom, Teams and YouTube write it ----------------------------------------
#
# Read by ourselves: the form is five rules long, and packages for it keep times and no places.

_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def read_vtt(text: str) -> list[ReadDocument]:
    """Read subtitles; places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(cue_lines(text))))]


def cue_lines(text: str) -> Iterator[CueLine]:
    """Yield the lines that follow a line of times, up to a blank one."""
    cue, in_cue = -1, False
    for match in LINE.finditer(text):
        line = match.group().rstrip("\r\n")
        frames = FRAMES.match(line)
        if frames:
            cue, in_cue, place = cue + 1, False, frames.end()
            for piece in line[place:].split("|"):
                yield CueLine(piece, match.start() + place, cue)
                place += len(piece) + 1
        elif TIMES.match(line):
            cue, in_cue = cue + 1, True
        elif not line.strip() or (not in_cue and _NO_CUE.match(line)):
            in_cue = False
        elif in_cue:
            yield CueLine(line, match.start(), cue)


# --- Transcripts as plain text: times on lines of their own (copied from YouTube), or [from --> to] before each line

_AT = r"(?:\d{1,2}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?"
_FROM_TO = re.compile(rf"[ \t]*\[{_AT}[ \t]*-->[ \t]*{_AT}\][ \t]*")
_AT_ALONE = re.compile(r"[ \t]*(?:\d{1,2}:)?\d{1,2}:\d{2}[ \t]*$")
_AT_BEFORE = re.compile(rf"[ \t]*(?:\[{_AT}\]|\({_AT}\)|{_AT})[ \t]+(?=\S)")
_FROM_ZERO = re.compile(r"[ \t]*[\[(]?(?:0?0:)?0?0:\d{2}(?![\d:])")
_FEWEST_TIMES, _SHARE_OF_TIMES, _NEARLY_ALL, _FEWEST_SPOKEN = 3, 0.3, 0.8, 3  # the last: words of a line in the mean


def _timed_passages(text: str, start: int, end: int) -> list[Passage]:
    """Return the passages of a transcript whose lines were cut by time and have no speakers; of other texts none."""
    lines = [(match[0].rstrip("\r\n"), match.start()) for match in LINE.finditer(text, start, end) if match[0].strip()]
    begins = [
        match for line, _ in lines if (match := _FROM_TO.match(line) or _AT_ALONE.match(line) or _AT_BEFORE.match(line))
    ]
    if len(begins) < max(_FEWEST_TIMES, _SHARE_OF_TIMES * len(lines)):
        return []
    is_sure = begins[0].re is _FROM_TO
    if not is_sure and not _FROM_ZERO.match(begins[0][0]):  # a timetable, a log
        return []
    form = begins[0].re
    times = [form.match(line) for line, _ in lines]
    words = sum(len(line.split()) for line, _ in lines) - len(begins)
    if form is _AT_BEFORE and (sum(map(bool, times)) < _NEARLY_ALL * len(lines) or words < _FEWEST_SPOKEN * len(lines)):
        return []
    cues, cue = [], 0
    for (line, place), time in zip(lines, times, strict=True):
        cue += time is not None
        begin = time.end() if time else 0
        if begin < len(line) and cue:
            cues.append(CueLine(line[begin:], place + begin, cue))
    if not is_sure and any(find_turns([line for line, _ in lines])):
        return []
    return passages_of_cues(cues)


# --- SubRip subtitles: numbered cues, a comma in their times, and now and then no blank line between them


def read_srt(text: str) -> list[ReadDocument]:
    """Read subtitles; places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(_without_numbers(list(cue_lines(text))))))]


def _without_numbers(lines: list[CueLine]) -> Iterator[CueLine]:
    """Leave out the number of the next cue where no blank line is above it."""
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        is_last = following is not None and following.cue != line.cue
        if not (is_last and line.text.strip() == str(line.cue + 2)):
            yield line


# --- Other forms of subtitles: what is shown at a time, in lines, fields or elements --------------

# MicroDVD: {0}{25}The river rose|by two metres.
FRAMES = re.compile(r"[ \t]*\{\d+\}\{\d*\}")
_DIALOGUE = re.compile(r"Dialogue:[ \t]*", re.IGNORECASE)
_ASS_FIELDS = "layer start end style name marginl marginr marginv effect text".split()
_DRAWN = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}")
_SHOWN = re.compile(r"<(?P<close>/?)(?:\w+:)?(?P<tag>p|text|sync|body)\b(?P<about>[^<>]*)>", re.IGNORECASE)
_HAS_TIME = re.compile(r"\b(?:begin|start|t)\s*=", re.IGNORECASE)


def read_ass(text: str) -> list[ReadDocument]:
    """Read subtitles of SubStation Alpha; places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(_dialogue_lines(text))))]


def _dialogue_lines(text: str) -> Iterator[CueLine]:
    fields, cue = _ASS_FIELDS, 0
    for match in LINE.finditer(text):
        line = match[0].rstrip("\r\n")
        if line[:7].lower() == "format:":
            fields = [name.strip().lower() for name in line[7:].split(",")]
        opening = _DIALOGUE.match(line)
        if opening is None or fields[-1] != "text":
            continue
        values = line[opening.end() :].split(",", len(fields) - 1)
        if len(values) == len(fields) and not _DRAWN.search(values[-1]):
            about = dict(zip(fields, values, strict=True))
            name = (about.get("name") or about.get("actor") or "").strip()
            cue += 1
            yield CueLine(values[-1], match.start() + len(line) - len(values[-1]), cue, name or None)


def read_timed_markup(text: str) -> list[ReadDocument]:
    """Read subtitles whose cues are elements (TTML, SAMI, YouTube's XML); places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(_elements_shown(text))))]


def _elements_shown(text: str) -> Iterator[CueLine]:
    opened, cue = -1, 0  # where what is shown begins
    for match in _SHOWN.finditer(text):
        is_cue = not match["close"] and _HAS_TIME.search(match["about"]) is not None
        if match["tag"].lower() == "p" and not match["close"] and not is_cue:  # <SYNC Start=1><P Class=KRCC>
            continue
        if opened >= 0:
            yield CueLine(text[opened : match.start()], opened, cue)
            opened = -1
        if is_cue and not match["about"].endswith("/"):
            opened, cue = match.end(), cue + 1


# --- Plain text with markup: reStructuredText, Org and LaTeX --------------------------------------
#
# Docutils, Org and TeX are not needed to find prose: what is marked as code, table, picture,
# formula, comment, directive or list of sources is left out, marks within lines are taken off,
# headings name sections. Places are those in the file.

_FEWEST_MARKED_WORDS = 3  # of what ends as no sentence does: fewer are a term, a name, a key


class _Marked:
    """Puts passages together line by line.

    Args:
        text: the document.
        marks: what is taken off within lines. A named group is kept, `raw…` as it stands, others with marks of
            their own taken off; `said` is read as `said` tells; without a group all of it goes.
        said: what a piece of markup is read as.
    """

    def __init__(self, text: str, marks: re.Pattern[str], said: Callable[[str], str] = lambda _: " ") -> None:
        self.passages: list[Passage] = []
        self.kind = Kind.PROSE
        self._text, self._marks, self._said = text, marks, said
        self._spans: list[tuple[int, int]] = []
        self._unclosed: set[str] = set()

    def behind(self, closing: str, find: Callable[[], int | None]) -> int | None:
        """Return what `find` does, which looks for what closes a block; it is not asked for again in vain."""
        found = None if closing in self._unclosed else find()
        if found is None:
            self._unclosed.add(closing)
        return found

    @property
    def is_open(self) -> bool:
        """Whether a paragraph has begun."""
        return bool(self._spans)

    def line(self, start: int, end: int) -> None:
        """Go on with the paragraph."""
        if self._text[start:end].strip():
            self._spans.append((start, end))

    def flush(self, kind: Kind = Kind.PROSE) -> None:
        """End the paragraph; what comes next is of the kind."""
        if self._spans:
            passage = self._passage(self._spans[0][0], self._spans[-1][1], self.kind)
            if passage is not None:
                ends = _LINE_END.search(passage.text) or _KOREAN_END.search(passage.text)
                is_term = not ends and len(passage.text.split()) < _FEWEST_MARKED_WORDS and self.kind is Kind.PROSE
                self.passages.append(replace(passage, kind=Kind.LABEL) if is_term else passage)
        self._spans, self.kind = [], kind

    def heading(self, start: int, end: int, level: int) -> None:
        """End the paragraph, and add a heading."""
        self.flush()
        passage = self._passage(start, end, Kind.HEADING)
        if passage is not None:
            self.passages.append(replace(passage, level=level))

    def _passage(self, start: int, end: int, kind: Kind) -> Passage | None:
        builder = Builder()
        self._read(builder, start, end)
        return builder.passage(kind)

    def _read(self, builder: Builder, start: int, end: int) -> None:
        place = start
        for match in self._marks.finditer(self._text, start, end):
            builder.add(self._text[place : match.start()], place)
            name = match.lastgroup
            if name == "said":
                builder.add_read(self._said(match[0]), match.start(), match.end())
            elif name and name.startswith("raw"):
                builder.add(match[name], match.start(name))
            elif name:
                self._read(builder, match.start(name), match.end(name))
            place = match.end()
        builder.add(self._text[place:end], place)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a document: its text without the blanks round it, where that begins, and how far it is indented."""

    text: str
    start: int
    indent: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def _rows(text: str) -> list[_Row]:
    found = []
    for match in LINE.finditer(text):
        line = match[0].rstrip("\r\n")
        indent = len(line) - len(line.lstrip())
        found.append(_Row(line.strip(), match.start() + indent, indent))
    return found


_RST_MARKS = re.compile(
    r"``(?P<raw_code>[^`]+)``"
    r"|:[\w:+.-]+:`(?:~[\w.]*\.)?(?P<raw_role>[^`<]+?)(?:\s*<[^`>]*>)?`"
    r"|`(?P<raw_link>[^`<]+?)(?:\s*<[^`>]*>)?`_{0,2}"
    r"|\s?\[(?:\d+|#[\w-]*|\*|[A-Z][\w-]*\d+)\]_"
    r"|\*\*(?P<bold>[^*\s](?:[^*]*[^*\s])?)\*\*"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|(?<!\w)\|(?P<substitute>[^|\s][^|\n]*)\|_{0,2}"
    r"|\b(?P<reference>[\w-]*[A-Za-z0-9])__?(?!\w)"
    r"|(?P<said>::)(?=\s*\Z)"
    r"|\\(?P<raw_escaped>\S)|\\\s"
    r"|(?<=\n)[ \t]*\|(?= )"
)
_ADORNMENT = re.compile(r"([^\w\s])\1{2,}$")
_RST_TABLE = re.compile(r"=+(?: +=+)+$|\+[-=]{2,}[-=+]*\+$")
_RST_BULLET = re.compile(r"(?:[-*+•‣⁃]|\(?(?:\d{1,3}|#|[A-Za-z]|[ivxIVX]{1,5})[.)])\s+(?=\S)")
_RST_DIRECTIVE = re.compile(r"\.\. (?:\|[^|\n]+\| )?(?P<name>[\w:.+-]+)::\s*")
_RST_READ = frozenset(
    "note warning tip hint important caution attention danger error admonition seealso topic sidebar epigraph "
    "highlights pull-quote compound container abstract versionadded versionchanged deprecated rubric only".split()
)
_RST_OPTION = re.compile(r":[\w -]+:(?:\s|$)")


def read_rst(text: str) -> list[ReadDocument]:
    """Read a reStructuredText document; places are those in `text`."""
    rows, marked = _rows(text), _Marked(text, _RST_MARKS, lambda _: ":")
    levels: dict[tuple[str, bool], int] = {}
    at = 0
    while at < len(rows):
        row = rows[at]
        title = _rst_title(rows, at)
        if title is not None:
            level = levels.setdefault((rows[title + 1].text[0], title > at), len(levels) + 1)
            marked.heading(rows[title].start, rows[title].end, level)
            at = title + 2
        elif not row.text:
            marked.flush()
            at += 1
        else:
            at = _rst_block(rows, at, marked)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _rst_title(rows: Sequence[_Row], at: int) -> int | None:
    """Return the row of a title that begins at a row, with a line below it and perhaps one above; None: none does."""
    title = at + (_ADORNMENT.match(rows[at].text) is not None)
    if title + 1 >= len(rows) or not has_words(rows[title].text):
        return None
    below = _ADORNMENT.match(rows[title + 1].text)
    is_long = below is not None and (len(below[0]) >= len(rows[title].text) or len(below[0]) > 3)
    if not is_long or rows[title + 1].indent or (title > at and rows[at].text[0] != rows[title + 1].text[0]):
        return None
    is_apart = title > at or at == 0 or not rows[at - 1].text or _ADORNMENT.match(rows[at - 1].text)
    return title if is_apart else None


def _rst_block(rows: Sequence[_Row], at: int, marked: _Marked) -> int:
    """Read one row, or pass over a block that is no prose; returns the row behind it."""
    row = rows[at]
    if not marked.is_open:
        if _RST_TABLE.match(row.text):
            return _behind_table(rows, at)
        if row.text.startswith(">>> "):
            return _behind_filled(rows, at)
        directive = _RST_DIRECTIVE.match(row.text)
        if directive and directive["name"].rpartition(":")[2] in _RST_READ:
            return _rst_directive(rows, at, directive.end(), marked)
        if row.text == ".." or row.text.startswith((".. ", "__ ")) or _RST_OPTION.match(row.text):
            return _behind_indented(rows, at)
        if _ADORNMENT.match(row.text):
            return at + 1
    bullet = _RST_BULLET.match(row.text)
    if bullet and (not marked.is_open or marked.kind is Kind.ITEM):
        marked.flush(Kind.ITEM)
        marked.line(row.start + bullet.end(), row.end)
    elif not marked.is_open and _is_term(rows, at):
        marked.flush(Kind.LABEL)
        marked.line(row.start, row.end)
        marked.flush()
        return at + 1
    else:
        marked.line(row.start + 2 * row.text.startswith("| "), row.end)
    if row.text.endswith("::") and not (at + 1 < len(rows) and rows[at + 1].text):
        marked.flush()
        return _behind_indented(rows, at)
    return at + 1


def _rst_directive(rows: Sequence[_Row], at: int, behind: int, marked: _Marked) -> int:
    """Begin with what a directive says on its own line, without its options; what is indented below is prose."""
    row = rows[at]
    if len(row.text[behind:].split()) >= _FEWEST_MARKED_WORDS:
        marked.line(row.start + behind, row.end)
    at += 1
    while at < len(rows) and _RST_OPTION.match(rows[at].text) and rows[at].indent > row.indent:
        at += 1
    return at


def _is_term(rows: Sequence[_Row], at: int) -> bool:
    """Tell whether a row is a term whose definition is indented below it."""
    return at + 1 < len(rows) and bool(rows[at + 1].text) and rows[at + 1].indent > rows[at].indent


def _behind_filled(rows: Sequence[_Row], at: int) -> int:
    """Return the first blank row behind a row."""
    return next((place for place in range(at, len(rows)) if not rows[place].text), len(rows))


def _behind_indented(rows: Sequence[_Row], at: int) -> int:
    """Return the first row behind a row that is filled and indented no further."""
    more = range(at + 1, len(rows))
    return next((place for place in more if rows[place].text and rows[place].indent <= rows[at].indent), len(rows))


def _behind_table(rows: Sequence[_Row], at: int) -> int:
    """Return the row behind a table: behind its last border before a blank row, or the blank row itself."""
    if rows[at].text.startswith("+"):
        return _behind_filled(rows, at)
    for place in range(at + 2, len(rows)):  # in a simple table blank rows may stand between borders
        is_border = _RST_TABLE.match(rows[place].text) is not None
        if is_border and not (place + 1 < len(rows) and rows[place + 1].text):
            return place + 1
    return _behind_filled(rows, at)


_ORG_BEFORE, _ORG_BEHIND = r"(?:(?<=[\s\-({'\"])|(?<![\s\S]))", r"(?=[\s\-.,:;!?'\")}\]]|\Z)"
_ORG_MARKS = re.compile(
    r"\[\[[^\[\]\n]+\]\[(?P<link>[^\[\]\n]+)\]\]|\[\[(?P<raw_target>[^\[\]\n]+)\]\]"
    r"|\s?\[fn:[^\[\]]*\]|<<<?(?P<target>[^<>\n]+)>>>?"
    rf"|{_ORG_BEFORE}([*/_+])(?P<emphasis>[^\s*/_+](?:[^\n]*?\S)?)\4{_ORG_BEHIND}"
    rf"|{_ORG_BEFORE}([=~])(?P<raw_code>\S(?:[^\n]*?\S)?)\6{_ORG_BEHIND}"
)
_ORG_HEADING = re.compile(
    r"(?P<stars>\*+)\s+(?:(?:TODO|DONE|NEXT|WAITING|HOLD|CANCELLED|CANCELED)\s+)?(?:\[#\w\]\s+)?"
    r"(?P<title>\S.*?)(?:\s+\[\d*[/%]\d*\])?(?:\s+:[\w@#%:]+:)?$"
)
_ORG_BEGIN = re.compile(r"#\+begin_(?P<name>\w+)", re.IGNORECASE)
_ORG_READ = frozenset("quote verse center abstract note tip warning important caution theorem proof".split())
_ORG_BULLET = re.compile(
    r"(?:[-+*]|\d{1,3}[.)]|[A-Za-z][.)])\s+(?:\[@\d+\]\s+)?(?:\[[ X-]\]\s+)?(?:\S[^\n]{0,60}?\s+::\s+)?(?=\S)"
)
_ORG_HIDDEN = re.compile(
    r"#\+|#(?:\s|$)|\||:(?:\s|$)|(?:SCHEDULED|DEADLINE|CLOSED|CLOCK):|-{5,}$|\[fn:[\w-]+\]\s|\\(?:begin|end)\b",
    re.IGNORECASE,
)
_ORG_DRAWER = re.compile(r":[\w-]+:$")
_ORG_TITLE = re.compile(r"#\+title:\s*(?=\S)", re.IGNORECASE)
_ORG_FORMULA = re.compile(r"\\begin\{(\w+\*?)\}|\\\[|\$\$")


def read_org(text: str) -> list[ReadDocument]:
    """Read an Org document; places are those in `text`."""
    rows, marked = _rows(text), _Marked(text, _ORG_MARKS)
    at = 0
    while at < len(rows):
        at = _org_row(rows, at, marked)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _org_row(rows: Sequence[_Row], at: int, marked: _Marked) -> int:
    """Read one row, or pass over a block that is no prose; returns the row behind it."""
    row = rows[at]
    heading = _ORG_HEADING.match(row.text) if not row.indent else None
    title = _ORG_TITLE.match(row.text)
    block = _ORG_BEGIN.match(row.text)
    bullet = _ORG_BULLET.match(row.text) if row.indent or row.text[:1] != "*" else None
    if heading:
        marked.heading(row.start + heading.start("title"), row.start + heading.end("title"), len(heading["stars"]))
    elif title:
        marked.heading(row.start + title.end(), row.end, 1)
    elif block and block["name"].lower() not in _ORG_READ:
        marked.flush()
        return _behind_row(rows, at, f"#+end_{block['name']}", marked)
    elif _ORG_DRAWER.match(row.text):
        marked.flush()
        return _behind_row(rows, at, ":end:", marked)
    elif formula := _ORG_FORMULA.match(row.text):
        marked.flush()
        closing = f"\\end{{{formula[1]}}}" if formula[1] else {"\\[": "\\]", "$$": "$$"}[formula[0]]
        return at + 1 if closing in row.text[2:] else _behind_row(rows, at, closing, marked)
    elif not row.text or _ORG_HIDDEN.match(row.text):
        marked.flush()
    elif bullet:
        marked.flush(Kind.ITEM)
        marked.line(row.start + bullet.end(), row.end)
    else:
        marked.line(row.start, row.end)
    return at + 1


def _behind_row(rows: Sequence[_Row], at: int, closing: str, marked: _Marked) -> int:
    """Return the row behind the one that closes a block; where none does, the next one."""

    def find() -> int | None:
        ends = (place for place in range(at + 1, len(rows)) if rows[place].text.lower().endswith(closing.lower()))
        return next(ends, None)

    found = marked.behind(closing, find)
    return at + 1 if found is None else found + 1


_GROUP = r"\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.)*\})*\})*\}"
_TEX_UNSAID = (
    r"\w*cite\w*|(?!href)\w*ref|label|index|footnote(?:mark|text)?|thanks|author|date|affiliation|institute|email|address|"
    r"keywords|bibliography(?:style)?|input|include(?:graphics)?|[vh]space|setlength|caption|documentclass|usepackage|"
    r"pagestyle|thispagestyle|todo|hypersetup|graphicspath|addbibresource|color"
)
_TEX_MARKS = re.compile(
    r"(?<!\\)%[^\n]*"
    r"|\\(?:href|textcolor)\{[^{}]*\}|\\(?:setlength|addtolength)\{[^{}]*\}\{[^{}]*\}"
    r"|\\(?:url|path)\{(?P<raw_address>[^{}]*)\}"
    r"|\\verb\*?(?P<mark>[^\w\s*])(?P<raw_code>[^\n]*?)(?P=mark)"
    rf"|[~ ]?\\(?:{_TEX_UNSAID})\*?(?:\[[^\]]*\])*{_GROUP}"
    r"|\\(?P<raw_name>(?:La|Bib)?TeX)\b(?:\{\})?"
    r"|\\(?P<raw_sign>[%&$#_{}])"
    r"|\\\((?P<raw_formula>[^\n]{1,400}?)\\\)"
    r"|(?<!\\)\$(?P<raw_math>[^$]{1,400})\$"
    r"|(?P<said>``|''|---?|~|\\\\(?:\[[^\]]*\])?|\\[,;:! ]|\\[\"'`^~](?:\{[A-Za-z]\}|[A-Za-z])"
    r"|\$\$[\s\S]{1,3000}?\$\$|\\\[[\s\S]{1,3000}?\\\]|\\begin\{(?P<formula>\w+)\*?\}[\s\S]{1,3000}?\\end\{(?P=formula)\*?\})"
    r"|\\[A-Za-z@]+\*?(?:\[[^\]\n]*\])?[ \t]*|[{}]"
)
_TEX_SAID = {"``": '"', "''": '"', "---": "—", "--": "–"}
_TEX_ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
_TEX_LEVELS = {
    name: level
    for level, names in enumerate(
        (
            "title part",
            "chapter",
            "section",
            "subsection frametitle begin{frame}",
            "subsubsection",
            "paragraph subparagraph",
        ),
        start=1,
    )
    for name in names.split()
}
_TEX_FORMULAS = "equation align gather multline eqnarray displaymath math flalign alignat dmath".split()
_TEX_HIDDEN = frozenset(
    "verbatim Verbatim lstlisting minted alltt tabular tabularx longtable tabulary table figure wrapfigure subfigure "
    "tikzpicture picture thebibliography filecontents algorithm algorithmic comment array matrix CCSXML keywords "
    "IEEEkeywords".split()
)
_TEX_BLOCK = re.compile(
    r"(?<!\\)%[^\n]*"
    rf"|\\(?P<heading>{'|'.join(map(re.escape, _TEX_LEVELS))})\*?(?:\[[^\]]*\])?(?P<title>{_GROUP})"
    r"|\\begin\{(?P<begin>\w+)\*?\}(?:\[[^\]\n]*\])?(?:\{[\d.]*\\?[a-z]*\})?"
    r"|\\iffalse\b(?P<hidden>)"
    r"|\\end\{\w+\*?\}"
    r"|\\item\b(?P<item>)[ \t]*(?:\[[^\]\n]*\])?"
    r"|\n[ \t\r]*\n|\\(?:par|maketitle|tableofcontents|newpage|clearpage|appendix|bigskip|medskip|smallskip)\b"
)


def read_tex(text: str) -> list[ReadDocument]:
    """Read a LaTeX document; places are those in `text`."""
    opening = re.search(r"^[^%\n]*\\begin\{document\}", text, re.MULTILINE)
    marked = _Marked(text, _TEX_MARKS, _tex_said)
    begin, end = (opening.end() if opening else 0), text.rfind("\\end{document}")
    end = len(text) if end < begin else end
    title = _TEX_BLOCK.search(text, text.find("\\title"), begin) if opening and "\\title" in text[:begin] else None
    if title and title["heading"]:
        marked.heading(title.start("title") + 1, title.end("title") - 1, 1)
    place = begin
    while match := _next_tex_block(text, place, end):
        marked.line(place, match.start())
        place = _tex_block(text, match, end, marked)
    marked.line(place, end)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _next_tex_block(text: str, place: int, end: int) -> re.Match[str] | None:
    """Return what ends a paragraph next; comments and formulas do not."""
    for match in _TEX_BLOCK.finditer(text, place, end):
        if not (match[0].startswith("%") or match["begin"] in _TEX_FORMULAS or _closes_formula(match[0])):
            return match
    return None


def _closes_formula(piece: str) -> bool:
    return piece.startswith("\\end{") and piece[5:].rstrip("*}") in _TEX_FORMULAS


def _tex_block(text: str, match: re.Match[str], end: int, marked: _Marked) -> int:
    """End a paragraph; returns the place behind what is no prose."""
    if match["heading"]:
        marked.heading(match.start("title") + 1, match.end("title") - 1, _TEX_LEVELS[match["heading"]])
        return match.end()
    marked.flush(Kind.ITEM if match["item"] is not None else Kind.PROSE)
    is_hidden = match["hidden"] is not None
    if match["begin"] not in _TEX_HIDDEN and not is_hidden:
        return match.end()
    closing = re.compile(r"\\(?:fi|else)\b" if is_hidden else rf"\\end\{{{match['begin']}\*?\}}")
    found = marked.behind(
        match["begin"] or match[0], lambda: (there := closing.search(text, match.end(), end)) and there.end()
    )
    return match.end() if found is None else found


def _tex_said(piece: str) -> str:
    """Return what a piece of markup is read as: quotes, dashes, accents; a formula on lines of its own as (…)."""
    if piece in _TEX_SAID:
        return _TEX_SAID[piece]
    if piece.startswith(("$$", "\\[", "\\begin")) and len(piece) > 3:
        return "(…)" + "." * (re.search(r"\.\s*(?:\$\$|\\\]|\\end\b.*)$", piece) is not None)
    if piece[0] == "\\" and piece[1:2] in _TEX_ACCENTS and piece[-1] != "]":
        return normalize("NFC", piece[2:].strip("{}") + _TEX_ACCENTS[piece[1]])
    return " "
