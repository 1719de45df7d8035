"""Rows that a tiny model learns in seconds: people and places, questions, plain sentences."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path

Segment = tuple[str | None, str]
"""A kind of entity, or None, and words."""

PEOPLE = [f"{first} {last}" for first in ("Anna", "Boris", "Clara", "Emma") for last in ("Stone", "Kim", "Moor")]
PLACES = ("Paris", "New York", "Seoul", "San Marino")


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


def sentences(n: int, seed: int = 0) -> list[list[Segment]]:
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        person, place = ("PER", rng.choice(PEOPLE)), ("LOC", rng.choice(PLACES))
        kinds: list[list[Segment]] = [
            [person, (None, "lives in"), place],
            [(None, "in"), place, (None, "we met"), person],
            [(None, "the train to"), place, (None, "is late .")],
            [(None, "nothing happened today .")],
        ]
        found.append(rng.choice(kinds))
    return found


def conll_lines(sentence: list[Segment]) -> str:
    lines = []
    for kind, words in sentence:
        marks = ("B-", *["I-"] * len(words)) if kind is not None else ("",) * len(words)
        lines += [f"{word} {mark}{kind or 'O'}" for word, mark in zip(words.split(), marks, strict=False)]
    return "\n".join(lines) + "\n"


def spans_line(sentence: list[Segment]) -> str:
    text, entities = "", []
    for kind, words in sentence:
        start = len(text) + bool(text)
        text = f"{text} {words}" if text else words
        if kind is not None:
            entities.append({"start": start, "end": len(text), "label": kind})
    return json.dumps({"text": text, "entities": entities}) + "\n"


def naver_line(rng: random.Random) -> str:
    """Words of Korean with the suffix tags of Naver's data."""
    person, place = rng.choice(("홍길동", "이순신", "김유신")), rng.choice(("서울", "부산", "대전"))
    words = [(f"{person}{rng.choice('은이')}", "PER-B"), (f"{rng.choice('제이')}", "O"), (f"{place}에서", "LOC-B")]
    if rng.random() < 0.5:
        words[0:1] = [(person, "PER-B"), ("장군이", "PER-I")]
    words += [("일했다", "O")]
    return f"{' '.join(w for w, _ in words)}\t{' '.join(t for _, t in words)}\n"


def question_rows(n: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Two to five choices in columns A to E; the right one is the one that is "very" something."""
    rng = random.Random(seed)
    colours = "red green blue yellow black white pink brown".split()
    rows = []
    for _ in range(n):
        chosen = rng.sample(colours, rng.randint(2, 5))
        right = rng.randrange(len(chosen))
        choices = [f"very {word}" if i == right else f"not {word}" for i, word in enumerate(chosen)]
        rows.append(("which is it", *choices, *[""] * (5 - len(choices)), "ABCDE"[right]))
    return rows


def plain_lines(n: int) -> list[str]:
    """Sentences in which one word follows from another."""
    rng = random.Random(0)
    things = {"cat": "milk", "dog": "bones", "man": "bread", "bird": "seeds", "horse": "grass"}
    names = [a + b for a in ("ba", "ko", "mi", "tu") for b in ("na", "ro", "sel", "dim")]
    rows = []
    for _ in range(n):
        animal, name = rng.choice(list(things)), rng.choice(names)
        rows.append(f"{name} {name} the {animal} likes {things[animal]} and {things[animal]} only")
    return rows
