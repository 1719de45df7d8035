import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertkit.data import open as hub_data
from bertkit.data import sources
from bertkit.data.catalog import DATASETS
from bertkit.data.formats.parquet import HubData
from bertkit.data.records import ColumnMap, Row
from bertkit.errors import DataError, UnknownNameError, UsageError
from bertkit.tasks.rows import load_data

MRPC_HEADER = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"


@pytest.fixture(autouse=True)
def _no_data_root(monkeypatch):
    monkeypatch.delenv("BERTKIT_DATA", raising=False)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def mrpc_release(folder):
    write(folder / "msr_paraphrase_train.txt", MRPC_HEADER + '1\t1\t2\t"A b\tC d\r\n0\t3\t4\tE f\t"G" h\r\n')
    write(folder / "msr_paraphrase_test.txt", MRPC_HEADER + "1\t5\t6\tI j\tK l\r\n")


class StandInHub:
    """Takes the place of `open_hub_data` and notes what it is asked for."""

    def __init__(self, splits, class_names=None):
        self.splits, self.class_names, self.asked = splits, class_names or {}, []

    def __call__(self, repo_id, config=None, *, ways_on=()):
        self.asked.append((repo_id, config))
        splits = {
            split: [Row(line, fields) for line, fields in enumerate(rows, start=1)]
            for split, rows in self.splits.items()
        }
        return HubData(splits, self.class_names)


@pytest.fixture
def hub(monkeypatch):
    def install(splits, class_names=None):
        stand_in = StandInHub(splits, class_names)
        monkeypatch.setattr(hub_data, "open_hub_data", stand_in)
        return stand_in

    return install


# --- files ---


def test_a_file_is_training_rows_unless_it_is_said_otherwise(tmp_path):
    path = write(tmp_path / "reviews.csv", "text,label\ngood,pos\nbad,neg\n")
    loaded = load_data([path])
    assert loaded.name == "reviews"
    assert loaded.task == "classify"
    assert loaded.columns == ColumnMap(("text",), None, "label")
    assert [(e.texts, e.label, e.line, e.source) for e in loaded.splits["train"]] == [
        (("good",), "pos", 2, path),
        (("bad",), "neg", 3, path),
    ]
    assert list(load_data([path], as_split="test").splits) == ["test"]
    assert list(load_data([path], as_split="test", splits=("test",)).splits) == ["test"]


def test_several_files_are_more_rows_with_the_same_columns(tmp_path):
    first = write(tmp_path / "a.csv", "text,label\ngood,pos\n")
    second = write(tmp_path / "b.jsonl", '{"label": "neg", "text": "bad", "more": 1}\n')
    assert [e.texts for e in load_data([first, second]).splits["train"]] == [("good",), ("bad",)]
    third = write(tmp_path / "c.csv", "document,label\nbad,neg\n")
    with pytest.raises(DataError, match=r"c\.csv: no column 'text' as in the first file: .*'document', 'label'"):
        load_data([first, third])


def test_several_texts_become_one_and_unwanted_columns_are_left_out(tmp_path):
    path = write(tmp_path / "essays.csv", "id,midterm,final,age,grade\n1,so,la,20,A\n2,mi,re,21,B\n")
    loaded = load_data([path], columns="text=midterm+final,label=grade")
    assert loaded.columns == ColumnMap(("midterm", "final"), None, "grade")
    assert [(e.texts, e.label) for e in loaded.splits["train"]] == [(("so", "la"), "A"), (("mi", "re"), "B")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,1\nb\n", r"a\.csv:3: 1 field where 2 are expected"),
        ("text,label\na,1\nb,\n", r"a\.csv:3: label is empty \(column 'label'\)"),
        ("text,label\n", r"a\.csv: there are no rows in it"),
        ("", r"a\.csv: there are no rows in it"),
        ("prose,label\na,1\n", r"a\.csv: no column is recognised as the text"),
        (b"text,label\na,1\ncaf\xe9 x,1\n", r"a\.csv:3: not valid UTF-8"),
        ('text,label\n"a,1\nb,0\n', r"a\.csv:2: a quote is opened here and never closed"),
    ],
)
def test_a_row_that_cannot_be_used_is_one_sentence_with_its_place(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        load_data([write(tmp_path / "a.csv", content)])
    assert "\n" not in str(caught.value)


def test_a_missing_json_field_has_its_place(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": 1}\n{"label": 1}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: column 'text' is missing"):
        load_data([path])


def test_labels_are_not_needed_where_they_are_not_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\na,1\nb,\n")
    assert [e.label for e in load_data([path], need_label=False).splits["train"]] == ["1", None]
    bare = write(tmp_path / "b.txt", "one\ntwo\n")
    assert [e.texts for e in load_data([bare], need_label=False).splits["train"]] == [("one",), ("two",)]


def test_the_columns_of_a_run_are_looked_for_first(tmp_path):
    path = write(tmp_path / "a.csv", "text,body,label,grade\nt,b,1,2\n")
    stored = ColumnMap(("body",), None, "grade")
    (example,) = load_data([path], stored=stored, as_split="test").splits["test"]
    assert (example.texts, example.label) == (("b",), "2")


def test_cp949_is_noted(tmp_path):
    path = write(tmp_path / "a.tsv", "document\tlabel\n정말 재미있다\t1\n".encode("cp949"))
    loaded = load_data([path])
    assert loaded.splits["train"][0].texts == ("정말 재미있다",)
    assert f"{path} is CP949 (read as such; UTF-8 is safer)" in loaded.notes


# --- the task ---


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (("0.5", "3"), "regression"),
        (("1", "5"), "classify"),
        (("1.0", "0.0"), "classify"),
        (("a", "1.5"), "classify"),
    ],
)
def test_the_task_follows_from_the_labels_and_is_noted(tmp_path, labels, task):
    rows = "".join(f"t{label}\t{label}\n" for label in labels)
    loaded = load_data([write(tmp_path / "a.tsv", f"text\tlabel\n{rows}")])
    assert loaded.task == task
    assert any(note.startswith(f"task: {task}, because ") for note in loaded.notes)


def test_regression_needs_numbers(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\na\t1.5\nb\tnan\n")
    with pytest.raises(DataError, match=r"a\.tsv:3: the label 'nan' is not a number"):
        load_data([path], task="regression")


@pytest.mark.parametrize("task", ["auto", "regression"])
@pytest.mark.parametrize("label", ["1e39", "-1e308", "1e400", "nan", "-Inf", "Infinity", "9" * 400])
@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl"])
def test_scores_that_no_model_can_learn_are_refused_before_training(tmp_path, name, label, task):
    rows = [("a", "1.5"), ("b", "2"), ("c", label)]
    if name == "a.tsv":
        content = "text\tscore\n" + "".join(f"{text}\t{score}\n" for text, score in rows)
    else:
        scores = [score if score[-1].isdigit() else f'"{score}"' for _, score in rows]
        content = "\n" + "".join(f'{{"text": "{t}", "score": {s}}}\n' for (t, _), s in zip(rows, scores, strict=True))
    with pytest.raises(
        DataError, match=rf"{name}:4: the label '.*' is (not a number|too large for a model to compute)"
    ):
        load_data([write(tmp_path / name, content)], task=task)


def test_nan_among_words_or_whole_numbers_is_a_class(tmp_path):
    for other in ("good", "1"):
        path = write(tmp_path / "a.tsv", f"text\tlabel\na\t{other}\nb\tnan\n")
        assert load_data([path]).task == "classify"


# --- names ---


def test_a_path_that_is_not_there_is_never_a_hub_id(tmp_path, hub):
    stand_in = hub({})
    for name in ("./missing.csv", "data/missing", "missing.jsonl.gz", str(tmp_path / "x")):
        with pytest.raises(DataError, match="no such file"):
            load_data([name])
    assert stand_in.asked == []


def test_a_bare_word_is_looked_up_in_the_tables():
    with pytest.raises(UnknownNameError, match="did you mean 'mrpc'"):
        load_data(["mrcp"])
    with pytest.raises(UnknownNameError, match="bertkit datasets"):
        load_data(["nothing_like_it_at_all"])


def test_case_and_dashes_of_a_name_do_not_matter_where_no_path_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sources.find_source(["KLUE_NER"]).spec is DATASETS["klue-ner"]
    (tmp_path / "klue_ner").mkdir()
    (tmp_path / "klue_ner" / "train.tsv").write_text("text\tlabel\na\t1\n")
    assert sources.find_source(["klue_ner"]).spec is None


@pytest.mark.parametrize("names", [[], ["hf:"]])
def test_empty_names_are_wrong_usage(names):
    with pytest.raises(UsageError, match="DATA"):
        load_data(names)


def test_directories_and_files_do_not_mix(tmp_path):
    path = write(tmp_path / "d" / "train.csv", "text,label\na,1\n")
    with pytest.raises(UsageError, match="is a directory"):
        load_data([path, str(tmp_path / "d")])


def test_samples(tmp_path, monkeypatch):
    write(tmp_path / "greetings" / "train.tsv", "sentence1\tsentence2\tlabel\na\tb\t1\n")
    monkeypatch.setattr(sources, "SAMPLES", tmp_path)
    loaded = load_data(["sample:greetings"])
    assert (loaded.name, loaded.is_sample, list(loaded.splits)) == ("sample:greetings", True, ["train"])
    with pytest.raises(UnknownNameError, match="did you mean 'greetings'"):
        load_data(["sample:greeting"])


# --- directories ---


def test_a_directory_in_any_format(tmp_path):
    write(tmp_path / "train.tsv", "text\tlabel\na\t1\n")
    write(tmp_path / "dev.csv.gz", gzip.compress(b'document,gold_label\n"b",0\n'))
    pq.write_table(pa.table({"text": ["c"], "label": [1]}), tmp_path / "test-00000-of-00002.parquet")
    pq.write_table(pa.table({"text": ["d"], "label": [0]}), tmp_path / "test-00001-of-00002.parquet")
    write(tmp_path / "README.md", "not data")
    loaded = load_data([str(tmp_path)])
    texts = {split: [e.texts[0] for e in rows] for split, rows in loaded.splits.items()}
    assert texts == {"train": ["a"], "validation": ["b"], "test": ["c", "d"]}


def test_only_the_wanted_splits_are_read(tmp_path):
    write(tmp_path / "train.tsv", "text\tlabel\na\t1\n")
    write(tmp_path / "test.tsv", "broken")
    assert list(load_data([str(tmp_path)], splits=("train", "validation")).splits) == ["train"]
    with pytest.raises(DataError, match="there is no split validation; the splits are: train, test"):
        load_data([str(tmp_path)], splits=("validation",))


def test_a_split_without_a_row_says_why(tmp_path):
    blank, rejected = tmp_path / "blank.txt", tmp_path / "rejected.jsonl"
    write(blank, "\n\n")
    write(rejected, '{"text": "a b", "spans": [], "answer": "reject"}\n')
    with pytest.raises(DataError, match=r"there are no rows in it \(empty, or only a header line\)"):
        load_data([str(blank)], task="ner")
    with pytest.raises(DataError, match=r"there are no rows in it \(the answer is reject \(Prodigy\) \(1\)\)"):
        load_data([str(rejected)], task="ner")


def test_two_files_for_one_split_are_ambiguous(tmp_path):
    write(tmp_path / "dev.tsv", "text\tlabel\na\t1\n")
    write(tmp_path / "validation.csv", "text,label\na,1\n")
    with pytest.raises(DataError, match=r"both dev\.tsv and validation\.csv could be validation"):
        load_data([str(tmp_path)])


def test_a_directory_without_data_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match="looked for train, validation"):
        load_data([str(tmp_path)])


# --- the catalog, locally ---


def test_mrpc_as_released(tmp_path):
    mrpc_release(tmp_path)
    loaded = load_data(["mrpc"], data_dir=tmp_path)
    assert (loaded.name, loaded.task) == ("mrpc", "classify")
    assert loaded.columns == ColumnMap(("sentence1",), "sentence2", "label")
    assert [(e.texts, e.label) for e in loaded.splits["train"]] == [
        (('"A b', "C d"), "1"),
        (("E f", '"G" h'), "0"),
    ]
    assert [e.line for e in loaded.splits["test"]] == [2]
    assert load_data([str(tmp_path)]).name == "mrpc", "a directory is recognised by the files of a release"


def test_release_files_are_recognised_by_name(tmp_path):
    mrpc_release(tmp_path)
    loaded = load_data([str(tmp_path / "msr_paraphrase_test.txt")], as_split="test")
    assert loaded.columns == ColumnMap(("sentence1",), "sentence2", "label")


def test_the_same_rows_have_the_same_fingerprint_whatever_the_source(tmp_path, hub):
    mrpc_release(tmp_path)
    hub(
        {
            "train": [
                {"sentence1": '"A b', "sentence2": "C d", "label": "1", "idx": "0"},
                {"sentence1": "E f", "sentence2": '"G" h', "label": "0", "idx": "1"},
            ],
            "test": [{"sentence1": "I j", "sentence2": "K l", "label": "1", "idx": "0"}],
        }
    )
    from_hub, from_files = load_data(["mrpc"]), load_data(["mrpc"], data_dir=tmp_path)
    assert from_hub.fingerprint == from_files.fingerprint
    assert from_hub.columns == from_files.columns
    assert load_data(["mrpc"], data_dir=tmp_path, splits=("test",)).fingerprint != from_files.fingerprint


def test_columns_may_be_named_as_released_or_as_on_the_hub(tmp_path):
    mrpc_release(tmp_path)
    released = load_data(["mrpc"], data_dir=tmp_path, columns="text=#2 String,label=Quality")
    named = load_data(["mrpc"], data_dir=tmp_path, columns="text=sentence2,label=label")
    assert released.splits == named.splits
    assert released.splits["train"][0].texts == ("C d",)


def test_a_label_column_of_ones_own_choice_is_not_held_to_the_catalog(tmp_path):
    mrpc_release(tmp_path)
    loaded = load_data(["mrpc"], data_dir=tmp_path, columns="text=sentence1,label=#1 ID")
    assert [e.label for e in loaded.splits["train"]] == ["1", "3"]


def test_glue_directories_and_their_withheld_test_labels(tmp_path):
    write(tmp_path / "train.tsv", "sentence\tlabel\na\t1\n")
    write(tmp_path / "dev.tsv", "sentence\tlabel\nb\t0\n")
    write(tmp_path / "test.tsv", "index\tsentence\n0\tc\n")
    loaded = load_data(["sst2"], data_dir=tmp_path)
    assert list(loaded.splits) == ["train", "validation"]
    assert "test is left out: its labels are withheld" in loaded.notes
    with pytest.raises(DataError, match=r"sst2: the labels of test are withheld; score another split \(train"):
        load_data(["sst2"], data_dir=tmp_path, splits=("test",))
    unlabelled = load_data(["sst2"], data_dir=tmp_path, splits=("test",), need_label=False)
    assert [e.label for e in unlabelled.splits["test"]] == [None]


def test_minus_one_is_withheld_only_where_the_catalog_says_so(tmp_path):
    rows = "sentence1\tsentence2\tlabel\na\tb\t-1\n"
    write(tmp_path / "test.tsv", rows)
    with pytest.raises(DataError, match="withheld"):
        load_data(["mrpc"], data_dir=tmp_path, splits=("test",))
    assert load_data([str(tmp_path)]).splits["test"][0].label == "-1"


def test_a_half_withheld_split_is_an_error_of_its_row(tmp_path):
    write(tmp_path / "test.tsv", "sentence1\tsentence2\tlabel\na\tb\t1\nc\td\t-1\n")
    with pytest.raises(DataError, match=r"test\.tsv:3: the label is withheld .-1., while other rows have one"):
        load_data(["mrpc"], data_dir=tmp_path)


def test_sts_takes_its_first_seven_columns(tmp_path):
    row = "main-captions\tMSRvid\t2012test\t{}\t{}\tA plane.\tAn air plane.{}\r\n"
    write(
        tmp_path / "sts-train.csv",
        row.format("0001", "5.000", "") + row.format("0004", "3.8", "\tmore\tand more"),
    )
    loaded = load_data(["stsb"], data_dir=tmp_path)
    assert loaded.task == "regression"
    assert [(e.texts, e.label, e.line) for e in loaded.splits["train"]] == [
        (("A plane.", "An air plane."), "5", 1),
        (("A plane.", "An air plane."), "3.8", 2),
    ]


def test_repeated_ids_are_left_out_across_files(tmp_path):
    write(tmp_path / "ratings_train_first5000.txt", "id\tdocument\tlabel\n1\ta\t1\n2\tb\t0\n")
    write(tmp_path / "raw_train_20k.txt", "id\tdocument\tlabel\n2\tb\t0\n3\tc\t1\n")
    loaded = load_data(["nsmc"], data_dir=tmp_path)
    assert [e.texts[0] for e in loaded.splits["train"]] == ["a", "b", "c"]
    assert "train: rows left out because an earlier file has their id: 1" in loaded.notes


def test_the_official_file_goes_before_the_parts(tmp_path):
    for name, text in (
        ("ratings_train.txt", "all"),
        ("raw_train_20k.txt", "part"),
        ("ratings_test.txt", "test"),
    ):
        write(tmp_path / name, f"id\tdocument\tlabel\n1\t{text}\t1\n")
    loaded = load_data(["nsmc"], data_dir=tmp_path)
    assert {split: rows[0].texts[0] for split, rows in loaded.splits.items()} == {
        "train": "all",
        "test": "test",
    }


def test_a_headerless_release_without_known_words(tmp_path):
    write(tmp_path / "train.tsv", "나아가 한 걸음\tO NUM-B O\n그건 그것\tO O\n")
    loaded = load_data(["naver-ner"], data_dir=tmp_path)
    assert [(e.texts[0], e.answer) for e in loaded.splits["train"]] == [
        ("나아가 한 걸음", [[4, 5, "NUM"]]),
        ("그건 그것", []),
    ]


def test_the_data_root_holds_folders_by_name(tmp_path, monkeypatch, hub):
    stand_in = hub({"train": [{"sentence1": "a", "sentence2": "b", "label": "1"}]})
    monkeypatch.setenv("BERTKIT_DATA", str(tmp_path))
    mrpc_release(tmp_path / "mrpc")
    write(tmp_path / "klue_ynat" / "train.jsonl", json.dumps({"title": "가", "label": 1}) + "\n")
    assert len(load_data(["mrpc"]).splits["train"]) == 2
    assert load_data(["klue-ynat"]).splits["train"][0].label == "경제"
    assert stand_in.asked == []
    load_data(["rte"])
    assert stand_in.asked == [("nyu-mll/glue", "rte")], "what the root does not hold comes from the hub"


def test_data_dir_goes_before_the_root(tmp_path, monkeypatch):
    monkeypatch.setenv("BERTKIT_DATA", str(tmp_path / "root"))
    write(tmp_path / "root" / "rte" / "train.tsv", "sentence1\tsentence2\tlabel\na\tb\tentailment\n")
    write(tmp_path / "own" / "train.tsv", "sentence1\tsentence2\tlabel\nc\td\t1\n")
    (example,) = load_data(["rte"], data_dir=tmp_path / "own").splits["train"]
    assert (example.texts, example.label) == (("c", "d"), "not_entailment")


def test_a_data_dir_that_does_not_fit_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"no file of 'mrpc'.*msr_paraphrase_train\.txt"):
        load_data(["mrpc"], data_dir=tmp_path)
    with pytest.raises(DataError, match="no such directory"):
        load_data(["mrpc"], data_dir=tmp_path / "nope")
    with pytest.raises(DataError, match="name the folder of its files with --data-dir"):
        load_data(["naver-ner"])


# --- the hub ---


def test_a_hub_id_with_its_config_and_class_names(hub):
    rows = [{"text": "a", "label": "0"}, {"text": "b", "label": "1"}]
    stand_in = hub({"train": rows, "valid": rows[:1], "extra": rows}, {"label": ("no", "yes")})
    loaded = load_data(["hf:org/name:small"])
    assert stand_in.asked == [("org/name", "small")]
    assert loaded.name == "org/name:small"
    assert {split: [e.label for e in rows] for split, rows in loaded.splits.items()} == {
        "train": ["no", "yes"],
        "validation": ["no"],
    }


def test_withheld_hub_labels(hub):
    hub({"train": [{"sentence": "a", "label": "1"}], "test": [{"sentence": "b", "label": "-1"}]})
    assert list(load_data(["sst2"]).splits) == ["train"]


def test_scores_inside_an_object_of_the_hub(hub):
    labels = json.dumps({"label": 3.7, "real-label": 3.714285714285714, "binary-label": 1})
    hub({"train": [{"guid": "1", "sentence1": "가", "sentence2": "나", "labels": labels}]})
    loaded = load_data(["klue-sts"])
    assert loaded.task == "regression"
    assert loaded.splits["train"][0].label == "3.7"


def test_a_split_goes_by_the_name_its_hub_copy_has(hub):
    row = {"sentence1": "가", "sentence2": "나", "score": "2.5"}
    hub({"train": [row], "valid": [row], "test": [row]})
    assert list(load_data(["korsts"]).splits) == ["train", "validation", "test"]
