"""Names and labels of strangers in a model card: shown as they are, and nothing else."""

from __future__ import annotations

import re

import pytest

from bertkit.reporting.card import code_span, escaped


def read_code_span(span: str) -> str:
    """Read a code span as CommonMark 0.31 says in 6.1."""
    fence = re.match("`+", span)
    assert fence is not None
    n = len(fence[0])
    inner = span[n:-n]
    assert span.endswith(fence[0])
    assert n not in {len(run) for run in re.findall("`+", inner)}
    if inner[0] == inner[-1] == " " and inner.strip(" "):
        return inner[1:-1]
    return inner


@pytest.mark.parametrize(
    "text", ["pos", "a`b", "`", "``", "`a``b`", " ", "  ", " a ", " a", "a|b", "<b>", "긍정", "```` x", "[/INST]"]
)
def test_a_code_span_reads_back(text: str) -> None:
    assert read_code_span(code_span(text)) == text


def test_a_code_span_is_one_line_and_bounded() -> None:
    assert code_span("a\nb\x1b") == "`a\\nb\\x1b`"
    assert code_span("") == "(empty)"
    assert len(code_span("x" * 10_000)) < 310


def test_marks_are_escaped_and_names_stay_readable() -> None:
    assert escaped("<script>[x](y) `a` | *b* &amp; _c_") == (
        "\\<script\\>\\[x\\](y) \\`a\\` \\| \\*b\\* \\&amp; \\_c\\_"
    )
    assert escaped("sample:paraphrase, KR-FinBert_2") == "sample:paraphrase, KR-FinBert_2"
    assert escaped("a\nb") == "a\\\\nb"
