"""What kind of table a file is: sniffed from its first bytes, its suffix only a hint.

Suffixes mislead: MRPC's and NSMC's `.txt` are TSV, STS's `.csv` is TSV without a header,
CoNLL's `eng.testb` has no suffix at all. TSV is never quoted and CSV always is, so telling
them apart decides whether a stray quote mark swallows the rows after it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath
from typing import BinaryIO

from bertkit.data.columns import HEADER_NAMES, column_name
from bertkit.data.lines import BOM, open_bytes, readable
from bertkit.data.numerals import is_number
from bertkit.data.tag_schemes import is_tag
from bertkit.errors import DataError

KINDS = ("csv", "tsv", "jsonl", "parquet", "txt", "conll")

_SUFFIX_HINTS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
}
_HEAD_BYTES = 1 << 18
_ENCODING_SCAN_BYTES = 1 << 26
_MAX_SAMPLED_LINES = 200


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How the bytes of a file become rows.

    `has_header` is true where the first line of a csv or tsv names the columns;
    `delimiter` is the comma of a csv (a semicolon in some spreadsheets' exports).
    """

    kind: str
    encoding: str = "utf-8"
    has_header: bool = True
    delimiter: str = ","


def sniff_format(path: str | Path, *, kind: str | None = None, header: Sequence[str] = ()) -> TableFormat:
    """Tell the format of a file from its content.

    Args:
        path: a plain or gzipped file.
        kind: a kind the user named; then only the encoding is sniffed, and csv and tsv
            have a header.
        header: names of which a header would hold at least one, where they are known.

    Raises:
        DataError: there is no such file, it is binary, or it is one JSON array.
    """
    path = Path(path)
    with readable(path), open_bytes(path) as stream:
        head = stream.read(_HEAD_BYTES)
        if kind == "parquet" or (kind is None and head.startswith(b"PAR1")):
            return TableFormat("parquet", has_header=False)
        _refuse_binary(path, head)
        encoding = _sniff_encoding(_first_foreign(head, stream))
    lines = _sample_lines(head, encoding)
    if kind is not None:
        return TableFormat(kind, encoding, has_header=kind in ("csv", "tsv"), delimiter=_csv_delimiter(lines))
    return _sniff_kind(path, lines, encoding, {column_name(name).casefold() for name in header})


def encoding_note(path: str | Path, table_format: TableFormat) -> str | None:
    """Say in one sentence that a file is not UTF-8, or nothing if it is."""
    if table_format.encoding == "utf-8":
        return None
    return f"{path} is {table_format.encoding.upper()} (read as such; UTF-8 is safer)"


def _refuse_binary(path: Path, head: bytes) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: this is UTF-16; save it as UTF-8.")
    if b"\0" in head:
        raise DataError(f"{path}: this is a binary file; csv, tsv, jsonl, txt (UTF-8) and parquet can be read.")


def _first_foreign(head: bytes, stream: BinaryIO) -> bytes:
    """Read on until there is a byte that is not ASCII, for only such bytes tell encodings apart."""
    sample, scanned = head, len(head)
    while sample.isascii() and scanned < _ENCODING_SCAN_BYTES:
        more = stream.read(_HEAD_BYTES)
        if not more:
            return sample
        scanned += len(more)
        sample = more + stream.readline()
    return sample


def _sniff_encoding(sample: bytes) -> str:
    """Decide between UTF-8 and CP949 by the lines that tell them apart.

    UTF-8 keeps a file in which most such lines are valid, so that a single broken line is
    an error of that line. CP949 must decode all of them, and into Hangul: other 8-bit
    encodings decode by accident, but into rare Hanja and symbols.
    """
    telling = [line for line in sample.removeprefix(BOM).split(b"\n")[:-1] if not line.isascii()]
    if not telling:
        telling = [] if sample.isascii() else [sample.removeprefix(BOM)]
    valid = sum(_decodes(line, "utf-8") for line in telling)
    if 2 * valid >= len(telling) or not all(_decodes(line, "cp949") for line in telling):
        return "utf-8"
    foreign = [char for line in telling for char in line.decode("cp949") if not char.isascii()]
    hangul = sum("가" <= char <= "힣" or "ㄱ" <= char <= "ㆎ" for char in foreign)
    return "cp949" if 2 * hangul > len(foreign) else "utf-8"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _sample_lines(head: bytes, encoding: str) -> list[str]:
    """Cut the head into complete lines without their ends; blank lines stay in."""
    raw = head.removeprefix(BOM).split(b"\n")
    if len(head) == _HEAD_BYTES and len(raw) > 1:
        raw = raw[:-1]  # the last one is cut off
    return [line.decode(encoding, errors="replace").removesuffix("\r") for line in raw[:_MAX_SAMPLED_LINES]]


def _sniff_kind(path: Path, lines: Sequence[str], encoding: str, expected: Set[str]) -> TableFormat:
    hint = _suffix_hint(path)
    full = [line for line in lines if line.strip()]
    if not full:
        return TableFormat(hint or "txt", encoding, has_header=hint in ("csv", "tsv"))
    first = full[0].lstrip()
    if hint == "jsonl" or _is_json_object(first):
        if first.startswith("["):
            raise DataError(f"{path}: this is one JSON array; write one JSON object per line (`jq -c '.[]'` does it).")
        return TableFormat("jsonl", encoding, has_header=False)
    if _looks_conll(lines, hint):
        return TableFormat("conll", encoding, has_header=False)
    if _looks_tsv(full, hint):
        rows = [line.split("\t") for line in full]
        return TableFormat("tsv", encoding, has_header=_has_header(rows, expected))
    delimiter = _csv_delimiter(full)
    if hint == "csv" or _looks_csv(full, delimiter, hint):
        return TableFormat("csv", encoding, _has_header(_csv_rows(full, delimiter), expected), delimiter)
    return TableFormat(hint or "txt", encoding, has_header=hint == "tsv")


def _suffix_hint(path: PurePath) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return _SUFFIX_HINTS.get(suffixes[-1]) if suffixes else None


def _is_json_object(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _looks_conll(lines: Sequence[str], hint: str | None) -> bool:
    """One token and its tag a line, sentences parted by blank lines."""
    tagged = [line for line in lines if line.strip() and not line.startswith(("##", "-DOCSTART-"))]
    if not tagged:
        return hint == "conll"
    columns = [line.split("\t") if "\t" in line else line.split(" ") for line in tagged]
    all_tags = all(len(row) >= 2 and is_tag(row[-1].strip()) for row in columns)
    parted = any(line.strip() and not after.strip() for line, after in pairwise(lines[:-1]))
    return all_tags and (parted or hint == "conll")


def _looks_tsv(full: Sequence[str], hint: str | None) -> bool:
    tabs = full[0].count("\t")
    if tabs == 0:
        return False
    as_wide = sum(line.count("\t") >= tabs for line in full)
    return hint == "tsv" or 2 * as_wide > len(full)


def _csv_delimiter(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    return ";" if ";" in first and "," not in first else ","


def _looks_csv(full: Sequence[str], delimiter: str, hint: str | None) -> bool:
    """Prose has commas too, so a file not called csv must name two columns we know."""
    rows = _csv_rows(full, delimiter)
    named = len(_header_words(rows[0])) >= 2
    consistent = len(rows[0]) >= 2 and all(len(row) == len(rows[0]) for row in rows)
    return named or (hint == "tsv" and consistent)


def _csv_rows(full: Sequence[str], delimiter: str) -> list[list[str]]:
    """Parse the sampled lines leniently; a record cut off at the end of the sample is left out."""
    try:
        rows = list(csv.reader(io.StringIO("\n".join(full), newline=""), delimiter=delimiter))
    except csv.Error:
        rows = [line.split(delimiter) for line in full]
    return rows[:-1] if len(rows) > 2 else rows


def _header_words(names: Sequence[str]) -> set[str]:
    return {column_name(name).casefold() for name in names} & HEADER_NAMES


def _has_header(rows: Sequence[Sequence[str]], expected: Set[str]) -> bool:
    """Take the first row for a header unless it is plainly a row like those below it.

    A number at the top of a column of numbers says there is no header; a number above a
    column of text ("0", "1", … as pandas writes them) says there is one.
    """
    first, below = rows[0], rows[1:]
    if expected:
        return any(column_name(name).casefold() in expected for name in first)
    if any(" " in cell and all(map(is_tag, cell.split())) for cell in first):
        return False
    if _header_words(first) or not below:
        return True
    numeric = [column for column, name in enumerate(first) if is_number(name)]
    for column in numeric:
        values = [row[column] for row in below if column < len(row)]
        if 2 * sum(is_number(value) for value in values) < len(values):
            return True
    return not numeric
