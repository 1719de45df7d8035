r"""Lines of a stream by the thousand, for work that is fast enough to wait for them.

Lines end at b"\n" only, as everywhere in this room.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from bertkit.data.formats.lines import BOM, READ_ERRORS, decoding_fault
from bertkit.errors import DataError

# About a thousand lines of prose.
_CHUNK_BYTES = 1 << 17


def read_line_batches(stream: BinaryIO, source: str, *, encoding: str = "utf-8") -> Iterator[list[str]]:
    """Iterate lists of lines, blank ones included, without their ends.

    A batch holds what has arrived, so the lines of a slow pipe are handed on as they come.

    Args:
        stream: a buffered stream of bytes.
        source: what errors call it.
        encoding: the encoding of its lines.

    Raises:
        DataError: a line is no text in this encoding, or the stream breaks off.
    """
    parts: list[bytes] = []
    done, first = 0, True
    while chunk := _read(stream, source, done):
        whole, newline, rest = (chunk.removeprefix(BOM) if first else chunk).rpartition(b"\n")
        first = False
        if newline:
            lines = _lines(b"".join([*parts, whole]), source, done, encoding)
            done += len(lines)
            parts = []
            yield lines
        parts.append(rest)
    if last := b"".join(parts):
        yield _lines(last, source, done, encoding)


def _read(stream: BinaryIO, source: str, done: int) -> bytes:
    try:
        chunk: bytes = stream.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]
    except READ_ERRORS as error:
        raise DataError.at(source, done + 1, f"cannot be read on ({error}).") from error
    return chunk


def _lines(block: bytes, source: str, done: int, encoding: str) -> list[str]:
    """Decode a block; `done` is the number of lines before it."""
    try:
        text = block.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError.at(source, *_broken_line(block, error.start, done, encoding)) from None
    if "\0" in text:
        line = done + 1 + text.count("\n", 0, text.index("\0"))
        raise DataError.at(source, line, "the line holds a NUL byte, which no text has.")
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in lines] if "\r" in text else lines


def _broken_line(block: bytes, place: int, done: int, encoding: str) -> tuple[int, str]:
    """Return the number of the line that has a byte, and what is wrong with it."""
    start, end = block.rfind(b"\n", 0, place) + 1, block.find(b"\n", place)
    line = block[start:] if end < 0 else block[start:end]
    number = done + 1 + block.count(b"\n", 0, place)
    try:
        line.decode(encoding)
    except UnicodeDecodeError as error:
        fault = decoding_fault(line, error, encoding)
        return number, f"{fault}." if "iconv" in fault else f"{fault}; convert it to UTF-8."
    return number, f"not valid {encoding.upper()}."
