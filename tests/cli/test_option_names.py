"""Options by other tools' names, wrong names, and the form of every help text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.cli.commands import ALIASES, INSTEAD, alias_table, our_names

GROUP: Any = typer.main.get_command(app)


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if not command.hidden:
            yield (*before, name), command
            if hasattr(command, "commands"):
                yield from commands(command, (*before, name))


ALL = list(commands(GROUP))


def invoke(*words: str, columns: int = 80) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": str(columns)}, prog_name="bertkit")
    return result.exit_code, result.stdout, result.stderr


def said_on(stderr: str) -> str:
    return " ".join(re.sub("[│╭╮╰╯─]", " ", stderr).split())


def test_names_of_trainer_and_run_glue_are_taken() -> None:
    words = [
        "--learning-rate", "1e-4", "--num_train_epochs=2", "--max-seq-length", "32",
        "--per-device-train-batch-size", "8",
    ]  # fmt: skip
    code, said, _ = invoke("train", "sample:paraphrase", "--model", "scratch", *words, "--dry-run")
    assert code == 0
    for shown in ('"lr": 0.0001', '"epochs": 2', '"max_length": 32', '"batch_size": 8'):
        assert shown in said


def test_evaluate_is_eval() -> None:
    assert invoke("evaluate", "nowhere")[0] == 3


@pytest.mark.parametrize(
    ("words", "offer"),
    [
        (("train", "x", "--learnin-rate", "1"), "No such option: --learnin-rate. Did you mean --lr?"),
        (("train", "x", "--fp16"), "Did you mean --precision bfloat16?"),
        (("predict", "x", "--treshold", "1"), "Did you mean --threshold?"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(words: tuple[str, ...], offer: str) -> None:
    code, _, said = invoke(*words)
    assert code == 2
    assert offer in said_on(said)


def test_a_command_takes_only_names_of_its_own_options() -> None:
    code, _, said = invoke("eval", "x", "--learning-rate", "1")
    assert code == 2
    assert "No such option: --learning-rate" in said_on(said)


def test_aliases_hide_no_option_and_mean_one_each() -> None:
    own = {name for _, command in ALL for param in command.params for name in param.opts}
    others = [alias for aliases in ALIASES.values() for alias in aliases]
    assert len(set(others)) == len(others)
    assert ALIASES.keys() <= own | {"--no-blend"}
    assert not set(others) & INSTEAD.keys()
    assert alias_table(["--lr", "--learning-rate"]) == {}


def test_config_files_take_them_too() -> None:
    assert our_names({"learning-rate": 1, "seed": 2}, ["lr", "seed"]) == {"lr": 1, "seed": 2}
    assert our_names({"learning_rate": 1, "lr": 2}, ["lr"]) == {"learning_rate": 1, "lr": 2}


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda each: " ".join(each) if isinstance(each, tuple) else "")
def test_help_fits_80_columns_and_breaks_no_word(words: tuple[str, ...], command: Any) -> None:
    code, said, _ = invoke(*words, "--help")
    assert code == 0
    assert max(map(len, said.splitlines())) <= 80
    assert "<bool>" not in said
    assert "…" not in said.replace("COLUMN,…", "").replace("weight,…", "")
    shown = set(re.sub("[│]", " ", said).split())
    for param in command.params:
        assert param.help, f"{param.name} has no help"
        assert {word for word in param.help.split() if len(word) < 40} <= shown


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda each: " ".join(each) if isinstance(each, tuple) else "")
def test_every_command_has_an_example(words: tuple[str, ...], command: Any) -> None:
    if not hasattr(command, "commands"):
        assert re.search(rf"Example: .*bertkit {' '.join(words)}\b", command.help, re.DOTALL), words
