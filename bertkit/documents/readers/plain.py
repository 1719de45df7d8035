"""Documents that are plain text: texts, stories of CNN and Daily Mail, subtitles and transcripts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from itertools import groupby, pairwise
from operator import itemgetter

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
LINE_END = re.compile(rf"[.!?…。！？:;,~ㅋㅎㅠㅜ^♥♡][\"'”’」』»)\]*_]*$|\.\"?\s*\)$|{_SMILE}")
ENDED = re.compile(rf"[.!?…。！？~ㅋㅎㅠㅜ^♥♡][\"'”’」』»)\]*_]*$|{_SMILE}")
KOREAN_END = re.compile(rf"(?:{FINAL_ENDING}|[요죠음함임됨])$")
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
        own = [block for block in found if block.end <= headers[0][0]]  # a letter, and the mail that it answers
        found = own if any(ENDED.search(block.text) for block in own[1:]) else found
    ended = sum(bool(ENDED.search(block.text) or KOREAN_END.search(block.text)) for block in found)
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
    return len(line) <= _LONGEST_TITLE and "\n" not in line and line[:1].isupper() and not LINE_END.search(line)


def _above_edges(passages: Sequence[Passage], place: int, edges: set[int]) -> int | None:
    """Return the passage above the edges of pages that stand above a place; None where none do."""
    above = place
    while place not in edges and above and above - 1 in edges:
        above -= 1
    return above - 1 if 0 < above < place else None


def _goes_on_over(before: Passage, after: Passage) -> bool:
    """Tell whether a sentence goes on over the edge of a page."""
    is_prose = before.kind is after.kind is Kind.PROSE and not LINE_END.search(before.text)
    return (
        is_prose and (after.text[0].islower() or "가" <= after.text[0] <= "힣") and not KOREAN_END.search(before.text)
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
    if _SQUARE_BEFORE.search(before) and is_short and following and not LINE_END.search(block.text):
        return (Kind.ITEM, 0) if KOREAN_END.search(block.text) else (Kind.HEADING, 3)
    is_section = following is not None and "\n" not in block.text and _opens_section(block.text, following.text)
    if is_section and has_prose:
        return Kind.HEADING, 2
    gaps = len(_GAP.findall(block.text))
    if block.text.count("|") > 1 or gaps > 1 or (gaps and not LINE_END.search(block.text)):
        return Kind.CELL, 0
    is_item = _BULLET_BEFORE.search(before) is not None
    if not is_item and has_prose and following is not None and _is_title(block, following):
        is_first = not text[: block.start].strip() and not _NUMBERED.match(block.text)
        return Kind.HEADING, 1 if is_first else 2
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
    is_prose = len(following.split()) >= _FEW_WORDS and (ENDED.search(following) is not None or ". " in following)
    return is_prose and not _NUMBERED.match(following) and not _SECTION.match(following)


def _is_title(block: _Block, following: _Block) -> bool:
    """Tell whether a block stands above what follows as its title."""
    line = block.text
    if len(line) > _LONGEST_TITLE or len(line.split()) > _MOST_WORDS or "\n" in line:
        return False
    if not block.above and not _CAPITALS.match(line):
        return False
    if LINE_END.search(line) or KOREAN_END.search(line) or not has_words(line) or line[0].islower():
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
_MOST_OF_ENDING = 9  # characters of a cue that tell whether it ends a sentence in Korean
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
        before = builder.text if is_unmarked else builder.ending(_MOST_OF_ENDING)  # else a passage may be long
        is_over = line.cue != cue and _is_over(before, line.text, is_unmarked=is_unmarked)
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
    if _KOREAN_CUE_END.search(before[-_MOST_OF_ENDING:]):
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
