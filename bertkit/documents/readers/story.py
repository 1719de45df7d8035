"""The .story files of CNN and Daily Mail: an article, and its highlights, which are its reference."""

from __future__ import annotations

import re

from bertkit.documents.readers.passage import ReadDocument
from bertkit.documents.readers.plain import plain_passages

HIGHLIGHT = re.compile(r"^[ \t]*@highlight[ \t]*\r?$", re.MULTILINE)


def read_story(text: str) -> list[ReadDocument]:
    """Read an article; what follows the first @highlight is no part of it."""
    article, *highlights = HIGHLIGHT.split(text)
    reference = "\n".join(" ".join(line.split()) for line in highlights if line.strip())
    return [ReadDocument(text, tuple(plain_passages(text, 0, len(article))), reference=reference)]
