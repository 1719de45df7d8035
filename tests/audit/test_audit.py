"""A file with every fault: each is found, with its lines; a clean file: nothing is invented."""

import json
import random
import subprocess
import sys
import unicodedata

import pytest

from bertkit.audit import Finding, TrainCommand, audit
from bertkit.data.records import ColumnMap, Entity, Example, Question, TaggedText

SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "pel", "dor", "gan", "fim", "hus"]
HANGUL = "가나다라마바사아자차카타파하거너더러머버서어저처고노도로모보소오"


def words(count, seed=0, syllables=SYLLABLES):
    rnd = random.Random(seed)
    return ["".join(rnd.choices(syllables, k=rnd.randint(2, 4))) for _ in range(count)]


VOCABULARY = words(3000)


def sentence(rnd, vocabulary=VOCABULARY):
    return " ".join(rnd.choices(vocabulary, k=rnd.randint(9, 25))).capitalize() + "."


def rows_of(count, seed, source, columns=1, labels=("0", "1"), vocabulary=VOCABULARY):
    rnd = random.Random(seed)
    return [
        Example(tuple(sentence(rnd, vocabulary) for _ in range(columns)), labels[i % len(labels)], i + 2, source)
        for i in range(count)
    ]


def clean_splits(columns=1, **others):
    sizes = {"train": 400, "validation": 100, "test": 100}
    return {split: rows_of(n, split, f"{split}.tsv", columns, **others) for split, n in sizes.items()}


def count_tokens(rows):
    return [2 + sum(len(text.split()) for text in texts) for texts in rows]


def run(splits, task="classify", columns=1, **options):
    names = ColumnMap(("text",), "pair" if columns == 2 else None, "label")
    options.setdefault("command", TrainCommand(("toy",)))
    return audit(splits, name="toy", task=task, columns=names, **options)


def kinds(result):
    return {finding.kind for finding in result.findings}


def lines(result, kind, file=None):
    return [
        place.line
        for finding in result.findings
        if finding.kind == kind
        for place in finding.places
        if file is None or place.file == file
    ]


def replaced(row, *texts, label=None):
    return Example(texts or row.texts, label or row.label, row.line, row.source)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("vocabulary", [VOCABULARY, words(3000, syllables=list(HANGUL))], ids=["latin", "hangul"])
def test_nothing_is_invented_in_a_clean_file(columns, vocabulary):
    result = run(
        clean_splits(columns, vocabulary=vocabulary), columns=columns, count_tokens=count_tokens, max_length=64
    )
    assert result.findings == ()
    assert all(finding.severity == "info" for finding in result.findings)
    assert result.verdict == "Ready to train: nothing to fix in 600 rows."
    assert result.notes == ()


def test_a_clean_regression_has_no_findings():
    splits = clean_splits(2, labels=[str(n / 10) for n in range(0, 51, 3)])
    result = run(splits, "regression", 2)
    assert result.findings == ()
    assert result.splits["train"].labels == {}
    assert result.splits["train"].to_json()["label_numbers"]["max"] == 4.8


BROKEN = {
    "replacement_character": "a lost \ufffd sign",
    "mojibake": "the cafÃ© said itâ€™s open",
    "decomposed_characters": unicodedata.normalize("NFD", "한국어 문장"),
    "control_character": "a bell \x07 rings",
    "invisible_character": "zero\u200bwidth",
    "byte_order_mark": "joined \ufefffiles",
}


def seeded_single():
    """Scatter one of each fault over clean rows; return the splits and where the faults are."""
    splits = {split: list(rows) for split, rows in clean_splits().items()}
    train, test = splits["train"], splits["test"]
    places = {}

    def put(kind, index, *texts, label=None):
        train[index] = replaced(train[index], *texts, label=label)
        places.setdefault(kind, []).append(train[index].line)

    for index, (kind, text) in enumerate(BROKEN.items(), start=20):
        put(kind, index, f"{train[index].texts[0]} {text}")
    put("empty_row", 40, " \t")
    put("duplicate_rows", 50, train[10].texts[0], label=train[10].label)
    put("normalised_duplicates", 52, train[12].texts[0].upper().replace(" ", "  ") + "!!", label=train[12].label)
    put("conflicting_labels", 55, train[14].texts[0], label="1" if train[14].label == "0" else "0")
    put("normalised_conflicts", 57, train[16].texts[0].upper(), label="1" if train[16].label == "0" else "0")
    put("rare_label", 60, label="2")
    put("label_variants", 61, label=" 2")
    for index in range(100, 400, 4):
        put("telltale_word", index, f"{train[index].texts[0]} xqxq", label="0")
    put("over_max_length", 70, " ".join(VOCABULARY[:80]))
    test[5] = replaced(test[5], train[80].texts[0])
    test[6] = replaced(test[6], train[81].texts[0].replace(train[81].texts[0].split()[3], "other", 1))
    test[7] = replaced(test[7], label="9")
    places |= {"rows_in_two_splits": [82, 7], "near_duplicates": [83, 8], "unknown_label": [9]}
    return splits, places


def test_every_seeded_fault_is_found_where_it_is():
    splits, places = seeded_single()
    result = run(splits, count_tokens=count_tokens, max_length=64)
    unfound = {kind: own for kind, own in places.items() if not set(own[:3]) & set(lines(result, kind))}
    assert not unfound
    assert kinds(result) - set(places) <= {"label_imbalance"}  # label "2" has one row
    for kind in BROKEN:
        assert lines(result, kind) == places[kind]
    for kind in ("rows_in_two_splits", "near_duplicates"):
        assert sorted(lines(result, kind)) == sorted(places[kind])
    assert {place.file for f in result.findings if f.kind == "rows_in_two_splits" for place in f.places} == {
        "train.tsv",
        "test.tsv",
    }


def test_every_seeded_fault_of_pairs_is_found():
    splits = {split: list(rows) for split, rows in clean_splits(2).items()}
    train, test = splits["train"], splits["test"]
    train[10] = replaced(train[10], train[10].texts[0], train[10].texts[0].upper())
    train[11] = replaced(train[11], train[11].texts[0], "")
    train[12] = replaced(train[12], train[13].texts[0], train[12].texts[1])
    test[3] = replaced(test[3], *reversed(train[20].texts))
    test[4] = replaced(test[4], train[21].texts[1], test[4].texts[1])
    test[5] = replaced(test[5], *train[22].texts)
    result = run(splits, columns=2)
    assert kinds(result) == {
        "same_sentence_in_pair",
        "empty_text",
        "shared_sentences",
        "swapped_rows_in_two_splits",
        "sentences_in_two_splits",
        "rows_in_two_splits",
    }
    assert lines(result, "same_sentence_in_pair") == [12]
    assert lines(result, "empty_text") == [13]
    assert lines(result, "shared_sentences") == [14, 15]
    assert lines(result, "swapped_rows_in_two_splits") == [5, 22]
    assert lines(result, "sentences_in_two_splits") == [6, 23]
    assert lines(result, "rows_in_two_splits") == [7, 24]


def test_the_worst_comes_first_and_the_verdict_names_it():
    splits, _ = seeded_single()
    result = run(splits)
    severities = [finding.severity for finding in result.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert any(finding.severity != "info" for finding in result.findings)
    assert result.verdict.startswith("Fix before training: unknown label and rows in two splits. Worth checking: ")


def test_tagged_rows():
    rnd = random.Random(0)
    text = [sentence(rnd) for _ in range(40)]
    rows = [TaggedText((t,), None, i + 1, "a.conll", (Entity(0, 4, "PER"),), i == 7) for i, t in enumerate(text)]
    rows.append(TaggedText((text[3],), None, 50, "a.conll", (Entity(0, 4, "LOC"),)))
    rows.append(TaggedText(("  " + text[4],), None, 51, "a.conll", (Entity(2, 6, "PER"),)))
    result = run({"train": rows}, "ner")
    assert kinds(result) == {"normalised_duplicates", "bad_tags", "duplicate_rows", "conflicting_labels", "rare_label"}
    assert lines(result, "bad_tags") == [8]
    assert lines(result, "conflicting_labels") == [4, 50]
    assert result.splits["train"].labels == {"LOC": 1, "PER": 41}
    assert result.splits["train"].class_weights == {}


def test_questions_with_other_choices_are_other_rows():
    rows = [Question(("Which one?",), "AB"[i % 2], i + 1, "q.csv", (f"x{i}", f"y{i}"), ("A", "B")) for i in range(40)]
    result = run({"train": rows}, "choice")
    assert result.findings == ()
    assert set(result.splits["train"].lengths) == {"text", "choices"}
    assert kinds(run({"train": [*rows, rows[0]]}, "choice")) == {"duplicate_rows"}


def test_the_json_is_that_of_the_contract():
    splits, _ = seeded_single()
    result = run(splits, count_tokens=count_tokens, max_length=24)
    written = json.loads(json.dumps(result.to_json()))
    assert list(written) == ["data", "splits", "findings", "verdict", "suggested_command", "notes"]
    assert list(written["splits"]) == ["train", "validation", "test"]
    train = written["splits"]["train"]
    assert train["rows"] == 400
    assert sum(train["labels"].values()) == 400
    assert {"p5", "p50", "p95", "p99", "max"} <= set(train["lengths"]["text"]) & set(train["tokens"])
    assert 0 < train["over_max_length"] < 1
    for finding in written["findings"]:
        assert set(finding) == {"kind", "severity", "count", "lines", "message"}
        assert all(set(place) == {"file", "line"} for place in finding["lines"])
        assert finding["message"].endswith(".")


def test_findings_from_elsewhere_are_kept():
    misfit = Finding("tokenizer_fit", "error", 600, "40% of the tokens are unknown.")
    result = run(clean_splits(), known=[misfit])
    assert result.findings == (misfit,)
    assert result.verdict == "Fix before training: tokenizer fit."


@pytest.mark.parametrize("splits", [{}, {"train": []}])
def test_no_rows_at_all(splits):
    result = run(splits, count_tokens=count_tokens)
    assert (result.splits, result.findings) == ({}, ())
    assert result.verdict == "There are no rows to train on."


def test_rows_may_be_read_only_once():
    splits, _ = seeded_single()
    once = {split: iter(rows) for split, rows in splits.items()}
    assert kinds(run(once, count_tokens=count_tokens)) == kinds(run(splits, count_tokens=count_tokens))


def test_the_answer_is_the_same_in_every_process():
    program = (
        "import json, sys; sys.path.insert(0, 'tests/audit'); import test_audit as t;"
        "print(json.dumps(t.run(t.seeded_single()[0], count_tokens=t.count_tokens, max_length=64).to_json()))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    assert json.loads(answers.pop())["findings"]


@pytest.mark.parametrize(
    ("typed", "task", "wanted"),
    [
        ("[SEP]", "classify", [7]),
        ("<s>", "mlm", [7]),
        ("[MASK]", "mlm", []),
        ("|||IP|||", "ner", [7]),
        ("@m", "mlm", []),
    ],
)
def test_rows_that_spell_special_tokens_are_counted(typed, task, wanted):
    rows = rows_of(100, 1, "train.tsv")
    rows[5] = Example((f"good {typed} bad",), "0", 7, "train.tsv")
    result = run({"train": rows}, task=task, control=("[SEP]", "|||IP|||", "@m"), mask="@m")
    assert lines(result, "special_token") == wanted
    assert all(f.severity == "info" for f in result.findings if f.kind == "special_token")
