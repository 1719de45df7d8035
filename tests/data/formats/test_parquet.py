"""Parquet: only what is looked at is read, nothing is lost in silence, and a bad cell is one bad row."""

from __future__ import annotations

import io
import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from bertkit.data.formats import parquet
from bertkit.data.formats.parquet import class_names
from bertkit.data.formats.readers import read_rows, read_stream
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.shapes.labelled import LabelledTexts
from bertkit.data.sources import input_files
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, stream_data


def written(folder: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, folder / "a.parquet", **options)
    return folder / "a.parquet"


def texts(path: Path, *columns: str) -> list[str]:
    examples = LabelledTexts().examples(read_rows(path), ColumnMap(columns), str(path), need_label=False)
    return [" ".join(e.texts) if isinstance(e, Example) else f"{e.line}: {e.message}" for e in examples]


def strings(*raw: bytes) -> pa.Array:
    """An array of texts that nobody has checked."""
    return pa.array(raw, pa.binary()).view(pa.string())


def test_a_column_nobody_looks_at_cannot_stop_the_reading(tmp_path: Path) -> None:
    no_date = pa.array([1 << 60, 0], pa.timestamp("us"))
    table = pa.table({"text": ["a", "b"], "when": no_date, "latin": strings(b"caf\xe9", b"x")})
    path = written(tmp_path, table)
    assert texts(path, "text") == ["a", "b"]
    assert [row.fields["text"] for row in read_rows(path) if isinstance(row, Row)] == ["a", "b"]


def test_a_cell_that_is_no_text_is_one_bad_row(tmp_path: Path) -> None:
    table = pa.table({
        "text": strings(b"fine", b"caf\xe9 noir", "영화".encode("cp949"), b"good"),
        "when": pa.array([0, 1 << 60, None, 1], pa.timestamp("us")),
        "raw": [b"abc", b"\xff", b"", b"d"],
    })  # fmt: skip
    path = written(tmp_path, table)
    fine, latin, korean, good = texts(path, "text")
    assert (fine, good) == ("fine", "good")
    assert latin.startswith("2: not valid UTF-8: byte 0xe9 at byte 4; it looks like Latin-1, which `iconv")
    assert latin.endswith(" (column 'text')")
    assert "CP949" in korean
    first, beyond, null, last = texts(path, "when")
    assert (first, null, last) == ("1970-01-01 00:00:00", "", "1970-01-01 00:00:00.000001")
    assert beyond.startswith("2: the value cannot be written as text: ")
    assert texts(path, "raw")[1] == "2: not valid UTF-8: byte 0xff at byte 1 (column 'raw')"


def test_points_in_time_that_python_cannot_hold_are_written_as_arrow_has_them(tmp_path: Path) -> None:
    path = written(tmp_path, pa.table({"when": pa.array([1], pa.timestamp("ns"))}))
    assert texts(path, "when") == ["1970-01-01 00:00:00.000000001"]


@pytest.mark.parametrize("names", [("text", "text"), ("text", " text"), ("문서", "문서")])
def test_two_columns_of_one_name_are_refused(names: tuple[str, str], tmp_path: Path) -> None:
    path = written(tmp_path, pa.table([["a"], ["b"]], names=list(names)))
    with pytest.raises(DataError, match=rf"a\.parquet: two columns are called '{names[0]}'; rename one"):
        next(iter(read_rows(path)))


def test_rows_outlive_the_reading_and_come_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 7)
    table = pa.table({"a": [f"a{i}" for i in range(50)], "b": list(range(50))})
    path = written(tmp_path, table, row_group_size=20)
    rows = [row for row in read_rows(path) if isinstance(row, Row)]
    assert [row.fields["b"] for row in reversed(rows)] == [str(i) for i in reversed(range(50))]
    assert [row.fields["a"] for row in rows] == [f"a{i}" for i in range(50)]
    assert [row.line for row in rows] == list(range(1, 51))
    assert list(read_stream(io.BytesIO(path.read_bytes()), "-", "parquet")) == rows


def test_names_with_dots_and_nested_values(tmp_path: Path) -> None:
    table = pa.table({"a.b": ["flat"], "a": [{"b": "inside", "n": 1}], "tags": [["O", "B-X"]]})
    (row,) = read_rows(written(tmp_path, table))
    assert isinstance(row, Row)
    assert dict(row.fields) == {"a.b": "flat", "a": '{"b": "inside", "n": 1}', "tags": '["O", "B-X"]'}


def test_fewer_rows_than_the_file_says_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, pa.table({"text": ["a"] * 30}))
    short = pq.ParquetFile.iter_batches
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *a, **k: iter(list(short(*a, **k))[:0]))
    with pytest.raises(DataError, match=r"a\.parquet:1: .*says it has 30 rows, and column 'text' has 0"):
        texts(path, "text")


def test_whatever_arrow_raises_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, pa.table({"text": ["a"], "label": ["x"]}))

    def broken(*_: object, **__: object) -> None:
        raise OverflowError("x" * 9999)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", broken)
    with pytest.raises(DataError, match=r"a\.parquet:1: this parquet file cannot be read further") as caught:
        load_data([str(path)])
    assert len(str(caught.value)) < 400 + len(str(path))


def test_a_year_beyond_9999_in_a_used_column_ends_the_loading_at_its_row(tmp_path: Path) -> None:
    path = written(tmp_path, pa.table({"text": ["a", "b"], "label": pa.array([0, 1 << 60], pa.timestamp("us"))}))
    with pytest.raises(DataError, match=r"a\.parquet:2: the value cannot be written as text"):
        load_data([str(path)])
    (good, bad) = LabelledTexts().examples(read_rows(path), ColumnMap(("text",), None, "label"), "f", need_label=True)
    assert isinstance(good, Example)
    assert isinstance(bad, BadRow)


def classes(path: Path, labels: list[int], feature: dict[str, object] | None = None) -> Path:
    """Write a table as the datasets library does, with the names of its classes in the schema."""
    feature = feature or {"names": ["neg", "neu", "pos"], "_type": "ClassLabel"}
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": feature}
    table = pa.table({"text": [f"text {i}" for i in range(len(labels))], "label": pa.array(labels, pa.int64())})
    stored = json.dumps({"info": {"features": features}}).encode()
    pq.write_table(table.replace_schema_metadata({"huggingface": stored}), path)
    return path


def test_classes_have_the_names_that_the_file_has_for_them(tmp_path: Path) -> None:
    path = classes(tmp_path / "t.parquet", [0, 2, 1, 0])
    loaded = load_data([str(path)])
    assert list(loaded.labels("train")) == ["neg", "pos", "neu", "neg"]
    streamed = stream_data([str(path)])
    assert [row.label for row in streamed.splits["train"]] == ["neg", "pos", "neu", "neg"]
    assert class_names(path) == {"label": ("neg", "neu", "pos")}


def test_a_run_that_learnt_the_ids_is_given_the_ids(tmp_path: Path) -> None:
    path = classes(tmp_path / "t.parquet", [0, 2, 1])
    assert list(load_data([str(path)], labels=["0", "1", "2"]).labels("train")) == ["0", "2", "1"]
    assert list(load_data([str(path)], labels=["neg", "neu", "pos"]).labels("train")) == ["neg", "pos", "neu"]


def test_minus_one_is_no_class(tmp_path: Path) -> None:
    path = classes(tmp_path / "t.parquet", [0, -1, 1])
    with pytest.raises(DataError, match=r"t\.parquet:2: the label is withheld \(-1\)"):
        load_data([str(path)])
    assert [row.label for row in stream_data([str(path)]).splits["train"]] == ["neg", None, "neu"]


@pytest.mark.parametrize("inner", ["Sequence", "List", "list"])
def test_tags_have_the_names_that_the_file_has_for_them(tmp_path: Path, inner: str) -> None:
    names = {"names": ["O", "B-PER"], "_type": "ClassLabel"}
    feature = [names] if inner == "list" else {"feature": names, "_type": inner}
    table = pa.table({"tokens": [["Mira", "left"], ["so", "did"]], "ner_tags": [[1, 0], [0, 0]]})
    stored = json.dumps({"info": {"features": {"ner_tags": feature}}}).encode()
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": stored}), path)
    loaded = load_data([str(path)])
    assert (loaded.task, [row.answer for row in loaded.splits["train"]]) == ("ner", [[[0, 4, "PER"]], []])


@pytest.mark.parametrize("stored", [b"{", b"[]", b'{"info": {"features": {"label": {"names": 3}}}}'])
def test_names_that_cannot_be_read_are_none(tmp_path: Path, stored: bytes) -> None:
    table = pa.table({"text": ["a", "b"], "label": [0, 1]})
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": stored}), path)
    assert class_names(path) == {}
    assert list(load_data([str(path)]).labels("train")) == ["0", "1"]


def test_lists_of_words_are_texts_and_objects_are_none(tmp_path: Path) -> None:
    table = pa.table({"text": [["so", "it"], ["goes", "on"]], "label": [0, 1]})
    assert [row.texts[0] for row in load_data([str(written(tmp_path, table))]).splits["train"]] == ["so it", "goes on"]
    table = pa.table({"text": [{"en": "so"}, {"en": "on"}], "label": [0, 1]})
    with pytest.raises(DataError, match="holds an object of 'en' and no text"):
        load_data([str(written(tmp_path, table))])


@pytest.mark.parametrize("kind", ["file", "stream", "feather"])
def test_arrows_own_files_are_read_with_the_names_of_their_classes(tmp_path: Path, kind: str) -> None:
    features = {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}
    table = pa.table(
        {"text": ["good", "bad"] * 1500, "label": [1, 0] * 1500, "when": pa.array([1 << 60] * 3000, pa.timestamp("us"))}
    )
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": features})})
    path = tmp_path / "a.arrow"
    if kind == "feather":
        feather.write_feather(table, str(path))
    else:
        with pa.OSFile(str(path), "wb") as out, getattr(pa.ipc, f"new_{kind}")(out, table.schema) as writer:
            writer.write_table(table, max_chunksize=1100)
    dataset = load_data([str(path)])
    assert list(dataset.labels("train")) == ["pos", "neg"] * 1500
    assert [row.line for row in dataset.splits["train"][1498:1502]] == [1499, 1500, 1501, 1502]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.arrow: this is not a readable Arrow file"):
        load_data([str(path)])


def test_folders_of_save_to_disk_are_read(tmp_path: Path) -> None:
    rows = {"tokens": [["Mira", "left"]] * 3, "ner_tags": [[1, 0]] * 3}
    tags = datasets.Sequence(datasets.ClassLabel(names=["O", "B-PER"]))
    features = datasets.Features({"tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": tags})
    saved = datasets.Dataset.from_dict(rows, features=features)
    saved.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": saved, "validation": saved}).save_to_disk(str(tmp_path / "both"))
    assert {split: len(own) for split, own in load_data([str(tmp_path / "one")]).splits.items()} == {"train": 3}
    both = load_data([str(tmp_path / "both")])
    assert {split: len(own) for split, own in both.splits.items()} == {"train": 3, "validation": 3}
    assert both.splits["train"][0].answer == [[0, 4, "PER"]]
    assert [Path(name).suffix for name in input_files([str(tmp_path / "one")])] == [".arrow"]
    assert [Path(name).parent.name for name in input_files([str(tmp_path / "both")])] == ["train", "validation"]


def test_a_folder_as_the_hub_has_them_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for split in ("train", "test"):
        pq.write_table(
            pa.table({"text": ["a", "b"], "label": ["x", "y"]}), tmp_path / f"data/{split}-00000-of-00001.parquet"
        )
    assert set(load_data([str(tmp_path)]).splits) == {"train", "test"}
