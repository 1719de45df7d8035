"""Lines by the batch: none lost, none changed, and none kept waiting."""

from __future__ import annotations

import io
import os

import pytest

from bertkit.data.formats.lines import read_line_batches
from bertkit.errors import DataError


def lines(content: bytes, encoding: str = "utf-8") -> list[str]:
    stream = io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]
    return [line for batch in read_line_batches(stream, "in.txt", encoding=encoding) for line in batch]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n\n b \n", ["a", "", " b "]),
        (b"a\r\nb\rc\r\n", ["a", "b\rc"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", ["a", "\ufeffb"]),
        ("한\u2028국\x0b\n".encode(), ["한\u2028국\x0b"]),
    ],
)
def test_lines_end_at_newlines_only(content: bytes, found: list[str]) -> None:
    assert lines(content) == found


def test_lines_longer_and_shorter_than_a_chunk() -> None:
    wanted = [character * length for character, length in zip("가나다라마", (200_000, 0, 7, 400_000, 1), strict=True)]
    assert lines("\n".join(wanted).encode()) == wanted


def test_another_encoding() -> None:
    assert lines("영화\n노래\n".encode("cp949"), "cp949") == ["영화", "노래"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a\nbc\xff\n", r"^in\.txt:2: not valid UTF-8: byte 0xff at byte 3 of the line"),
        (b"a\n" * 100_000 + b"\xb0\xa1\n", r"^in\.txt:100001: not valid UTF-8: byte 0xb0 at byte 1 "),
        (b"a\n\nb\0\n", r"^in\.txt:3: the line has a NUL byte"),
    ],
)
def test_a_broken_line_is_named(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        lines(content)


def test_what_has_come_is_handed_on() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        batches = read_line_batches(stream, "pipe")
        pipe.write("하나\n둘\n셋의 처음".encode())
        assert next(batches) == ["하나", "둘"]
        pipe.write(" 그리고 끝\n".encode())
        assert next(batches) == ["셋의 처음 그리고 끝"]
        pipe.close()
        assert list(batches) == []
