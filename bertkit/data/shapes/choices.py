"""Choices: their columns and the names these give them, or how they stand in one cell or in one prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from string import ascii_lowercase
from typing import Any
from unicodedata import normalize

from bertkit.data.values import RowError, parse_list, value_text
from bertkit.plain import listed, quoted

_CHOICE_WORDS = (
    *(None, "ending", "answer", "choice", "option", "sol", "op", "opt", "alternative", "alt", "candidate", "solution"),
    *("보기", "선택지", "선지"),
)
_CHOICE_COLUMN = re.compile(
    rf"(?:(?P<word>{'|'.join(word for word in _CHOICE_WORDS if word)})[ _-]?)?(?P<name>[a-z가-하①-⑨]|\d{{1,2}})"
)
_KOREAN, _CIRCLED = tuple("가나다라마바사아자차"), tuple("①②③④⑤⑥⑦⑧⑨")
_RUNS = (tuple(ascii_lowercase), tuple(map(str, range(100))), tuple(map(str, range(1, 100))), _KOREAN, _CIRCLED)
_BARE_RUNS = (_RUNS[0], *_RUNS[2:])
_PROMPT = re.compile(
    r"(?:please choose the correct answer to the question:\s*)?"
    r"(?P<question>.*?)\s*(?P<choices>\banswer1:.*?)\s*(?:\banswer format:.*)?",
    re.DOTALL | re.IGNORECASE,
)
_PROMPTED_CHOICE = re.compile(r"\s*\banswer(\d+):\s*", re.IGNORECASE)


def choice_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Name the choices of columns: by their letters or numbers, or else by 0-based place."""
    parts = [_CHOICE_COLUMN.fullmatch(column.casefold()) for column in columns]
    names = tuple(normalize("NFKC", part["name"]).upper() for part in parts if part is not None)
    words = {part["word"] for part in parts if part is not None}
    named = len(names) == len(set(names)) == len(columns) and len(words) == 1
    # Bare numbers mostly are the columns of a table without a header, and name nothing.
    if named and (words != {None} or all(map(str.isalpha, names)) or names[0] in ("0", "1")):
        return names
    return tuple(map(str, range(len(columns))))


def choice_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Find the columns of choices: a run of letters or of numbers, with the same word before each or with none."""
    for word in _CHOICE_WORDS:
        by_name = dict(_columns_of(word, names))
        # Bare numbers alone are the columns of a table without a header.
        for run in _RUNS if word is not None else _BARE_RUNS if not all(map(str.isdigit, names)) else _BARE_RUNS[:1]:
            found = tuple(by_name[name] for name in takewhile(by_name.__contains__, run))
            if len(found) >= 2:
                return found
    return ()


def _columns_of(word: str | None, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        part = _CHOICE_COLUMN.fullmatch(name.casefold())
        if part is not None and part["word"] == word:
            yield part["name"], name


def are_bare(choices: Sequence[str]) -> bool:
    """Tell whether columns of choices are letters or numbers alone, which other tables have, too."""
    return len(choices) > 1 and all(len(name) <= 2 for name in choices)


# What objects of choices call their texts, and what they are called by.
_TEXT_KEYS = ("text", "content", "choice", "option", "value", "sentence", "answer", "내용")
_LABEL_KEYS = ("label", "id", "key", "letter", "name", "para")


def listed_choices(raw: str, column: str) -> dict[str, str]:
    """Read a JSON list of texts or of {"text", "label"} objects, {"text": […], "label": […]}, or {label: text}."""
    value = parse_list(raw) if raw.strip() else []
    texts, names = _texts_and_names(value)
    if not isinstance(texts, list):
        raise RowError(f"the choices are no JSON list (column {quoted(column)})")
    if names is None:
        names = range(len(texts))
    elif not isinstance(names, list) or len(names) != len(texts):
        raise RowError(f"the choices and their labels differ in number (column {quoted(column)})")
    choices = {value_text(name).strip(): value_text(text) for name, text in zip(names, texts, strict=True)}
    if len(choices) != len(texts):
        raise RowError(f"two choices have the same label (column {quoted(column)})")
    return choices


def parse_prompted(text: str) -> tuple[str, dict[str, str]] | None:
    """Split a prompt such as `What is hot? Answer1: fire Answer2: ice` into question and choices.

    The instruction before the question and the answer format after the choices are left
    out, as OpenBookQA's prompts have them; choices are named `answer1`, `answer2` and so
    on. None: there are no such choices.
    """
    match = _PROMPT.fullmatch(text.strip())
    if match is None:
        return None
    _, *pieces = _PROMPTED_CHOICE.split(match["choices"])
    names = [f"answer{number}" for number in pieces[::2]]
    return match["question"].strip(), dict(zip(names, pieces[1::2], strict=True))


def _texts_and_names(value: Any) -> tuple[Any, Any]:
    if isinstance(value, dict):
        return (value["text"], value.get("label")) if "text" in value else (list(value.values()), list(value))
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        text, label = (next((key for key in keys if key in value[0]), "") for keys in (_TEXT_KEYS, _LABEL_KEYS))
        if not text:
            raise RowError(f"the choices are objects without a text: they have {listed(value[0])}")
        labels = [item[label] for item in value if label in item]
        return [item.get(text) for item in value], labels or None
    return value, None
