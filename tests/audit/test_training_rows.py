"""What training hears of its rows."""

from __future__ import annotations

import pytest

from bertkit.audit.run import row_doubts
from bertkit.data.records import Example


def rows(*labels: str, text: str = "a text") -> list[Example]:
    return [Example((text,), label, line, "t.csv") for line, label in enumerate(labels, start=2)]


def test_labels_that_look_like_one_or_like_none() -> None:
    variants, missing = row_doubts("classify", rows("Refund", "refund", "Praise", "-"))
    assert variants.startswith("train: the labels 'Refund' and 'refund' look like one label")
    assert missing.startswith("train: 1 row has the label '-', which looks like a missing one")
    assert missing.endswith("(t.csv:5)")
    assert not list(row_doubts("regression", rows("1.5", "2.5", "-")))


@pytest.mark.parametrize("text", ["", " ", "\xa0\u3000", "\u200b", "\ufeff\xad", "\u3164 \u2800"])
def test_rows_without_a_text_are_named(text: str) -> None:
    (doubt,) = row_doubts("regression", [*rows("1.5"), *rows("2.5", text=text)])
    assert doubt == "train: 1 row has no text, the first at t.csv:2"


def test_good_rows_are_no_doubt() -> None:
    assert not list(row_doubts("classify", rows("-1", "0", "1")))


def test_labels_that_look_like_several_are_said() -> None:
    labels = ["joy", "anger", "joy+anger"]
    rows = [Example((f"text {n}",), labels[n % 3], n + 1, "a.csv") for n in range(30)]
    (doubt,) = row_doubts("classify", rows)
    assert "10 rows have labels that look like several joined, such as 'joy+anger' beside 'joy' and 'anger'" in doubt
    assert doubt.endswith("such as 'joy|anger' (a.csv:3)")
