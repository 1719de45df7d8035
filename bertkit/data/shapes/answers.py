"""Which of its choices a question's answer means: a name, a text, or a place among them.

A number may be the name of a choice or its place, counted from 0 or from 1; which of these shows
in all answers of a table, not in one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase

from bertkit.data.numerals import is_whole
from bertkit.data.values import RowError, parse_list, value_text
from bertkit.plain import listed, quoted

_LONGEST_SHOWN = 40
# (B), B., B) and "B. the text of it"
_LETTERED = re.compile(r"[(\[]?\s*(?P<name>[A-Za-z]|\d{1,2})\s*[)\].:]+\s*(?P<text>.*)", re.DOTALL)
# What stands before an answer: "Answer: B", "choice_b", "정답은 2".
_LEAD = re.compile(
    r"(?:the\s+)?(?:correct\s+)?(?:answer|choice|option|ending|alternative|solution|정답|답|보기)(?:은|는)?"
    r"(?:\s+is\b|\s*[:=_-]|\s)?\s*(?=\S)",
    re.IGNORECASE,
)
# 2번, as Korean tests have it
_NUMBERED = re.compile(r"(?P<number>\d{1,2})\s*번")
_LONGEST_MARK = 4


def first_place(answered: Iterable[tuple[str, Sequence[str]]]) -> int | None:
    """Tell from answers, each with the names of its choices, from what number they count places.

    None: they are no places but names or texts, or there is no telling.
    """
    numbers, most, least = set(), 0, None
    for written, names in answered:
        answer = bare_answer(written)
        if not is_whole(answer):
            return None
        numbers.add(int(float(answer)))
        most = max(most, len(names))
        least = names[0] if names and least is None else least
        if names and names[0] != least:
            return None
    if not numbers or least is None or min(numbers) < 0:
        return None
    from_zero, from_one = 0 in numbers and max(numbers) < most, 0 not in numbers and max(numbers) == most
    if least.isdigit():
        # Names count as well: only another beginning makes places of the answers.
        return 0 if least == "1" and from_zero else 1 if least == "0" and from_one else None
    return 0 if from_zero else 1 if from_one else None


def read_answer(answer: str, choices: Mapping[str, str], names: Sequence[str], counted_from: int | None) -> str:
    """Return the name of the choice that an answer means.

    Args:
        answer: what stands in the file, not empty.
        choices: the texts by name, blank ones left out.
        names: the names of all choices, blank ones too.
        counted_from: what `first_place` told.

    Raises:
        RowError: it means none of them.
    """
    bare = bare_answer(answer)
    name = _named_choice(bare, choices) if counted_from is None else _placed(bare, names, counted_from)
    if name is not None and name in choices:
        return name
    raise RowError(
        f"the answer {quoted(answer, _LONGEST_SHOWN)} names no choice: the choices are "
        f"{listed(choices, quotes=False)}{_doubt(answer, names)}"
    )


def bare_answer(answer: str) -> str:
    """Write a mark as plain letters or digits, where tests have it otherwise: ②, Ⓑ, 2번, ["B"]."""
    if answer.startswith("["):
        found = parse_list(answer)
        answer = value_text(found[0]).strip() if isinstance(found, list) and len(found) == 1 else answer
    if len(answer) <= _LONGEST_MARK:
        answer = unicodedata.normalize("NFKC", answer)
    numbered = _NUMBERED.fullmatch(answer)
    return answer if numbered is None else numbered["number"]


def _placed(answer: str, names: Sequence[str], counted_from: int) -> str | None:
    place = int(float(answer)) - counted_from if is_whole(answer) else -1
    return names[place] if 0 <= place < len(names) else None


def _doubt(answer: str, names: Sequence[str]) -> str:
    if not is_whole(answer) or not names or names[0].isdigit() or not 0 < float(answer) < len(names):
        return ""
    return " (whether numbers count from 0 or from 1 cannot be told: write the names)"


def _named_choice(answer: str, choices: Mapping[str, str]) -> str | None:
    """Return the name of the choice that an answer means, by name or by text."""
    by_folded = {name.casefold(): name for name in choices}
    # pandas writes the numbers of a column with gaps as 2.0
    folded = str(int(float(answer))) if is_whole(answer) else answer.casefold()
    if folded in by_folded:
        return by_folded[folded]
    by_text = next((name for name, text in choices.items() if text.strip() == answer), None)
    if by_text is not None:
        return by_text
    if (rest := _LEAD.sub("", answer, count=1)) != answer:
        return _named_choice(bare_answer(rest), choices)
    marked = _LETTERED.fullmatch(answer)
    if marked is not None:
        name = by_folded.get(marked["name"].casefold())
        text = marked["text"].strip()
        return name if name is not None and text in ("", choices[name].strip()) else None
    if "0" not in choices:
        return None
    # RACE: a plain list, and a letter for the place in it
    place = str(ascii_lowercase.find(folded)) if len(folded) == 1 else ""
    return place if place in choices else None
