"""The same row, everywhere: what a split keeps together is what checks call the same."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import pytest

from bertkit.audit.duplicates import KeyTable, leakage_findings
from bertkit.audit.findings import Chunk
from bertkit.data.records import (
    ColumnMap,
    DataSet,
    Example,
    Question,
    columns_of,
    plain_form,
    plain_forms,
    plain_rows,
    row_keys,
)
from bertkit.data.splits import DataRequest, hold_out
from bertkit.evaluation.run import count_known, save_hashes
from bertkit.tasks.rows import load_splits

WORDS = (
    "The Cat",
    "영화가 정말",
    "a red ball",
    "naïve",
    "Straße",
    "likes it",
    "음악을 듣는다",
    "don't",
    "…",
    "one-two",
)


def row_key(row, *, is_pair):
    (key,) = row_keys([columns_of(row)], is_pair=is_pair)
    return key


def variant(text: str, rng: random.Random) -> str:
    """The same text as somebody else would have typed it."""
    changes = (
        str.upper,
        str.lower,
        lambda t: t.replace(" ", "  "),
        lambda t: f" {t}\n",
        lambda t: t + rng.choice(("!", ".", " …", "")),
        lambda t: unicodedata.normalize("NFD", t),
        lambda t: "\ufeff" + t,
        lambda t: t,
    )
    for change in rng.sample(changes, 3):
        text = change(text)
    return text


def messy(n: int, *, texts: int, seed: int, is_pair: bool) -> DataSet:
    """Rows of which many are written twice, in one way or another, and pairs also in the other order."""
    rng = random.Random(seed)
    plain = [tuple(" ".join(rng.choices(WORDS, k=3)) for _ in range(texts)) for _ in range(n // 2)]
    rows = []
    for line in range(1, n + 1):
        written = [variant(text, rng) for text in rng.choice(plain)]
        if is_pair and rng.random() < 0.5:
            written.reverse()
        rows.append(Example(tuple(written), rng.choice("ab"), line, "t.tsv"))
    columns = ColumnMap(("a",), "b" if is_pair else None, "y")
    return DataSet("toy", "classify", columns, {"train": tuple(rows)}, fingerprint="f")


@pytest.mark.parametrize("is_pair", [False, True])
@pytest.mark.parametrize("passages", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_no_split_of_bertkit_has_what_its_checks_report(
    is_pair: bool, passages: bool, seed: int, tmp_path: Path
) -> None:
    data = messy(200, texts=1 + is_pair, seed=seed, is_pair=is_pair)
    split = hold_out(data, validation_fraction=0.2, test_fraction=0.2, seed=seed, passages=passages)
    assert sum(map(len, split.splits.values())) == 200
    assert all(split.splits[name] for name in ("validation", "test"))
    table = KeyTable()
    for name, rows in split.splits.items():
        table.see(Chunk(name, rows))
    kinds = [finding.kind for finding in leakage_findings(table.tables(), is_pair=is_pair)]
    assert not {"rows_in_two_splits", "swapped_rows_in_two_splits"} & set(kinds)
    for name, held in (("train", "validation"), ("train", "test"), ("validation", "test")):
        save_hashes(split.splits[name], "salt", tmp_path, is_pair=is_pair)
        assert count_known(split.splits[held], "salt", tmp_path, is_pair=is_pair) == 0
        assert count_known(split.splits[name], "salt", tmp_path, is_pair=is_pair) == len(split.splits[name])


def test_rows_that_are_not_repeated_fall_where_their_exact_texts_say() -> None:
    rows = tuple(Example((f"row {i}",), "ab"[i % 2], i, "t") for i in range(60))
    data = DataSet("toy", "classify", ColumnMap(("a",), None, "y"), {"train": rows}, fingerprint="f")
    doubled = DataSet(
        "toy", "classify", data.columns, {"train": (*rows, Example(("ROW 3!",), "b", 61, "t"))}, fingerprint="f"
    )
    before, after = (
        {e.line for e in hold_out(d, validation_fraction=0.2, test_fraction=0, seed=1).splits["validation"]}
        for d in (data, doubled)
    )
    assert len(before - after - {3}) <= 1, "one more copy moves next to nothing"


def test_what_is_the_same_row() -> None:
    def key(*texts: str, is_pair: bool = False) -> str:
        return row_key(Example(texts, None, 1, "t"), is_pair=is_pair)

    assert key("A b.", "c") == key("a  B", "C!") != key("c", "a b")
    assert key("A b.", "c", is_pair=True) == key("C", "a b", is_pair=True)
    assert key("a b", "c") != key("a", "b c")
    question = Question(("Why?",), "A", 1, "t", choices=("so", "not so"), names=("A", "B"))
    other = Question(("why",), "B", 2, "t", choices=("So!", "Not so."), names=("A", "B"))
    third = Question(("why",), "B", 2, "t", choices=("so", "never"), names=("A", "B"))
    assert row_key(question, is_pair=False) == row_key(other, is_pair=False) != row_key(third, is_pair=False)


def test_hashes_of_earlier_runs_are_compared_in_their_own_form(tmp_path: Path) -> None:
    import hashlib

    import numpy as np
    from safetensors.numpy import save_file

    # As runs have stored them until now: letter case and white space did not count, punctuation did.
    plain = "the cat sees music"
    digest = hashlib.blake2b(plain.encode(), digest_size=8, key=b"salt").digest()
    stored = np.array([int.from_bytes(digest, "little")], np.uint64)
    save_file({"rows": stored}, tmp_path / "training_rows.safetensors")
    rows = [Example((text,), None, 1, "t") for text in ("The  cat sees music", "the cat sees music!", "a dog")]
    assert count_known(rows, "salt", tmp_path, is_pair=False) == 1
    save_hashes(rows[:1], "salt", tmp_path, is_pair=False)
    assert count_known(rows, "salt", tmp_path, is_pair=False) == 2


def test_runs_of_earlier_versions_find_their_rows_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    texts = [f"row {i // 2}" + ("!" if i % 2 else "") for i in range(80)]
    path.write_text("text\tlabel\n" + "".join(f"{t}\t{'ab'[i % 2]}\n" for i, t in enumerate(texts)), encoding="utf-8")
    new = DataRequest((str(path),), validation_fraction=0.3)
    stored = new.to_json()
    assert DataRequest.from_json(stored) == new
    old = DataRequest.from_json({name: value for name, value in stored.items() if name not in ("split_form", "group")})
    sides = [{row_key(row, is_pair=False) for row in load_splits(old).splits[s]} for s in ("train", "validation")]
    assert sides[0] & sides[1], "they held out rows by their exact texts"
    sides = [{row_key(row, is_pair=False) for row in load_splits(new).splits[s]} for s in ("train", "validation")]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0], ids="foreign={}".format)
def test_many_texts_are_reduced_as_each_is(share):
    rng = random.Random(3)
    ascii_, foreign = "aB!? \t\n.,-_'\x1c\x1f", "éÉ\u0301가각\u200b\ufeff…İß\u3000\u2028\U000e0001"
    drawn = lambda: rng.choices(foreign if rng.random() < share else ascii_, k=rng.randint(0, 9))  # noqa: E731
    texts = ["".join(drawn()) for _ in range(2000)]
    assert plain_forms(texts) == [plain_form(text) for text in texts]
    assert plain_forms([*texts, "a\0b"]) == [*map(plain_form, texts), "a\0b"]
    assert plain_forms([]) == []
    rows = [tuple(texts[i : i + i % 3]) for i in range(900)]
    assert plain_rows(rows) == [tuple(map(plain_form, row)) for row in rows]
