"""Options by other tools' names, wrong names, and the form of every help text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from bertkit.cli.app import app, asked_help
from bertkit.cli.help import ALIASES, INSTEAD, alias_table, help_line, our_name, our_names
from bertkit.models import table

GROUP: Any = typer.main.get_command(app)


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if not command.hidden:
            yield (*before, name), command
            if hasattr(command, "commands"):
                yield from commands(command, (*before, name))


ALL = list(commands(GROUP))
OPTIONS = [(" ".join(words), param) for words, command in ALL for param in command.params if param.name != "help"]
# What is counted or measured, and in what.
UNITS = re.compile(
    r"\b(tokens?|words?|rows?|batch(es)?|labels?|sentences?|steps?|epochs?|layers?|heads?|numbers|buckets|ids|seeds?|"
    r"trials?|models|minutes|seconds|megabytes|share|probability|rate|norm|decay|weights|GPUs|actors|threads|beams|"
    r"layer|head|mean)\b",
    re.IGNORECASE,
)
RECIPES = {name: each for name, each in vars(table).items() if isinstance(each, table.Recipe)}


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
    shown = {word.removesuffix(".") for word in re.sub("[│]", " ", said).split()}
    for param in command.params:
        assert param.help, f"{param.name} has no help"
        assert {word.removesuffix(".") for word in param.help.split() if len(word) < 40} <= shown


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda each: " ".join(each) if isinstance(each, tuple) else "")
def test_every_command_has_an_example(words: tuple[str, ...], command: Any) -> None:
    if not hasattr(command, "commands"):
        assert re.search(rf"Example: .*bertkit {' '.join(words)}\b", command.help, re.DOTALL), words


@pytest.mark.parametrize(("command", "param"), OPTIONS, ids=lambda each: getattr(each, "name", each))
def test_every_option_names_its_default_or_where_it_comes_from(command: str, param: Any) -> None:
    line = help_line(param).plain
    is_plain_flag = getattr(param, "is_flag", False) and not param.secondary_opts
    assert is_plain_flag or param.required or re.search(r"[(;] ?default: \S", line), f"{command} {param.opts}: {line}"
    assert not line.endswith(": by model)."), "by which model, how much?"


@pytest.mark.parametrize(("command", "param"), OPTIONS, ids=lambda each: getattr(each, "name", each))
def test_every_number_has_a_unit(command: str, param: Any) -> None:
    if getattr(param.type_descriptor, "annotation", None) in (int, float) and not param.is_flag:
        assert UNITS.search(param.help), f"{command} {param.opts}: {param.help}"


def values_of(recipe: table.Recipe, option: str) -> set[Any]:
    """All values that a recipe has for an option, over tasks, of one text and of two."""
    tasks = {"", *recipe.by_task, *recipe.by_pair_task}
    return {recipe.options(task, two_texts=two)[option] for task in tasks for two in (False, True)}


@pytest.mark.parametrize(
    ("option", "scratch", "minilm", "others"),
    [
        ("epochs", (8, 8), (1, 8), (2, 6)),
        ("lr", (5e-4, 5e-4), (1e-4, 2e-4), (7e-6, 2e-4)),
        ("weight_decay", (0.01, 0.01), (0.01, 0.01), (0.01, 0.01)),
        ("label_smoothing", (0, 0), (0, 0), (0, 0)),
        ("dropout", (0.3, 0.3), (0.1, 0.1), (0, 0.1)),
        ("patience", (8, 8), (3, 3), (3, 3)),
        ("average", (3, 3), (1, 1), (1, 1)),
        ("freeze", (0, 0), (0, 4), (0, 1)),
        ("token_masking", (0.2, 0.2), (0, 0), (0, 0)),
        ("overlap_segments", (True, True), (False, False), (False, False)),
        ("swap_pairs", (True, True), (True, True), (False, True)),
        ("batch_size", (32, 32), (16, 32), (8, 32)),
        ("trim_vocab", (False, False), (False, False), (False, True)),
    ],
)
def test_help_states_the_recipes_values(option: str, scratch: Any, minilm: Any, others: Any) -> None:
    """Who changes a recipe changes its help line in config.py too."""
    rest = [recipe for name, recipe in RECIPES.items() if name not in ("SCRATCH", "MINILM")]
    groups = [[RECIPES["SCRATCH"]], [RECIPES["MINILM"]], rest]
    found = [set().union(*(values_of(recipe, option) for recipe in group)) for group in groups]
    assert [(min(each), max(each)) for each in found] == [scratch, minilm, others]


@pytest.mark.parametrize(
    ("words", "as_option"),
    [
        (["help"], ["--help"]),
        (["help", "train"], ["train", "--help"]),
        (["help", "vocab", "build"], ["vocab", "build", "--help"]),
        (["--lang", "ko", "help", "eval"], ["--lang", "ko", "eval", "--help"]),
        (["--lang=ko", "help"], ["--lang=ko", "--help"]),
    ],
)
def test_help_is_a_word_too(words: list[str], as_option: list[str]) -> None:
    assert invoke(*words) == invoke(*as_option)
    assert invoke(*words)[0] == 0


def test_a_text_named_help_is_a_text() -> None:
    assert asked_help(["tokenize", "help"]) == ("tokenize", "help")


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("learning_rate>=1e-4", "lr>=1e-4"),
        ("num-train-epochs=3", "epochs=3"),
        ("accuracy>0.5", "accuracy>0.5"),
        ("=x", "=x"),
    ],
)
def test_conditions_on_runs_take_them_too(text: str, ours: str) -> None:
    assert our_name(text) == ours
