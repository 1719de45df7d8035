"""Files and standard input opened: unpacked, looked at, nothing lost, and nobody kept waiting."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from bertkit.data.formats.opened import Opened, open_input
from bertkit.data.formats.readers import read_rows
from bertkit.data.formats.telling import sniff_format, tell_format
from bertkit.documents.readers.table import told_format
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data


class Standing:
    """Something in the place of sys.stdin."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Opened]:
    """Open standard input with some bytes in it."""

    def opened(content: bytes) -> Opened:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return open_input("-")

    return opened


@pytest.mark.parametrize("content", [b"", b"a", b"\n\n a\nb\n", b"\xef\xbb\xbf\n", b"x" * 300_000 + b"\ny"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_nothing_is_lost_of_a_stream_or_a_file(
    content: bytes, pack: Callable[[bytes], bytes], piped: Callable[[bytes], Opened], tmp_path: Path
) -> None:
    sent = pack(content)
    (tmp_path / "a").write_bytes(sent)
    for opened in (piped(sent), open_input(tmp_path / "a")):
        with opened.stream() as stream:
            assert stream.read() == content
        assert content.startswith(opened.head)
        assert opened.is_blank == (not content.removeprefix(b"\xef\xbb\xbf").strip())


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_file_that_is_alone_in_an_archive_is_read(tmp_path: Path) -> None:
    content = b"text,label\n" + b"good,1\nbad,0\n" * 50_000
    with open_input(zipped(tmp_path / "train.csv.zip", train=content, __MACOSX=b"x")).stream() as stream:
        assert stream.read() == content
    with pytest.raises(DataError, match=r"a\.zip: this is a zip archive of several files; unpack it"):
        sniff_format(zipped(tmp_path / "a.zip", train=content, test=content))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_packed_and_damaged_is_named(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    packed = pack(os.urandom(600_000).hex().encode())
    (tmp_path / "a.txt").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"a\.txt: cannot be read"):
        open_input(tmp_path / "a.txt").stream().read() and list(read_rows(tmp_path / "a.txt"))


def test_the_head_goes_on_to_the_first_line_that_is_not_blank(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + b"\n" * 300_000 + b"  first\nsecond\n")
    opened = open_input(tmp_path / "a")
    assert opened.first_line == 300_001
    assert opened.content.startswith(b"  first\n")


def test_a_pipe_is_waited_for_no_longer_than_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", Standing(reading))
    got: list[bytes] = []

    def listen() -> None:
        with open_input("-").stream() as stream:
            got.append(stream.readline())
            got.append(stream.readline())

    listener = threading.Thread(target=listen, daemon=True)
    with os.fdopen(writing, "wb", buffering=0) as sink:
        sink.write(b"\n")
        listener.start()
        sink.write(b"a\n")
        listener.join(timeout=10)
        assert got == [b"\n", b"a\n"], "more is waited for than the first line"
    os.close(reading)


def test_gzip_is_unpacked_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", Standing(reading))
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(b"a\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    got: list[bytes] = []

    def listen() -> None:
        opened = open_input("-")
        got.append(opened.head)
        opened.stream().close()

    listener = threading.Thread(target=listen, daemon=True)
    with os.fdopen(writing, "wb", buffering=0) as sink:
        listener.start()
        for byte in first:
            sink.write(bytes([byte]))
        listener.join(timeout=10)
        assert got == [b"a\n"]
    os.close(reading)


def test_a_closed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match=r"^<stdin>: standard input is closed"):
        open_input("-")


def test_a_damaged_stream_is_named(piped: Callable[[bytes], Opened]) -> None:
    with pytest.raises(DataError, match=r"^<stdin>: cannot be read"):
        piped(b"\x1f\x8bnonsense")


def test_a_name_that_no_file_can_have_is_no_file() -> None:
    with pytest.raises(DataError, match=r"no such file|cannot be read"):
        open_input("x" * 5000)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("xl/workbook.xml", "this is a spreadsheet; export the sheet as csv"),
        ("word/document.xml", "this is a Word document; save its table as csv"),
        ("ppt/presentation.xml", "this is a set of slides, an OpenDocument text or an EPUB; save it as docx"),
    ],
)
def test_documents_and_sheets_are_called_by_their_names(tmp_path: Path, member: str, said: str) -> None:
    path = tmp_path / "a.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr(member, "<x/>")
    with pytest.raises(DataError, match=rf"a\.bin: {said}"):
        sniff_format(path)
    is_word = member.startswith("word")
    assert (told_format(path.read_bytes(), has_name=True) is not None) == is_word
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match="this is a picture"):
        sniff_format(path)
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DataError, match=r"binary file; csv, tsv, jsonl, txt \(UTF-8\) and parquet"):
        tell_format(open_input(path))
    with pytest.raises(DataError, match=r"binary file; pdf, docx, html, txt \(UTF-8\) and parquet"):
        tell_format(open_input(path), one_text=True)


ROWS = "text,label\n" + "".join(f"{'좋아요' * 20} {place},{place % 2}\n" for place in range(3000))


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("", ROWS.encode("utf-16")),
        ("", b"\xfe\xff" + ROWS.encode("utf-16-be")),
        ("", ROWS.encode("utf-32")),
        (".zst", pa.compress(ROWS.encode(), "zstd", asbytes=True)),
    ],
)
def test_utf16_and_zstd_are_read_by_name_and_through_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"train.csv{suffix}"
    path.write_bytes(content)
    with open_input(path).stream() as stream:
        assert stream.read() == ROWS.encode()
    for data in (tmp_path, path):
        assert list(load_data([str(data)]).labels("train"))[:2] == ["0", "1"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with open_input("-").stream() as stream:
        assert stream.read() == ROWS.encode()
    path.write_bytes(content[:-999])
    with pytest.raises((OSError, DataError)), open_input(path).stream() as stream:
        stream.read()


@pytest.mark.parametrize("content", [b"\x28\xb5\x2f\xfd$\x04text", b"\xff\xfea\x00\x00\xd8a\x00"])
def test_damaged_ones_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for name in (str(tmp_path / "a.csv"), "-"):
        with pytest.raises(DataError, match="cannot be read"):
            open_input(name)
