r"""Physical lines of a byte stream: numbered, decoded, one at a time.

Lines end at b"\n" only, so that U+2028 or a lone carriage return inside a text never
makes a record, and line numbers are those an editor and `sed -n 7p` show.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

from bertkit.errors import DataError
from bertkit.files import exists, is_dir, is_file

BOM = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"
READ_ERRORS = (OSError, EOFError, zlib.error)
STDIN_IS_CLOSED = "<stdin>: standard input is closed; name a file, or pipe something in."


def open_stdin() -> io.BufferedReader:
    """Open standard input for reading bytes.

    Not as sys.stdin's own buffer: a thread that reads it would hold it locked when Python ends.

    Raises:
        DataError: it is closed, or cannot be read.
    """
    try:
        os.read(0, 0)
        return io.open(os.dup(0), "rb")  # noqa: UP020
    except OSError as error:
        if error.errno == errno.EBADF:
            raise DataError(STDIN_IS_CLOSED) from None
        raise DataError(f"<stdin>: cannot be read ({error.strerror}).") from error


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading bytes, unpacking gzip by its magic number, not its suffix.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    if is_dir(path):
        raise DataError(f"{path}: this is a directory; name a file in it.")
    if exists(path) and not is_file(path):
        raise DataError(f"{path}: this is not a regular file; pipe it into stdin and use '-'.")
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
        return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")
    except (FileNotFoundError, ValueError):  # a name with a NUL byte, or with what no name can hold
        raise DataError(f"{path}: no such file.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a damaged or unreadable file raises into a `DataError` that names it."""
    try:
        yield
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


class _Line(NamedTuple):
    text: str
    fault: str | None


class Lines:
    """Iterate the decoded lines of a stream, and remember where it stands.

    Never reads further than the line it returns. A line that cannot be decoded is
    returned with its broken bytes escaped, and noted in `fault` for whoever builds the
    record; `number` is the 1-based physical line returned last.
    """

    def __init__(self, stream: BinaryIO, source: str, encoding: str = "utf-8") -> None:
        self.source = source
        self.number = 0
        self.fault: str | None = None
        self._stream = stream
        self._encoding = encoding
        self._returned: list[_Line] = []
        self._pushed_back: list[_Line] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Return the next line with its line end, decoded."""
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

    def _read(self) -> _Line:
        try:
            raw = self._stream.readline()
        except READ_ERRORS as error:
            raise DataError.at(self.source, self.number + 1, f"cannot be read on ({error}).") from error
        if not raw:
            raise StopIteration
        return self._decode(raw.removeprefix(BOM) if self.number == 0 else raw)

    def _decode(self, raw: bytes) -> _Line:
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            where = f"byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line"
            return _Line(raw.decode(self._encoding, "replace"), f"not valid {self._encoding.upper()}: {where}")
        return _Line(text, "the line holds a NUL byte, which no text has" if "\0" in text else None)
