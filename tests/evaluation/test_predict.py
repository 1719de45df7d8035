"""Prediction over streams: order, formats, flat chunks, and the same answers as in one batch."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.compute.device import Placement
from bertkit.data.records import BadRow, ColumnMap, Example
from bertkit.errors import DataError, OutputError, StrictError
from bertkit.evaluation.predict import LARGEST_CHUNK, PredictRequest, predict, predict_stream
from bertkit.evaluation.records_out import open_writer
from bertkit.tasks.base import TaskSettings
from tests.conftest import pair_rows, write_tsv

CPU = Placement("cpu", "float32", 1)


@pytest.fixture(scope="module")
def loaded(trained_run: Path) -> Bundle:
    return bundle.load(trained_run)


def examples(n: int) -> list[Example]:
    return [Example((a, b), None, i + 1, "x") for i, (a, b, _) in enumerate(pair_rows(n, seed=8))]


def flat(chunks: Iterator[list[dict[str, object]]]) -> list[dict[str, object]]:
    return [record for chunk in chunks for record in chunk]


def test_order_is_kept_and_bad_rows_stand_in_their_place(loaded: Bundle) -> None:
    rows = [BadRow(e.line, "no good") if e.line % 7 == 0 else e for e in examples(300)]
    records = flat(predict_stream(loaded, rows, CPU))
    assert [r["line"] for r in records] == list(range(1, 301))
    assert [r["line"] for r in records if "error" in r] == list(range(7, 301, 7))


def test_answers_do_not_depend_on_the_company_of_a_row(loaded: Bundle) -> None:
    rows = examples(100)
    together = flat(predict_stream(loaded, rows, CPU))
    alone = [flat(predict_stream(loaded, [row], CPU, batch_size=1))[0] for row in rows]
    assert [r["label"] for r in together] == [r["label"] for r in alone]
    for one, other in zip(together, alone, strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=2e-5)


def test_records_say_what_the_design_says(loaded: Bundle) -> None:
    (record,) = flat(predict_stream(loaded, examples(1), CPU, top_k=5))
    assert list(record) == ["line", "label", "score", "top", "n_tokens", "truncated"]
    assert [t["label"] for t in record["top"]] in (["0", "1"], ["1", "0"])  # type: ignore[attr-defined]
    assert sum(t["score"] for t in record["top"]) == pytest.approx(1, abs=1e-5)  # type: ignore[attr-defined]
    assert record["truncated"] is False


def test_rows_are_not_read_far_ahead(loaded: Bundle) -> None:
    drawn = 0

    def endless() -> Iterator[Example]:
        nonlocal drawn
        row = examples(1)[0]
        while True:
            drawn += 1
            yield replace(row, line=drawn)

    stream = predict_stream(loaded, endless(), CPU)
    answered = sum(len(next(stream)) for _ in range(5))
    stream.close()
    assert drawn < answered + 4 * LARGEST_CHUNK


def test_an_error_of_the_source_reaches_the_reader(loaded: Bundle) -> None:
    def broken() -> Iterator[Example]:
        yield from examples(3)
        raise DataError("the file ended in the middle of a record.")

    with pytest.raises(DataError, match="middle of a record"):
        flat(predict_stream(loaded, broken(), CPU))


def test_a_slow_source_gives_the_same_records(loaded: Bundle) -> None:
    rows = examples(50)
    fast, slow = (flat(predict_stream(loaded, rows, CPU, slow_source=slow)) for slow in (False, True))
    assert [r["label"] for r in fast] == [r["label"] for r in slow]


def test_a_model_with_nothing_to_do_is_not_kept_waiting(loaded: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertkit.evaluation.predict.PATIENCE_S", 60.0)  # that of a model at work
    first, *rest = examples(3)
    answered = threading.Event()

    def typed() -> Iterator[Example]:
        yield first
        assert answered.wait(30), "the first row was not answered before the second came"
        yield from rest

    records = []
    for chunk in predict_stream(loaded, typed(), CPU, slow_source=True):
        records += chunk
        answered.set()
    assert [record["line"] for record in records] == [1, 2, 3]


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "parquet"])
def test_every_input_format_gives_the_same_answers(suffix: str, trained_run: Path, tmp_path: Path) -> None:
    rows = pair_rows(20, seed=3)
    path = tmp_path / f"rows.{suffix}"
    if suffix == "tsv":
        write_tsv(path, [row[:2] for row in rows], ("sentence1", "sentence2"))
    elif suffix == "csv":
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("label", "text_a", "text_b"), *((c, a, b) for a, b, c in rows)])
    elif suffix == "jsonl":
        path.write_text("".join(json.dumps({"sentence1": a, "sentence2": b}) + "\n" for a, b, _ in rows))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"sentence1": [r[0] for r in rows], "sentence2": [r[1] for r in rows]}), path)
    output = tmp_path / "out.jsonl"
    done = predict(PredictRequest(trained_run, str(path)), output=output)
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert (done.rows, done.errors) == (20, 0)
    right = sum(r["label"] == row[2] for r, row in zip(records, rows, strict=True))
    assert right >= 18
    first_line = 1 if suffix in ("jsonl", "parquet") else 2
    assert [r["line"] for r in records] == list(range(first_line, first_line + 20))


@pytest.mark.parametrize(("output_format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_cells_read_back_whatever_is_in_them(output_format: str, delimiter: str) -> None:
    labels = [
        "a\tb",
        "c\nd",
        "e\rf",
        "g\r\n",
        "=1+1",
        "@SUM(1)",
        "-1",
        'say "so"',
        "h, i",
        " j ",
        "\x1b[31m",
        "긍정",
        "",
    ]
    stream = io.StringIO(newline="")
    write = open_writer(stream, output_format, TaskSettings("classify", ColumnMap(("text",))), ("label",)).write
    write([{"line": i, "label": label, "n_tokens": 3, "truncated": False} for i, label in enumerate(labels)])
    text = stream.getvalue()
    assert text.startswith(delimiter.join(["line", "label", "n_tokens", "truncated", "error"]) + "\n")
    found = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert [row["label"] for row in found] == labels
    assert {row["truncated"] for row in found} == {"false"}


@pytest.mark.parametrize(("output_format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_tables_out(output_format: str, delimiter: str, trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"sentence1": "the cat sees music", "sentence2": "a dog likes music"}\n\n', encoding="utf-8")
    output = tmp_path / "out.txt"
    request = PredictRequest(trained_run, str(rows), output_format=output_format, top_k=2)
    done = predict(request, output=output)
    with output.open(encoding="utf-8", newline="") as stream:
        good, bad = csv.DictReader(stream, delimiter=delimiter)
    assert good["label"] == good["top1_label"]
    assert float(good["top1_score"]) >= float(good["top2_score"])
    assert good["truncated"] == "false"
    assert (bad["line"], bad["label"]) == ("2", "")
    assert bad["error"]
    with pytest.raises(DataError, match="1 of 2 rows"):
        done.raise_for_status(strict=False)


def test_long_rows_are_cut_and_counted_or_refused(trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    long = {"sentence1": "the cat " * 400, "sentence2": "a dog"}
    rows.write_text(json.dumps(long) + "\n" + json.dumps({"sentence1": "a", "sentence2": "b"}) + "\n")
    cut = predict(PredictRequest(trained_run, str(rows)), output=tmp_path / "cut.jsonl")
    first, second = map(json.loads, (tmp_path / "cut.jsonl").read_text().splitlines())
    assert first["truncated"] is True
    assert first["n_tokens"] == 805
    assert second["truncated"] is False
    with pytest.raises(StrictError, match="1 rows are longer than 512"):
        cut.raise_for_status(strict=True)
    refused = predict(PredictRequest(trained_run, str(rows), on_long="error"), output=tmp_path / "refused.jsonl")
    first, second = map(json.loads, (tmp_path / "refused.jsonl").read_text().splitlines())
    assert "805 tokens" in first["error"]
    assert second["label"] in ("0", "1")
    assert refused.errors == 1


def test_text_the_tokenizer_does_not_know_is_warned_about(trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"sentence1": "한국어 문장 하나", "sentence2": "다른 문장"}, ensure_ascii=False) + "\n")
    done = predict(PredictRequest(trained_run, str(rows)), output=tmp_path / "out.jsonl")
    assert "does not fit" in done.warnings[0]


def test_an_empty_input_gives_an_empty_output(trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.tsv"
    rows.write_text("sentence1\tsentence2\n")
    done = predict(PredictRequest(trained_run, str(rows), input_format="tsv"), output=tmp_path / "out.jsonl")
    assert done.rows == 0
    assert (tmp_path / "out.jsonl").read_text() == ""


def test_a_named_pipe_or_device_is_written_to_and_not_replaced(trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"sentence1": "a", "sentence2": "b"}\n')
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    listener = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    listener.start()
    predict(PredictRequest(trained_run, str(rows)), output=pipe)
    listener.join(timeout=10)
    assert json.loads(heard[0])["line"] == 1
    assert pipe.is_fifo()
    with pytest.raises(OutputError, match="/dev/full: cannot be written"):
        predict(PredictRequest(trained_run, str(rows)), output=Path("/dev/full"), force=True)
    assert Path("/dev/full").is_char_device()
