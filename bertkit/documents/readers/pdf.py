"""The text of PDFs, by pypdf (extra `documents`); lines that every page repeats are not read."""

from __future__ import annotations

import importlib.util
import io
import re
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from bertkit.documents.readers.passage import Passage, ReadDocument
from bertkit.documents.readers.plain import plain_passages
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
    text = "\n\f".join(texts)
    return [ReadDocument(text, tuple(_passages(text, texts)))]


def _passages(text: str, texts: Sequence[str]) -> Iterator[Passage]:
    begins = [0, *accumulate(len(page) + 2 for page in texts)]
    for passage in plain_passages(text, 0, len(text)):
        yield replace(passage, page=bisect_right(begins, passage.start))


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
                yield page.extract_text()
    except DataError:
        raise
    except (PyPdfError, DependencyError, *_DAMAGED) as error:
        raise DataError(f"{name}: cannot be read as a PDF ({error}).") from error


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
