"""A file or standard input, unpacked, with its first bytes looked at; and how much of all inputs has been read."""

from __future__ import annotations

import atexit
import bz2
import codecs
import gzip
import io
import lzma
import os
import re
import select
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from bertkit.data.formats.lines import BOM, READ_ERRORS
from bertkit.errors import DataError, UsageError
from bertkit.files import exists, is_dir, is_file, is_standard_output
from bertkit.plain import STDIN, STDIN_NAME, keeps_stdin

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# --------------------------------------------------------------------------------------------------
# How much of its inputs a command has read, in bytes as they lie on disk: what is left can be told from it.
#
# Whoever wants to know opens a meter, and every input that is opened meanwhile is watched: a
# file may be read through several layers (gzip, decoding, csv), of which only the lowest knows
# how far it has come.


_active: list[Meter] = []


class Meter:
    """Bytes that are to be read, and those that have been."""

    def __init__(self) -> None:
        self._sizes: dict[str, int | None] = {}
        self._files: dict[str, Watched] = {}

    def expect(self, names: Iterable[str | Path]) -> None:
        """Hear which inputs will be opened: paths, or - for standard input."""
        self._sizes |= {_key(name): size_of(name) for name in names}

    def restart(self) -> None:
        """Begin again: the same inputs are read once more."""
        self._files.clear()

    def share(self) -> float | None:
        """Return which share of the bytes has been read, 0 to 1; None where it is not known how many there are."""
        sizes = self._sizes.values()
        total = sum(size for size in sizes if size is not None)
        if None in sizes or not total:
            return None
        return min(1.0, sum(self._position(key) for key in self._sizes) / total)

    def expected(self, done: int) -> float | None:
        """Return how many rows there will be, when so many have been read; None: not to be told."""
        share = self.share()
        return done / share if share else None

    def watch(self, name: str | Path, file: Watched) -> None:
        """Look at a file of the inputs; what was opened of it before was to tell what it is."""
        if (key := _key(name)) in self._sizes:
            self._files[key] = file

    def _position(self, key: str) -> int:
        return self._files[key].position() if key in self._files else 0


class Watched(io.FileIO):
    """A file that says how far it has been read, also when it is closed."""

    def __init__(self, file: str | Path | int) -> None:
        self._end = 0
        super().__init__(file, "rb")

    def position(self) -> int:
        """Return how many bytes have been read."""
        with suppress(OSError, ValueError):  # it is closed, perhaps just now, or a pipe
            return self.tell()
        return self._end

    def close(self) -> None:
        """Close the file."""
        self._end = self.position()
        super().close()


@contextmanager
def metered() -> Iterator[Meter]:
    """Watch inputs that are opened in the body, once the meter is told of them."""
    meter = Meter()
    _active.append(meter)
    try:
        yield meter
    finally:
        _active.remove(meter)


def watched(name: str | Path, file: str | Path | int) -> io.FileIO:
    """Open a file for reading bytes, seen by all meters of now.

    Args:
        name: of the input; - for standard input.
        file: its path, or its descriptor, which is closed with it.
    """
    opened = Watched(file)
    for meter in _active:
        meter.watch(name, opened)
    return opened


def _key(name: str | Path) -> str:
    return STDIN_NAME if str(name) == STDIN_NAME else str(Path(name).absolute())


def size_of(name: str | Path) -> int | None:
    """Return the size of a regular file; None of anything else, of which it is not known."""
    try:
        found = os.fstat(sys.stdin.fileno()) if str(name) == STDIN_NAME else Path(name).stat()
    except (OSError, ValueError, AttributeError):  # AttributeError: the caller has closed standard input
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


# --- A file or standard input, unpacked, with its first bytes looked at and none of them lost -----
#
# What an input is shows in its first line that is not blank. Of a pipe no more is waited for
# than that line, so that one who types is answered at once.

# What lies beside a text that was annotated with brat.
ANNOTATIONS = ".ann"
# How packed files begin, and what unpacks them; a zip archive is one where it holds a single file, and UTF-16
# is written as UTF-8.
_UNPACKERS: Mapping[bytes, Callable[[Any], Any]] = {
    b"\xff\xfe\x00\x00": lambda packed: _Recoded(packed, "utf-32"),
    b"\xff\xfe": lambda packed: _Recoded(packed, "utf-16"),
    b"\xfe\xff": lambda packed: _Recoded(packed, "utf-16"),
    b"\x28\xb5\x2f\xfd": lambda packed: _OfZstd(packed),  # noqa: PLW0108 (it is defined below)
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_ZIP_MAGIC = b"PK\x03\x04"
_MAGIC_BYTES = 5
HEAD_BYTES = 1 << 18
# A first line, or blank lines before it, beyond this are told from what is there.
_MOST_HEAD_BYTES = 1 << 24
_ENCODING_SCAN_BYTES = 1 << 26
_BLANKS = re.compile(rb"(?:\xef\xbb\xbf)?\s*")

# Bytes that are read of a file at once.
_BUFFER_BYTES = 1 << 17

_Read = Callable[[int], bytes]


@dataclass(frozen=True)
class Opened:
    """An input at its beginning.

    Attributes:
        name: what sentences call it: its path, or <stdin>.
        head: the first of its bytes, unpacked, up to the end of the first line that is not
            blank, or further.
        whole: whether nothing comes after the head.
        source: the file, or the stream whose head has been read.
    """

    name: str
    head: bytes
    whole: bool
    source: Path | BinaryIO

    @property
    def path(self) -> Path | None:
        """Where the file is; None for standard input."""
        return self.source if isinstance(self.source, Path) else None

    @property
    def is_slow(self) -> bool:
        """Whether its rows may come slowly: it is neither a file nor standard input from one."""
        if self.path is not None:
            return False
        try:
            return not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
        except (OSError, ValueError, AttributeError):
            return True

    def stream(self) -> BinaryIO:
        """Open all of its bytes, unpacked, from the first on; standard input can be read only once.

        Raises:
            DataError: the file cannot be opened any more.
        """
        return open_bytes(self.source) if isinstance(self.source, Path) else self.source

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it but white space and a byte order mark."""
        return self.whole and _content_start(self.head) == len(self.head)

    @property
    def content(self) -> bytes:
        """The head from the beginning of its first line that is not blank."""
        start = self.head.rfind(b"\n", 0, _content_start(self.head)) + 1
        return self.head[start:].removeprefix(b"" if start else BOM)

    @property
    def first_line(self) -> int:
        """The 1-based number of the first line that is not blank."""
        return 1 + self.head.count(b"\n", 0, _content_start(self.head))

    def telling_bytes(self) -> bytes:
        """Return bytes that tell encodings apart: the head, or of a file what holds the first that are not ASCII."""
        if self.path is None or self.whole or not self.head.isascii():
            return self.head
        with readable(self.path), open_bytes(self.path) as stream:
            for _ in range(0, _ENCODING_SCAN_BYTES, HEAD_BYTES):
                sample = stream.read(HEAD_BYTES)
                if not sample.isascii():
                    return sample + stream.readline()
        return self.head


def open_input(name: str | Path) -> Opened:
    """Open a file, or standard input for "-", plain or gzipped.

    Raises:
        DataError: there is no such file, it cannot be read, or standard input is closed.
    """
    if str(name) == "-":
        with readable(STDIN):
            return _open_stdin()
    path = Path(name)
    with readable(path), open_bytes(path) as stream:
        head, whole = _read_head(stream.read, b"")
    # A file gives as much as is asked for, unless it ends.
    return Opened(str(name), head, whole or len(head) % HEAD_BYTES != 0, path)


def kept_on_disk(names: Sequence[str]) -> list[str]:
    """Return names of data that can be read again and again: standard input, if named, is copied to a file.

    The file goes when the process ends.

    Raises:
        DataError: standard input is closed, or cannot be read.
        UsageError: it is named beside others.
    """
    if STDIN_NAME not in names:
        return list(names)
    if len(names) > 1:
        raise UsageError("DATA: - (standard input) cannot be combined with other names.")
    opened = open_input(STDIN_NAME)
    folder = tempfile.mkdtemp(prefix="bertkit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "stdin")
    with readable(STDIN), path.open("wb") as file:
        shutil.copyfileobj(opened.stream(), file)
    keeps_stdin(str(path))
    return [str(path)]


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
            _refuse_output(file.fileno(), str(path))
            head = file.read(_MAGIC_BYTES)
        stream = io.BufferedReader(watched(path, path), _BUFFER_BYTES)
        return unpacked(stream, head)
    except (FileNotFoundError, ValueError):  # a name with a NUL byte, or with what no name can hold
        raise DataError(f"{path}: no such file.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error


def is_packed(head: bytes) -> bool:
    """Tell by its first bytes whether a file is packed."""
    return head.startswith((*_UNPACKERS, _ZIP_MAGIC))


def unpacked(stream: io.BufferedReader[Any], head: bytes) -> BinaryIO:
    """Return what unpacks a stream that begins with some bytes, or the stream itself; it is closed with it."""
    made = next((make(stream) for magic, make in _UNPACKERS.items() if head.startswith(magic)), None)
    made = made or (_only_member(stream) if head.startswith(_ZIP_MAGIC) else None)
    return cast("BinaryIO", stream if made is None else UnpackedReader(_Unpacked(made, stream), _BUFFER_BYTES))


class _OfZstd:
    """What is in a stream that zstd has packed."""

    def __init__(self, stream: Any) -> None:
        import pyarrow

        self._inner = pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, mode="r"), "zstd")

    def read(self, count: int) -> bytes:
        """Read as many bytes at most, none only at the end.

        Raises:
            OSError: it is damaged.
        """
        try:
            found: bytes = self._inner.read(count)
        except READ_ERRORS:
            raise
        except ValueError as error:  # of Arrow
            raise OSError(str(error)) from error
        return found

    read1 = read

    def close(self) -> None:
        """Close nothing: the stream has an owner."""


class _Recoded:
    """A stream that begins with the mark of its encoding, as UTF-8."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left, self._ended = b"", False

    def read(self, count: int) -> bytes:
        """Read as many bytes at most, none only at the end.

        Raises:
            OSError: it is not in this encoding.
        """
        while not self._left and not self._ended:
            # What has arrived is enough: a pipe is not waited for.
            raw = getattr(self._stream, "read1", self._stream.read)(count) or b""
            self._ended = not raw
            try:
                self._left = self._decoder.decode(raw, final=self._ended).encode("utf-8")
            except UnicodeError as error:
                raise OSError(f"not valid {self._encoding.upper()}: {error}") from error
        found, self._left = self._left[:count], self._left[count:]
        return found

    read1 = read

    def close(self) -> None:
        """Close nothing: the stream has an owner."""


def _only_member(stream: io.BufferedReader[Any]) -> Any:
    """Open the file that is alone in a zip archive; None where there are several, as in documents."""
    import zipfile

    try:
        archive = zipfile.ZipFile(stream)
        inside = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        return archive.open(inside[0]) if len(inside) == 1 else None
    except (zipfile.BadZipFile, OSError, RuntimeError):  # damaged, a stream, or with a password: it stays as it is
        return None
    finally:
        if stream.seekable():
            stream.seek(0)


def is_annotated(path: Path) -> bool:
    """Tell whether brat's annotations lie beside a text."""
    return path.suffix == ".txt" and is_file(path.with_suffix(ANNOTATIONS))


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turn what a damaged or unreadable file raises into a `DataError` that names it."""
    try:
        yield
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


def _open_stdin() -> Opened:
    read, close = _stdin_reader()
    begin = _read_until(read, _MAGIC_BYTES)
    if (make := next((make for magic, make in _UNPACKERS.items() if begin.startswith(magic)), None)) is not None:
        # Given a raw stream, gzip hands on what has arrived; it would wait for a full buffer of another.
        read = make(_Replayed(begin, read, close)).read1
        begin = b""
    head, whole = _read_head(read, begin)
    stream = io.BufferedReader(_Replayed(head, read, close), HEAD_BYTES)
    return Opened(STDIN, head, whole, cast("BinaryIO", stream))


def _stdin_reader() -> tuple[_Read, Callable[[], None]]:
    """Return what reads as many bytes as have arrived, and what ends the reading.

    Not through sys.stdin's own buffer: a thread that reads it would hold it locked when
    Python ends.
    """
    if sys.stdin is None:
        raise DataError(f"{STDIN}: standard input is closed; name a file, or pipe something in.")
    try:
        descriptor = sys.stdin.fileno()
    except OSError:  # no real one: it holds what a test, or a program that calls us, put there
        return cast("io.BytesIO", sys.stdin.buffer).read1, lambda: None
    _refuse_output(descriptor, STDIN)
    raw = watched(STDIN_NAME, os.dup(descriptor))

    def read(count: int) -> bytes:
        while (found := raw.read(count)) is None:  # nothing yet, where whoever opened it does not block
            select.select([raw], [], [])
        return found

    return read, raw.close


def _refuse_output(descriptor: int, name: str) -> None:
    if is_standard_output(os.fstat(descriptor)):
        raise DataError(f"{name}: standard output goes to this file; send it to another one.")


def _read_until(read: _Read, count: int) -> bytes:
    """Read at least `count` bytes, less only where the stream ends or a line does."""
    found = b""
    while len(found) < count and not found.endswith(b"\n") and (more := read(HEAD_BYTES)):
        found += more
    return found


def _read_head(read: _Read, begin: bytes) -> tuple[bytes, bool]:
    """Read up to the end of the first line that is not blank; also tell whether that was all."""
    head, started = bytearray(begin), None
    more = begin
    while True:
        if started is None:
            started = _content_start(head)
            ends = head.find(b"\n", started) >= 0
            started = started if started < len(head) else None
        else:
            ends = b"\n" in more
        if ends or len(head) >= _MOST_HEAD_BYTES:
            return bytes(head), False
        more = read(HEAD_BYTES)
        if not more:
            return bytes(head), True
        head += more


def _content_start(head: bytes | bytearray) -> int:
    """Find the first byte that is not white space."""
    blanks = _BLANKS.match(head)
    assert blanks is not None, "the pattern matches nothing as well"
    return blanks.end()


class UnpackedReader(io.BufferedReader):
    """What is in a packed file: it cannot be opened by the file's name alone."""


class _Unpacked(io.RawIOBase):
    """What is in a packed file, which is closed with it."""

    def __init__(self, inner: Any, packed: io.BufferedReader[Any]) -> None:
        self._inner = inner
        self._packed = packed

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        super().close()
        self._inner.close()
        self._packed.close()

    def readinto(self, buffer: WriteableBuffer) -> int:
        wanted = memoryview(buffer)
        try:
            part = self._inner.read(len(wanted))
        except READ_ERRORS:
            raise
        except Exception as error:  # of zipfile: a damaged member
            raise OSError(str(error)) from error
        wanted[: len(part)] = part
        return len(part)


class _Replayed(io.RawIOBase):
    """A stream from its beginning, though its first bytes have been read."""

    def __init__(self, head: bytes, read: _Read, close: Callable[[], None]) -> None:
        self._head = memoryview(head)
        self._read = read
        self._close = close

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        super().close()
        self._close()

    def readinto(self, buffer: WriteableBuffer) -> int:
        wanted = memoryview(buffer)
        if self._head:
            part: bytes | memoryview = self._head[: len(wanted)]
            self._head = self._head[len(part) :] or memoryview(b"")
        else:
            part = self._read(len(wanted))
        wanted[: len(part)] = part
        return len(part)
