import subprocess
import sys

import pytest

from bertkit.data.catalog import DATASETS, SPLITS
from bertkit.data.shapes.table import SHAPES
from bertkit.data.sources import find_source
from bertkit.errors import DataError, UnknownNameError

PROMISED = {
    "mrpc", "sst2", "stsb", "rte", "qqp", "nsmc", "klue-ynat", "klue-sts", "klue-nli", "klue-ner",
    "korsts", "conll2003", "swag", "cnn_dailymail",
}  # fmt: skip


def test_the_promised_data_sets_are_there():
    assert set(DATASETS) >= PROMISED


@pytest.mark.parametrize("spec", DATASETS.values(), ids=lambda spec: spec.name)
def test_a_row_is_consistent(spec):
    assert spec.shape in SHAPES
    assert spec.language in {"en", "ko"}
    assert spec.summary
    assert set(spec.hub_splits) <= set(SPLITS)
    assert all(set(layout) <= set(SPLITS) for layout in spec.layouts)
    assert set(spec.labels.values()) <= set(spec.labels), "an official word stands for itself"
    assert spec.hub_id is not None or spec.hub_config is None
    if spec.header:
        renamed = {spec.renames.get(name, name) for name in spec.header}
        assert {*spec.columns.inputs, spec.columns.label} <= renamed


def test_release_file_names_tell_the_data_set():
    owners = {}
    for spec in DATASETS.values():
        for layout in spec.layouts:
            for names in layout.values():
                for name in names:
                    assert owners.setdefault(name, spec.name) == spec.name


def test_labels_of_mrpc_and_ynat():
    assert DATASETS["mrpc"].canonical_label("not_equivalent") == "0"
    assert DATASETS["mrpc"].canonical_label("2") is None
    assert DATASETS["klue-ynat"].canonical_label("0") == "IT과학"
    assert DATASETS["klue-ynat"].label_words.endswith("정치")


def test_a_misspelt_name_is_suggested():
    with pytest.raises(UnknownNameError, match="did you mean 'klue-ynat'"):
        find_source(["klue-yant"])


def test_the_room_imports_nothing_heavy():
    code = (
        "import sys, bertkit.data.loading, bertkit.data.splits;"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'pyarrow', 'numpy'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_words_for_splits_may_stand_apart_in_names(tmp_path):
    for name in ("reviews_train.csv", "reviews-dev.v1.csv", "reviews.test.csv.gz", "constraints.csv", "notes.md"):
        (tmp_path / name).write_text("", encoding="utf-8")
    files = find_source([str(tmp_path)]).files
    assert {split: [path.name for path in paths] for split, paths in files.items()} == {
        "train": ["reviews_train.csv"],
        "validation": ["reviews-dev.v1.csv"],
        "test": ["reviews.test.csv.gz"],
    }
    (tmp_path / "more_train.csv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="could be train; name the files"):
        find_source([str(tmp_path)])
    (tmp_path / "train.csv").write_text("", encoding="utf-8")
    assert set(find_source([str(tmp_path)]).files) == {"train"}, "the word alone goes before"
