"""The exception tree: what its docstring draws is what it is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from bertkit import errors
from bertkit.errors import BertkitError, DataError, UnknownNameError

BRANCH = re.compile(
    r"^ {4}(?P<depth>[│ ├└─]*)(?P<name>[A-Z]\w+) +(?P<code>\d+)(?: {2,}(?P<words>\S.*))?$", re.MULTILINE
)
NAMES = ("mrpc", "nsmc", "stsb")


def drawn() -> dict[str, tuple[int, str | None]]:
    return {m["name"]: (int(m["code"]), m["words"]) for m in BRANCH.finditer(errors.__doc__ or "")}


def defined() -> dict[str, type[BertkitError]]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: c for name, c in classes if issubclass(c, BaseException) and c.__module__ == errors.__name__}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert {name: code for name, (code, _) in drawn().items()} == {name: c.exit_code for name, c in defined().items()}


def test_every_class_hangs_on_the_root_and_says_what_it_is() -> None:
    for name, error in defined().items():
        if error is not BertkitError:
            assert error.__bases__ == (BertkitError,), name
            assert drawn()[name][1], name
        assert error.__doc__, name


def test_exit_codes_are_those_of_the_command_line() -> None:
    codes = {name: c.exit_code for name, c in defined().items()}
    assert (codes.pop("UsageError"), codes.pop("StrictError"), codes.pop("Interrupted")) == (2, 4, 130)
    assert set(codes.values()) == {3}


@pytest.mark.parametrize(("typed", "meant"), [("mrcp", "mrpc"), ("MRPC", "mrpc"), ("nsmcc", "nsmc"), ("sts", "stsb")])
def test_a_near_name_is_offered(typed: str, meant: str) -> None:
    error = UnknownNameError.among("data set", typed, NAMES, "`bertkit datasets` lists them")
    assert str(error).startswith(f"unknown data set {typed!r}")
    assert f"did you mean {meant!r}?" in str(error)
    assert str(error).endswith("`bertkit datasets` lists them.")


@pytest.mark.parametrize("typed", ["", "zzzz", "영화"])
def test_where_nothing_is_near_nothing_is_offered(typed: str) -> None:
    error = UnknownNameError.among("data set", typed, NAMES, "`bertkit datasets` lists them")
    assert str(error).startswith(f"unknown data set {typed!r}")
    assert "did you mean" not in str(error)
    assert str(error).endswith("`bertkit datasets` lists them.")


@pytest.mark.parametrize(("line", "wanted"), [(7, "a/b.csv:7: is odd"), (None, "a/b.csv: is odd")])
def test_a_place_is_file_and_line(line: int | None, wanted: str) -> None:
    assert str(DataError.at(Path("a/b.csv"), line, "is odd")) == wanted
    assert str(DataError.at("a/b.csv", line, "is odd")) == wanted
