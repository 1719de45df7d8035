"""Inputs cut into shards, read shard by shard: the rows of the whole, wherever it is cut. Needs no Ray."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertkit.cluster.shards import FilePlan, all_files, plan_file, read_shard, without_key
from bertkit.cluster.worker import Wanted, begin, run_digest, shard_name, taken, write_shard, written
from bertkit.data.columns import parse_keep
from bertkit.data.records import BadRow, ColumnMap
from bertkit.errors import DataError, OutputError, UsageError
from bertkit.evaluation.answers import Item
from bertkit.evaluation.inputs import open_all
from bertkit.tasks.base import TaskSettings
from tests.conftest import pair_rows

PAIRS = TaskSettings(task="classify", columns=ColumnMap(("sentence1",), "sentence2", "label"), labels=("0", "1"))
TEXTS = TaskSettings(task="classify", columns=ColumnMap(("text",), None, "label"), labels=("0", "1"))
ROWS = pair_rows(150, seed=2)
NAMES = ("id", "sentence1", "sentence2")


def json_lines(path: Path) -> Path:
    lines = [json.dumps({"id": i, "sentence1": a, "sentence2": b}) for i, (a, b, _) in enumerate(ROWS)]
    lines[0], lines[40], lines[41], lines[90] = "{broken", "", '{"sentence1": "alone"}', "[3]"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def comma_table(path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(NAMES)
        for i, (a, b, _) in enumerate(ROWS):
            table.writerow([i, f'{a}\n\nand "more",\n' if i % 5 == 0 else a, b])
        stream.write('7,one field\n8,"never closed,and so\non\n9,a cat,a dog\n')
    return path


def tab_table(path: Path) -> Path:
    lines = ["\t".join(NAMES), *(f"{i}\t{a}\t{b}" for i, (a, b, _) in enumerate(ROWS))]
    lines[70] = 'odd "quote\t x\ty\tz'
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


def header_again(path: Path) -> Path:
    lines = [",".join(NAMES), *(f"{i},{a},{b}" for i, (a, b, _) in enumerate(ROWS))]
    lines[60] = "id,sentence2,sentence1"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def columns_of_arrow(path: Path) -> Path:
    table = {name: [str(i) if name == "id" else row[NAMES.index(name) - 1] for i, row in enumerate(ROWS)]
             for name in NAMES}  # fmt: skip
    pq.write_table(pa.table(table), path, row_group_size=33)
    return path


def packed(path: Path) -> Path:
    path.write_bytes(gzip.compress(json_lines(path.with_suffix("")).read_bytes()))
    return path


def document(path: Path) -> Path:
    path.write_text(json.dumps([{"id": i, "sentence1": a, "sentence2": b} for i, (a, b, _) in enumerate(ROWS)]))
    return path


FILES: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "rows.jsonl": (json_lines, True),
    "rows.csv": (comma_table, True),
    "rows.tsv": (tab_table, True),
    "twice.csv": (header_again, False),
    "rows.parquet": (columns_of_arrow, True),
    "rows.jsonl.gz": (packed, False),
    "rows.json": (document, False),
}


def in_shards(file: str, rows: int, settings: TaskSettings = PAIRS) -> Iterator[tuple[FilePlan, list[Item]]]:
    plan = plan_file(file, settings, input_format="auto", columns=None, rows=rows)
    keep = parse_keep("all")
    for shard in plan.shards:
        yield plan, list(read_shard(shard, settings, columns=None, keep=keep, name=None))


def shown(item: Item) -> object:
    said = item.message if isinstance(item, BadRow) else item.texts
    return item.line, said, item.kept


def whole(file: str, settings: TaskSettings = PAIRS) -> list[object]:
    keep = parse_keep("all")
    return [shown(item) for item in open_all([file], settings, input_format="auto", columns=None, keep=keep).rows]


@pytest.mark.parametrize("address", ["", "file://"])
@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("name", FILES)
def test_parts_are_the_rows_of_the_whole(tmp_path: Path, name: str, rows: int, address: str) -> None:
    write, can_be_cut = FILES[name]
    path = str(write(tmp_path / name))
    shards = list(in_shards(address + path, rows))
    assert [shown(item) for _, items in shards for item in items] == whole(path)
    assert (len(shards) > 1) == (can_be_cut and rows < len(ROWS))
    if can_be_cut and rows > 1:
        assert all(len(items) <= rows + 1 for _, items in shards)


def test_lines_of_text_and_tokens_a_row(tmp_path: Path) -> None:
    text = tmp_path / "texts.txt"
    text.write_text("".join(f"{a}\n" for a, _, _ in ROWS), encoding="utf-8")
    shards = list(in_shards(str(text), 10, TEXTS))
    assert len(shards) == 15
    assert [shown(item) for _, items in shards for item in items] == whole(str(text), TEXTS)
    words = tmp_path / "words.csv"
    words.write_text("sentence_id,word,tag\n" + "".join(f"{i // 3},w{i},O\n" for i in range(90)), encoding="utf-8")
    entities = TaskSettings(task="ner", columns=ColumnMap(("text",), None, "entities"), labels=("PER",))
    shards = list(in_shards(str(words), 10, entities))
    assert len(shards) == 1
    assert [shown(item) for _, items in shards for item in items] == whole(str(words), entities)


def test_an_empty_file_has_no_parts(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("")
    assert list(in_shards(str(tmp_path / "none.jsonl"), 5)) == []


def test_names_of_files_in_addresses_are_found_whatever_they_hold(tmp_path: Path) -> None:
    folder, names = tmp_path / "a b", ["100%.jsonl", "a#1.jsonl", "b?c.jsonl", "e%20f.jsonl", "행 1.jsonl"]
    folder.mkdir()
    for name in names:
        (folder / name).write_text(json.dumps({"text": name}) + "\n", encoding="utf-8")
    for address in (f"file://{folder}", f"file://{folder}/".replace(" ", "%20")):
        found = all_files([address])
        read = [item.texts[0] for file in found.values() for _, items in in_shards(file, 5, TEXTS) for item in items]
        assert read == names
    assert [*all_files([f"file://{folder}/?region=x"])][1].endswith("/a%231.jsonl?region=x")


def test_what_arrow_does_not_know_is_read_by_fsspec(tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    for name in ("rows.jsonl", "rows.csv", "rows.parquet", "rows.jsonl.gz"):
        write, _ = FILES[name]
        store.pipe(f"/in/{name}", write(tmp_path / name).read_bytes())
    found = all_files(["memory://in"])
    assert list(found) == [
        f"memory://in/{name}" for name in ("rows.csv", "rows.jsonl", "rows.jsonl.gz", "rows.parquet")
    ]
    for name, place in found.items():
        shards = [shown(item) for _, items in in_shards(place, 40) for item in items]
        assert shards == whole(str(tmp_path / name.rpartition("/")[2]))


def test_a_key_in_an_address_is_said_and_stored_nowhere() -> None:
    assert without_key("s3://KEY:SECRET@bucket/a.jsonl") == "s3://bucket/a.jsonl"
    assert (
        without_key("abfs://rows@account.dfs.core.windows.net/a:b@c")
        == "abfs://rows@account.dfs.core.windows.net/a:b@c"
    )
    for wrong in ("bucket/rows%?region=x", "bucket/rows?nothing=x"):
        with pytest.raises(DataError, match="s3://bucket/rows") as refused:
            all_files([f"s3://KEY:SECRET@{wrong}"])
        assert "SECRET" not in str(refused.value)


def test_folders_and_addresses_stand_for_their_files(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "notes.md"):
        (tmp_path / name).write_text("x")
    wanted = [f"{tmp_path}/a.jsonl", f"{tmp_path}/b.csv"]
    assert list(all_files([str(tmp_path)])) == wanted
    assert list(all_files([f"file://{tmp_path}"])) == [f"file://{name}" for name in wanted]
    with pytest.raises(DataError, match="no such file"):
        all_files([f"file://{tmp_path}/none"])
    with pytest.raises(DataError, match="no file system"):
        all_files(["steam://engine/rows.csv"])
    for names in (["-"], [wanted[0], wanted[0]]):
        with pytest.raises(UsageError, match="--ray"):
            all_files(names)


def planned(file: Path, run: str = "1", **options: object) -> Wanted:
    return Wanted(run, (plan_file(str(file), PAIRS, input_format="auto", columns=None, rows=50),), dict(options))


def test_what_is_gone_on_with_must_be_the_same(tmp_path: Path) -> None:
    file, folder = json_lines(tmp_path / "rows.jsonl"), tmp_path / "out"
    with taken(folder, force=False, resume=False):
        begin(folder, planned(file, top_k=0))
        write_shard(folder, 1, iter([[{"line": 1, "error": "x"}], [{"line": 2, "truncated": True}]]))
    with pytest.raises(OutputError, match="not empty"), taken(folder, force=False, resume=False):
        pass
    with taken(folder, force=False, resume=True):
        begin(folder, planned(file, top_k=0))
        found = written(folder, 1)
        assert found is not None
        assert (found.rows, found.errors, found.truncated) == (2, 1, 1)
        assert written(folder, 0) is None
        with pytest.raises(DataError, match="another --top-k"):
            begin(folder, planned(file, top_k=2))
        with pytest.raises(DataError, match="another run"):
            begin(folder, planned(file, run="2", top_k=0))
        file.write_text(file.read_text().replace("cat", "car"))
        with pytest.raises(DataError, match="other inputs"):
            begin(folder, planned(file, top_k=0))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"), taken(folder, force=True, resume=False):
        pass
    (folder / "notes.txt").unlink()
    with taken(folder, force=True, resume=False):
        begin(folder, planned(file, run="2"))
    assert not (folder / shard_name(1)).exists()


def test_a_run_is_known_by_what_it_answers_with(trained_run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(trained_run, copy)
    assert run_digest(copy) == run_digest(trained_run)
    (copy / "README.md").write_text("other")
    assert run_digest(copy) == run_digest(trained_run)
    config = (copy / "bertkit.json").read_text()
    (copy / "bertkit.json").write_text(config.replace('"task": "classify"', '"task":  "classify"'))
    assert run_digest(copy) != run_digest(trained_run)
