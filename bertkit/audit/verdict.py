"""The end of an audit: one or two sentences, and the command that makes the best of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bertkit.audit.findings import Finding, counted
from bertkit.audit.labels import STRONG_IMBALANCE, imbalance
from bertkit.plain import shell_words

_TOKEN_STEP = 8  # lengths that suit the hardware
_SHORTEST = 8  # what --max-length takes


@dataclass(frozen=True)
class TrainCommand:
    """What of the suggested command does not come from the findings.

    Args:
        data: the words of DATA.
        model: the name given to --model.
        longest: the most tokens the model can read; None: not known.
        options: further words, kept as they are (`--data-dir`, its folder, …).
    """

    data: tuple[str, ...]
    model: str = "scratch"
    longest: int | None = None
    options: tuple[str, ...] = ()


def write_verdict(findings: Sequence[Finding], rows: int) -> str:
    """Say in one or two sentences whether to train on this."""
    if not rows:
        return "There are no rows to train on."
    errors = _named(findings, "error")
    warnings = _named(findings, "warning")
    if errors:
        rest = f" Worth checking: {warnings}." if warnings else ""
        return f"Fix before training: {errors}.{rest}"
    if warnings:
        return f"Can be trained on. Worth checking: {warnings}."
    return f"Ready to train: nothing to fix in {counted(rows, 'row')}."


def suggest_command(command: TrainCommand, task: str, labels: Mapping[str, int], fitting: int | None) -> str:
    """Write the `train` command for the shell.

    Args:
        command: what is known of it.
        task: the task word; class weights are for classify.
        labels: rows by label.
        fitting: the number of tokens that loses under 1 % of the rows; None: not counted.
    """
    words = ["bertkit", "train", *command.data, *command.options, "--model", command.model]
    if fitting is not None:
        length = max(_SHORTEST, -(-fitting // _TOKEN_STEP) * _TOKEN_STEP)
        words += ["--max-length", str(min(length, command.longest or length))]
    if task == "classify" and len(labels) > 1 and imbalance(labels) > STRONG_IMBALANCE:
        words += ["--class-weights", "auto"]
    return shell_words(words)


def _named(findings: Sequence[Finding], severity: str) -> str:
    """List the kinds of one severity in words, each once."""
    kinds = list(dict.fromkeys(finding.kind.replace("_", " ") for finding in findings if finding.severity == severity))
    return kinds[0] if len(kinds) == 1 else ", ".join(kinds[:-1]) + " and " + kinds[-1] if kinds else ""
