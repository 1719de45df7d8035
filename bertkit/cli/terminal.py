"""What is printed for people: tables and lines in which somebody's text is text, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertkit.language import translated
from bertkit.plain import sentence, shortened, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# Most characters of a label, a name or a path in a table.
WIDEST = 300


def open_console(*, stderr: bool = False) -> Console:
    """Make a console that obeys no [markup] and no :emoji: codes; styles are given beside a text."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def new_table(columns: Sequence[str], *, right: Sequence[str] = (), title: str | None = None) -> Table:
    """Make a table without lines; its cells fold where they are too long.

    Args:
        columns: their headings.
        right: headings of the columns that hold numbers.
        title: stands above it.
    """
    from rich.table import Table

    shown = None if title is None else safe(translated(title))
    table = Table(title=shown, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(safe(name), justify="right" if name in right else "left", overflow="fold")
    return table


def say_line(console: Console, *parts: str | tuple[str, str]) -> None:
    """Print one line, however long, made of texts and of (text, style)."""
    from rich.text import Text

    pieces = [(part, "") if isinstance(part, str) else part for part in parts]
    whole = "".join(text for text, _ in pieces)
    said = translated(whole)
    if said == whole:
        line = Text.assemble(*((visible(text), style) for text, style in pieces))
    else:  # the parts stand in another order
        line = Text(visible(said))
        for text, style in pieces:
            at = line.plain.find(visible(text)) if style else -1
            if at >= 0:
                line.stylize(style, at, at + len(visible(text)))
    console.print(line, soft_wrap=True)


def spoken(text: str) -> str:
    """Return what is said to a user: in the language that is spoken, one line, nothing in it unseen, bounded."""
    return sentence(translated(text))


def cell(text: str, style: str = "") -> Text:
    """Make a cell of a table."""
    from rich.text import Text

    return Text(safe(text), style)


def safe(text: str) -> str:
    """Show a text's control characters, and cut a text that would fill the screen."""
    return visible(shortened(text, WIDEST))
