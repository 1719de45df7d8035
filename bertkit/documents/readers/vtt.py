"""WebVTT, as browsers, Zoom, Teams and YouTube write it.

Read by ourselves: the form is five rules long, and packages for it keep times and no places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bertkit.documents.readers.cues import LINE, TIMES, CueLine, passages_of_cues
from bertkit.documents.readers.passage import ReadDocument

_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def read_vtt(text: str) -> list[ReadDocument]:
    """Read subtitles; places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(cue_lines(text))))]


def cue_lines(text: str) -> Iterator[CueLine]:
    """Yield the lines that follow a line of times, up to a blank one."""
    cue, in_cue = -1, False
    for match in LINE.finditer(text):
        line = match.group().rstrip("\r\n")
        if TIMES.match(line):
            cue, in_cue = cue + 1, True
        elif not line.strip() or (not in_cue and _NO_CUE.match(line)):
            in_cue = False
        elif in_cue:
            yield CueLine(line, match.start(), cue)
