"""`bertkit tokenize` and `bertkit vocab`: what a model reads of a text, and vocabularies trained and listed."""

from __future__ import annotations

import itertools
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bertkit.cli import render
from bertkit.cli.options import ColumnsOption, Format, FormatOption
from bertkit.cli.progress import QuietOption, notes, shown_work
from bertkit.cli.streams import checked_text, lines_of, say, write_lines
from bertkit.language import translated
from bertkit.plain import to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bertkit.tokenization.listing import Lister, Listing, Token

# --- `bertkit tokenize`: what a model reads of a text ---------------------------------------------


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
    from bertkit.models.tokenizers import open_named
    from bertkit.tokenization.listing import Lister

    batches = lines_of(text, file, what="TEXT")
    second = None if pair is None else checked_text(pair, "--pair")
    listers = [
        Lister(open_named(name), pair=second, max_length=max_length, pad=pad)
        for name in ((model,) if compare is None else (model, compare))
    ]
    wanted = output_format or (TokenFormat.TABLE if sys.stdout.isatty() else TokenFormat.JSON)
    if wanted is TokenFormat.TABLE:
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


# --- `bertkit vocab`: train a vocabulary, list it, look words up, see how well it covers a text ---

vocab_app = typer.Typer(
    help="Train a vocabulary, list it, look words up, measure how well it covers a text.", no_args_is_help=True
)

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Run directory, tokenizer folder, model name or hf:org/name.", show_default=False
    ),
]
FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES",
        help="Plain text, or tables (csv, tsv, jsonl, parquet); - is standard input.",
        show_default=False,
    ),
]
TABLE_ROWS = 50
CHUNK = 1000


class VocabularyType(StrEnum):
    """How a vocabulary is trained."""

    WORDPIECE = "wordpiece"
    BPE = "bpe"
    UNIGRAM = "unigram"


@vocab_app.command("build")
def build_command(
    files: FilesArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write.", show_default=False, readable=False)
    ],
    kind: Annotated[
        VocabularyType,
        typer.Option("--type", help="Algorithm: wordpiece, bpe or unigram (the last two by SentencePiece)."),
    ] = VocabularyType.WORDPIECE,
    size: Annotated[
        int, typer.Option("--size", min=6, help="Most tokens of the vocabulary, special tokens included.")
    ] = 8000,
    lowercase: Annotated[bool, typer.Option("--lowercase/--no-lowercase", help="Lower-case the texts.")] = True,
    columns: ColumnsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a vocabulary that exists.")] = False,
    output_format: FormatOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train a vocabulary on texts; of tables only the text columns are read.

    Example: bertkit vocab build reviews.tsv --type unigram --size 8000 --output vocab/reviews
    """
    from bertkit.models.tokenizers import VocabularyRequest, build_vocabulary

    request = VocabularyRequest(files, kind.value, size, output, lowercase, columns, force)
    with shown_work("texts", quiet=quiet) as progress:
        built = build_vocabulary(request, progress)
    for note in built.notes:
        notes(quiet=quiet)(note)
    _show_one(built.to_json(), output_format)


@vocab_app.command("show")
def show_command(
    model: ModelArgument,
    *,
    grep: Annotated[
        str | None,
        typer.Option("--grep", metavar="REGEX", help="Only tokens that match this regular expression (default: all)."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Most tokens that are listed (default: 50 in a table, all in JSON)."),
    ] = None,
    output_format: FormatOption = None,
) -> None:
    """List the ids and tokens of a vocabulary, with the rank of BPE's and the score of unigram's.

    Example: bertkit vocab show kobert --grep '^▁영화'
    """
    from bertkit.models.tokenizers import list_entries, open_named

    entries = list_entries(open_named(model), pattern=grep)
    if render.wants_json(output_format):
        _write_records([asdict(entry) for entry in itertools.islice(entries, limit)])
        return
    _show_table([asdict(entry) for entry in entries], limit or TABLE_ROWS)


@vocab_app.command("lookup")
def lookup_command(
    model: ModelArgument,
    token: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOKEN", help="Words, or - for the lines of standard input (default: -).", show_default=False
        ),
    ] = None,
    *,
    oov_buckets: Annotated[
        int,
        typer.Option(
            "--oov-buckets",
            min=0,
            help="Number of ids after the vocabulary that unknown words are hashed into; 0: none.",
        ),
    ] = 0,
    output_format: FormatOption = None,
) -> None:
    """Look words up: their ids, and for unknown words the bucket they fall into.

    Example: bertkit vocab lookup minilm film filmz --oov-buckets 100
    """
    from bertkit.models.tokenizers import open_named
    from bertkit.tokenization.vocab import Lookup

    batches = lines_of(token, None, what="TOKEN")
    lookup = Lookup(open_named(model), oov_buckets)
    found = ([asdict(entry) for entry in lookup.find(words)] for words in batches)
    if render.wants_json(output_format):
        for records in found:
            _write_records(records)
        return
    _show_table([record for records in found for record in records], None)


@vocab_app.command("coverage")
def coverage_command(
    model: ModelArgument,
    files: FilesArgument,
    *,
    columns: ColumnsOption = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Most unknown words that are listed.")] = 20,
    output_format: FormatOption = None,
) -> None:
    """Measure how a vocabulary covers texts: unknown tokens, tokens per word, words that are cut.

    Words are separated by white space; a punctuation mark counts as a word.

    Example: bertkit vocab coverage kobert reviews.tsv
    """
    from bertkit.models.tokenizers import cover_files, open_named

    covered, notes = cover_files(open_named(model), files, columns=columns, most=limit)
    for note in notes:
        say(note)
    _show_one({"model": model, **covered.to_json()}, output_format)


def _write_records(records: Sequence[Mapping[str, Any]]) -> None:
    write_lines([to_json(record) for record in records])


def _show_one(values: Mapping[str, Any], asked: Format | None) -> None:
    """Print one record; in a table, its figures, then its lists."""
    if render.wants_json(asked):
        _write_records([values])
        return
    figures = {name: value for name, value in values.items() if not isinstance(value, list | dict)}
    show_records([{"figure": name.replace("_", " "), "value": _figure(value)} for name, value in figures.items()])
    for name, value in values.items():
        if isinstance(value, dict) and value:
            typer.echo()
            show_records([{"file": file, name: ", ".join(columns)} for file, columns in value.items()])
        elif isinstance(value, list) and value:
            typer.echo()
            show_records(value)


def _figure(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _show_table(rows: list[dict[str, Any]], limit: int | None) -> None:
    if not rows:
        say("nothing is found")
        return
    show_records(rows[:limit])
    if limit is not None and len(rows) > limit:
        say(f"… and {len(rows) - limit:,} more; --limit shows more of them")


# --- Tokens as tables on a terminal, aligned by the cells that characters take, Korean ones two ----

STYLES = {"special": "cyan", "unknown": "bold red", "padding": "dim", "": ""}
# More rows of padding than this say nothing.
PADDING_ROWS = 3
# Of a long text's table, the rows that are printed; and the tokens in one of its cells.
FIRST_ROWS, LAST_ROWS = 200, 20
MOST_PIECES = 50

Row = TypeVar("Row")


def show_tables(batches: Iterable[Sequence[str]], listers: Sequence[Lister], names: Sequence[str]) -> None:
    """Print a table for each text: the tokens of one model, or those of two side by side."""
    console = render.open_console()
    for texts in batches:
        for listings in zip(*(lister.table(texts) for lister in listers), strict=True):
            if len(listings) == 1:
                _show_tokens(console, listings[0], listers[0].tokenizer.max_length)
            else:
                _show_two(console, listings, names)


def show_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Print records that hold tokens as one table; nothing in them is taken for markup."""
    table = render.new_table(tuple(records[0]))
    for record in records:
        table.add_row(*(_cell("" if value is None else str(value)) for value in record.values()))
    render.open_console().print(table)


def _show_tokens(console: Console, listing: Listing, readable: int) -> None:
    right = ("id", "segment", "mask", "offsets")
    table = render.new_table(("token", "id", "segment", "mask", "offsets", "text"), right=right)
    padding = [token for token in listing.tokens if token.role == "padding"]
    tokens = [*(t for t in listing.tokens if t.role != "padding"), *padding[:PADDING_ROWS]]
    for token in _shown(tokens, table):
        place = f"{token.start}–{token.end}" if token.side >= 0 else ""
        cells = (token.token, str(token.id), str(token.segment), str(token.mask), place, token.text)
        table.add_row(*(_cell(cell, token.role) for cell in cells))
    console.print(table)
    _say_left_out(console, len(tokens))
    if len(padding) > PADDING_ROWS:
        render.say_line(console, (f"… and {len(padding) - PADDING_ROWS:,} more of padding", "dim"))
    console.print(_summary(listing, readable))
    console.print()


def _show_two(console: Console, listings: Sequence[Listing], names: Sequence[str]) -> None:
    from bertkit.tokenization.listing import align

    left, right = listings
    table = render.new_table(("text", *(column for name in names for column in (PurePath(name).name, "ids"))))
    blocks = align(left.tokens, right.tokens, (left.text, left.pair or ""))
    for block in _shown(blocks, table):
        sides = (cell for tokens in (block.left, block.right) for cell in (_pieces(tokens), _ids(tokens)))
        table.add_row(_cell(block.text), *sides)
    console.print(table)
    _say_left_out(console, len(blocks))
    for name, listing in zip(names, listings, strict=True):
        render.say_line(console, f"{name}: {_summary(listing)}")
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
        render.say_line(console, (f"… and {more:,} more rows; --format json shows all", "dim"))


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
    composed = render.safe(unicodedata.normalize("NFC", text))
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) == "Cf" else c for c in composed)
