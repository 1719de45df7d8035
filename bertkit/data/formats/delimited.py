"""Records of csv and tsv as rows; and whether lines are a table, what parts their fields, and what names them."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from bertkit.data.column_names import HEADER_NAMES, column_name, folded
from bertkit.data.formats.lines import CARRIAGE_RETURN, MOST_CHARACTERS, Lines, RecordTooLongError
from bertkit.data.records import BadRow, LeftOut, Row
from bertkit.data.tagged.schemes import is_tag
from bertkit.data.values import is_number
from bertkit.errors import DataError, first_repeated
from bertkit.plain import quoted

# --- Whether lines are a table, what parts their fields, and whether the first of them names the columns

Knows = Callable[[Sequence[str]], bool]
"""Tells whether the columns of these names are what the reader wants."""

DELIMITERS = ("\t", ",", ";", "|")
# What the first line of a table may be where nothing stands below it yet.
_LONG_NAME = 30
_NAME_WORDS = 3
# Lines of prose that begin a text may have as many commas each by chance; more than these do not.
_FEW_ROWS = 3
# What lines above a table begin with that are remarks, and how many titles may stand there, above how many rows.
COMMENTS = ("#", "//", "--", "%", ";")
_MOST_TITLES, _FEW_TITLED = 4, 5
# What stands in one of so many rows is not a name of its column.
_OFTEN = 20
# How JSON begins, and not a line of a text in brackets.
_JSON = re.compile(r'\s*[\[{]\s*(?:["{\[\]}#]|/[/*]|$)')
# The names of a table whose fields spaces part, as R writes them; and rows that are many enough to be numbered.
_QUOTED_NAMES = re.compile(r'"[^"]*"(?: "[^"]+")+')
_MANY_ROWS = 10
_NUMBER_NAME = re.compile(
    r"#|(?:.*[\W_])?(?:ids?|idx|index|no|nr|num|number|line|year|age|rank|count|score|rating|stars)|.*[a-z](?:Id|ID)"
    r"|.*(?:번호|순번|연번|점수|평점|별점)|연도|나이",
    re.IGNORECASE,
)
# What stands beside the sums below a table, how many rows they add up at most, and how near they come.
_TOTALS = frozenset(
    {"Total", "TOTAL", "total", "Totals", "Grand Total", "Sum", "SUM", "Average", "Mean"}
    | {"합계", "총계", "총합", "총합계", "평균", "소계", "계"}
)
_MOST_ADDED, _NEARLY = 5000, 0.05
# A cell in quotes, and how many of a column show that all are.
_QUOTED, _ENOUGH_QUOTED = re.compile(r'"(?:[^"]|"")*"'), 5
_UNEXPECTED_END = "unexpected end of data"


def known_delimiter(full: Sequence[str], knows: Knows) -> str | None:
    """Return what parts the fields of a table whose first line names the columns that are wanted.

    A sentence with commas may hold such names by chance, so most of the lines below must
    have as many fields; where there are none yet, the fields must look like names.
    """
    for mark in DELIMITERS:
        if mark not in full[0]:
            continue
        delimiter = _with_space(full, mark)
        rows = below_title(cut_rows(full, delimiter))
        first, below = rows[0], rows[1:]
        as_wide = sum(len(row) == len(first) for row in below)
        fits = 2 * as_wide >= len(below) if below else all(map(_is_name, first))
        if fits and _could_name(first) and knows(names_of(first)):
            return delimiter
    return None


def may_be_table(full: Sequence[str], knows: Knows) -> bool:
    """Tell whether lines of plain text might be a table: its first line knows the columns, or all are cut alike."""
    if full and knows(names_of(full[:1])):
        return True
    for delimiter in DELIMITERS:
        if not full or delimiter not in full[0]:
            continue
        rows = cut_rows(full, delimiter)
        alike = len(rows) > 1 and {len(row) for row in rows} == {len(rows[0])}
        # Behind the commas of prose there are spaces.
        if _could_name(rows[0]) and (knows(names_of(rows[0])) or (alike and all(map(_is_bare_name, rows[0])))):
            return True
    return False


def looks_tsv(full: Sequence[str], hint: str | None) -> bool:
    """Tell whether most lines have the tabs of the first one."""
    tabs = full[0].count("\t")
    if tabs == 0:
        return False
    as_wide = sum(line.count("\t") >= tabs for line in full)
    return hint == "tsv" or 2 * as_wide > len(full)


def csv_delimiter(lines: Sequence[str]) -> str:
    """Return the comma of a csv, the semicolon of some spreadsheets, the bar of some databases, or the space of R."""
    first = next((line for line in lines if line.strip()), "")
    if _QUOTED_NAMES.fullmatch(first.rstrip("\r")):
        return " "
    return _with_space([*lines], next((other for other in ";|" if other in first and "," not in first), ","))


def _with_space(full: Sequence[str], delimiter: str) -> str:
    """Return what parts fields, with the space that stands between it and their quotes: `"a text", "a label"`."""
    spaced = f"{delimiter} "
    if delimiter == "\t" or not any(' "' in line and spaced in line for line in full):
        return delimiter
    plain, rows = cut_rows(full, delimiter), cut_rows(full, spaced)
    opened = sum(any(cell[:1] == " " and cell.lstrip(" ")[:1] == '"' for cell in row) for row in plain)
    if 2 * opened < len(rows) or not all(len(row) == len(rows[0]) > 1 for row in rows):
        return delimiter
    try:
        list(_cut(map(unescaped, full) if are_escaped(full, spaced) else full, spaced))
    except csv.Error as error:  # said of somebody, "a speech".
        return spaced if _UNEXPECTED_END in str(error) else delimiter
    return spaced


def _cut(lines: Iterable[str], delimiter: str, *, strict: bool = True) -> Iterator[list[str]]:
    """Parse csv; where a space follows what parts the fields, it is none of theirs."""
    return csv.reader(lines, delimiter=delimiter[0], skipinitialspace=len(delimiter) > 1, strict=strict)


def looks_csv(full: Sequence[str], delimiter: str, hint: str | None) -> bool:
    """Prose has commas too, so a file not called csv must name two columns we know.

    One will do where the commas have no spaces behind them, as those of prose have, and part
    every row alike.
    """
    rows = cut_rows(full, delimiter)
    known = len(_header_words(rows[0]))
    consistent = len(rows[0]) >= 2 and all(len(row) == len(rows[0]) for row in rows)
    bare = len(rows) > _FEW_ROWS and _could_name(rows[0]) and all(map(_is_bare_name, rows[0]))
    if delimiter == " ":  # two quotes on each line may be of texts
        return consistent and len(rows) > 1 and (known > 0 or has_row_names(full, delimiter))
    return known >= 2 or (consistent and (hint == "tsv" or (known == 1 and bare)))


def has_quoted_column(full: Sequence[str]) -> bool:
    """Tell whether all cells below a name are in quotes, which are no part of them, and none is half in quotes."""
    rows = [line.rstrip("\r").split("\t") for line in full[1:]]
    if len(rows) < _ENOUGH_QUOTED or len({len(row) for row in rows}) > 1:
        return False
    quoted = [[cell.startswith('"') for cell in row] for row in rows]
    are_whole = all(_QUOTED.fullmatch(cell) for row in rows for cell in row if cell.startswith('"'))
    return are_whole and any(map(all, zip(*quoted, strict=True)))


def are_quoted(first: str) -> bool:
    """Tell whether all names of a table whose fields tabs part are in quotes, as R writes them."""
    cells = first.rstrip("\r").split("\t")
    return len(cells) > 1 and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)


def is_even(full: Sequence[str], delimiter: str) -> bool:
    """Tell whether all lines are cut alike below two names or more, and no space stands behind what cuts them."""
    rows = cut_rows(full, delimiter)
    names = [name for name in rows[0] if name]
    return (
        len(rows) > _FEW_ROWS
        and len(names) >= 2
        and _could_name(names)
        and all(map(_is_bare_name, names))
        and all(len(row) == len(rows[0]) and not any(cell[:1] == " " for cell in row) for row in rows)
    )


def is_cut_alike(full: Sequence[str], delimiter: str) -> bool:
    """Tell whether lines may be a table without names: all are cut alike, and no space stands beside what cuts them."""
    rows = cut_rows(full, delimiter)
    spaced = [cell for row in rows for cell in row if cell != cell.strip()]
    whole = "\n".join(full)
    are_quoted = all('"' + cell.replace('"', '""') + '"' in whole for cell in spaced)
    return bool(rows) and all(len(row) == len(rows[0]) > 1 for row in rows) and are_quoted


def cut_rows(full: Sequence[str], delimiter: str) -> list[list[str]]:
    """Parse the sampled lines leniently; a record cut off at the end of the sample is left out.

    Where rows begin with names of their own the first row has an empty name for these.
    """
    rows = _cut_rows(full, delimiter)
    return [["", *rows[0]], *rows[1:]] if has_row_names(full, delimiter) else rows


def _cut_rows(full: Sequence[str], delimiter: str) -> list[list[str]]:
    if delimiter == "\t" and not (full and are_quoted(full[0])):
        return [line.split(delimiter) for line in full]
    written = "\n".join(full)
    try:
        written = unescaped(written) if are_escaped(full, delimiter) else written
        rows = list(_cut(io.StringIO(written, newline=""), delimiter, strict=False))
    except csv.Error:
        rows = [line.split(delimiter) for line in full]
    return rows[:-1] if len(rows) > 2 else rows


def has_row_names(full: Sequence[str], delimiter: str) -> bool:
    """Tell whether each row begins with a number of its own that the header does not name, as R writes them.

    Numbers are sure where they are in quotes, count the rows, or are many: a last column may lack its name, too.
    Where the header begins with a number's name it is theirs, and a comma of a text is what parts it once more.
    """
    rows = _cut_rows(full, delimiter)
    below = rows[1:]
    if not below or not rows[0] or any(len(row) != len(rows[0]) + 1 or not row[-1].strip() for row in below):
        return False
    names = [row[0] for row in below]
    are_theirs = _NUMBER_NAME.fullmatch(rows[0][0].strip()) and not all(is_number(row[1]) for row in below)
    if are_theirs or 2 * sum(any(cell[:1] == " " for cell in row[1:]) for row in below) > len(below):
        return False
    are_in_quotes = full[0][:1] == '"' == full[1][:1]
    are_counted = names in ([str(place + first) for place in range(len(names))] for first in (0, 1))
    are_sure = are_in_quotes or are_counted or len(names) >= _MANY_ROWS
    return are_sure and len(set(names)) == len(names) and all(map(str.isdecimal, names))


def are_escaped(full: Sequence[str], delimiter: str) -> bool:
    """Tell whether a quote inside a quoted field has a backslash before it, as R, Spark and MySQL write it."""
    written = "\n".join(full)
    return '\\"' in written and not _is_regular(written, delimiter) and _is_regular(unescaped(written), delimiter)


def unescaped(text: str) -> str:
    """Double the quotes that have a backslash before them."""
    return text.replace('\\"', '""')


def _is_regular(written: str, delimiter: str) -> bool:
    """Tell whether text is csv whose rows have as many fields each; the last may be cut off, the first be a header."""
    rows: list[list[str]] = []
    try:
        for row in _cut(io.StringIO(written, newline=""), delimiter):
            rows.append(row)  # noqa: PERF402
    except csv.Error as error:
        if _UNEXPECTED_END not in str(error):
            return False
    below = rows[1:-1] or rows[1:]
    return len({len(row) for row in below}) == 1 and 0 <= len(below[0]) - len(rows[0]) <= 1


def below_title(rows: list[list[str]]) -> list[list[str]]:
    """Leave out a line above the header that has one field alone and commas behind it, as a sheet's title does."""
    if len(rows) < 2 or len(rows[0]) < 2 or any(rows[0][1:]) or len(rows[1]) != len(rows[0]):
        return rows
    return rows[1:] if len(_header_words(rows[1])) > 0 and sum(map(bool, rows[1])) > 1 else rows


def names_of(cells: Sequence[str]) -> list[str]:
    """Bring the cells of a header to the form in which names are compared."""
    return [column_name(cell) for cell in cells]


def has_header(rows: Sequence[Sequence[str]], expected: Set[str]) -> bool:
    """Take the first row for a header unless it is plainly a row like those below it.

    A number at the top of a column of numbers says there is no header; a number above a
    column of text ("0", "1", … as pandas writes them) says there is one.
    """
    first, below = rows[0], rows[1:]
    if expected:
        return any(column_name(name).casefold() in expected for name in first)
    if any(" " in cell and all(map(is_tag, cell.split())) for cell in first):
        return False
    if any(is_tag(cell) and _are_tags_below(column, below) for column, cell in enumerate(first)):
        return False
    if _header_words(first) or not below:
        return True
    numeric = [column for column, name in enumerate(first) if is_number(name)]
    for column in numeric:
        values = [row[column] for row in below if column < len(row)]
        if 2 * sum(is_number(value) for value in values) < len(values):
            return True
    return not numeric and not _comes_again(first, below)


def _comes_again(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Tell whether a cell of the first row is one of the values of its column: a class above others, and no name.

    A class may be called as its column is (`hate`); where bare names stand above texts it does not count.
    """
    others = [row for row in below if list(row) != list(first)]
    if all(map(_is_bare_name, first)) and any(
        " " not in name and _stands_above_texts(column, others) for column, name in enumerate(first)
    ):
        return False
    for column, name in enumerate(first):
        same = sum(column < len(row) and row[column] == name for row in others)
        if name.strip() and same > 1 and _OFTEN * same >= len(others):
            return True
    return False


def _are_tags_below(column: int, rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether a column holds tags below its first cell."""
    cells = [row[column].strip() for row in rows if column < len(row)]
    return len(cells) > _FEW_ROWS and _OFTEN * sum(map(is_tag, cells)) >= (_OFTEN - 1) * len(cells)


def _stands_above_texts(column: int, rows: Sequence[Sequence[str]]) -> bool:
    texts = sum(column < len(row) and len(row[column].split()) > 1 for row in rows)
    return len(rows) > _FEW_ROWS and _OFTEN * (len(rows) - texts) <= len(rows)


def lines_above(lines: Sequence[str], knows: Knows | None = None) -> int:
    """Count the lines above a header, or above JSON, that are comments or titles and no part of the table.

    0: no known header follows, and no JSON.

    Args:
        lines: the first lines, from the first that is not blank on.
        knows: tells the columns that the reader wants.
    """
    above = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith(COMMENTS)), 0)
    if above and _JSON.match("\n".join(lines[above : above + 2])):
        return above
    for delimiter in DELIMITERS if above else ():
        names = lines[above].split(delimiter)
        known = len(_header_words(names)) if len(names) > 1 and _could_name(names) else 0
        wide = [line.split(delimiter) for line in lines[:above] if line.count(delimiter) == len(names) - 1]
        is_sure = known > 1 and not any(map(_header_words, wide))
        if is_sure or (known and not wide and all(line.startswith("#") for line in lines[:above] if line.strip())):
            return above
    titles = range(1, 0 if above else _MOST_TITLES + 1)
    return next((place for place in titles if place < len(lines) and _are_titles(lines, place, knows)), 0)


def _are_titles(lines: Sequence[str], place: int, knows: Knows | None) -> bool:
    """Tell whether titles stand above a line that names columns, and rows as wide as it below it.

    A title has one cell, or heads several columns in a row, each at the first of them.
    """
    below = [line for line in lines[place + 1 :] if line.strip()][:_FEW_TITLED]
    for delimiter in DELIMITERS:
        filled = [[bool(cell.strip()) for cell in line.split(delimiter)] for line in lines[:place]]
        names = lines[place].split(delimiter)
        are_all = all(cell.strip() and not is_number(cell) for cell in names)
        alone = all(sum(row) < 2 or (are_all and len(row) == len(names) and not all(row)) for row in filled)
        wide = sum(line.count(delimiter) >= len(names) - 1 for line in below)
        are_known = len(_header_words(names)) > 1 or (knows is not None and knows(names_of(names)))
        if alone and len(names) > 1 and _could_name(names) and are_known and 2 * wide > len(below):
            return True
    return False


def _header_words(names: Sequence[str]) -> set[str]:
    return {folded(column_name(name)) for name in names} & HEADER_NAMES


def _could_name(cells: Sequence[str]) -> bool:
    """Names are not numbers, which are what a table without a header has, and none occurs twice."""
    names = [name for name in names_of(cells) if name]
    return len(set(names)) == len(names) and not all(map(is_number, names))


def _is_name(cell: str) -> bool:
    return len(cell) <= _LONG_NAME and len(cell.split()) <= _NAME_WORDS


def _is_bare_name(cell: str) -> bool:
    return _is_name(cell) and bool(cell) and cell == cell.strip()


# --- Records of csv and tsv as rows: quotes, headers, and lines with too few or too many fields ---

Record = tuple[int, "list[str] | str"]
"""The line a record starts at, and its fields, or what is wrong with it."""

# Stands for the name of a column that has none.
_UNNAMED = "\0"
# What may stand around a name: spaces, a byte order mark.
_AROUND_NAME = "    "
_RULE = re.compile(r":?-{3,}:?")
# Between more gaps there are groups of rows, as dialogues are, and no tables.
_MOST_GAPS = 2
# What Qualtrics writes in its third line, and names that its first one has.
_IMPORTED = ('{"ImportId"', "{'ImportId'")
_OF_QUALTRICS = frozenset({"startdate", "enddate", "responseid", "recordeddate", "ipaddress"})
_UNCLOSED = "a quote is opened here and never closed"


def read_records(lines: Lines, kind: str, delimiter: str, *, at_once: bool) -> Iterator[Record]:
    """Cut a csv or tsv into records.

    Args:
        lines: of the table.
        kind: csv or tsv.
        delimiter: between the fields of a csv.
        at_once: whether many lines may be read before the first record is handed on.
    """

    def one_by_one() -> Iterator[Record]:
        return csv_records(lines, delimiter) if kind == "csv" else tsv_records(lines)

    while at_once:
        some = lines.many()
        start = lines.number + 1
        records = _at_once(some, delimiter if kind == "csv" else None)
        if records is not None:
            lines.pass_over(len(some))
            yield from zip(range(start, start + len(records)), records, strict=True)
            continue
        lines.take_back(some)
        for record in one_by_one():
            yield record
            lines.begin_record()
            if not lines.holds_some:
                break
        else:
            return
    yield from one_by_one()


def _at_once(lines: Sequence[str], delimiter: str | None) -> list[list[str]] | None:
    """Cut lines into fields; None where not each of them is a record of its own."""
    if not lines:
        return None
    if delimiter is None:
        return [_cut_at_tabs(line[: -2 if line.endswith("\r\n") else -1]) for line in lines]
    try:
        records = list(_cut(lines, delimiter))
    except csv.Error:
        return None
    return records if len(records) == len(lines) else None


def tsv_records(lines: Lines) -> Iterator[Record]:
    """Cut lines at tabs; nothing is quoted but JSON."""
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        yield lines.number, lines.fault or _cut_at_tabs(text)
        lines.begin_record()


def _cut_at_tabs(line: str) -> list[str]:
    """Cut a line of a tsv; what pandas and Excel have quoted there, JSON and quotes, is freed of its quotes."""
    fields = line.split("\t")
    if '"[' in line or '"{' in line or '""' in line:
        return [_without_quotes(field) for field in fields]
    return fields


def _without_quotes(field: str) -> str:
    """Take the quotes off that programs put around JSON and around what holds a quote, which is doubled then."""
    inside = field[1:-1]
    is_json = field[:2] in ('"[', '"{') and field[-2:] in (']"', '}"')
    is_doubled = field[:1] == '"' == field[-1:] and '""' in inside and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if is_json or is_doubled else field


def csv_records(lines: Lines, delimiter: str) -> Iterator[Record]:
    """Parse csv; what an open quote has swallowed in vain is given back and read again.

    That must not be done for each of many lines that open a quote. A record that is still
    open at the end of its line goes on as any other would there; so where one before it
    has come through this line and failed further on, it fails in the same way.
    """
    # A limit of the whole process; raised, never lowered, so that a caller's own is kept.
    csv.field_size_limit(max(csv.field_size_limit(), MOST_CHARACTERS))
    parser = _cut(lines, delimiter)
    failed_at, failure = 0, ""
    while True:
        start = lines.number + 1
        try:
            fields = next(parser if start >= failed_at else _one_line(lines, delimiter))
        except StopIteration:
            return
        except (csv.Error, RecordTooLongError) as error:
            is_open = isinstance(error, RecordTooLongError) or _UNEXPECTED_END in str(error)
            if start < failed_at:
                yield start, failure if is_open else _csv_fault(error)
            else:
                failed_at, failure = lines.number + is_open, _csv_fault(error)
                lines.rewind_to_second_line()
                yield start, failure
        else:
            yield start, lines.fault or fields
        lines.begin_record()


def with_row_names(records: Iterator[Record]) -> Iterator[Record]:
    """Add an empty name to a header that has none for the numbers of its rows."""
    for line, fields in records:
        is_header = not isinstance(fields, str) and not _is_blank(fields)
        yield line, ["", *fields] if is_header else fields
        if is_header:
            yield from records


def read_table(
    records: Iterator[Record], source: str, *, has_header: bool, header: Sequence[str] | None, keep_blank: bool
) -> Iterator[Row | BadRow]:
    """Turn records into rows.

    Args:
        records: the records of a csv or tsv.
        source: what errors call it.
        has_header: whether the first record that is not blank names the columns.
        header: the names, where they are known; fields beyond them are dropped.
        keep_blank: whether a blank line is a record.

    Raises:
        DataError: the header cannot be read, or repeats a name.
    """
    names = None if header is None else [column_name(name) for name in header]
    columns, own = names, None
    if has_header:
        left_out, own, records = _below_header(records, source)
        names = names or own
        if names is None:
            return
        yield from left_out
        columns = _named_columns(names)
    another = _Another([name.casefold() for name in own or ()])
    again = frozenset(another.names)
    longest = max(map(len, own or ()), default=0) + len(_AROUND_NAME)
    # A line with as many fields has a name for each: nearly all are so.
    plain = columns if columns is not None and len(columns) > 1 and _UNNAMED not in columns else ()
    for line, fields in records:
        if isinstance(fields, str):
            yield BadRow(line, fields)
            continue
        last = fields[-1] if fields else ""
        if (another.is_near or not last.strip()) and another.holds(fields):
            yield LeftOut(line, "the line is of another table, which begins below a blank line")
            continue
        if len(last) <= longest and _is_header_again(fields, again):
            other = [] if own is None or names is not own else _in_order(fields, own)
            columns = _named_columns(other) if other and other != own else columns
            yield _repeated(line, in_order=not other or other == own)
            continue
        if columns is plain and len(fields) == len(plain) and (last.strip() or not _is_blank(fields)):
            yield Row(line, dict(zip(plain, fields, strict=True)))
        elif not _is_blank(fields):
            columns = columns or [str(position) for position in range(1, len(fields) + 1)]
            yield _table_row(line, fields, columns, drop_extra=header is not None)
        elif keep_blank:
            is_text = columns is not None and len(columns) == 1
            yield Row(line, dict.fromkeys(columns or (), "")) if is_text else BadRow(line, "the line is blank")


def without_total(rows: Iterator[Row | BadRow]) -> Iterator[Row | BadRow]:
    """Leave out last rows that are called a total and add up the numbers above them, as spreadsheets have them."""
    above: dict[str, list[float]] | None = None
    held: list[Row] = []
    for count, row in enumerate(rows):
        if isinstance(row, Row):
            if above is None:
                above = {name: [] for name in _numbers_in(row)}
            elif not _TOTALS.isdisjoint(row.fields.values()) and _adds_up(row, above):
                held.append(row)
                continue
            for name, numbers in above.items():
                if is_number(cell := _ungrouped(row.fields.get(name, ""))):
                    numbers.append(float(cell))
        yield from held
        held.clear()
        yield row
        if count > _MOST_ADDED or above == {}:
            break
    for total in held:
        yield LeftOut(total.line, "the line adds up the rows above it")
    yield from rows


def _numbers_in(row: Row) -> dict[str, str]:
    return {name: number for name, cell in row.fields.items() if is_number(number := _ungrouped(cell))}


def _ungrouped(cell: str) -> str:
    return cell.strip().replace(",", "")


def _adds_up(row: Row, above: Mapping[str, Sequence[float]]) -> bool:
    """Tell a row of one word for a total and numbers, one of which is made of those above."""
    filled, numbers = [cell for cell in row.fields.values() if cell.strip()], _numbers_in(row)
    return len(filled) - len(numbers) == 1 and any(_is_made_of(numbers[name], above.get(name, ())) for name in numbers)


def _is_made_of(cell: str, above: Sequence[float]) -> bool:
    """Tell a total, which may be rounded, from a number that is like those above it, or that counts on."""
    number, count, whole = float(cell), len(above), sum(above)
    if count <= _FEW_ROWS or number in above or number == above[-1] + 1:
        return False
    rounded = 0.5 * 10.0 ** -len(cell.partition(".")[2])
    is_beyond = not min(above) <= number <= max(above)
    is_sum = is_beyond and abs(number - whole) <= max(rounded, _NEARLY * abs(whole))
    return is_sum or number == count or abs(number - whole / count) <= rounded


def _one_line(lines: Lines, delimiter: str) -> Iterator[list[str]]:
    """Parse the next line as if it were the last one."""
    return _cut([next(lines)], delimiter)


def _csv_fault(error: Exception) -> str:
    message = str(error)
    if isinstance(error, RecordTooLongError) or _UNEXPECTED_END in message or "field larger" in message:
        return _UNCLOSED
    if "expected after" in message:
        return "a quote inside a quoted field is not doubled"
    return CARRIAGE_RETURN if "new-line character" in message else message


def _table_row(line: int, fields: list[str], names: Sequence[str], *, drop_extra: bool) -> Row | BadRow:
    # Commas that spreadsheets leave at the end of their lines hold nothing.
    if len(fields) == len(names) or (len(fields) > len(names) and (drop_extra or not any(fields[len(names) :]))):
        found = dict(zip(names, fields, strict=False))
        found.pop(_UNNAMED, None)
        return Row(line, found)
    return BadRow(line, f"{len(fields)} {_plural('field', len(fields))} where {len(names)} are expected")


def _read_header(records: Iterator[Record], source: str) -> list[str] | None:
    """Read up to the first line that is not blank; None if there is none."""
    for line, fields in records:
        if isinstance(fields, str):
            raise DataError.at(source, line, f"the header cannot be read: {fields}.")
        if not _is_blank(fields):
            names = _names(fields)
            if any("\r" in name for name in names):
                raise DataError.at(source, line, f"the header cannot be read: {CARRIAGE_RETURN}.")
            repeated = first_repeated([name for name in names if name])
            if repeated is not None:
                raise DataError.at(source, line, f"the header names the column {quoted(repeated)} twice; rename one.")
            return names
    return None


def _names(fields: Sequence[str]) -> list[str]:
    return [column_name(name.removeprefix("\ufeff")) for name in fields]


def _is_header_again(fields: Sequence[str], names: Set[str]) -> bool:
    """Tell the header of another file behind the first one, as `cat a.csv b.csv` leaves it."""
    is_like = len(fields) > 1 and len(fields) >= len(names) > 1 and fields[-1].strip().casefold() in names
    return is_like and {name.casefold() for name in _names(fields)} == names


@dataclass
class _Another:
    """Tells the rows of another table, which stands below a blank line under names of its own.

    Args:
        names: of the first table, in lower case; none: it has no header.
    """

    names: Sequence[str]
    is_near: bool = False
    _is_below: bool = False
    _gaps: int = 0

    def holds(self, fields: Sequence[str]) -> bool:
        """Tell whether a record is of it; blank ones are of none, and where there are many they part rows."""
        if _is_blank(fields):
            self._gaps += not self.is_near
            self.is_near = self._is_below or (bool(self.names) and self._gaps <= _MOST_GAPS)
            return False
        self._is_below = self._is_below or (self.is_near and _begins_another(fields, self.names))
        self.is_near = self._is_below
        return self._is_below


def _begins_another(fields: Sequence[str], names: Sequence[str]) -> bool:
    """Tell the names of another table from a short row, whose label may be called as columns are (`question`).

    Such names are all usual ones, or one of them is this table's, at the beginning or in another column than its own.
    """
    filled = [name for name in _names(fields) if name]
    if len(filled) < 2 or not _could_name(filled) or not all(map(_is_bare_name, filled)) or any(map(is_number, filled)):
        return False
    found = [name.casefold() for name in filled]
    placed = enumerate(name.casefold() for name in _names(fields))
    is_elsewhere = any(name in names and names.index(name) != (place or None) for place, name in placed if name)
    are_known = all(name in names or folded(name) in HEADER_NAMES for name in found)
    return set(found) != set(names) and (are_known or is_elsewhere)


def _repeated(line: int, *, in_order: bool) -> LeftOut:
    return LeftOut(line, "the line repeats the header" + ", with its columns in another order" * (not in_order))


def _in_order(fields: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the names of a table in the order in which a further header has them."""
    by_folded = {name.casefold(): name for name in names}
    return [by_folded[name.casefold()] for name in _names(fields)]


def _below_title(records: Iterator[Record], title: list[str] | None) -> tuple[int, list[str] | None, Iterator[Record]]:
    """Return the line of a title with commas behind it, the names below it, and the records below these.

    The line is 0 where no names stand there: then it is a header.
    """
    if title is None or len(title) < 2 or title.count("") < len(title) - 1:
        return 0, title, records
    ahead: list[Record] = []
    for line, fields in records:
        ahead.append((line, fields))
        if isinstance(fields, str) or not _is_blank(fields):
            break
    fields = ahead[-1][1] if ahead else ""
    names = [] if isinstance(fields, str) else _names(fields)
    if len(names) == len(title) and sum(map(bool, names)) > 1 and {folded(name) for name in names} & HEADER_NAMES:
        return max(1, ahead[0][0] - 1), names, records
    return 0, title, itertools.chain(ahead, records)


def _below_header(records: Iterator[Record], source: str) -> tuple[list[LeftOut], list[str] | None, Iterator[Record]]:
    """Return what stands around the header and is no row, the names, and the records below."""
    title, names, records = _below_title(records, _read_header(records, source))
    left_out = [LeftOut(title, "the line is a title above the names of the columns")] if title else []
    ahead = list(itertools.islice(records, 2 if _OF_QUALTRICS & set(map(folded, names or ())) else 1))
    if len(ahead) > 1 and _is_imported(ahead[1][1]):
        left_out += [LeftOut(line, "the line tells of the columns (Qualtrics)") for line, _ in ahead]
        ahead = []
    if ahead and (rule := _rule_below(ahead[0])):
        ahead, records = [], _stripped(records)
        left_out.append(LeftOut(rule, "the line is the rule below the header of a Markdown table"))
    return left_out, names, itertools.chain(ahead, records)


def _stripped(records: Iterator[Record]) -> Iterator[Record]:
    """Take the spaces that stand around the cells of a Markdown table."""
    for line, fields in records:
        yield line, fields if isinstance(fields, str) else [field.strip() for field in fields]


def _is_imported(fields: Sequence[str] | str) -> bool:
    """Tell the line below the questions of a survey in which Qualtrics writes where each column comes from."""
    cells = [] if isinstance(fields, str) else [field.strip() for field in fields if field.strip()]
    return len(cells) > 1 and all(cell.startswith(_IMPORTED) for cell in cells)


def _rule_below(record: Record) -> int:
    """Return the line of a record that parts a Markdown table's header from its rows; 0: it is none."""
    line, fields = record
    filled = [] if isinstance(fields, str) else [field.strip() for field in fields if field.strip()]
    return line if filled and all(map(_RULE.fullmatch, filled)) else 0


def _named_columns(names: Sequence[str]) -> list[str]:
    """Mark columns without a name: what spreadsheets leave at the right of a table.

    One at the left is the index that pandas writes, and stays.
    """
    index_only = names.count("") == 1 and names[0] == ""
    return [name if name or index_only else _UNNAMED for name in names]


def _is_blank(fields: Sequence[str]) -> bool:
    """Tell a line without anything in it: spreadsheets leave such, commas and all, below their tables."""
    return not any(field.strip() for field in fields)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
