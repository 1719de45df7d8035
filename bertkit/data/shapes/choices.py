"""Choices that stand together: in one cell as a list, or in one prompt with their question."""

from __future__ import annotations

import re
from typing import Any

from bertkit.data.values import RowError, parse_list, value_text
from bertkit.plain import quoted

_PROMPT = re.compile(
    r"(?:please choose the correct answer to the question:\s*)?"
    r"(?P<question>.*?)\s*(?P<choices>\banswer1:.*?)\s*(?:\banswer format:.*)?",
    re.DOTALL | re.IGNORECASE,
)
_PROMPTED_CHOICE = re.compile(r"\s*\banswer(\d+):\s*", re.IGNORECASE)


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
        labels = [item["label"] for item in value if "label" in item]
        return [item.get("text") for item in value], labels or None
    return value, None
