"""The whole campaign, as `make campaign` runs it; and proof that its book and its judge can be trusted."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.commands import Call
from tests.campaign.count import as_table, count
from tests.campaign.inprocess import Ran, run_here
from tests.campaign.inputs import Input, draw_input, finished
from tests.campaign.oracle import faults
from tests.campaign.outcome import Outcome, Part
from tests.campaign.parts import PARTS
from tests.campaign.pool import run_cases
from tests.campaign.processes import STOPPING, run_process
from tests.campaign.runs import Runs
from tests.campaign.seeds import Draft, Piece, draw
from tests.campaign.strange import file_changes, json_changes

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
CALL = Call("predict, file", "records", ("predict", "run", "rows.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PARTS))
def test_whole_campaign(name: str, runs: Runs) -> None:
    part = PARTS[name]
    found = run_cases(part, range(part.count(runs)), runs.folder, jobs=2)
    lines = count((name, number, outcome) for number, outcome in found)
    assert not any(line.failed for line in lines), as_table(lines)


def test_cases_are_the_same_every_time() -> None:
    assert [draw_input(random.Random(f"input {n}")) for n in range(40)] == [
        draw_input(random.Random(f"input {n}")) for n in range(40)
    ]


def test_the_book_says_where_unharmed_rows_stand() -> None:
    looked_at = 0
    for number in range(600):
        given = draw_input(random.Random(f"input {number}"))
        is_plain = (
            given.kind in ("tsv", "jsonl") and given.numbered and not given.loose and given.data[:2] != b"\x1f\x8b"
        )
        for kept in given.kept if is_plain else ():
            line = given.data.split(b"\n")[kept.line - 1].removeprefix(b"\xef\xbb\xbf").decode()
            fields = json.loads(line) if given.kind == "jsonl" else dict(enumerate(line.split("\t")))
            first_word, *_ = kept.row.texts[0].split()
            assert first_word in json.dumps(list(fields.values()), ensure_ascii=False), (number, kept)
            looked_at += 1
    assert looked_at > 1000


def test_harmless_changes_keep_every_row_and_harmful_ones_do_not() -> None:
    draft = draw("classify", random.Random("draft"))
    rows = len(draft.rows)
    assert len(finished(draft).kept) == rows
    i = draft.body[2]
    draft.touch(i, draft.pieces[i].raw[:-1] + b"x\n")
    draft.insert(draft.body[4], b"a line\n")
    made = finished(draft)
    assert len(made.kept) == rows - 1
    assert [kept.early for kept in made.kept[:3]] == [True, True, False]


def whole(runs: Runs, folder: Path) -> tuple[Ran, Input]:
    """Predict three rows that nothing has touched."""
    answers = list(runs.answers["classify"])[:3]
    rows = [row for row in draw("classify", random.Random("whole")).rows if row.texts]
    assert answers
    pieces = [Piece(json.dumps(row.fields).encode() + b"\n", i) for i, row in enumerate(rows)]
    given = finished(Draft("classify", "jsonl", ".jsonl", rows, pieces))
    (folder / given.name).write_bytes(given.data)
    return run_here(("predict", str(runs.of("classify")), given.name), folder), given


def test_a_right_answer_is_not_blamed(runs: Runs, tmp_path: Path) -> None:
    ran, given = whole(runs, tmp_path)
    assert faults(ran, CALL, given, runs, tmp_path) == []


def lines_of(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def answered(ran: Ran, records: list[dict[str, Any]], **more: Any) -> Ran:
    out = "".join(json.dumps(record) + "\n" for record in records)
    return replace(ran, out=out.encode(), **more)


LIES: Mapping[str, Any] = {
    "a row before the damage is lost": lambda ran: answered(ran, lines_of(ran)[1:]),
    "a row before the damage is misread": lambda ran: answered(ran, [{**r, "n_tokens": 99} for r in lines_of(ran)]),
    "records: fewer than rows": lambda ran: answered(ran, lines_of(ran)[:-1]),
    "records are out of order, or a line has two": lambda ran: answered(ran, lines_of(ran)[::-1]),
    "an error record and exit 0": lambda ran: answered(ran, [{"line": 1, "error": "no"}, *lines_of(ran)[1:]]),
    "output is no JSON: NaN": lambda ran: replace(ran, out=ran.out.replace(b'"n_tokens": ', b'"x": NaN, "n_tokens": ')),
    "traceback: ValueError": lambda ran: replace(ran, code=1, err="Traceback (most recent call last):\nValueError: x"),
    "hang: stopped after 10 s of CPU or 90 s": lambda ran: replace(ran, stopped=True),
    "exit 2": lambda ran: replace(ran, code=2),
    "slow: more than 10 s of CPU": lambda ran: replace(ran, cpu_s=11.0),
    "no place in: this is wrong": lambda ran: replace(ran, code=3, err="bertkit: this is wrong"),
    "exit 3 without a sentence at the end": lambda ran: replace(ran, code=3, err="alas"),
    "control characters on stderr": lambda ran: replace(ran, err="\x1b[31mred"),
    "a library speaks on stderr: RuntimeWarning:": lambda ran: replace(
        ran, err="x.py:1: RuntimeWarning: mean of nothing"
    ),
    "a sentence is too long": lambda ran: replace(ran, code=3, err=f"bertkit: rows.jsonl: {'x' * 2000}"),
}


@pytest.mark.parametrize("fault", list(LIES))
def test_what_is_wrong_is_found(fault: str, runs: Runs, tmp_path: Path) -> None:
    ran, given = whole(runs, tmp_path)
    assert any(found.startswith(fault) for found in faults(LIES[fault](ran), CALL, given, runs, tmp_path))


def test_what_is_left_over_is_found(runs: Runs, tmp_path: Path) -> None:
    ran, given = whole(runs, tmp_path)
    (tmp_path / ".out.jsonl.tmp").touch()
    assert "left over: .out.jsonl.tmp" in faults(ran, CALL, given, runs, tmp_path)
    (tmp_path / given.name).write_bytes(given.data[:-1])
    assert "the input was changed" in faults(ran, CALL, given, runs, tmp_path)


def test_a_process_is_killed_before_the_change_that_is_asked_for(runs: Runs, tmp_path: Path) -> None:
    words = ("vocab", "build", str(runs.folder / "classify.jsonl"), "--size", "200", "--output", "words")
    assert run_process(("0", str(tmp_path), *words), tmp_path, program=STOPPING).code == 0
    changes = int((tmp_path / "changes").read_text(encoding="ascii"))
    assert changes > 2
    killed = tmp_path / "killed"
    killed.mkdir()
    ended = run_process(("1", str(killed), *words), killed, program=STOPPING)
    assert ended.code == -signal.SIGKILL
    assert not list(killed.iterdir())


def test_fields_are_changed_one_by_one() -> None:
    raw = b'{"a": {"b": [1, 2]}, "c": "d"}'
    made = {change.name: change.apply(raw) for change in json_changes("f.json", raw)}
    assert made["a.b.0 = gone"] == b'{"a": {"b": [2]}, "c": "d"}'
    assert made["c = null"] == b'{"a": {"b": [1, 2]}, "c": null}'
    assert {change.name: change.apply(raw) for change in file_changes("f.json")}["gone"] is None


def test_the_count_tells_what_failed() -> None:
    outcomes = [("fuzz", 7, Outcome("predict", ("lost",))), ("fuzz", 8, Outcome("predict"))]
    lines = count([*outcomes, ("disks", 0, Outcome("full disk", skipped="not here"))])
    assert "| fuzz | predict | 2 | 1 | lost (1: 7) |" in as_table(lines)
    assert "| disks | full disk | 0 | 0 | skipped: not here |" in as_table(lines)


def test_a_worker_that_dies_is_a_result(runs: Runs) -> None:
    nowhere = Part("no such part", lambda _: 1, lambda *_: Outcome("never"), patience_s=60)
    ((number, outcome),) = run_cases(nowhere, [3], runs.folder, jobs=1)
    assert number == 3
    assert outcome.faults == ("the process ended: 1",)
