"""Tokens as tables on a terminal, aligned by the cells that characters take, Korean ones two."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from bertkit.cli.render import new_table, open_console, safe, say_line
from bertkit.language import translated
from bertkit.tokenization.listing import Lister, Listing, Token, align

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STYLES = {"special": "cyan", "unknown": "bold red", "padding": "dim", "": ""}
# More rows of padding than this say nothing.
PADDING_ROWS = 3
# Of a long text's table, the rows that are printed; and the tokens in one of its cells.
FIRST_ROWS, LAST_ROWS = 200, 20
MOST_PIECES = 50

Row = TypeVar("Row")


def show_tables(batches: Iterable[Sequence[str]], listers: Sequence[Lister], names: Sequence[str]) -> None:
    """Print a table for each text: the tokens of one model, or those of two side by side."""
    console = open_console()
    for texts in batches:
        for listings in zip(*(lister.table(texts) for lister in listers), strict=True):
            if len(listings) == 1:
                _show_one(console, listings[0], listers[0].tokenizer.max_length)
            else:
                _show_two(console, listings, names)


def show_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Print records that hold tokens as one table; nothing in them is taken for markup."""
    table = new_table(tuple(records[0]))
    for record in records:
        table.add_row(*(_cell("" if value is None else str(value)) for value in record.values()))
    open_console().print(table)


def _show_one(console: Console, listing: Listing, readable: int) -> None:
    table = new_table(("token", "id", "segment", "mask", "offsets", "text"), right=("id", "segment", "mask", "offsets"))
    padding = [token for token in listing.tokens if token.role == "padding"]
    tokens = [*(t for t in listing.tokens if t.role != "padding"), *padding[:PADDING_ROWS]]
    for token in _shown(tokens, table):
        place = f"{token.start}–{token.end}" if token.side >= 0 else ""
        cells = (token.token, str(token.id), str(token.segment), str(token.mask), place, token.text)
        table.add_row(*(_cell(cell, token.role) for cell in cells))
    console.print(table)
    _say_left_out(console, len(tokens))
    if len(padding) > PADDING_ROWS:
        say_line(console, (f"… and {len(padding) - PADDING_ROWS:,} more of padding", "dim"))
    console.print(_summary(listing, readable))
    console.print()


def _show_two(console: Console, listings: Sequence[Listing], names: Sequence[str]) -> None:
    left, right = listings
    table = new_table(("text", *(column for name in names for column in (PurePath(name).name, "ids"))))
    blocks = align(left.tokens, right.tokens, (left.text, left.pair or ""))
    for block in _shown(blocks, table):
        sides = (cell for tokens in (block.left, block.right) for cell in (_pieces(tokens), _ids(tokens)))
        table.add_row(_cell(block.text), *sides)
    console.print(table)
    _say_left_out(console, len(blocks))
    for name, listing in zip(names, listings, strict=True):
        say_line(console, f"{name}: {_summary(listing)}")
    console.print()


def _shown(rows: Sequence[Row], table: Table) -> Iterator[Row]:
    """Yield the rows that people look at, and mark the place of those left out between them."""
    if len(rows) <= FIRST_ROWS + LAST_ROWS:
        yield from rows
        return
    yield from rows[:FIRST_ROWS]
    table.add_row(*("…" for _ in table.columns), style="dim")
    yield from rows[-LAST_ROWS:]


def _say_left_out(console: Console, rows: int) -> None:
    more = rows - FIRST_ROWS - LAST_ROWS
    if more > 0:
        say_line(console, (f"… and {more:,} more rows; --format json shows all", "dim"))


def _summary(listing: Listing, readable: int | None = None) -> Text:
    """Say how many tokens there are, and whether the model can read as many."""
    from rich.text import Text

    said = Text(translated(f"{len(listing.tokens):,} tokens, valid length {listing.valid_length:,}, "))
    said.append(translated(f"{listing.unknown:,} unknown"), style=STYLES["unknown"] if listing.unknown else "")
    if readable is not None and listing.valid_length > readable:
        said.append(translated(f"; the model reads the first {readable:,}"), style="yellow")
    return said


def _cell(content: str, role: str = "") -> Text:
    from rich.text import Text

    return Text(_visible(content), style=STYLES[role])


def _pieces(tokens: Sequence[Token]) -> Text:
    from rich.text import Text

    pieces = [_cell(token.token, token.role) for token in tokens[:MOST_PIECES]]
    return Text(" ").join([*pieces, *_more(tokens)])


def _ids(tokens: Sequence[Token]) -> Text:
    from rich.text import Text

    return Text(" ").join([_cell(" ".join(str(token.id) for token in tokens[:MOST_PIECES])), *_more(tokens)])


def _more(tokens: Sequence[Token]) -> list[Text]:
    return [_cell(f"… and {len(tokens) - MOST_PIECES:,} more")] if len(tokens) > MOST_PIECES else []


def _visible(text: str) -> str:
    """Compose a text, and show what steers a terminal and what takes no room: here one looks at characters."""
    composed = safe(unicodedata.normalize("NFC", text))
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) == "Cf" else c for c in composed)
