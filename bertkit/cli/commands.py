"""Spellings of options that people bring from other tools: taken, or answered with ours.

`transformers`' Trainer and its run_glue, sentence-transformers and scikit-learn have names of
their own for what bertkit's options do. Those that take the same values work here too, in no
help text; those that do not are answered with what to write instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from typer.core import TyperCommand, TyperGroup

from bertkit.cli.help import show_help, usage

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
