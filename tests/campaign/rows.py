"""Rows of our own, harmless ones: English and Korean, for every task."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SUBJECTS = (
    "the shop",
    "our train",
    "a small bird",
    "my sister",
    "the old man",
    "the bakery",
    "이 가게는",
    "우리 기차는",
)
VERBS = ("opens", "likes", "finds", "paints", "calls", "늦게", "다시", "천천히")
OBJECTS = ("at nine", "a red ball", "the river", "some bread", "두 번째 문을", "파란 차를", "열어요", "좋아해요")
ASIDES = ("", "", ", they say", ", it seems", "! 😀", " (really)", "; yes", ' "so to speak"', " 참 좋다", " 정말로요?")
NAMES = {
    "PER": ("Anna Berg", "김민수", "Omar Diaz", "이서연"),
    "LOC": ("Paris", "New York", "서울", "부산 항구"),
    "ORG": ("Red Lamp", "하늘 서점"),
}
POOL_ROWS = 160


@dataclass(frozen=True)
class Row:
    """One row: its texts as the task reads them, and its fields as a JSON line would have them."""

    texts: tuple[str, ...]
    fields: Mapping[str, Any]

    @property
    def is_one_line(self) -> bool:
        """Whether it can stand in formats whose rows are lines."""
        return not any("\n" in text or "\t" in text for text in self.texts)


def _sentences() -> list[str]:
    """List different sentences, in an order that mixes them."""
    parts = itertools.product(SUBJECTS, VERBS, OBJECTS)
    plain = [f"{' '.join(words)}{ASIDES[i % len(ASIDES)]}" for i, words in enumerate(parts)]
    random.Random("sentences").shuffle(plain)
    return plain


def _hangul(text: str) -> int:
    return sum("가" <= character <= "힣" for character in text)


SENTENCES = _sentences()
ENGLISH = [text for text in SENTENCES if not _hangul(text)]
KOREAN = [text for text in SENTENCES if 2 * _hangul(text) > len(text)]


def _broken(text: str, i: int) -> str:
    """Give every fourteenth text a line break or a tab of its own."""
    return text if i % 14 else text.replace(" ", "\n" if i % 28 else "\t", 1)


def _classify(i: int) -> Row:
    text = _broken(SENTENCES[i], i)
    return Row((text,), {"id": i, "text": text, "label": ("pos", "neg", "그저 그럼")[i % 3]})


def _pair(i: int) -> Row:
    first, second = _broken(SENTENCES[i], i), SENTENCES[(i * 7 + 3) % 400]
    return Row((first, second), {"sentence1": first, "sentence2": second, "label": str(i % 2)})


def _regression(i: int) -> Row:
    text = _broken(SENTENCES[i + 40], i)
    return Row((text,), {"text": text, "score": round((i % 21) / 4 - 0.3, 2)})


def _ner(i: int) -> Row:
    kind = tuple(NAMES)[i % 3]
    name = NAMES[kind][(i // 3) % len(NAMES[kind])]
    before, after = SENTENCES[i % 300].replace('"', "").split(" ", 1)
    words = [before, *name.split(), *after.split()]
    tags = ["O", f"B-{kind}", *[f"I-{kind}"] * name.count(" "), *["O"] * len(after.split())]
    text = " ".join(words)
    start = len(before) + 1
    fields = {"text": text, "tokens": words, "tags": tags, "entities": [[start, start + len(name), kind]]}
    return Row((text,), fields)


def _choice(i: int) -> Row:
    texts = (f"{SENTENCES[i]}?", *(SENTENCES[(i * k + k) % 500] for k in (3, 5, 7)))
    return Row(texts, {**dict(zip(("prompt", "A", "B", "C"), texts, strict=True)), "answer": "ABC"[i % 3]})


def _extractive(i: int) -> Row:
    # A document is in one language; Korean ones outweigh the others in any split.
    one = KOREAN if i % 3 else ENGLISH
    sentences = [f"{one[(i * 5 + k * (1 + i // 22)) % len(one)].capitalize()}." for k in range(4)]
    text = " ".join(sentences)
    return Row((text,), {"article": text, "highlights": sentences[i % 4]})


MAKERS: Mapping[str, Callable[[int], Row]] = {
    "classify": _classify,
    "pair": _pair,
    "regression": _regression,
    "ner": _ner,
    "choice": _choice,
    "extractive": _extractive,
}
TASKS = tuple(MAKERS)


def pool(task: str) -> list[Row]:
    """Return all rows of a task."""
    return [MAKERS[task](i) for i in range(POOL_ROWS)]


def some_rows(task: str, rng: random.Random, *, one_line: bool) -> list[Row]:
    """Draw between 6 and 24 different rows."""
    rows: Sequence[Row] = [row for row in pool(task) if row.is_one_line or not one_line]
    return rng.sample(rows, rng.randint(6, 24))
