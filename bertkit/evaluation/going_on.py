"""What a prediction that was interrupted has written, so that it is gone on with.

The last bytes may be half a record, and are dropped. What is there before them is kept, and the
last block of it computed once more: other bytes would be of another run, input or option.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bertkit.errors import DataError, UsageError
from bertkit.files import is_file, temporary

TABLES = {"csv": ",", "tsv": "\t"}
FORMATS = ("jsonl", *TABLES)
_BEYOND = 1 << 24


@dataclass(frozen=True)
class Written:
    """What is there of an output.

    Attributes:
        place: the file that holds it: the output's own, or the one it is written as beside it.
        rows: its whole records.
        size: their bytes, a table's header included.
        errors: how many are error records.
        truncated: of how many the row was cut.
        first_error: line and message of the first.
        names: the header of a table.
    """

    place: Path
    rows: int
    size: int
    errors: int = 0
    truncated: int = 0
    first_error: tuple[str, str] | None = None
    names: tuple[str, ...] = ()


def read_written(output: Path, output_format: str) -> Written | None:
    """Look at what an interrupted command has left of an output.

    Args:
        output: the file of --output.
        output_format: jsonl, csv or tsv.

    Returns:
        None where there is not one whole record.

    Raises:
        UsageError: records of the format cannot be told from its lines.
        DataError: what is there is no such output.
    """
    if output_format not in FORMATS:
        raise UsageError(
            f"--resume: needs --output-format {', '.join(FORMATS)}; {output_format} cannot be gone on with."
        )
    place = next((path for path in (temporary(output), output) if is_file(path)), None)
    if place is None:
        return None
    rows, size, errors, truncated, first = 0, 0, 0, 0, None
    names: tuple[str, ...] = ()
    for values, end in _records(place, output_format):
        if output_format in TABLES and not names:
            names = tuple(values)
            continue
        rows, size = rows + 1, end
        if values.get("error"):
            errors += 1
            first = first or (str(values.get("line", "")), str(values["error"]))
        truncated += str(values.get("truncated", "")).lower() == "true"
    return Written(place, rows, size, errors, truncated, first, names) if rows else None


def bytes_from(written: Written, row: int, output_format: str) -> bytes:
    """Return the bytes of the records that are there from one on."""
    before = row + (output_format in TABLES)
    start = (
        next((end for _, end in islice(_stretches(written.place, output_format), before - 1, None)), 0) if before else 0
    )
    with written.place.open("rb") as stream:
        stream.seek(start)
        return stream.read(written.size - start)


def _records(place: Path, output_format: str) -> Iterator[tuple[dict[str, object], int]]:
    """Yield the whole records of a file and where each ends; a table's header is one whose keys are its names."""
    names: list[str] = []
    for text, end in _stretches(place, output_format):
        if output_format not in TABLES:
            values = _json(text)
            if values is None:
                raise DataError(
                    f"{place}: byte {end:,}: is no record that bertkit predict has written; --force starts over."
                )
            yield values, end
            continue
        cells = next(csv.reader([text.decode("utf-8", "replace")], delimiter=TABLES[output_format]), [])
        if not names:
            names = cells
            if "line" not in names:
                raise DataError(f"{place}: has another header than bertkit predict writes; --force starts over.")
            yield dict.fromkeys(names), end
        else:
            yield dict(zip(names, cells, strict=False)), end


def _stretches(place: Path, output_format: str) -> Iterator[tuple[bytes, int]]:
    """Yield the bytes of each whole record, and where it ends: in a table a quoted cell may hold line ends."""
    end, held = 0, b""
    with place.open("rb") as stream:
        for line in stream:
            end += len(line)
            held += line
            if not line.endswith(b"\n"):
                return
            if output_format in TABLES and held.count(b'"') % 2 and len(held) < _BEYOND:
                continue
            yield held, end
            held = b""


def _json(text: bytes) -> dict[str, object] | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) and "line" in values else None
