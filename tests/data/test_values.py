"""JSON is read so that nothing in it changes in silence: halves of pairs, keys that repeat, numbers."""

from __future__ import annotations

import io

import pytest

from bertkit.data.formats.readers import read_stream
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.shapes.labelled import Documents, LabelledTexts
from bertkit.data.shapes.questions import Questions
from bertkit.data.shapes.tagged import TaggedTexts
from bertkit.data.values import RowError, field_of, parse_cell, parse_json, value_text

HALVES = ["\\ud800", "\\uDBFF", "\\udc00", "\\uDfFf"]


def rows(*lines: str) -> list[Row | BadRow]:
    return list(read_stream(io.BytesIO("\n".join(lines).encode()), "-", "jsonl"))


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a%sb"}',
        '{"text": "a", "label": "po%ss"}',
        '{"te%sxt": "a"}',
        '{"tokens": ["a", "%s"]}',
        '{"o": {"k%s": 1}}',
    ],
)
def test_half_a_surrogate_pair_is_a_fault_of_its_row(line: str, half: str) -> None:
    bad, good = rows(line % half, '{"text": "fine"}')
    assert isinstance(bad, BadRow)
    assert "half a surrogate pair" in bad.message
    assert good == Row(2, {"text": "fine"})


def test_pairs_and_escaped_backslashes_are_no_halves() -> None:
    (row,) = rows('{"text": "\\ud83d\\ude00 and \\\\udc00"}')
    assert row == Row(1, {"text": "😀 and \\udc00"})


@pytest.mark.parametrize("half", HALVES)
def test_half_a_pair_in_the_json_of_a_cell(half: str) -> None:
    listed, tags = f'["a", "{half}"]', '["O", "O"]'
    row = Row(7, {"q": "?", "c": listed})
    (question,) = Questions().examples([row], ColumnMap(("q",), choices=("c",)), "f", need_label=False)
    (document,) = Documents().examples([Row(7, {"text": listed})], ColumnMap(("text",)), "f", need_label=False)
    row = Row(7, {"tokens": listed, "tags": tags})
    (tagged,) = TaggedTexts().examples([row], ColumnMap(("tokens",), None, "tags"), "f")
    row = Row(7, {"text": "ab", "label": f'[{{"start": 0, "end": 1, "label": "{half}"}}]'})
    (spans,) = TaggedTexts().examples([row], ColumnMap(("text",), None, "label"), "f")
    (dotted,) = LabelledTexts().examples(
        [Row(7, {"text": "a", "labels": f'{{"label": "{half}"}}'})],
        ColumnMap(("text",), None, "labels.label"),
        "f",
        need_label=True,
    )
    for bad in (question, document, tagged, spans, dotted):
        assert isinstance(bad, BadRow)
        assert (bad.line, "half a surrogate pair" in bad.message) == (7, True)


@pytest.mark.parametrize(
    "line",
    ['{"text": "a", "text": "b"}', '{"text": "a", " text": "b"}', '{"x": "a", "o": {"text": 1, "text": 2}}'],
)
def test_a_key_that_stands_there_twice(line: str) -> None:
    bad, good = rows(line, '{"text": "fine"}')
    assert bad == BadRow(1, "the key 'text' occurs twice")
    assert good == Row(2, {"text": "fine"})


def test_a_key_that_stands_there_twice_in_a_cell() -> None:
    row = Row(3, {"q": "?", "c": '{"A": "x", "B": "y", "A": "z"}'})
    (bad,) = Questions().examples([row], ColumnMap(("q",), choices=("c",)), "f", need_label=False)
    assert bad == BadRow(3, "the key 'A' occurs twice")


def test_numbers_stay_as_they_are_written() -> None:
    (row,) = rows(
        '{"a": 1.10, "b": 1e400, "c": -0.0, "d": 12345678901234567890123, "e": [1.50, {"x": 1E5, "y": null}]}'
    )
    assert isinstance(row, Row)
    assert row.fields == {
        "a": "1.10",
        "b": "1e400",
        "c": "-0.0",
        "d": "12345678901234567890123",
        "e": '[1.50, {"x": 1E5, "y": null}]',
    }
    assert all(type(field_of(row.fields, name)) is str for name in row.fields)
    assert list(map(value_text, parse_cell(row.fields["e"]))) == ["1.50", '{"x": 1E5, "y": null}']


@pytest.mark.parametrize("text", ["", "no", "[1", "{'a': 1}", "NaN", "[Infinity]", "[" * 100_000, "9" * 5000])
def test_what_is_no_json_is_none_in_a_cell_and_named_in_a_line(text: str) -> None:
    assert parse_cell(text) is None
    with pytest.raises(RowError, match=r"^invalid JSON: "):
        parse_json(text)


def test_a_null_inside_an_object_is_no_label() -> None:
    (bad,) = LabelledTexts().examples(
        [Row(1, {"text": "a", "labels": '{"label": null}'})],
        ColumnMap(("text",), None, "labels.label"),
        "f",
        need_label=True,
    )
    assert isinstance(bad, BadRow)
    (good,) = LabelledTexts().examples(
        [Row(1, {"text": "a", "labels": '{"label": 3.70}'})],
        ColumnMap(("text",), None, "labels.label"),
        "f",
        need_label=True,
    )
    assert isinstance(good, Example)
    assert good.label == "3.70"
