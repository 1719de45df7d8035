"""Are the rows that nothing touched answered as they are? By kind of answer."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.campaign.commands import Call
from tests.campaign.inprocess import Ran
from tests.campaign.inputs import Input, Kept
from tests.campaign.runs import Answer, Runs

# Batches of other rows round otherwise, in the last of six decimals.
TOLERANCE = 2e-5
# What may differ between two answers to the same texts.
_OWN = ("line", "source")
ROWS_SENTENCE = "rows could not be read"
# Said where a pipe's first line is a header, and the lines after it are not rows of a table.
_AS_TEXT = "read as plain text, though"

Judge = Callable[[Ran, Call, Input, Runs, bytes], Iterator[str]]


def judged(ran: Ran, call: Call, given: Input, runs: Runs, folder: Path) -> list[str]:
    """List what is wrong with the answers."""
    if given.refused and ran.code == 0 and call.judge not in ("lines", "text lines"):
        return ["two columns of one name: one was taken in silence"]
    if _is_ambiguous(call, given) or ran.code not in (0, 3) or _AS_TEXT in ran.err:
        return []
    out = ran.out
    if call.output is not None and call.judge in ("records", "documents"):
        path = folder / call.output
        if not path.is_file():
            return ["the rows' answers were thrown away"] if ROWS_SENTENCE in ran.err else []
        out = path.read_bytes()
    try:
        return list(dict.fromkeys(JUDGES[call.judge](ran, call, given, runs, out)))
    except NotJsonError as error:
        return [f"output is no JSON: {error}"]


def _is_ambiguous(call: Call, given: Input) -> bool:
    """Tell whether nobody could know what the input is: neither its name nor its head say so.

    Nor is anything known of rows that two stray quotes enclose.
    """
    unnamed = given.renamed or call.piped
    if call.kind == "summarize" and given.kind in ("csv", "tsv") and unnamed and not call.told:
        return True  # a text with commas is a document, unless its name or a flag says otherwise
    return given.enclosed or (unnamed and given.head_hurt and not call.told)


class NotJsonError(Exception):
    """What should be JSON is none."""


def parsed(line: str) -> Any:
    """Parse JSON as the standard has it: no NaN, no Infinity.

    Raises:
        NotJsonError: it is none.
    """

    def refuse(name: str) -> NoReturn:
        raise NotJsonError(name)

    try:
        return json.loads(line, parse_constant=refuse)
    except ValueError as error:
        raise NotJsonError(f"{type(error).__name__}, {line[:40]!r}") from None


def _records(out: bytes) -> list[Any]:
    text = out.decode("utf-8", "replace")
    if text and not text.endswith("\n"):
        raise NotJsonError("the last line is not whole")
    return [parsed(line) for line in text.split("\n")[:-1]]


def _is_like(answer: Any, expected: Any) -> bool:
    """Compare two answers, numbers but for rounding."""
    if isinstance(expected, float):
        return isinstance(answer, int | float) and math.isclose(answer, expected, abs_tol=TOLERANCE)
    if isinstance(expected, Mapping):
        names = [name for name in expected if name not in _OWN]
        return isinstance(answer, Mapping) and all(_is_like(answer.get(name), expected[name]) for name in names)
    if isinstance(expected, list):
        is_list = isinstance(answer, list) and len(answer) == len(expected)
        return is_list and all(map(_is_like, answer, expected))
    return bool(answer == expected)


def _predicted(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    yield from _compare(_records(out), ran, call, given, runs.answers[given.task])


def _predicted_table(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    """Judge a csv by its lines and its count; its cells are texts."""
    rows = list(csv.DictReader(io.StringIO(out.decode("utf-8", "replace"), newline=""), strict=True))
    if any(None in row or None in row.values() for row in rows):
        yield "a row of the table has more or fewer cells than its header"
    records = [{"line": int(row["line"]), **({"error": row["error"]} if row["error"] else {})} for row in rows]
    yield from _compare(records, ran, call, given, None)


def _compare(
    records: Sequence[Any],
    ran: Ran,
    call: Call,
    given: Input,
    answers: Mapping[tuple[str, ...], Answer] | None,
) -> Iterator[str]:
    said_rows = ran.code == 3 and ROWS_SENTENCE in ran.err
    lines = [record["line"] for record in records]
    # Rows of a list within a list stand where that list begins.
    if lines != sorted(set(lines) if given.numbered else lines):
        yield "records are out of order, or a line has two"
    if len(records) > given.most:
        yield "more records than rows"
    if any("error" in record for record in records) and not ran.code:
        yield "an error record and exit 0"
    whole = ran.code == 0 or said_rows
    is_told = ran.code == 0 or not (given.renamed or given.damaged_packed)  # a wrong kind is refused row by row
    if whole and is_told and given.exact is not None:
        rows = given.exact - ran.err.count("the line repeats the header, left out")  # no row, and said
        if len(records) != rows:
            yield f"records: {_more_or_fewer(len(records), rows)} than rows"
    if not records and not ran.err and given.data.strip():
        yield "no record of an input that is not empty, and not a word"
    if given.numbered:
        yield from _at_their_lines(records, given, answers, whole=whole, silent=ran.code == 0)
    elif ran.code == 0:
        yield from _in_their_order(records, given, answers)


def _at_their_lines(
    records: Sequence[Any],
    given: Input,
    answers: Mapping[tuple[str, ...], Answer] | None,
    *,
    whole: bool,
    silent: bool,
) -> Iterator[str]:
    by_line = {record["line"]: record for record in records}
    for kept in given.kept:
        record = by_line.get(kept.line)
        # What hides the kind of a file, or the ends of its rows, may take good rows with it; that is said.
        hidden = given.loose or given.head_hurt or given.renamed or (given.kind == "csv" and not kept.early)
        may_be_refused = hidden and not silent
        if record is None:
            if whole and not may_be_refused and not given.damaged_packed:
                yield f"{_when(kept)} is lost"
        elif "error" in record:
            if not may_be_refused and not given.damaged_packed:
                yield f"{_when(kept)} is refused"
        elif answers is not None and not _is_like(record, answers[kept.row.texts]):
            if given.damaged_packed or (given.head_hurt and not silent):
                continue  # another header may name other columns
            yield f"{_when(kept)} is misread"


def _when(kept: Kept) -> str:
    return "a row before the damage" if kept.early else "a row that nothing touched"


def _in_their_order(
    records: Sequence[Any], given: Input, answers: Mapping[tuple[str, ...], Answer] | None
) -> Iterator[str]:
    """Demand the rows in their order, at whatever lines."""
    if answers is None:
        return
    rest = iter(records)
    for kept in given.kept:
        if not any(_is_like(record, answers[kept.row.texts]) for record in rest):
            yield "a row that nothing touched is lost or misread"
            return


def _more_or_fewer(found: int, there: int) -> str:
    return "more" if found > there else "fewer"


def _lines(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    """Demand an answer to each line, where lines are what is asked for."""
    records = _records(out)
    yield from _counted_lines(len(records), ran, given)
    if given.kind == "txt" and ran.code == 0 and given.numbered and records and "token" in records[0]:
        for kept in given.kept:
            if kept.line > len(records) or records[kept.line - 1]["token"] != kept.row.texts[0]:
                yield f"{_when(kept)} is misread"
                return


def _text_lines(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    yield from _counted_lines(out.count(b"\n"), ran, given)


def _counted_lines(count: int, ran: Ran, given: Input) -> Iterator[str]:
    if ran.code or given.name.endswith(".gz") or given.kind == "parquet":
        return
    there = given.data.count(b"\n") + (given.data[-1:] not in (b"", b"\n"))
    if count != there and given.story[-1:] != ("gzip",):
        yield f"answers: {_more_or_fewer(count, there)} than lines"


def _bounded(count: int, ran: Ran, call: Call, given: Input, least: int, most: int) -> Iterator[str]:
    """Demand that a command that ends well has counted every row."""
    if ran.code:
        return
    if given.damaged_packed:
        yield from () if count >= least else ("rows of a damaged file are lost in silence",)
    elif count < least:
        yield "rows are lost in silence"
    elif count > most:
        yield "more rows than there are"


def _rows_there(given: Input) -> tuple[int, int]:
    """Return how many rows there are at least, and at most."""
    return (len(given.kept), given.most) if given.filled is None else (given.filled, given.filled)


def _rows_counted(count: int, ran: Ran, call: Call, given: Input) -> Iterator[str]:
    yield from _bounded(count, ran, call, given, *_rows_there(given))


def _inspected(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    for values in _records(out):
        counted = sum(split["rows"] for split in values["splits"].values())
        unusable = sum(found["count"] for found in values["findings"] if found["kind"] == "unusable_row")
        if unusable and given.kind == "csv":
            continue  # an open quote may have taken rows with it; read as said
        # An unusable row is left out, or counted and told.
        least, most = _rows_there(given)
        yield from _bounded(counted + unusable, ran, call, given, least, most + unusable)
        labels = values["splits"].get("train", {}).get("labels") or {}  # nothing at all may be usable
        if given.task in ("classify", "pair") and given.numbered:
            own = [kept.row.fields["label"] for kept in given.kept]
            if not unusable and any(labels.get(label, 0) < own.count(label) for label in set(own)):
                yield "labels of rows that nothing touched are lost"


def _planned(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    for values in _records(out):
        yield from _rows_counted(sum(values["rows"].values()), ran, call, given)


def _trained(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    yield from () if len(_records(out)) == (ran.code == 0) else ("not one result",)


def _scored(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    for values in _records(out):
        yield from _rows_counted(values["n"], ran, call, given)


def _texts(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    """Count texts; a row has one or several."""
    for values in _records(out):
        least = sum(len(kept.row.texts) for kept in given.kept)
        most = given.most * max((len(kept.row.texts) for kept in given.kept), default=8)
        yield from _bounded(values["texts"], ran, call, given, least, max(most, 8 * given.most))


def _documents(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    """Demand that each document begins as its row does."""
    records = _records(out)
    if ran.code or given.kind == "conll" or given.task in ("pair", "choice", "ner"):
        return
    if given.kind == "txt":
        yield from () if len(records) == 1 else ("a text became several documents",)
        return
    begun = [record["sentences"][0]["text"] for record in records if record.get("sentences")]
    rest = iter(begun)
    for kept in given.kept:
        if not any(kept.row.texts[0].startswith(text) for text in rest):
            yield "a document that nothing touched is lost or misread"
            return


def _are_json(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    _records(out)
    yield from ()


def _nothing(ran: Ran, call: Call, given: Input, runs: Runs, out: bytes) -> Iterator[str]:
    yield from ()


JUDGES: Mapping[str, Judge] = {
    "records": _predicted,
    "csv records": _predicted_table,
    "lines": _lines,
    "text lines": _text_lines,
    "inspected": _inspected,
    "planned": _planned,
    "trained": _trained,
    "scored": _scored,
    "texts": _texts,
    "documents": _documents,
    "json": _are_json,
    "nothing": _nothing,
}
