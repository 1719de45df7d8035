"""Tokens as tables on a terminal, aligned by the cells that characters take, Korean ones two."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from bertkit.tokenization.alignment import align
from bertkit.tokenization.listing import Lister, Listing, Token

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STYLES = {"special": "cyan", "unknown": "bold red", "padding": "dim", "": ""}
# More rows of padding than this say nothing.
PADDING_ROWS = 3


def show_tables(batches: Iterable[Sequence[str]], listers: Sequence[Lister], names: Sequence[str]) -> None:
    """Print a table for each text: the tokens of one model, or those of two side by side."""
    from rich.console import Console

    console = Console(highlight=False)
    for texts in batches:
        for listings in zip(*(lister.table(texts) for lister in listers), strict=True):
            if len(listings) == 1:
                _show_one(console, listings[0], listers[0].tokenizer.max_length)
            else:
                _show_two(console, listings, names)


def show_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Print records that hold tokens as one table; nothing in them is taken for markup."""
    from rich.console import Console

    table = _table(tuple(records[0]), right=())
    for record in records:
        table.add_row(*(_cell("" if value is None else str(value)) for value in record.values()))
    Console(highlight=False).print(table)


def _show_one(console: Console, listing: Listing, readable: int) -> None:
    table = _table(("token", "id", "segment", "mask", "offsets", "text"), right=("id", "segment", "mask", "offsets"))
    padding = [token for token in listing.tokens if token.role == "padding"]
    for token in [*(t for t in listing.tokens if t.role != "padding"), *padding[:PADDING_ROWS]]:
        place = f"{token.start}–{token.end}" if token.side >= 0 else ""
        cells = (token.token, str(token.id), str(token.segment), str(token.mask), place, token.text)
        table.add_row(*(_cell(cell, token.role) for cell in cells))
    console.print(table)
    if len(padding) > PADDING_ROWS:
        console.print(f"… and {len(padding) - PADDING_ROWS:,} more of padding", style="dim")
    console.print(_summary(listing, readable))
    console.print()


def _show_two(console: Console, listings: Sequence[Listing], names: Sequence[str]) -> None:
    left, right = listings
    table = _table(("text", *(column for name in names for column in (PurePath(name).name, "ids"))), right=())
    for block in align(left.tokens, right.tokens, (left.text, left.pair or "")):
        sides = (cell for tokens in (block.left, block.right) for cell in (_pieces(tokens), _ids(tokens)))
        table.add_row(_cell(block.text), *sides)
    console.print(table)
    for name, listing in zip(names, listings, strict=True):
        console.print(f"{name}: {_summary(listing)}", markup=False)
    console.print()


def _summary(listing: Listing, readable: int | None = None) -> Text:
    """Say how many tokens there are, and whether the model can read as many."""
    from rich.text import Text

    said = Text(f"{len(listing.tokens):,} tokens, valid length {listing.valid_length:,}, ")
    said.append(f"{listing.unknown:,} unknown", style=STYLES["unknown"] if listing.unknown else "")
    if readable is not None and listing.valid_length > readable:
        said.append(f"; the model reads the first {readable:,}", style="yellow")
    return said


def _table(columns: Sequence[str], right: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(_visible(name), justify="right" if name in right else "left", overflow="fold")
    return table


def _cell(content: str, role: str = "") -> Text:
    from rich.text import Text

    return Text(_visible(content), style=STYLES[role])


def _pieces(tokens: Sequence[Token]) -> Text:
    from rich.text import Text

    return Text(" ").join(_cell(token.token, token.role) for token in tokens)


def _ids(tokens: Sequence[Token]) -> Text:
    return _cell(" ".join(str(token.id) for token in tokens))


def _visible(text: str) -> str:
    """Compose a text, and show what would move the cursor or take no room."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(_picture(c) if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in composed)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"<{code:04X}>"
