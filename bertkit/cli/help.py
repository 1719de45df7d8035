"""`--help` of every command in two columns, and names of options that other tools use."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from bertkit.cli.render import open_console
from bertkit.language import translated

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# --- `--help` of every command: two columns that fit 80 characters, and words that are never broken
#
# An option's name and what it takes stand on the left; what it does, the words it takes, its
# default and its variable on the right. The texts themselves stand beside the options.

# Characters of the left column, at most.
_LEFT = 26
_VALUES = {int: "N", float: "NUMBER", Path: "PATH", str: "TEXT"}
_HEADINGS = {"argument": "Arguments", "option": "Options"}
COMMANDS = "Commands"
# A command with more options than this has them below headings.
_FEW = 12
# Options that several commands have, by what they are about.
_PANELS = {
    "Data": {
        "--split", "--data-dir", "--columns", "--keep", "--input-format", "--on-long", "--on-error", "--skip",
        "--shard", "--language", "--task", "--max-length", "--group",
    },
    "Output": {
        "--output", "--force", "--format", "--output-format", "--top-k", "--resume", "--report", "--plots", "--errors",
        "--quiet", "--strict", "--write",
    },
    "Machine": {"--batch-size", "--device", "--precision", "--engine", "--threads"},
}  # fmt: skip


def show_help(command: Any, ctx: Any) -> None:
    """Print what `--help` says of a command, or of a group of commands."""
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.text import Text

    console = open_console()
    console.print(Padding(Text(command.get_usage(ctx), style="bold"), 1))
    if command.help:
        said = "\n\n".join(translated(each) for each in paragraphs(command.help))
        console.print(Padding(Text(said), (0, 1, 1, 1)))
    panels = _panels(command, ctx)
    lefts = [line for rows in panels.values() for left, _ in rows for line in left.plain.split("\n")]
    width = max(map(cell_len, lefts), default=0)
    for heading, rows in panels.items():
        _print_panel(console, translated(heading), rows, width)


def usage(english: str) -> str:
    """Say how a command is called, as Typer says it, in the language that is spoken."""
    return english.replace("Usage:", translated("Usage:"), 1)


def paragraphs(text: str) -> list[str]:
    """Take a text's lines together; paragraphs are parted by empty ones."""
    return [" ".join(each.split()) for each in inspect.cleandoc(text).split("\n\n")]


def _panels(command: Any, ctx: Any) -> dict[str, list[tuple[Text, Text]]]:
    """Arrange arguments, options and commands below their headings, the unnamed ones first."""
    panels: dict[str, list[tuple[Text, Text]]] = {"Arguments": [], "Options": []}
    are_many = len(command.params) > _FEW
    for param in command.get_params(ctx):
        if not getattr(param, "hidden", False):
            heading = getattr(param, "rich_help_panel", None) or _HEADINGS[param.param_type_name]
            if heading == "Options" and are_many:
                heading = next((name for name, own in _PANELS.items() if own & set(param.opts)), heading)
            panels.setdefault(heading, []).append((_left(param), help_line(param)))
    for name in command.list_commands(ctx) if hasattr(command, "list_commands") else ():
        own = command.get_command(ctx, name)
        if own is not None and not own.hidden:
            panels.setdefault(COMMANDS, []).append(_command_row(name, own))
    return {heading: rows for heading, rows in panels.items() if rows}


def _command_row(name: str, command: Any) -> tuple[Text, Text]:
    from rich.text import Text

    return Text(name, style="bold cyan"), Text(translated(paragraphs(command.help or "")[0]))


def _left(param: Any) -> Text:
    """Write an option's names and what it takes, in lines of at most `_LEFT` characters."""
    from rich.text import Text

    if param.param_type_name == "argument":
        return Text(param.metavar or str(param.name).upper(), style="bold cyan")
    short = [name for name in param.opts if not name.startswith("--")]
    names = ", ".join([*short, *(name for name in param.opts if name not in short)])
    lines, value = [names], _value(param)
    if value:
        lines = [f"{names} {value}"] if len(names) + len(value) < _LEFT else [names, f"  {value}"]
    return Text("\n".join([*lines, *param.secondary_opts]), style="bold cyan")


def _value(param: Any) -> str:
    if param.is_flag or getattr(param, "count", False):
        return ""
    if choices(param):
        return "WORD"
    return param.metavar or _VALUES.get(_kind(param), "TEXT")


def _kind(param: Any) -> Any:
    """Return the type of an option's value, as Typer's newer and older versions have it."""
    newer = getattr(param, "type_descriptor", None)
    if newer is not None:
        return newer.annotation
    return {"integer": int, "integer range": int, "float": float, "float range": float, "path": Path}.get(
        param.type.name, str
    )


def choices(param: Any) -> Sequence[str]:
    """Return the words an option takes; none: any."""
    if param.metavar and "|" in param.metavar and param.metavar.islower():
        return tuple(param.metavar.split("|"))
    kind = _kind(param)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(each.value) for each in kind]
    return [str(each) for each in getattr(getattr(param, "type", None), "choices", ())]


def help_line(param: Any) -> Text:
    """Say what an option does, with the words it takes, its default and its variable."""
    from rich.text import Text

    said = [translated(param.help or "")]
    stated = default(param)
    if stated and "default" not in (param.help or ""):
        # inside the sentence, as the texts that state their default themselves; Korean has no space there
        gap = " " if said[0].isascii() else ""
        said[0] = f"{said[0].removesuffix('.')}{gap}({translated('default:')} {stated})."
    words = choices(param)
    if words and not all(word in (param.help or "") for word in words):
        said.append(f"{translated('One of:')} {', '.join(words)}.")
    text = Text(" ".join(filter(None, said)))
    if getattr(param, "show_envvar", False) and param.envvar:
        text.append(f" [{param.envvar}]", style="dim")
    if param.required:
        text.append(f" ({translated('required')})", style="dim red")
    return text


def default(param: Any) -> str:
    """Write an option's own default; "" where there is none that says anything."""
    value = param.default
    if not getattr(param, "show_default", True) or callable(value) or value is None:
        return ""
    if isinstance(value, bool):
        return (param.opts if value else param.secondary_opts)[0] if param.secondary_opts else ""
    return f"{value:g}" if isinstance(value, float) else str(getattr(value, "value", value))


def _print_panel(console: Console, heading: str, rows: Sequence[tuple[Text, Text]], width: int) -> None:
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=width, no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(Panel(table, title=heading, title_align="left", border_style="dim"))


# --- Spellings of options that people bring from other tools: taken, or answered with ours --------
#
# `transformers`' Trainer and its run_glue, sentence-transformers and scikit-learn have names of
# their own for what bertkit's options do. Those that take the same values work here too, in no
# help text; those that do not are answered with what to write instead.

# Our option, and what it is called elsewhere; a command takes those of its own options.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "--lr": ("--learning-rate",),
    "--head-lr": ("--head-learning-rate",),
    "--epochs": ("--num-epochs", "--num-train-epochs", "--n-epochs"),
    "--max-length": ("--max-seq-length", "--max-seq-len", "--max-len"),
    "--batch-size": (
        "--per-device-train-batch-size",
        "--per-device-eval-batch-size",
        "--train-batch-size",
        "--eval-batch-size",
    ),
    "--accumulate": ("--gradient-accumulation-steps", "--grad-accum"),
    "--warmup": ("--warmup-ratio",),
    "--schedule": ("--lr-scheduler-type", "--lr-scheduler"),
    "--clip": ("--max-grad-norm", "--clip-grad-norm"),
    "--label-smoothing": ("--label-smoothing-factor",),
    "--patience": ("--early-stopping-patience",),
    "--metric": ("--metric-for-best-model",),
    "--average": ("--average-epochs", "--swa"),
    "--blend": ("--ensemble",),
    "--no-blend": ("--no-ensemble",),
    "--leave-out": ("--remove-words",),
    "--token-masking": ("--token-dropout", "--mlm-probability"),
    "--class-weights": ("--class-weight",),
    "--limit": ("--max-train-samples",),
    "--validation-fraction": ("--validation-split", "--val-fraction"),
    "--test-fraction": ("--test-size",),
    "--folds": ("--cv", "--num-folds", "--n-splits"),
    "--log-every": ("--logging-steps",),
    "--seed": ("--random-state",),
    "--model": ("--model-name-or-path", "--model-name"),
    "--tokenizer": ("--tokenizer-name",),
    "--layers": ("--num-hidden-layers", "--num-layers"),
    "--hidden": ("--hidden-size",),
    "--heads": ("--num-attention-heads", "--num-heads"),
    "--dropout": ("--hidden-dropout-prob",),
    "--lowercase": ("--do-lower-case",),
    "--output": ("--output-dir", "--output-file"),
    "--force": ("--overwrite-output-dir", "--overwrite"),
    "--threads": ("--num-threads",),
    "--top-k": ("--topk",),
    "--beams": ("--num-beams",),
    "--max-tokens": ("--max-new-tokens",),
}
# Names of others whose values are not ours, and what to write.
INSTEAD: Mapping[str, str] = {
    "--bf16": "--precision bfloat16",
    "--fp16": "--precision bfloat16",
    "--use-cpu": "--device cpu",
    "--no-cuda": "--device cpu",
    "--cpu": "--device cpu",
    "--gpu": "--device cuda",
    "--warmup-steps": "--warmup SHARE",
    "--resume-from-checkpoint": "--resume",
    "--report-to": "--tensorboard",
    "--train-file": "bertkit train FILE",
    "--dataset-name": "bertkit train DATA",
    "--task-name": "bertkit train DATA",
}


class KitCommand(TyperCommand):
    """A command that knows its options by other tools' names too."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help in our own form; the formatter stays empty."""
        show_help(self, ctx)

    def make_parser(self, ctx: Any) -> Any:
        """Build the parser, and let each other name stand for the option it means."""
        parser = super().make_parser(ctx)
        known: dict[str, Any] = parser._long_opt
        known.update({alias: known[ours] for alias, ours in alias_table(known).items()})
        return parser

    def get_usage(self, ctx: Any) -> str:
        """Say how the command is called."""
        return usage(super().get_usage(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command; an option that nobody knows is answered with the nearest."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            wrong = getattr(error, "option_name", None)
            if wrong is not None and hasattr(error, "possibilities"):
                error.possibilities = None
                guess = nearest(wrong, self._own_options())
                if guess is not None:
                    error.message = f"{error.message}. Did you mean {guess}?"  # type: ignore[attr-defined]
            raise

    def _own_options(self) -> list[str]:
        names = [name for param in self.params for name in (*param.opts, *param.secondary_opts)]
        return [*(name for name in names if name.startswith("--")), "--help"]


class CommandGroup(TyperGroup):
    """A group of commands whose help has our form."""

    def get_usage(self, ctx: Any) -> str:
        """Say how the group is called."""
        return usage(super().get_usage(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help in our own form; the formatter stays empty."""
        show_help(self, ctx)


def alias_table(options: Iterable[str]) -> dict[str, str]:
    """Return the other names of these options, and what each stands for; an option's own name goes first."""
    known = set(options)
    return {alias: ours for ours in known & ALIASES.keys() for alias in ALIASES[ours] if alias not in known}


def nearest(wrong: str, options: Iterable[str]) -> str | None:
    """Return what somebody may have meant by an option that a command lacks.

    >>> nearest("--learnin-rate", ["--lr", "--epochs"])
    '--lr'
    """
    own = {option: option for option in options}
    table = {**INSTEAD, **alias_table(own), **own}
    if wrong in INSTEAD:
        return INSTEAD[wrong] if INSTEAD[wrong].split()[0] in own or INSTEAD[wrong][:2] != "--" else None
    near = difflib.get_close_matches(wrong, [name for name in table if name not in INSTEAD], n=1, cutoff=0.7)
    return table[near[0]] if near else None


def our_name(text: str) -> str:
    """Give the option that a text begins with our name, if it has one of another tool's.

    >>> our_name("learning_rate>=1e-4")
    'lr>=1e-4'
    """
    found = re.match(r"[\w-]+", text)
    name = "--" + found[0].replace("_", "-") if found else ""
    ours = next((own for own, others in ALIASES.items() if name in others), None)
    return text if ours is None or found is None else ours[2:] + text[found.end() :]


def our_names(values: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Give the values of a config file the names of our fields; two names for one option both stay.

    Args:
        values: by name, with - or _.
        fields: the names of our options, with _.
    """
    table = alias_table("--" + name.replace("_", "-") for name in fields)
    given = {name.replace("-", "_") for name in values}
    renamed = {}
    for name, value in values.items():
        ours = table.get("--" + name.replace("_", "-"), "")[2:].replace("-", "_")
        renamed[ours if ours and ours not in given else name] = value
    return renamed
