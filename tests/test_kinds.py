"""JSON that anybody may have written, held against the kinds of a record."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bertkit.errors import PlaceError
from bertkit.kinds import MisfitError, read_object, record_of


@dataclass(frozen=True)
class Part:
    name: str
    weight: float | None = None


@dataclass(frozen=True)
class Whole:
    count: int
    part: Part
    words: tuple[str, ...] = ()
    bounds: tuple[float, float] = (0.0, 1.0)
    shares: dict[str, float] = field(default_factory=dict)
    is_open: bool = False
    rest: dict[str, Any] = field(default_factory=dict)


GOOD: dict[str, Any] = {
    "count": 3,
    "part": {"name": "가", "weight": 2},
    "words": ["a", "b"],
    "bounds": [0, 1.5],
    "shares": {"x": 0.5},
    "is_open": True,
    "rest": {"anything": [None]},
}


def test_lists_become_tuples_objects_records_and_whole_numbers_floats() -> None:
    made = record_of(Whole, GOOD)
    assert made == Whole(3, Part("가", 2.0), ("a", "b"), (0.0, 1.5), {"x": 0.5}, True, {"anything": [None]})
    assert isinstance(made.part.weight, float)
    assert record_of(Whole, {"count": 0, "part": {"name": ""}}) == Whole(0, Part(""))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": True}, "count is true and should be a whole number"),
        ({"count": 1.5}, "count is 1.5 and should be a whole number"),
        ({"part": None}, "part is null and should be an object"),
        ({"part": {"name": 1}}, "part.name is 1 and should be text"),
        ({"part": {}}, "part.name is missing"),
        ({"part": {"name": "a", "weight": "2"}}, 'part.weight is "2" and should be a number'),
        ({"part": {"name": "a", "weight": float("nan")}}, "part.weight is NaN and should be a finite number"),
        ({"part": {"name": "a", "weight": 10**400}}, "should be a finite number"),
        ({"words": "ab"}, 'words is "ab" and should be a list'),
        ({"words": ["a", 2]}, "words[1] is 2 and should be text"),
        ({"words": ["\ud800"]}, "words[0] holds half a surrogate pair"),
        ({"bounds": [1]}, "bounds is [1] and should be a list of 2"),
        ({"shares": {"x": None}}, "shares.x is null and should be a number"),
        ({"is_open": 1}, "is_open is 1 and should be true or false"),
        ({"more": 1}, "more is a key that this bertkit does not know"),
        ({"count": "x" * 500}, "…"),
    ],
)
def test_a_value_of_another_kind_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MisfitError) as caught:
        record_of(Whole, {**GOOD, **changes})
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"\xff{}", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_a_file_that_holds_no_object_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(MisfitError, match=said):
        read_object(tmp_path / "x.json")


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("pipe", "link", "absent", "x" * 300):
        with pytest.raises(MisfitError, match="is missing"):
            read_object(tmp_path / name)


def test_a_missing_right_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PlaceError, match=r"x\.json: Permission denied; ask its owner for permission to read it\.$"):
        read_object(path)
