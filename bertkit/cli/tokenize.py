"""`bertkit tokenize`: what a model reads of a text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertkit.cli.streams import checked_text, lines_of, write_lines

if TYPE_CHECKING:
    from bertkit.tokenization.listing import Lister


class TokenFormat(StrEnum):
    """How tokens are written."""

    TABLE = "table"
    JSON = "json"
    IDS = "ids"
    TOKENS = "tokens"


def tokenize_command(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help="Texts, or - for the lines of standard input (default: -, or --file).",
            show_default=False,
        ),
    ] = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Run directory, tokenizer folder, model name or hf:org/name (default: minilm, if it is here).",
            envvar="BERTKIT_MODEL",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Text file, one text a line, instead of TEXT (default: none).", readable=False),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option("--pair", metavar="TEXT", help="Second text of a pair, joined to every TEXT (default: none)."),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option("--compare", metavar="MODEL", help="Another model, shown side by side (default: none)."),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option("--max-length", min=1, help="Truncate to N tokens (default: no truncation).")
    ] = None,
    pad: Annotated[
        bool, typer.Option("--pad", help="Pad to --max-length tokens, or to the model's longest input without it.")
    ] = False,
    output_format: Annotated[
        TokenFormat | None,
        typer.Option(
            "--format",
            help="table, json, ids or tokens (default: a table on a terminal, JSON in a pipe), a line for each text.",
        ),
    ] = None,
) -> None:
    """Show how texts become tokens, ids, segment ids, attention mask and offsets.

    Example: bertkit tokenize "한국어 모델을 공유합니다." --model kobert
    """
    from bertkit.models.named_tokenizer import open_named
    from bertkit.tokenization.listing import Lister

    batches = lines_of(text, file, what="TEXT")
    second = None if pair is None else checked_text(pair, "--pair")
    listers = [
        Lister(open_named(name), pair=second, max_length=max_length, pad=pad)
        for name in ((model,) if compare is None else (model, compare))
    ]
    wanted = output_format or (TokenFormat.TABLE if sys.stdout.isatty() else TokenFormat.JSON)
    if wanted is TokenFormat.TABLE:
        from bertkit.cli.token_table import show_tables

        show_tables(batches, listers, names=(model or "minilm", compare or ""))
        return
    for texts in batches:
        write_lines(_lines(listers, texts, wanted))


def _lines(listers: Sequence[Lister], texts: list[str], wanted: TokenFormat) -> list[str]:
    """Write texts down; those of a comparison side by side, in a line of one."""
    written = [_written(lister, texts, wanted) for lister in listers]
    if len(written) == 1:
        return written[0]
    if wanted is TokenFormat.JSON:
        return [f'{one[:-1]}, "compare": {other}}}' for one, other in zip(*written, strict=True)]
    return ["\t".join(pair) for pair in zip(*written, strict=True)]


def _written(lister: Lister, texts: list[str], wanted: TokenFormat) -> list[str]:
    match wanted:
        case TokenFormat.IDS:
            return lister.ids(texts)
        case TokenFormat.TOKENS:
            return lister.tokens(texts)
        case _:
            return lister.json(texts)
