"""SubRip subtitles: numbered cues, a comma in their times, and now and then no blank line between them."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.documents.readers.cues import CueLine, passages_of_cues
from bertkit.documents.readers.passage import ReadDocument
from bertkit.documents.readers.vtt import cue_lines


def read_srt(text: str) -> list[ReadDocument]:
    """Read subtitles; places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(_without_numbers(list(cue_lines(text))))))]


def _without_numbers(lines: list[CueLine]) -> Iterator[CueLine]:
    """Leave out the number of the next cue where no blank line is above it."""
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        is_last = following is not None and following.cue != line.cue
        if not (is_last and line.text.strip() == str(line.cue + 2)):
            yield line
