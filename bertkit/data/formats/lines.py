"""Physical lines of a byte stream: numbered, decoded (UTF-8, or CP949 where the bytes say so), one or many at once."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, Self

from bertkit.errors import DataError

# --------------------------------------------------------------------------------------------------
# Physical lines of a byte stream: numbered, decoded (UTF-8, or CP949 where the bytes say so), one at a time.
#
# Lines end at b"\n" only, so that U+2028 or a lone carriage return inside a text never
# makes a record, and line numbers are those an editor and `sed -n 7p` show.

BOM = b"\xef\xbb\xbf"
CARRIAGE_RETURN = "the line has a lone carriage return; `tr '\\r' '\\n'` makes it a line end"
_WESTERN_MARKS = frozenset("£€¥¢§°©®™‘’‚“”„«»‹›–—…•·¡¿½¼¾²³±×÷´¨¸")
# Of the characters of a western text one in so many may be beyond ASCII.
_RARE = 4
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
# Bounds of one record, so that an unclosed quote does not pull a whole file into memory.
MOST_LINES = 1 << 17
MOST_CHARACTERS = 1 << 24
# Bytes of a line that is read at all: a longer one would be held in memory several times.
LONGEST_LINE = 1 << 26
# Bytes of many lines that are read at once: few at first, for often the first rows are all that is wanted.
_FIRST_BYTES, _MOST_BYTES = 1 << 14, 1 << 18


class RecordTooLongError(Exception):
    """A record that goes on beyond its bounds."""


class _Line(NamedTuple):
    text: str
    fault: str | None


class Lines:
    """Iterate the decoded lines of a stream, and remember where it stands.

    Never reads further than the line it returns, but where `many` lines are asked for. A line that cannot be decoded is
    returned with its broken bytes escaped, one that is longer than `LONGEST_LINE` is
    returned as a blank one, and either is noted in `fault` for whoever builds the record;
    `number` is the 1-based physical line returned last; `spelt` brings lines to the usual spelling.
    """

    def __init__(
        self, stream: BinaryIO, source: str, encoding: str = "utf-8", spelt: Callable[[str], str] | None = None
    ) -> None:
        self.source = source
        self.number = 0
        self.fault: str | None = None
        self._stream = stream
        self._encoding = encoding
        self._spelt = spelt
        self._returned: list[_Line] = []
        self._pushed_back: list[_Line] = []
        self._characters = 0
        self._begun = b""
        self._at_once = _FIRST_BYTES

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Return the next line with its line end, decoded.

        Raises:
            RecordTooLongError: the record has had `MOST_LINES` lines or `MOST_CHARACTERS` characters.
            DataError: the stream cannot be read further.
        """
        if self._returned:
            self._go_on()
        line = self._pushed_back.pop() if self._pushed_back else self._read()
        self.number += 1
        self._returned.append(line)
        self.fault = self.fault or line.fault
        return line.text

    def begin_record(self) -> None:
        """Forget the fault and the lines of the record before; the next line starts a new one."""
        self.fault = None
        self._returned.clear()

    def rewind_to_second_line(self) -> None:
        """Hand back all lines of this record but its first, to be read as new records."""
        rest = self._returned[1:]
        self._pushed_back.extend(reversed(rest))
        self.number -= len(rest)

    def many(self) -> list[str]:
        """Return the next lines with their line ends, some thousands of them, each the beginning of a record.

        None are returned where the next one has to be read alone: something is odd about it, or one near it.
        They count as read when `pass_over` is told of them.

        Raises:
            DataError: the stream cannot be read further.
        """
        if self._pushed_back:
            return []
        try:
            more = self._stream.read(self._at_once)
        except READ_ERRORS as error:
            raise DataError.at(self.source, self.number + 1, f"cannot be read further ({error}).") from error
        self._at_once = min(2 * self._at_once, _MOST_BYTES)
        whole, newline, self._begun = (self._begun + more).rpartition(b"\n")
        raw = (whole + newline).removeprefix(BOM) if self.number == 0 else whole + newline
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError:
            text = "\0"
        if "\0" not in text:
            text = text if self._spelt is None else self._spelt(text)
            return [f"{line}\n" for line in text.split("\n")[:-1]]
        self._pushed_back = [self._decode(line + b"\n") for line in reversed(raw.split(b"\n")[:-1])]
        return []

    def pass_over(self, count: int) -> None:
        """Count lines that `many` returned as read."""
        self.number += count

    def take_back(self, lines: Sequence[str]) -> None:
        """Take back the lines that `many` returned, to be read one by one."""
        self._pushed_back += [_Line(line, None) for line in reversed(lines)]

    @property
    def holds_some(self) -> bool:
        """Whether lines were taken back that have not been read again."""
        return bool(self._pushed_back)

    def _go_on(self) -> None:
        """See to it that a record of several lines stays within its bounds."""
        before = len(self._returned)
        self._characters = len(self._returned[-1].text) + (self._characters if before > 1 else 0)
        if before >= MOST_LINES or self._characters > MOST_CHARACTERS:
            raise RecordTooLongError

    def _read(self) -> _Line:
        try:
            raw = self._begun + self._stream.readline(LONGEST_LINE + 1 - len(self._begun))
            self._begun = b""
            if len(raw) > LONGEST_LINE:
                self._skip_line(raw[-1:])
                return _Line("\n", f"the line is longer than {LONGEST_LINE >> 20} MB, the limit for a row")
        except READ_ERRORS as error:
            raise DataError.at(self.source, self.number + 1, f"cannot be read further ({error}).") from error
        if not raw:
            raise StopIteration
        return self._decode(raw.removeprefix(BOM) if self.number == 0 else raw)

    def _skip_line(self, end: bytes) -> None:
        """Read on to the end of a line without holding it; `end` is what came last."""
        while end and end != b"\n":
            end = self._stream.readline(1 << 20)[-1:]

    def _decode(self, raw: bytes) -> _Line:
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            return _Line(raw.decode(self._encoding, "replace"), decoding_fault(raw, error, self._encoding))
        text = text if self._spelt is None else self._spelt(text)
        return _Line(text, "the line has a NUL byte, so it is not text" if "\0" in text else None)


def sniff_encoding(sample: bytes) -> str:
    """Decide between UTF-8 and CP949 by the lines that tell them apart.

    UTF-8 keeps a file in which most such lines are valid, so that a single broken line is
    an error of that line. CP949 must decode all of them, and into Hangul: other 8-bit
    encodings decode by accident, but into rare Hanja and symbols.
    """
    telling = [line for line in sample.removeprefix(BOM).split(b"\n")[:-1] if not line.isascii()]
    if not telling:
        telling = [] if sample.isascii() else [sample.removeprefix(BOM)]
    valid = sum(_decodes(line, "utf-8") for line in telling)
    return "cp949" if 2 * valid < len(telling) and _is_korean(telling) else "utf-8"


def decoding_fault(line: bytes, error: UnicodeDecodeError, encoding: str) -> str:
    """Say as a clause why a line is not text, and what turns it into one where that can be told.

    Args:
        line: the line, without those around it.
        error: what decoding it raised.
        encoding: the encoding that was expected.
    """
    fault = f"not valid {encoding.upper()}: byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
    if encoding == "utf-8" and _is_korean([line]):
        return f"{fault}; it looks like CP949, which `iconv -f cp949 -t utf-8` converts"
    if encoding == "utf-8" and _is_western(line):
        return f"{fault}; it looks like Latin-1, which `iconv -f cp1252 -t utf-8` converts"
    return fault


def _is_korean(lines: Sequence[bytes]) -> bool:
    """Tell whether lines are CP949, and mostly Hangul where they are not ASCII."""
    if not all(_decodes(line, "cp949") for line in lines):
        return False
    foreign = [char for line in lines for char in line.decode("cp949") if not char.isascii()]
    hangul = sum("가" <= char <= "힣" or "ㄱ" <= char <= "ㆎ" for char in foreign)
    return 2 * hangul > len(foreign)


def _is_western(line: bytes) -> bool:
    """Tell whether a line is CP1252: ASCII with some accented letters, quotes and signs of money among it."""
    if not _decodes(line, "cp1252"):
        return False
    text = line.decode("cp1252")
    foreign = [char for char in text if not char.isascii()]
    written = sum(char.isalpha() or char in _WESTERN_MARKS for char in foreign)
    return written == len(foreign) and _RARE * len(foreign) <= len(text)


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


# --- Lines of a stream by the thousand, for work that is fast enough to wait for them -------------
#
# Lines end at b"\n" only, as everywhere in this room.

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
        DataError: a line is not text in this encoding, or the stream breaks off.
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
        raise DataError.at(source, done + 1, f"cannot be read further ({error}).") from error
    return chunk


def _lines(block: bytes, source: str, done: int, encoding: str) -> list[str]:
    """Decode a block; `done` is the number of lines before it."""
    try:
        text = block.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError.at(source, *_broken_line(block, error.start, done, encoding)) from None
    if "\0" in text:
        line = done + 1 + text.count("\n", 0, text.index("\0"))
        raise DataError.at(source, line, "the line has a NUL byte, so it is not text.")
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
