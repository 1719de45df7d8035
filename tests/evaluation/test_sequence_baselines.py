"""Baselines: they learn what words can tell, keep it on disk, and refuse what makes no sense."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from bertkit.baselines.sequence import fit_sequence_baselines, load_sequence_baselines
from bertkit.data.records import Example
from bertkit.errors import DataError, RunError

GOOD = ("a lovely film", "what a lovely story", "a warm and clever play", "clever and lovely")
POOR = ("a dull film", "what a dull story", "a cold and stupid play", "stupid and dull")
FARM = ("the cow eats grass", "grass for the cow", "a cow and its calf")
SEA = ("the ship sails", "a ship at sea", "sails over the sea")
CITY = ("the tram is late", "late again, the tram", "a tram in the street")
KOREAN = {
    "1": ("영화가 정말 재미있어요", "배우의 연기가 훌륭하다", "정말 재미있는 영화였다", "연기도 훌륭했어요"),
    "0": ("영화가 너무 지루해요", "각본의 전개가 엉망이다", "너무 지루한 영화였다", "전개도 엉망이었어요"),
}
SAME = (("the cat sleeps", "the cat sleeps now"), ("he bought 3 books", "he bought 3 new books"))
OTHER = (("the cat sleeps", "a storm is coming"), ("he bought 3 books", "prices fell by 7 percent"))


def example(*texts, label=None, line=1):
    return Example(texts, label, line, "rows.csv")


def of_classes(**texts):
    return [example(text, label=label) for label, rows in texts.items() for text in rows]


def sentiment():
    return of_classes(good=GOOD, poor=POOR)


def pairs():
    rows = [example(a, b, label="1") for a, b in SAME] + [example(a, b, label="0") for a, b in OTHER]
    return rows * 5


def classify(examples, labels, **options):
    return fit_sequence_baselines(examples, task="classify", **{"pair": False, "labels": labels, "seed": 0, **options})


def regress(examples, **options):
    return fit_sequence_baselines(examples, task="regression", **{"pair": False, "labels": (), "seed": 0, **options})


def test_the_majority_is_the_most_frequent_label_with_its_share():
    rows = of_classes(good=GOOD, poor=POOR[:1])
    prediction = classify(rows, ["good", "poor"]).answers([example("anything"), example("")])["majority"]
    assert prediction.labels == ("good", "good")
    assert prediction.probabilities == pytest.approx(np.asarray([[0.8, 0.2]] * 2))


def test_words_decide_single_texts():
    found = classify(sentiment(), ["good", "poor"]).answers([example("lovely, clever"), example("DULL")])
    assert found["tfidf"].labels == ("good", "poor")
    assert found["tfidf"].probabilities.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_several_columns_are_one_text():
    rows = [example("a", e.texts[0], label=e.label) for e in sentiment()]
    found = classify(rows, ["good", "poor"]).answers([example("lovely", ""), example("", "dull")])
    assert found["tfidf"].labels == ("good", "poor")


def test_more_than_two_labels():
    baselines = classify(of_classes(farm=FARM, sea=SEA, city=CITY), ["city", "farm", "sea"])
    found = baselines.answers([example("cow"), example("ship"), example("tram")])["tfidf"]
    assert found.labels == ("farm", "sea", "city")
    assert found.probabilities.shape == (3, 3)
    assert found.probabilities.sum(axis=1) == pytest.approx([1.0] * 3)


def test_korean_words_share_the_n_grams_of_their_stem():
    rows = of_classes(**KOREAN)
    asked = [example("재미있네"), example("지루하네"), example("훌륭함"), example("엉망")]
    assert classify(rows, ["0", "1"]).answers(asked)["tfidf"].labels == ("1", "0", "1", "0")


def test_pairs_are_judged_by_what_they_share():
    asked = [example("a dog barks loudly", "a dog barks"), example("a dog barks", "we sold the house")]
    found = classify(pairs(), ["0", "1"], pair=True).answers(asked)
    assert found["tfidf"].labels == ("1", "0")


def test_regression_predicts_within_the_scores_it_saw():
    rows = [example(text, label="5") for text in GOOD] + [example(text, label="0.5") for text in POOR]
    found = regress(rows).answers([example("lovely " * 9), example("dull"), example("unknown")])
    assert found["mean"].scores.tolist() == [2.75] * 3
    assert 5 >= found["tfidf"].scores[0] > found["tfidf"].scores[2] > found["tfidf"].scores[1] >= 0.5
    assert found["tfidf"].labels == ()


def test_regression_of_pairs():
    rows = [example(a, b, label="4.5") for a, b in SAME * 5] + [example(a, b, label="1") for a, b in OTHER * 5]
    found = regress(rows, pair=True).answers([example("a dog barks", "a dog barks"), example("a dog", "a car")])
    assert found["tfidf"].scores[0] > found["tfidf"].scores[1]


@pytest.mark.parametrize("pair", [False, True])
def test_empty_texts_fall_back_on_the_prior(pair):
    rows = [example("", "", label=label) for label in "aab"]
    found = classify(rows, ["a", "b"], pair=pair).answers([example("", ""), example("word", "other")])
    assert found["tfidf"].labels == ("a", "a")
    scores = regress([example("", "", label="1"), example("", "", label="2")], pair=pair).answers(rows)
    assert scores["tfidf"].scores == pytest.approx([1.5] * 3)


def test_one_label_and_one_row_are_enough():
    found = classify([example("alone", label="a")], ["a", "b"]).answers([example("alone"), example("x")])
    assert found["tfidf"].labels == ("a", "a")
    assert found["tfidf"].probabilities.tolist() == [[1.0, 0.0]] * 2
    assert regress([example("alone", label="3")]).answers([example("x")])["tfidf"].scores.tolist() == [3.0]


def test_a_label_without_training_rows_is_never_predicted():
    found = classify(sentiment(), ["fair", "good", "poor"]).answers([example("lovely"), example("dull")])
    assert found["tfidf"].labels == ("good", "poor")
    assert found["tfidf"].probabilities[:, 0].tolist() == [0.0, 0.0]


def test_no_rows_have_no_predictions():
    assert classify(sentiment(), ["good", "poor"]).answers([])["tfidf"].probabilities.shape == (0, 2)
    assert regress([example("x", label="1")]).answers([])["tfidf"].scores.shape == (0,)


def test_rows_without_a_label_are_left_out_and_labels_are_not_looked_at():
    rows = sentiment()
    baselines = classify([*rows, example("dull dull dull")], ["good", "poor"])
    bare = [Example(row.texts, None, row.line, row.source) for row in rows]
    found = baselines.answers(bare)["tfidf"].probabilities
    assert found.tolist() == classify(rows, ["good", "poor"]).answers(rows)["tfidf"].probabilities.tolist()


@pytest.mark.parametrize(
    ("rows", "task", "sentence"),
    [
        ([], "classify", "no training row has a label"),
        ([example("x")], "regression", "no training row has a label"),
        ([example("x", label="c", line=7)], "classify", r"rows\.csv:7: the label 'c' is not among"),
        ([example("x", label="much", line=9)], "regression", r"rows\.csv:9: the score 'much' is not a finite"),
        ([example("x", label="nan", line=4)], "regression", r"rows\.csv:4: the score 'nan' is not a finite"),
    ],
)
def test_rows_that_cannot_be_fitted_are_named(rows, task, sentence):
    with pytest.raises(DataError, match=sentence):
        fit_sequence_baselines(rows, task=task, pair=False, labels=["a", "b"], seed=0)


def test_an_unknown_task_is_a_defect():
    with pytest.raises(ValueError, match="'ner'"):
        fit_sequence_baselines(sentiment(), task="ner", pair=False, labels=["good", "poor"], seed=0)


SCORED = [example(text, label=str(i)) for i, text in enumerate(GOOD + POOR)]
SCORED_PAIRS = [example(e.texts[0], "a film", label=e.label) for e in SCORED]
FITTED = {
    "single": lambda: classify(sentiment(), ["good", "poor"]),
    "pair": lambda: classify(pairs(), ["0", "1"], pair=True),
    "multiclass": lambda: classify(of_classes(farm=FARM, sea=SEA, city=CITY), ["city", "farm", "none", "sea"]),
    "one label": lambda: classify([example("alone", label="a")], ["a"]),
    "regression": lambda: regress(SCORED),
    "regression of pairs": lambda: regress(SCORED_PAIRS, pair=True),
    "korean": lambda: classify(of_classes(**KOREAN), ["0", "1"]),
    "no words": lambda: classify([example("", label="a"), example("", label="b")], ["a", "b"]),
}


@pytest.mark.parametrize("kind", FITTED)
def test_saved_baselines_predict_the_same_to_the_last_bit(kind, tmp_path):
    baselines = FITTED[kind]()
    baselines.save(tmp_path / "baseline")
    loaded = load_sequence_baselines(tmp_path / "baseline")
    asked = [example("a lovely cow", "film 3"), example("지루한 영화", ""), example("", "")]
    before, after = baselines.answers(asked), loaded.answers(asked)
    assert list(before) == list(after)
    for name, prediction in before.items():
        assert after[name].labels == prediction.labels
        assert np.array_equal(after[name].probabilities, prediction.probabilities)
        assert np.array_equal(after[name].scores, prediction.scores)


def test_only_json_and_safetensors_are_written(tmp_path):
    classify(sentiment(), ["good", "poor"]).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["baselines.json", "baselines.safetensors"]
    header = (tmp_path / "baselines.safetensors").read_bytes()[8:]
    assert b"__metadata__" not in header
    json.loads((tmp_path / "baselines.json").read_text(encoding="ascii"))


def test_a_row_is_judged_the_same_alone_and_among_others():
    baselines = FITTED["pair"]()
    rows = [example("a lovely cow sleeps", "a cow sleeps"), *pairs()]
    together = baselines.answers(rows)["tfidf"].probabilities
    assert baselines.answers(rows[:1])["tfidf"].probabilities.tolist() == together[:1].tolist()


def test_a_lone_surrogate_can_be_saved(tmp_path):
    rows = [*sentiment(), example("odd a\ud800b", label="good")]
    classify(rows, ["good", "poor"]).save(tmp_path)
    assert load_sequence_baselines(tmp_path).answers(rows)["tfidf"].labels[0] == "good"


SAVE_AND_HASH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_sequence_baselines import FITTED
for name, fit in FITTED.items():
    fit().save(Path(sys.argv[1]) / name)
"""


def hashes(directory):
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_two_processes_write_the_same_bytes(tmp_path):
    found = []
    for seed in ("1", "2"):
        place = tmp_path / seed
        command = [sys.executable, "-c", SAVE_AND_HASH, str(place), str(Path(__file__).parent)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        found.append(hashes(place))
    assert len(found[0]) == 2 * len(FITTED)
    assert found[0] == found[1]


def written(directory):
    classify(pairs(), ["0", "1"], pair=True).save(directory)
    return directory / "baselines.json", directory / "baselines.safetensors"


@pytest.mark.parametrize("name", ["baselines.json", "baselines.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_missing_or_damaged_file_is_a_run_error(name, content, tmp_path):
    written(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match=rf"{name}: .+; the run is damaged, copy or train it again"):
        load_sequence_baselines(tmp_path)


@pytest.mark.parametrize("change", [{"words": ["too few"]}, {"labels": None}, {"task": "ner"}, {"bounds": [1]}])
def test_facts_that_do_not_fit_are_a_run_error(change, tmp_path):
    facts, _ = written(tmp_path)
    facts.write_text(json.dumps(json.loads(facts.read_text()) | change))
    with pytest.raises(RunError, match="damaged"):
        load_sequence_baselines(tmp_path)


@pytest.mark.parametrize("name", ["weights", "overlap_mean", "pairs"])
def test_tensors_that_do_not_fit_are_a_run_error(name, tmp_path):
    _, tensors = written(tmp_path)
    whole = load(tensors.read_bytes())
    for changed in ({**whole, name: whole[name][..., :-1]}, {k: v for k, v in whole.items() if k != name}):
        tensors.write_bytes(save({k: np.ascontiguousarray(v) for k, v in changed.items()}))
        with pytest.raises(RunError, match="damaged"):
            load_sequence_baselines(tmp_path)


def test_a_newer_format_is_refused_with_a_sentence(tmp_path):
    facts, _ = written(tmp_path)
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"format": 99}))
    with pytest.raises(RunError, match=r"format 99.*update bertkit"):
        load_sequence_baselines(tmp_path)


def real_mrpc():
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    path = Path(root) / "mrpc" / "msr_paraphrase_train.txt"
    lines = path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")[1:]
    columns = [line.split("\t") for line in lines]
    return [example(c[3], c[4], label=c[0], line=i + 2) for i, c in enumerate(columns)]


def test_the_pair_baseline_beats_the_majority_on_real_paraphrases():
    rows = real_mrpc()
    order = np.random.default_rng(0).permutation(len(rows))
    cut = len(rows) // 5
    held, training = [rows[i] for i in order[:cut]], [rows[i] for i in order[cut:]]
    found = classify(training, ["0", "1"], pair=True).answers(held)
    accuracy = {
        name: np.mean([p == row.label for p, row in zip(prediction.labels, held, strict=True)])
        for name, prediction in found.items()
    }
    assert accuracy["majority"] < 0.72 <= accuracy["tfidf"]


def test_class_weights_count_for_tfidf_and_not_for_the_majority():
    texts = {"usual": [f"a calm day at the {place}" for place in "lake sea farm mill shop house".split()] * 8}
    texts["rare"] = [f"a calm day at the {place}" for place in ("lake", "sea", "storm")]
    rows, labels = of_classes(**texts), ["rare", "usual"]
    alike, weighted = (classify(rows, labels, class_weights=weights) for weights in (None, (8.0, 0.6)))
    asked = [example("a calm day at the lake")]
    share = [float(fitted.answers(asked)["tfidf"].probabilities[0, 0]) for fitted in (alike, weighted)]
    assert share[0] < 0.5 < share[1]
    assert alike.answers(asked)["majority"].labels == weighted.answers(asked)["majority"].labels == ("usual",)
    assert classify(rows, labels).model.weights.tobytes() == alike.model.weights.tobytes()
    even = classify(rows, labels, class_weights=(1.0, 1.0)).answers(asked)["tfidf"].probabilities
    assert even == pytest.approx(alike.answers(asked)["tfidf"].probabilities), "weights of 1 are none"


def test_class_weights_count_where_no_word_is_known():
    rows = [example("", label="a")] * 9 + [example("", label="b")] * 3
    weighted = classify(rows, ["a", "b"], class_weights=(2 / 3, 2.0)).answers([example("new")])["tfidf"]
    assert weighted.probabilities == pytest.approx(np.asarray([[0.5, 0.5]]))
