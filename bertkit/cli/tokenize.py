"""`bertkit tokenize` and `bertkit vocab`: what a model reads of a text, and vocabularies trained and listed."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertkit.cli import render
from bertkit.cli.options import ColumnsOption, Format, FormatOption
from bertkit.cli.progress import QuietOption, notes, shown_work
from bertkit.cli.streams import checked_text, lines_of, say, write_lines
from bertkit.plain import to_json

if TYPE_CHECKING:
    from bertkit.tokenization.listing import Lister

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
    from bertkit.cli.token_table import show_records

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
    from bertkit.cli.token_table import show_records

    show_records(rows[:limit])
    if limit is not None and len(rows) > limit:
        say(f"… and {len(rows) - limit:,} more; --limit shows more of them")
