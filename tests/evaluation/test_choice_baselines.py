"""Choice baselines: chance is fair, TF-IDF reads the question, choices-only never does."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from bertkit.baselines.choice import CHOICE_BASELINES, fit_choice_baselines, load_choice_baselines
from bertkit.data.catalog import DATASETS
from bertkit.data.formats.readers import read_rows
from bertkit.data.records import Question
from bertkit.data.shapes.questions import Questions
from bertkit.errors import DataError, RunError
from bertkit.metrics.multilabel import ranking_difference, ranking_metrics

WORDS = ("river", "stone", "cloud", "apple", "train", "music", "letter", "garden", "winter", "bread", "ship", "lamp")


def question(text, choices, right=None, *, line=1):
    names = tuple("ABCDEFGH"[: len(choices)])
    label = None if right is None else names[right]
    return Question((text,), label, line, "q.csv", choices=tuple(choices), names=names)


def echoes(n, *, seed=0):
    """Questions of two to five choices, of which the right one has a word of the question."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        words = rng.sample(WORDS, rng.randint(2, 5))
        right = rng.randrange(len(words))
        rows.append(question(f"where is the {words[right]}", [f"a {w} here" for w in words], right))
    return rows


def given_away(n, *, seed=0):
    """Questions whose right choice is the longest, whatever the question."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        right = rng.randrange(4)
        choices = [" ".join(rng.choices(WORDS, k=6 if i == right else 3)) for i in range(4)]
        rows.append(question(rng.choice(WORDS), choices, right))
    return rows


def accuracy(found, rows):
    return ranking_metrics([row.names.index(row.label) for row in rows], found)["accuracy"]


def flat(found):
    return {name: [row.tolist() for row in rows] for name, rows in found.items()}


def test_each_row_has_probabilities_over_its_own_choices():
    rows = echoes(60)
    found = fit_choice_baselines(rows, seed=0).predict(rows)
    assert tuple(found) == CHOICE_BASELINES
    for probabilities in found.values():
        assert [len(p) for p in probabilities] == [len(row.choices) for row in rows]
        assert all(p.dtype == np.float64 for p in probabilities)
        assert [p.sum() for p in probabilities] == pytest.approx([1.0] * 60)


def test_chance_is_uniform_and_does_not_reward_the_order_of_choices():
    rows = [question(f"number {i}", ["yes", "no", "maybe", "never"], i % 2) for i in range(2000)]
    found = fit_choice_baselines(rows[:50], seed=0).predict(rows)["chance"]
    assert np.stack(found) == pytest.approx(0.25, abs=1e-6)
    scores = ranking_metrics([i % 2 for i in range(2000)], found)
    # four standard errors of 2,000 rows; the expected values are those of a random order
    assert scores["accuracy"] == pytest.approx(1 / 4, abs=0.04)
    assert scores["map@3"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 4, abs=0.04)
    assert scores["loss"] == pytest.approx(np.log(4), abs=1e-5)


def test_rows_that_nothing_tells_apart_fall_back_on_chance():
    rows = [question(f"{w} {v}", ["same", "same", "same"], 0) for w in WORDS for v in WORDS]
    found = fit_choice_baselines(rows, seed=0).predict(rows)
    for probabilities in found.values():
        assert np.stack(probabilities) == pytest.approx(1 / 3, abs=1e-6)
        assert ranking_metrics([0] * len(rows), probabilities)["accuracy"] == pytest.approx(1 / 3, abs=0.16)


def test_tfidf_finds_the_choice_that_shares_with_the_question():
    baselines = fit_choice_baselines(echoes(300), seed=0)
    held = echoes(200, seed=1)
    found = baselines.predict(held)
    assert baselines.sharpness > 1
    assert accuracy(found["tfidf"], held) > 0.95
    assert accuracy(found["choices_only"], held) < 0.5


def test_the_sharpness_is_negative_where_wrong_choices_share_more():
    rows = [replace(row, choices=row.choices[:2], names=("A", "B")) for row in echoes(300) if row.label in "AB"]
    other = [replace(row, label="B" if row.label == "A" else "A") for row in rows]
    baselines = fit_choice_baselines(other, seed=0)
    assert baselines.sharpness < -1
    assert accuracy(baselines.predict(other)["tfidf"], other) > 0.95


def test_without_any_overlap_the_sharpness_stays_at_nothing():
    rows = [question("zzz", [f"{w} x", f"{w} y"], i % 2) for i, w in enumerate(WORDS)]
    assert fit_choice_baselines(rows, seed=0).sharpness == pytest.approx(0.0, abs=1e-9)


def test_choices_only_sees_the_form_of_choices():
    held = given_away(200, seed=1)
    found = fit_choice_baselines(given_away(300), seed=0).predict(held)
    assert accuracy(found["choices_only"], held) > 0.95
    assert accuracy(found["tfidf"], held) < 0.5


def test_choices_only_sees_the_words_of_choices():
    rng = random.Random(0)
    rows = []
    for _ in range(200):
        right = rng.randrange(3)
        rows.append(
            question("which", [f"{'often' if i == right else 'never'} {rng.choice(WORDS)}" for i in range(3)], right)
        )
    found = fit_choice_baselines(rows[:100], seed=0).predict(rows[100:])
    assert accuracy(found["choices_only"], rows[100:]) > 0.95


def test_choices_only_never_reads_the_question():
    rows = given_away(100)
    baselines = fit_choice_baselines(rows, seed=0)
    asked, unasked = (
        baselines.predict(each)["choices_only"]
        for each in (rows, [replace(row, texts=("river stone cloud",)) for row in rows])
    )
    # the question takes part in breaking ties alone
    assert np.concatenate(asked) == pytest.approx(np.concatenate(unasked), abs=1e-6)


def test_context_belongs_to_the_question():
    rows = echoes(300)
    moved = [replace(row, texts=(*row.texts, "so, where?")) for row in rows]
    found = fit_choice_baselines(moved, seed=0).predict(moved)
    assert accuracy(found["tfidf"], moved) > 0.95


def test_a_row_is_answered_the_same_alone_as_among_others():
    rows = echoes(40) + given_away(40)
    baselines = fit_choice_baselines(rows, seed=0)
    together = flat(baselines.predict(rows))
    for i in (0, 17, 79):
        assert flat(baselines.predict([rows[i]])) == {name: [found[i]] for name, found in together.items()}
    assert baselines.predict([]) == {name: [] for name in CHOICE_BASELINES}


def test_rows_without_an_answer_are_left_out_and_answers_are_not_looked_at():
    rows = given_away(50)
    plain = fit_choice_baselines(rows, seed=0)
    baselines = fit_choice_baselines([*rows, question("x", ["y", "z"])], seed=0)
    bare = [replace(row, label=None) for row in rows]
    assert flat(baselines.predict(bare)) == flat(plain.predict(rows))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "no training row has an answer"),
        ([question("x", ["y", "z"])], "no training row has an answer"),
        (
            [replace(question("x", ["y", "z"], 0, line=7), label="C")],
            r"q\.csv:7: the answer 'C' is not one of the choices \(A, B\)",
        ),
    ],
)
def test_rows_that_cannot_be_fitted_are_named(rows, sentence):
    with pytest.raises(DataError, match=sentence):
        fit_choice_baselines(rows, seed=0)


def test_one_row_and_strange_texts_are_enough():
    rows = [question("", ["\ud800", "…", "한국어 한국어"], 2)]
    found = fit_choice_baselines(rows, seed=0).predict([*rows, question("", ["", ""])])
    assert all(np.isfinite(np.concatenate(probabilities)).all() for probabilities in found.values())


def test_what_is_saved_answers_the_same_to_the_last_bit(tmp_path):
    baselines = fit_choice_baselines(echoes(50), seed=3)
    baselines.save(tmp_path / "baseline")
    loaded = load_choice_baselines(tmp_path / "baseline")
    asked = [*echoes(20, seed=5), *given_away(5)]
    assert flat(loaded.predict(asked)) == flat(baselines.predict(asked))
    assert sorted(p.name for p in (tmp_path / "baseline").iterdir()) == ["baselines.json", "baselines.safetensors"]


def test_the_same_rows_and_seed_write_the_same_bytes_in_another_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bertkit.data.records import Question;"
        "from bertkit.baselines.choice import fit_choice_baselines as fit;"
        "rows = [Question((f'q {i}',), 'AB'[i % 2], i, 's', choices=(f'a {i}', f'b {i} c'), names=('A', 'B'))"
        " for i in range(30)];"
        "fit(rows, seed=int(sys.argv[2])).save(Path(sys.argv[1]))"
    )
    written = []
    for folder, hash_seed in (("one", "1"), ("two", "2")):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        arguments = [sys.executable, "-c", code, str(tmp_path / folder), "4"]
        subprocess.run(arguments, env=environment, check=True)
        written.append([p.read_bytes() for p in sorted((tmp_path / folder).iterdir())])
    assert written[0] == written[1]


def test_the_seed_sets_how_ties_are_broken():
    rows = echoes(30)
    first, again, other = (fit_choice_baselines(rows, seed=s).predict(rows)["chance"] for s in (1, 1, 2))
    orders = [[p.argmax() for p in found] for found in (first, again, other)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("change", [{"task": "classify"}, {"words": ["one"]}, {"seed": "x"}, {"sharpness": None}])
def test_changed_facts_are_damage(tmp_path, change):
    fit_choice_baselines(echoes(20), seed=0).save(tmp_path)
    path = tmp_path / "baselines.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match="damaged"):
        load_choice_baselines(tmp_path)


@pytest.mark.parametrize("name", ["form_mean", "form_spread", "weights", "intercept", "pairs", "word_idf", "gram_idf"])
def test_missing_or_short_arrays_are_damage(tmp_path, name):
    fit_choice_baselines(echoes(20), seed=0).save(tmp_path)
    path = tmp_path / "baselines.safetensors"
    whole = load(path.read_bytes())
    for changed in (whole | {name: whole[name][..., :-1]}, {k: v for k, v in whole.items() if k != name}):
        path.write_bytes(save({k: np.ascontiguousarray(v) for k, v in changed.items()}))
        with pytest.raises(RunError, match="damaged"):
            load_choice_baselines(tmp_path)


def exam(split):
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    columns = DATASETS["llm-science-exam"].columns
    path = Path(root) / "llm_science_exam" / f"{split}.csv"
    return list(Questions().examples(read_rows(path), columns, str(path)))


def test_the_choices_of_the_science_exam_give_answers_away():
    training, held = exam("train"), exam("validation")
    start = time.process_time()
    found = fit_choice_baselines(training, seed=0).predict(held)
    assert time.process_time() - start < 20
    gold = [row.names.index(row.label) for row in held]
    chance = ranking_metrics(gold, found["chance"])
    # (1 + 1/2 + 1/3) / 5 and four standard errors of 500 rows
    assert chance["map@3"] == pytest.approx(0.3667, abs=0.066)
    assert ranking_metrics(gold, found["choices_only"])["map@3"] > 0.5
    assert ranking_difference(gold, found["choices_only"], found["chance"])["map@3"][0] > 0.05
