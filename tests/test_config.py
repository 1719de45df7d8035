"""TrainConfig: bounds in the words of the flags, files there and back, who wins."""

from __future__ import annotations

import json
import math
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

import pytest

from bertkit.config import TrainConfig, flag, from_mapping, options, read_toml, to_toml
from bertkit.errors import DataError, UsageError

BOUNDED = [
    (spec.name, bound, spec.metadata[bound])
    for spec in options(TrainConfig)
    for bound in ("minimum", "above", "maximum", "below")
    if spec.metadata[bound] is not None
]
WITH_CHOICES = [spec for spec in options(TrainConfig) if spec.metadata["choices"]]
FULL = TrainConfig(
    data=("train.tsv", 'odd "name"\\\n\t\x7f 한국어.csv'),
    task="regression",
    columns="text=a,pair=b,label=c",
    test_fraction=0.25,
    limit=100,
    positive="예",
    init="random",
    hidden=96,
    heads=3,
    lowercase=False,
    dropout=0.0,
    lr=1e-5,
    warmup=1.0,
    swap_pairs=True,
    seed=2**32 - 1,
    compile=True,
    output="runs/x",
    force=True,
)


def whole(name: str) -> bool:
    return "int" in str(TrainConfig.__annotations__[name])


def just(name: str, bound: str, limit: float, *, inside: bool) -> float:
    """The value nearest to a bound, on this side or on that."""
    upwards = (bound in ("minimum", "above")) == inside
    belongs = bound in ("minimum", "maximum")
    if inside == belongs:
        value = limit
    elif whole(name):
        value = limit + (1 if upwards else -1)
    else:
        value = math.nextafter(limit, math.inf if upwards else -math.inf)
    return int(value) if whole(name) else float(value)


def bare(config: TrainConfig) -> TrainConfig:
    return replace(config, given=frozenset())


# --- bounds -------------------------------------------------------------------------------


def test_the_table_states_bounds() -> None:
    assert len(BOUNDED) > 20
    assert ("lr", "above", 0) in BOUNDED


@pytest.mark.parametrize(("name", "bound", "limit"), BOUNDED)
def test_each_bound_is_kept_and_names_its_flag(name: str, bound: str, limit: float) -> None:
    words = {"minimum": "at least", "above": "greater than", "maximum": "at most", "below": "less than"}[bound]
    value = just(name, bound, limit, inside=False)
    with pytest.raises(UsageError) as caught:
        TrainConfig(**{name: value})
    assert str(caught.value) == f"{flag(name)} {value}: must be {words} {limit}."


@pytest.mark.parametrize(("name", "bound", "limit"), BOUNDED)
def test_the_last_value_inside_is_taken(name: str, bound: str, limit: float) -> None:
    value = just(name, bound, limit, inside=True)
    # the two fractions share the rows, and nearly 1 leaves the other no room
    others = {"validation_fraction": 1e-300} if name == "test_fraction" and value > 0.5 else {}
    if name == "test_fraction" and value > 0.5:
        value = 0.999
    assert getattr(TrainConfig(**{name: value}, **others), name) == value


@pytest.mark.parametrize("name", sorted({name for name, _, _ in BOUNDED if not whole(name)}))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"^{flag(name)} (nan|-?inf): must be a finite number\.$"):
        TrainConfig(**{name: value})


@pytest.mark.parametrize("spec", WITH_CHOICES, ids=lambda spec: spec.name)
def test_choices_are_kept_and_listed(spec: Field[Any]) -> None:
    for word in spec.metadata["choices"]:
        assert getattr(TrainConfig(**{spec.name: word}), spec.name) == word
    with pytest.raises(UsageError) as caught:
        TrainConfig(**{spec.name: "nonsense"})
    assert str(caught.value) == f"{flag(spec.name)} nonsense: must be one of {', '.join(spec.metadata['choices'])}."


def test_defaults_are_among_the_choices_and_in_bounds() -> None:
    assert all(spec.default is None or spec.default in spec.metadata["choices"] for spec in WITH_CHOICES)
    assert TrainConfig() == TrainConfig()


def test_heads_must_divide_the_width() -> None:
    assert TrainConfig(hidden=96, heads=3).heads == 3
    with pytest.raises(UsageError, match=r"^--heads 5 does not divide --hidden 96; choose a divisor\.$"):
        TrainConfig(hidden=96, heads=5)


def test_the_fractions_must_leave_rows() -> None:
    assert TrainConfig(validation_fraction=0.5, test_fraction=0.4).test_fraction == 0.4
    with pytest.raises(UsageError, match=r"^--validation-fraction and --test-fraction together leave no training rows"):
        TrainConfig(validation_fraction=0.5, test_fraction=0.5)


def test_a_change_is_checked_too() -> None:
    with pytest.raises(UsageError, match=r"^--epochs 0: must be at least 1\.$"):
        replace(TrainConfig(), epochs=0)


def test_every_option_has_a_help_line_and_a_panel() -> None:
    for spec in options(TrainConfig):
        assert spec.metadata["help"].endswith("."), spec.name
        assert spec.metadata["panel"] in {"Data", "Model", "Training", "Machine", "Run"}, spec.name
    assert {spec.name for spec in fields(TrainConfig)} - {s.name for s in options(TrainConfig)} == {"data", "given"}


# --- there and back -----------------------------------------------------------------------


@pytest.mark.parametrize("config", [TrainConfig(), FULL], ids=["defaults", "full"])
def test_toml_round_trip(config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert bare(from_mapping(read_toml(path), source="train.toml")) == config


def test_json_round_trip_of_what_a_run_saves() -> None:
    back = from_mapping(json.loads(json.dumps(FULL.saved())), source="bertkit.json")
    assert bare(back) == replace(FULL, output=None, force=False)


def test_requests_and_bookkeeping_are_not_saved() -> None:
    saved = FULL.saved()
    assert not {"output", "resume", "force", "keep_checkpoints", "dry_run", "strict", "given"} & saved.keys()
    assert {"data", "lr", "seed", "precision", "device"} <= saved.keys()


def test_open_values_stay_out_of_toml() -> None:
    assert "lr =" not in to_toml(TrainConfig())
    assert "given" not in to_toml(TrainConfig(given=frozenset({"lr"})))


def test_toml_takes_both_spellings_and_one_data_name(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text('data = "mrpc"\nbatch-size = 8\nmax_length = 64\nlr = 1\n', encoding="utf-8")
    config = from_mapping(read_toml(path), source="train.toml")
    assert (config.data, config.batch_size, config.max_length, config.lr) == (("mrpc",), 8, 64, 1.0)
    assert isinstance(config.lr, float)


@pytest.mark.parametrize("content", [b"lr = ", b"lr = 1\nlr = 2\n", b"\xff\xfe", b"[[["])
def test_what_is_not_toml_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train\.toml: is not TOML: .+\.$"):
        read_toml(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(DataError, match=r"^--config .*: cannot be read \(.+\); check the path\.$"):
            read_toml(path)


# --- names and types ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["learning_rate", "given", "", "training", "--lr"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^train\.toml: no option is called '{name}'; `bertkit train --help` lists"):
        from_mapping({name: 1}, source="train.toml")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("epochs", 1.5, "a whole number"),
        ("epochs", True, "a whole number"),
        ("epochs", "3", "a whole number"),
        ("lr", "fast", "a number"),
        ("lr", False, "a number"),
        ("model", 3, "text"),
        ("device", ["cpu"], "text"),
        ("compile", 1, "true or false"),
        ("swap_pairs", "yes", "true or false"),
        ("batch-size", {"train": 3}, "a whole number"),
        ("seed", None, "a whole number"),
        ("task", None, "text"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_mapping({name: value}, source="train.toml")
    assert str(caught.value) == f"train.toml: {flag(name)} takes {words}, not {value!r}."


@pytest.mark.parametrize("value", [5, [1, 2], None, {"train": "a"}, ["a", None]])
def test_data_is_a_name_or_a_list_of_them(value: object) -> None:
    with pytest.raises(UsageError, match=r"^train\.toml: data takes a name, a path or a list of paths, not "):
        from_mapping({"data": value}, source="train.toml")


def test_open_values_may_be_given_as_none() -> None:
    assert from_mapping({"lr": None, "size": None}, source="bertkit.json").lr is None


def test_values_of_a_file_are_held_to_the_bounds() -> None:
    with pytest.raises(UsageError, match=r"^--dropout 1\.0: must be less than 1\.$"):
        from_mapping({"dropout": 1}, source="train.toml")


# --- who wins -----------------------------------------------------------------------------


def test_later_values_win_over_the_base_and_the_base_over_defaults() -> None:
    from_file = from_mapping({"lr": 0.1, "epochs": 7}, source="train.toml")
    both = from_mapping({"lr": 0.2, "seed": 5}, source="the command line", base=from_file)
    assert (both.lr, both.epochs, both.seed, both.schedule) == (0.2, 7, 5, "linear")
    assert (from_file.lr, from_file.seed) == (0.1, 1)


def test_what_somebody_gave_is_remembered() -> None:
    from_file = from_mapping({"batch-size": 8, "seed": 1}, source="train.toml")
    assert from_file.given == {"batch_size", "seed"}
    assert from_mapping({"lr": 0.2}, source="flags", base=from_file).given == {"batch_size", "seed", "lr"}
    assert TrainConfig().given == frozenset()
