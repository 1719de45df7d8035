"""The parts of the audit one by one: their figures, their limits, and what they leave alone."""

import random
import re
from collections import Counter

import numpy as np
import pytest

from bertkit.audit import duplicates
from bertkit.audit.duplicates import KeyTable, NearDuplicates, minhash, stable_key
from bertkit.audit.findings import Chunk, Reservoir
from bertkit.audit.labels import LabelCues, Labels, balancing_weights
from bertkit.audit.run import TrainCommand, suggest_command
from bertkit.audit.texts import FAULTS, count_words, fitting_length, histogram, is_suspicious, percentile, summarize
from bertkit.data.records import Example, plain_form
from bertkit.tasks.rows import class_weights


def example(text, label="0", line=1, source="f"):
    return Example((text,), label, line, source)


def labelled(**counts):
    return [example(f"{label} {i}", label, i) for label, count in counts.items() for i in range(count)]


def found_by(observer, rows, split="train"):
    observer.see(Chunk(split, rows))
    return list(observer.findings(split))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Hello,  World!", "hello world"),
        ("it’s — “so”…", "it s so"),
        ("\ufeffa\u200bb", "ab"),
        ("한국어", "한국어"),
        ("STRASSE", "Straße"),
        (" :) ", ":)"),
        ("\t\n", ""),
    ],
)
def test_what_counts_as_the_same_text(text, same):
    assert plain_form(text) == plain_form(same)


def test_signs_alone_stay_apart():
    assert plain_form(":)") != plain_form(":(")


def test_words_are_counted_as_the_pattern_says():
    texts = [
        "It's 5 o'clock -- 한국어 모델을!",
        "",
        " ",
        "a",
        "b",
        "ab",
        ",",
        "café\u0301 x\ud800y 𠀀𠀁",
        "_a b_",
        "\n",
    ]
    assert count_words(texts) == [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]
    assert count_words([]) == []


def test_weights_are_those_of_the_training():
    rows = labelled(a=70, b=20, c=10)
    weights = balancing_weights(Counter(row.label for row in rows))
    assert tuple(weights.values()) == pytest.approx(class_weights("auto", ("a", "b", "c"), rows))


@pytest.mark.parametrize(
    ("counts", "severity"), [({"a": 20, "b": 14}, None), ({"a": 20, "b": 12}, "info"), ({"a": 61, "b": 20}, "warning")]
)
def test_imbalance(counts, severity):
    found = [f for f in found_by(Labels("classify"), labelled(**counts)) if f.kind == "label_imbalance"]
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_one_label_is_an_error():
    assert [(f.kind, f.severity) for f in found_by(Labels("classify"), labelled(a=20))] == [("single_label", "error")]
    numbers = found_by(Labels("regression"), [example("t", "2.0")] * 3)
    assert [(f.kind, f.severity) for f in numbers] == [("single_label", "error")]


def test_a_column_of_ids_is_no_label():
    rows = [example(f"t {i}", f"id{i}", i) for i in range(300)]
    assert [f.kind for f in found_by(Labels("classify"), rows)] == ["too_many_labels"]


def test_rows_without_a_label_among_others():
    rows = [*labelled(a=20, b=20), example("t", None, 77)]
    (finding,) = found_by(Labels("classify"), rows)
    assert (finding.kind, finding.count, finding.places[0].line) == ("missing_label", 1, 77)
    kinds = [f.kind for f in found_by(Labels("regression"), [example("t", v) for v in ("1", "2", "3", "many")])]
    assert "missing_label" in kinds


def test_the_distribution_of_scores():
    labels = Labels("regression")
    values = [0, 0, 0, 0, 1, 2.5, 5, 5]
    found = found_by(labels, [example("t", str(value)) for value in values])
    numbers = labels.splits["train"].numbers.to_json()
    assert numbers["mean"] == pytest.approx(np.mean(values))
    assert numbers["sd"] == pytest.approx(np.std(values), abs=1e-6)
    assert (numbers["min"], numbers["max"], numbers["at_min"], numbers["at_max"]) == (0, 5, 0.5, 0.25)
    assert [(f.kind, f.count) for f in found] == [("labels_at_end", 4)]


def test_labels_stand_in_their_order():
    labels = Labels("classify")
    labels.see(Chunk("train", labelled(**{"10": 1, "9": 1, "-1": 1})))
    assert list(labels.splits["train"].ordered()) == ["-1", "9", "10"]


def test_percentiles_and_the_length_that_fits():
    lengths = Counter(range(1, 101))
    assert [percentile(lengths, share) for share in (0.05, 0.5, 0.95, 0.99, 1)] == [5, 50, 95, 99, 100]
    # "loses under 1 %": one row of a hundred is too many
    assert fitting_length(lengths) == 100
    assert fitting_length(Counter({10: 199, 90: 1})) == 10
    assert fitting_length(Counter()) == 0


def test_the_histogram_loses_nothing():
    rnd = random.Random(0)
    lengths = Counter(int(rnd.lognormvariate(3, 0.6)) for _ in range(5000))
    bars = histogram(lengths)
    assert sum(bar.count for bar in bars) == 5000
    assert 5 <= len(bars) <= 14
    for bar in bars:
        assert bar.count == sum(n for length, n in lengths.items() if bar.low <= length <= bar.high)
    assert summarize(lengths).peak == max(bars, key=lambda bar: bar.count)
    assert summarize(Counter()).to_json()["max"] == 0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("cafÃ©", "mojibake"),
        ("itâ€™s", "mojibake"),
        ("ì•ˆë…•í•˜ì„¸ìš”", "mojibake"),
        ("안녕하세요".encode().decode("latin-1"), "mojibake"),
        ("안녕하세요".encode("cp949").decode("latin-1"), "mojibake"),
        ("각나".encode().decode("cp949"), "mojibake"),
        ("진짜".encode().decode("cp949"), "mojibake"),
        ("영화 재미있다".encode().decode("cp949", "ignore"), "mojibake"),
        ("占쏙옙占쏙옙", "mojibake"),
        ("ï»¿id", "mojibake"),
        ("smile ðŸ˜€", "mojibake"),
        ("é".encode().decode("latin-1"), "mojibake"),
        ("half \ud83d", "replacement_character"),
        ("cafe\u0301", "decomposed_characters"),
        ("\u1112\u1161\u11ab", "decomposed_characters"),
        ("\x85", "control_character"),
        ("soft\xadhyphen", "invisible_character"),
        ("a\u200db", "invisible_character"),
    ],
)
def test_broken_text_is_told(text, kind):
    assert is_suspicious(text)
    assert kind in {fault.kind for fault in FAULTS if fault.occurs(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Tab\tand\nnewline\r\n",
        "Le garçon naïf; «DÉJÀ VU» à Noël, À L'ÎLE…",
        "AMANHÃ… “CAFÉ” MANHÃ»",
        "20 °C ± 1 µm, ½ ·····  ¿Qué? ¡Olé!",
        "大韓民國 만세, 美 대통령과 北韓의 회담",
        "日本語の文章です。中文句子。",
        "Việt Nam: ngôn ngữ tiếng Việt ÂM NHẠC",
        "한국어 모델을 공유합니다. ㅋㅋㅋ ㅠㅠ",
        "family 👨\u200d👩\u200d👧 ❤️\u200d🔥",
        "می\u200cخواهم",
        "क्\u200dष",
        "Ünïcödé für Größe, ÅÄÖ, Þórður",
        "na\u00efve r\u00e9sum\u00e9",
        "ключ и замок, ελληνικά",
    ],
)
def test_sound_text_is_left_alone(text):
    assert not [fault.kind for fault in FAULTS if is_suspicious(text) and fault.occurs(text)]


def test_the_hash_is_the_same_everywhere():
    assert stable_key("한국어") == 18013573058409907100
    assert stable_key("a") != stable_key("b")
    assert stable_key("\ud800") != stable_key("")


def test_the_keys_of_a_row_cost_the_same_whatever_its_length():
    table = KeyTable()
    table.see(Chunk("train", [Example(("x" * n, "y" * n), "1", n, "f") for n in (1, 10_000)]))
    rows = table.tables()["train"]
    size = sum(a.nbytes for a in (rows.exact, rows.columns, rows.answers, rows.has_answer, rows.lines, rows.files))
    assert size / len(rows) <= 50
    assert rows.place(1).line == 10_000


def test_a_sample_keeps_every_row_with_the_same_chance():
    kept = Counter()
    for start in range(400):
        sample = Reservoir(20, keep=lambda item: item)
        sample._random.seed(start)
        for at in range(0, 200, 7):
            sample.offer(range(at, min(at + 7, 200)))
        assert len(sample.items) == len(set(sample.items)) == 20
        assert not sample.is_complete
        kept.update(item // 50 for item in sample.items)
    assert all(kept[quarter] == pytest.approx(2000, rel=0.1) for quarter in range(4))


def test_a_small_sample_is_complete():
    sample = Reservoir(20, keep=str)
    sample.offer(range(3))
    assert sample.items == ["0", "1", "2"]
    assert sample.is_complete


def reviews(count, mark=lambda i: False, labels="ab", size=2000):
    rnd = random.Random(1)
    names = [f"w{i}" for i in range(size)]
    return [
        example(" ".join(rnd.choices(names, k=12)) + (" «src»" if mark(i) else ""), labels[i % len(labels)], i + 1)
        for i in range(count)
    ]


def test_a_mark_of_one_label_is_found():
    (finding, *_) = found_by(LabelCues(), reviews(600, mark=lambda i: i % 4 == 0))
    assert (finding.kind, finding.severity, finding.count) == ("telltale_word", "warning", 150)
    assert "label 'a'" in finding.message
    assert [place.line for place in finding.places] == [1, 5, 9, 13, 17, 21]
    assert found_by(LabelCues(), reviews(600, mark=lambda i: i % 10 == 0))[0].severity == "info"


def test_chance_and_a_common_label_are_no_find():
    assert found_by(LabelCues(), reviews(600, mark=lambda i: i % 3 == 0)) == []
    # a handful of rows, however pure
    assert found_by(LabelCues(), reviews(40, mark=lambda i: i % 10 == 0)) == []
    # a label of nearly all rows is met by nearly every word
    assert found_by(LabelCues(), reviews(600, labels="a" * 99 + "b", size=40)) == []


def test_minhash_estimates_the_similarity():
    rnd = random.Random(0)
    text = "".join(rnd.choices("abcdefghij ", k=400))
    other = text[:360] + "".join(rnd.choices("klmnopqrst ", k=40))
    first, second, third = minhash([text, other, "z" * 10 + text[::-1]]).T
    assert (first == second).mean() == pytest.approx(357 / 437, abs=0.15)
    assert (first == third).mean() < 0.2
    assert (minhash([text])[:, 0] == first).all()


def near(splits, last):
    finder, table = NearDuplicates(last), KeyTable()
    for split, rows in splits.items():
        chunk = Chunk(split, rows)
        finder.see(chunk)
        table.see(chunk)
    tables = table.tables()
    return finder, list(finder.findings({split: tables[split] for split in sorted(tables, reverse=True)}))


def edited(rows, source):
    return [example(row.texts[0].replace("w1", "v1", 1), row.label, row.line, source) for row in rows]


def test_edited_rows_are_found_across_splits_whichever_comes_last():
    train = reviews(300, size=200)
    test = [*edited(train[10:12], "t"), *(example(f"{row.texts[0][::-1]}", "a", 900) for row in train[:5])]
    for splits, last in (({"test": test, "train": train}, "train"), ({"train": train, "test": test}, "test")):
        _, (finding,) = near(splits, last)
        assert (finding.kind, finding.count) == ("near_duplicates", 2)
        assert [(place.file, place.line) for place in finding.places] == [("t", 11), ("f", 11), ("t", 12), ("f", 12)]


def test_equal_and_short_rows_are_no_near_duplicates():
    train = [*reviews(50), example("a short one", "a", 99)]
    test = [example(train[0].texts[0].upper()), example("a short 1")]
    assert near({"test": test, "train": train}, "train")[1] == []


def test_a_large_split_is_compared_in_part_and_says_so(monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_INDEXED", 10)
    train = reviews(60, size=200)
    test = [*reviews(30, size=90), *edited(train[:3], "t")]
    finder, found = near({"test": test, "train": train}, "train")
    assert found == []
    assert finder.notes() == ("near-duplicates were looked for among the first 10 rows of test only",)
    assert near({"test": test[27:], "train": train}, "train")[1]


@pytest.mark.parametrize(
    ("command", "labels", "fitting", "words"),
    [
        (TrainCommand(("mrpc",)), {"0": 1, "1": 2}, None, "mrpc --model scratch"),
        (TrainCommand(("mrpc",), "minilm", 128), {}, 78, "mrpc --model minilm --max-length 80"),
        (TrainCommand(("a b.csv",), "minilm", 128), {}, 900, "'a b.csv' --model minilm --max-length 128"),
        (TrainCommand(("x",)), {"0": 90, "1": 10}, 3, "x --model scratch --max-length 8 --class-weights auto"),
        (TrainCommand(("x",), options=("--data-dir", "d")), {}, None, "x --data-dir d --model scratch"),
    ],
)
def test_the_suggested_command(command, labels, fitting, words):
    assert suggest_command(command, "classify", labels, fitting) == f"bertkit train {words}"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("재밌다\u110f\u110f \u1172", {"lone_jamo"}),  # NFC already: composing it would change nothing
        ("\u110b\u1161\u11ab\u1102\u1167\u11bc", {"decomposed_characters"}),
        ("cafe\u0301", {"decomposed_characters"}),
        ("q\u0301", set()),  # there is no composed form
        ("재밌다 ㅋㅋㅠ", set()),
    ],
)
def test_composing_is_advised_only_where_it_helps(text: str, kinds: set[str]) -> None:
    found = {fault.kind for fault in FAULTS if is_suspicious(text) and fault.occurs(text)}
    assert found == kinds
