"""`bertkit attention`: what a model attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bertkit.cli.options import ForceOption, FormatOption, ReportOption
from bertkit.cli.render import wants_json
from bertkit.cli.streams import checked_text, say
from bertkit.cli.terminal import cell, new_table, open_console, say_line
from bertkit.plain import to_json

if TYPE_CHECKING:
    from bertkit.reporting.attention import AttentionView


def attention_command(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Run directory, model name, folder or hf:org/name.", show_default=False),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text that is read.", show_default=False)],
    *,
    pair: Annotated[
        str | None, typer.Option("--pair", metavar="TEXT", help="Second text of a pair (default: none).")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", help="Layer, counted from 1 (default: all; in a table the last).")
    ] = None,
    head: Annotated[
        int | None, typer.Option("--head", help="Head, counted from 1 (default: all, and their mean).")
    ] = None,
    report: ReportOption = None,
    force: ForceOption = False,
    output_format: FormatOption = None,
) -> None:
    """Show what each token of a text attends to, layer by layer and head by head.

    Example: bertkit attention minilm "The cat sat because it was tired." --report attention.html
    """
    from bertkit.reporting.attention import AttentionRequest, view_attention

    text = checked_text(text, "TEXT")
    pair = None if pair is None else checked_text(pair, "--pair")
    view = view_attention(AttentionRequest(model, text, pair, layer, head, report, force), say)
    if wants_json(output_format):
        typer.echo(to_json(view.to_json()))
    else:
        _show(view)


def _show(view: AttentionView) -> None:
    console, layer = open_console(), view.layers[-1]
    heads = f"head {layer.heads[0].number}" if len(layer.heads) == 1 else f"the mean of {len(layer.heads)} heads"
    say_line(console, (f"layer {layer.number}, {heads}", "bold"))
    table = new_table(("token", "attends to"))
    for token, best in view.links(layer):
        table.add_row(cell(token), cell("   ".join(f"{other} {share:.2f}" for other, share in best)))
    console.print(table)
    figures = new_table(("layer", "head", "entropy", "distance", "allowed"), right=("entropy", "distance", "allowed"))
    for each in view.layers:
        for own in each.heads:
            allowed = f"{own.allowed.mean():.0%}"
            figures.add_row(str(each.number), str(own.number), f"{own.entropy:.2f}", f"{own.distance:.1f}", allowed)
    console.print(figures)
