"""What all readers leave to one place: sections, speakers, notices, and what to do where nothing is left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bertkit.documents.readers.dialogue import find_turns
from bertkit.documents.readers.notices import is_closing, is_greeting, is_notice
from bertkit.documents.readers.passage import Kind, Passage, is_candidate

_ENDED = re.compile(r"[.!?…。！？][\"'”’」』»)\]]*$")
_LONGEST_SIGNATURE = 10  # passages


def candidates(passages: Iterable[Passage]) -> list[Passage]:
    """Return the passages that a summary may be made of, under their headings and with their speakers.

    Where a document has nothing but headings, lines of a table and the like, these are.
    """
    placed = _under_headings(_with_speakers(_without_edges(list(passages))))
    found = [passage for passage in placed if is_candidate(passage) and not is_notice(passage.text)]
    if found:
        return found
    return [passage for passage in placed if passage.kind is not Kind.MENU] or placed


def _without_edges(passages: list[Passage]) -> list[Passage]:
    """Make labels of a letter's greeting and of the names below its closing."""
    for place, passage in enumerate(passages):
        stands_apart = place == 0 or not passage.follows
        if stands_apart and passage.kind in (Kind.PROSE, Kind.HEADING) and is_greeting(passage.text):
            passages[place] = replace(passage, kind=Kind.LABEL, level=0)
    from_ = max(0, len(passages) - _LONGEST_SIGNATURE)
    closing = next((i for i in range(from_, len(passages)) if is_closing(passages[i].text)), len(passages))
    if closing and not any(_ENDED.search(p.text) and not is_notice(p.text) for p in passages[closing + 1 :]):
        for place in range(closing, len(passages)):
            passages[place] = replace(passages[place], kind=Kind.LABEL, level=0)
    return passages


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
            speaker = speaker if passage.follows or is_below_name else ""
            kind = Kind.PROSE if speaker and passage.kind is Kind.HEADING else passage.kind
            found.append(replace(passage, speaker=speaker, kind=kind))
            continue
        speaker, is_below_name = turn.speaker, turn.said >= len(passage.text)
        if is_below_name:  # a line with a name and a time; what is said stands below
            found.append(replace(passage, kind=Kind.LABEL))
        else:
            kept = passage.part(turn.start)
            kept = replace(kept, kind=Kind.PROSE, level=0)
            found.append(replace(kept, speaker=speaker, said_from=turn.said - turn.start))
    return found
