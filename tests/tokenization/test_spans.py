"""Spans that begin and end where a reader would put them."""

from __future__ import annotations

import unicodedata

import pytest

from bertkit.tokenization.segments import Span, whole_characters

HAN = unicodedata.normalize("NFD", "한")


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ("a b", [(0, 1), (1, 3)], [(0, 1), (2, 3)]),
        ("a b ", [(0, 2), (2, 4)], [(0, 1), (2, 3)]),
        ("a  b", [(0, 1), (1, 2), (2, 4)], [(0, 1), (1, 1), (3, 4)]),
        (HAN + "a", [(0, 1), (3, 4)], [(0, 3), (3, 4)]),
        (HAN, [(0, 1)], [(0, 3)]),
        ("Cafe\u0301 x", [(0, 4), (5, 7)], [(0, 5), (6, 7)]),
        ("ㅎㅏㄴ", [(0, 1), (2, 3)], [(0, 2), (2, 3)]),
        ("ㅠㅠ", [(0, 1)], [(0, 1)]),  # the second was cut away: it is a letter of its own
        ("ㅎㅏ", [(0, 1), (1, 2)], [(0, 1), (1, 2)]),  # a vocabulary that does not compose
        ("한국", [(0, 1)], [(0, 1)]),
        ("ab", [(0, 0), (0, 2)], [(0, 0), (0, 2)]),
        ("", [(0, 0)], [(0, 0)]),
    ],
)
def test_one_text(text: str, given: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> None:
    spans = tuple(Span(0, *place) for place in given)
    found = whole_characters(spans, (text,))
    assert found == tuple(Span(0, *place) for place in wanted)
    assert whole_characters(found, (text,)) == found


def test_sides_are_kept_apart() -> None:
    row = [Span(-1, 0, 0), Span(0, 0, 1), Span(-1, 0, 0), Span(1, 0, 2), Span(-1, 0, 0)]
    assert whole_characters(row, (HAN, " b")) == (row[0], Span(0, 0, 3), row[2], Span(1, 1, 2), row[4])
