from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertkit.data.formats import parquet as hub_data
from bertkit.errors import HubError
from tests.stand_in_hub import StandInHub, run_client

# Made up for this test, in the shape of MRPC.
PAIRS = [
    ("The boat left at noon.", "At noon the boat left.", 1),
    ("배가 정오에 떠났다.", "비가 온다.", 0),
    ('She said "no".', None, -1),
]
CARD = """\
---
dataset_info:
- config_name: mrpc
  features:
  - {name: sentence1, dtype: string}
  - {name: sentence2, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': not_equivalent, '1': equivalent}}}
  - {name: idx, dtype: int32}
- config_name: odd
  features:
  - {name: flag, dtype: bool}
  - {name: half, dtype: float64}
  - {name: tokens, sequence: string}
  - {name: tags, sequence: {class_label: {names: {'0': O, '1': B-PER}}}}
  - {name: span, struct: [{name: start, dtype: int64}, {name: text, dtype: string}]}
configs:
- config_name: mrpc
  data_files:
  - {split: train, path: mrpc/train-*}
  - {split: test, path: mrpc/test-00000-of-00001.parquet}
- config_name: odd
  data_files:
  - {split: train, path: odd/train-*}
---
"""

CODE = """
import json, sys
from bertkit.data.formats.parquet import open_hub_data
from bertkit.errors import HubError

WAYS_ON = ["give a local copy with --data-dir DIR"]
said = {}

def rows(iterator):
    return [[row.line, dict(row.fields)] for row in iterator]

def say(name, call):
    try:
        said[name] = call()
    except HubError as error:
        said[name] = str(error)

def glue():
    found = open_hub_data("nyu-mll/glue", "mrpc", ways_on=WAYS_ON).splits
    return {name: rows(found[name]) for name in found}
"""
ONLINE = """
say("names", lambda: dict(open_hub_data("nyu-mll/glue", "mrpc").class_names))
say("tag names", lambda: dict(open_hub_data("nyu-mll/glue", "odd").class_names))
say("all", glue)
say("one", lambda: rows(open_hub_data("nyu-mll/glue", "mrpc").splits["test"]))
say("odd", lambda: rows(open_hub_data("nyu-mll/glue", "odd").splits["train"]))
say("wrong config", lambda: open_hub_data("nyu-mll/glue", "mprc"))
say("no config", lambda: open_hub_data("nyu-mll/glue"))
say("missing", lambda: open_hub_data("org/missing"))
say("gated", lambda: open_hub_data("org/secret"))
say("no files", lambda: open_hub_data("org/only-a-card"))
say("damaged", lambda: open_hub_data("org/damaged"))
print(json.dumps(said))
"""
LATER = """
say("all", glue)
say("no config", lambda: open_hub_data("nyu-mll/glue", ways_on=WAYS_ON))
say("not cached", lambda: open_hub_data("nyu-mll/glue", "cola", ways_on=WAYS_ON))
print(json.dumps(said))
"""


def write_glue(folder: Path) -> Path:
    for name in ("mrpc", "odd"):
        (folder / name).mkdir(parents=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    for split, pairs in (("train", PAIRS), ("test", PAIRS[:1])):
        columns = dict(zip(("sentence1", "sentence2", "label"), map(list, zip(*pairs, strict=True)), strict=True))
        table = pa.table({**columns, "idx": pa.array(range(len(pairs)), pa.int32())})
        pq.write_table(table, folder / "mrpc" / f"{split}-00000-of-00001.parquet")
    values = {
        "flag": [True],
        "half": [0.5],
        "tokens": [["가", "b"]],
        "tags": [[1, 0]],
        "span": [{"start": 1, "text": "가"}],
    }
    pq.write_table(pa.table(values), folder / "odd" / "train-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One client that asks everything while the hub is up, and one after it has gone."""
    tmp = tmp_path_factory.mktemp("hub_data")
    glue = write_glue(tmp / "glue")
    (tmp / "card").mkdir()
    (tmp / "card" / "README.md").write_text("Nothing but words.")
    (tmp / "damaged").mkdir()
    (tmp / "damaged" / "train.parquet").write_bytes(b"PAR1 is only how it begins")
    with StandInHub(tmp / "hub") as hub:
        hub.add_dataset("nyu-mll/glue", glue)
        hub.add_dataset("org/secret", glue, gated=True)
        hub.add_dataset("org/only-a-card", tmp / "card")
        hub.add_dataset("org/damaged", tmp / "damaged")
        online = run_client(CODE + ONLINE, hub.url, tmp / "home", HF_TOKEN="hf_of_somebody")
        url = hub.url
    return online, run_client(CODE + LATER, url, tmp / "home")


@pytest.fixture(scope="module")
def online(runs):
    return runs[0].answer


def row(line: int) -> list[object]:
    first, second, label = PAIRS[line - 1]
    fields = {"sentence1": first, "sentence2": second or "", "label": str(label), "idx": str(line - 1)}
    return [line, fields]


def test_rows_come_as_text_by_split(online):
    assert online["all"] == {"train": [row(1), row(2), row(3)], "test": [row(1)]}
    assert online["one"] == [row(1)]


def test_class_columns_are_integers_whose_names_are_known(online):
    assert online["names"] == {"label": ["not_equivalent", "equivalent"]}
    assert online["tag names"] == {"tags": ["O", "B-PER"]}


def test_values_that_are_no_text_are_json(online):
    assert online["odd"][0][1] == {
        "flag": "true",
        "half": "0.5",
        "tokens": '["가", "b"]',
        "tags": "[1, 0]",
        "span": '{"start": 1, "text": "가"}',
    }


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            "wrong config",
            "has no config 'mprc': write hf:nyu-mll/glue:CONFIG, where CONFIG is one of mrpc, odd.",
        ),
        ("no config", "the data set 'nyu-mll/glue' has several configs: write hf:nyu-mll/glue:CONFIG"),
        ("missing", "there is no data set 'org/missing' on http://127.0.0.1"),
        ("gated", "the data set 'org/secret' is gated: ask for access at http://127.0.0.1"),
        ("gated", "/datasets/org/secret, then log in by setting HF_TOKEN"),
        ("no files", "the data set 'org/only-a-card' holds no files that the datasets library reads"),
        ("damaged", "the files of the data set 'org/damaged' could not be read: "),
    ],
)
def test_each_refusal_says_what_is_wrong_and_what_to_do(online, case, said):
    assert said in online[case]


def test_when_the_hub_is_gone_the_cached_copy_is_read(runs):
    online, later = runs
    assert later.answer["all"] == online.answer["all"]
    assert "has several configs: write hf:nyu-mll/glue:CONFIG, where CONFIG is one of" in later.answer["no config"]
    assert "could not be reached within 2 seconds" in later.answer["not cached"]
    assert later.answer["not cached"].endswith("give a local copy with --data-dir DIR.")


def test_the_libraries_write_nothing_into_a_pipe(runs):
    assert [run.stderr for run in runs] == ["", ""]


def test_a_folder_of_the_same_name_is_not_taken_for_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    with pytest.raises(HubError, match="a folder 'org/name' is here"):
        hub_data.open_hub_data("org/name")
