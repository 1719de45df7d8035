"""Tables on terminals that are narrow: words stay whole, and where there is no room for them a row is a block."""

from __future__ import annotations

import pytest

from bertkit.cli.options import Format
from bertkit.cli.render import show_rows

ROWS = [
    {
        "run": "runs/first",
        "data": "sample:paraphrase",
        "metric (95 % CI)": "accuracy 0.5586 (0.468 … 0.649)",
        "MB": "3.8",
    },
    {
        "run": "runs/other",
        "data": "sample:paraphrase",
        "metric (95 % CI)": "accuracy 0.6126 (0.532 … 0.694)",
        "MB": None,
    },
]


def shown(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    show_rows(ROWS, Format.TABLE)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_wide_table_has_a_line_for_each_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(100, monkeypatch, capsys) == [
        "run         data               metric (95 % CI)                 MB",
        "runs/first  sample:paraphrase  accuracy 0.5586 (0.468 … 0.649)  3.8",
        "runs/other  sample:paraphrase  accuracy 0.6126 (0.532 … 0.694)",
    ]


@pytest.mark.parametrize("width", [46, 50, 60])
def test_words_are_not_cut(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(width, monkeypatch, capsys)
    assert all(len(line) <= width for line in lines)
    words = " ".join(lines).split()
    assert {"runs/first", "sample:paraphrase", "accuracy", "0.5586", "(0.468", "0.649)"} <= set(words)


def test_where_words_have_no_room_a_row_is_a_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [
        "run: runs/first",
        "  data: sample:paraphrase",
        "  metric (95 % CI): accuracy 0.5586 (0.468 … 0.649)",
        "  MB: 3.8",
    ]
    second = ["run: runs/other", "  data: sample:paraphrase", "  metric (95 % CI): accuracy 0.6126 (0.532 … 0.694)"]
    assert shown(36, monkeypatch, capsys) == [*first, *second]
