"""What all readers leave to one place: sections, speakers, notices, and what to do where nothing is left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bertkit.documents.readers.dialogue import ends_turn, find_turns, is_no_message, time_before
from bertkit.documents.readers.notices import is_closing, is_greeting, is_notice, is_source, opens_back_matter
from bertkit.documents.readers.passage import Kind, Passage, is_candidate

_ENDED = re.compile(r"[.!?…。！？][\"'”’」』»)\]]*$")
_UNENDED = re.compile(r"(?![다요죠까음함임됨~ㅋㅎㅠㅜ])[\w)]$")
_FEW_WORDS, _LOWEST, _SEVERAL = 5, 6, 2
_LONGEST_SIGNATURE = 10  # passages


def candidates(passages: Iterable[Passage]) -> list[Passage]:
    """Return the passages that a summary may be made of, under their headings and with their speakers.

    Where a document has nothing but headings, lines of a table and the like, these are.
    """
    placed = _under_headings(_with_speakers(_without_edges(_without_back_matter(_without_times(list(passages))))))
    found = [passage for passage in placed if is_candidate(passage) and not is_notice(passage.text)]
    if found:
        return found
    return [passage for passage in placed if passage.kind is not Kind.MENU] or placed


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
        if opens_back_matter(passage.text) and (place or is_heading):
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
    if 0 < closing < len(passages) and not any(
        _ENDED.search(p.text) and not is_notice(p.text) for p in passages[closing + 1 :]
    ):
        for place in range(closing, len(passages)):
            passages[place] = replace(passages[place], kind=Kind.LABEL, level=0)
    elif len(passages) > 1 and _ENDED.search(passages[-2].text) and _is_sender(passages[-1]):
        passages[-1] = replace(passages[-1], kind=Kind.LABEL)
    return passages


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
    """Find the speakers of a dialogue whose turns are passages; what follows without a name is still theirs."""
    if any(passage.speaker for passage in passages):
        return passages
    turns = find_turns([passage.text for passage in passages])
    if not any(turns):
        return passages
    found = []
    speaker, is_below_name = "", False
    for passage, turn in zip(passages, turns, strict=True):
        if turn is None:
            if is_no_message(passage.text):
                found.append(replace(passage, kind=Kind.LABEL))
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
            is_said = not (turn.is_sure and is_no_message(passage.text[turn.said :]))
            kept = replace(kept, kind=Kind.PROSE if is_said else Kind.LABEL, level=0)
            found.append(replace(kept, speaker=speaker, said_from=turn.said - turn.start))
    return found
