"""Text of strangers is shown harmlessly, and JSON is always JSON."""

from __future__ import annotations

import json
import math
import os
import subprocess

import pytest

from bertkit.plain import LISTED, SENTENCE, WORD, listed, quoted, sentence, shell_words, shortened, to_json, visible

STEERING = ["\x1b[31m", "\x1b]0;title\x07", "\x9b31m", "\x00", "\x7f", "\u202e", "\u2066", "\u061c", "\ufeff", "\udc00"]


@pytest.mark.parametrize("text", STEERING)
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = visible(f"a{text}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert shown.endswith("b")


@pytest.mark.parametrize("text", ["plain", "한국어", "é", "👩‍🚀", "나비", "[bold]x[/bold]", "a\\nb"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_line_ends_and_tabs_are_written_the_short_way() -> None:
    assert visible("a\nb\tc\rd") == "a\\nb\\tc\\rd"


@pytest.mark.parametrize("most", [2, 3, 10, 79, 80])
def test_a_long_text_keeps_its_ends(most: int) -> None:
    text = "".join(chr(0xAC00 + i) for i in range(200))
    short = shortened(text, most)
    assert len(short) == most
    assert "…" in short
    assert short[0] == text[0]
    assert shortened(text[:most], most) == text[:most]


def test_a_quotation_is_bounded_and_one_line() -> None:
    assert quoted("po\nlite") == "'po\\nlite'"
    assert len(quoted("x" * 10_000)) < 90
    assert len(quoted("\x1b" * 10_000)) < 90
    assert len(sentence("x\0 " * 10**5)) == SENTENCE
    assert len(sentence(f"unknown model '{'x' * 10**6}'; see the list.")) < WORD + 40


def test_line_ends_stay_where_lines_are_shown() -> None:
    assert visible("a\n\tb\r\x1b", keep="\n\t") == "a\n\tb\\r\\x1b"


@pytest.mark.parametrize(
    "words",
    [["a b", "$HOME", "it's"], ["a\nb", "\x1b[31m", "\u202e", "it's\t\\n", "\x9b9"], [os.fsdecode(b"\xff1\xe9")]],
)
def test_a_shell_reads_the_very_words(words: list[str]) -> None:
    command = shell_words(words)
    assert command.isprintable()
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True)
    assert done.stdout == b"".join(os.fsencode(word) + b"\0" for word in words)


def test_a_list_of_names_says_how_many_are_left_out() -> None:
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(["a", "b"], joint=" and ", quotes=False) == "a and b"
    assert listed([]) == ""
    many = listed([f"column number {i}" for i in range(200_000)])
    assert many.startswith("'column number 0', 'column number 1', ")
    assert many.endswith(" more")
    assert len(many) < LISTED + 60
    assert len(listed(["x" * 9999])) < 40


@pytest.mark.parametrize("text", [*STEERING, "한국어", "\n", "\\", '"'])
def test_json_reads_back_and_holds_nothing_unseen(text: str) -> None:
    for line in (to_json({text: [text]}), to_json({text: [text]}, ascii_only=True)):
        assert json.loads(line) == {text: [text]}
        assert line.isprintable()
        line.encode()


def test_json_in_lines_keeps_its_lines() -> None:
    text = to_json({"a": ["\x9b"], "b": 1}, indent=2)
    assert text.count("\n") == 5
    assert json.loads(text) == {"a": ["\x9b"], "b": 1}


def test_numbers_that_are_not_finite_become_null() -> None:
    values = {"a": math.nan, "b": [math.inf, 1.5], "c": {"d": (-math.inf, 2)}}
    assert json.loads(to_json(values)) == {"a": None, "b": [None, 1.5], "c": {"d": [None, 2]}}
