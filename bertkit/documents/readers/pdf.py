"""The text of PDFs, by pypdf (extra `documents`); lines that every page repeats are not read."""

from __future__ import annotations

import importlib.util
import io
import re
import warnings
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from bertkit.documents.readers.passage import Passage, ReadDocument
from bertkit.documents.readers.plain import plain_passages
from bertkit.documents.sentences_korean import FINAL_ENDING
from bertkit.errors import DataError

_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(r"[-–—\s]*(?:page|p\.|쪽)?\s*\d{1,4}\s*(?:(?:of|/)\s*\d{1,4}|쪽)?[-–—\s]*$", re.IGNORECASE)
_HYPHEN = re.compile(r"(?<=[a-z])[-\u00ad]\n(?=[a-z])")
# What damaged files have made pypdf raise besides its own errors.
_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    ArithmeticError,
    OSError,
    ImportError,
)
_CLOSED = re.compile(rf"(?:[.!?…。！？:;][\"'”’)\]]*|{FINAL_ENDING})\s*$")
_FEWEST_ROWS, _WIDTH, _WIDER = 5, 15, 1.2
"""Lines that two columns have beside each other at least, and their letters in the mean: what has fewer is a table."""
_SHARE, _EDGE = 0.5, 2
"""A line among so many at the edges of a page is furniture if it stands on more than half of the pages."""


def read_pdf(content: bytes, name: str) -> list[ReadDocument]:
    """Read a PDF; places are those in its text, pages parted by form feeds.

    Raises:
        DataError: pypdf is not installed, or the PDF is locked, damaged, or pictures only.
    """
    pages = _without_furniture([_lines(page) for page in _pages(content, name)])
    texts = [_HYPHEN.sub("", "\n".join(lines)) for lines in pages]
    if not any(text.strip() for text in texts):
        raise DataError(f"{name}: there is no text in it, only pictures of pages; OCR makes text of them.")
    texts = [_joined(*pair) for pair in zip(texts, [*texts[1:], ""], strict=True)]
    text = "".join(texts)
    return [ReadDocument(text, tuple(_passages(text, texts)))]


def _joined(page: str, following: str) -> str:
    """End a page: with a form feed, or, where a sentence goes on over it, with a line end or nothing."""
    if not following:
        return page
    first = following.lstrip()[:1]
    if page.endswith("-") and first.islower():
        return page[:-1]
    goes_on = (first.islower() or (first >= "가" and first <= "힣")) and not _CLOSED.search(page)
    return page + ("\n" if goes_on else "\n\f")


def _passages(text: str, texts: Sequence[str]) -> Iterator[Passage]:
    begins = [0, *accumulate(map(len, texts))]
    for passage in plain_passages(text, 0, len(text)):
        page = bisect_right(begins, passage.start)
        yield replace(passage, page=page, next_pages=tuple(begins[page : bisect_left(begins, passage.end)]))


def _pages(content: bytes, name: str) -> Iterator[str]:
    if importlib.util.find_spec("pypdf") is None:
        raise DataError(f"{name}: a PDF, whose text is taken out by pypdf, which is not installed; pip install pypdf.")
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = PdfReader(io.BytesIO(content))
            if reader.is_encrypted and not reader.decrypt(""):
                raise DataError(f"{name}: is locked with a password; save it without one.")
            for page in reader.pages:
                fragments: list[_Fragment] = []
                text = page.extract_text(visitor_text=_noting(fragments))
                yield _by_column(fragments) or text
    except DataError:
        raise
    except (PyPdfError, DependencyError, *_DAMAGED) as error:
        raise DataError(f"{name}: cannot be read as a PDF ({error}).") from error


_Fragment = tuple[int, int, str]
"""What is written at once: how far from the left edge of its page and from the bottom, in points."""


def _noting(fragments: list[_Fragment]) -> Callable[[str, Sequence[float], Sequence[float], object, float], None]:
    def note(text: str, page: Sequence[float], line: Sequence[float], _font: object, _size: float) -> None:
        if text.strip():
            fragments.append((round(line[4] * page[0] + page[4]), round(line[5] * page[3] + page[5]), text.strip()))

    return note


def _by_column(fragments: Sequence[_Fragment]) -> str | None:
    """Return the text of a page in two columns that is written line by line across both; None of any other page."""
    rows: dict[int, list[tuple[int, str]]] = {}
    for x, y, text in fragments:
        rows.setdefault(y, []).append((x, text))
    pairs = [row for row in rows.values() if len(row) == 2 and row[0][0] < row[1][0]]
    if len(pairs) < max(_FEWEST_ROWS, len(rows) / 2):
        return None
    gutter, count = Counter(row[1][0] for row in pairs).most_common(1)[0]
    pairs = [row for row in pairs if row[1][0] == gutter]
    if count < _FEWEST_ROWS or min(sum(len(row[side][1]) for row in pairs) for side in (0, 1)) < _WIDTH * len(pairs):
        return None
    longest = max(len(row[0][1]) for row in pairs)
    parts: tuple[list[str], list[str], list[str], list[str]] = ([], [], [], [])  # above, left, right, below
    for _, row in sorted(rows.items(), reverse=True):
        for x, text in row:
            is_left = len(text) <= _WIDER * longest and (len(row) > 1 or bool(parts[1]))
            parts[2 if x == gutter else 1 if is_left else 3 if parts[1] else 0].append(text)
    return "\n".join(line for part in parts for line in part)


def _lines(page: str) -> list[str]:
    return [line.rstrip() for line in page.splitlines()]


def _without_furniture(pages: list[list[str]]) -> list[list[str]]:
    """Leave out the headers, footers and numbers of pages."""
    edges = [[_bare(line) for line in (*lines[:_EDGE], *lines[-_EDGE:])] for lines in pages]
    counts = Counter(line for edge in edges for line in set(edge) if line)
    often = {line for line, count in counts.items() if count > max(2, _SHARE * len(pages))}

    def is_furniture(place: int, lines: list[str]) -> bool:
        at_edge = place < _EDGE or place >= len(lines) - _EDGE
        is_often = _bare(lines[place]) in often and not lines[place].endswith((".", "!", "?"))
        return at_edge and (is_often or _PAGE_NUMBER.match(lines[place]) is not None)

    return [[line for place, line in enumerate(lines) if not is_furniture(place, lines)] for lines in pages]


def _bare(line: str) -> str:
    return _DIGITS.sub("0", line).strip().lower()
