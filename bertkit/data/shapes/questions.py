"""Questions with choices: their columns, what an answer means, and rows of a table as `Question`s."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from string import ascii_lowercase
from typing import Any
from unicodedata import normalize

from bertkit.data.column_names import first_named
from bertkit.data.columns import (
    ColumnChoice,
    RowRules,
    Shape,
    Wanted,
    all_there,
    examples_of,
    first_there,
    missing_label,
    others,
    text_of,
    there_are,
)
from bertkit.data.records import BadRow, ColumnMap, Example, Question, Row
from bertkit.data.values import RowError, field_of, is_whole, needed_field, parse_list, value_text
from bertkit.errors import DataError
from bertkit.plain import listed, quoted

# --- Choices: their columns and the names these give them, or how they stand in one cell or in one prompt

_CHOICE_WORDS = (
    *(None, "ending", "answer", "choice", "option", "sol", "op", "opt", "alternative", "alt", "candidate", "solution"),
    *("보기", "선택지", "선지"),
)
_CHOICE_COLUMN = re.compile(
    rf"(?:(?P<word>{'|'.join(word for word in _CHOICE_WORDS if word)})[ _-]?)?(?P<name>[a-z가-하ㄱ-ㅎ①-⑨]|\d{{1,2}})"
)
_KOREAN, _CIRCLED, _CONSONANTS = tuple("가나다라마바사아자차"), tuple("①②③④⑤⑥⑦⑧⑨"), tuple("ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊ")
_RUNS = (
    *(tuple(ascii_lowercase), tuple(map(str, range(100))), tuple(map(str, range(1, 100)))),
    *(_KOREAN, _CIRCLED, _CONSONANTS),
)
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
    names = tuple(_plain_mark(part["name"]).upper() for part in parts if part is not None)
    words = {part["word"] for part in parts if part is not None}
    named = len(names) == len(set(names)) == len(columns) and len(words) == 1
    # Bare numbers mostly are the columns of a table without a header, and name nothing.
    if named and (words != {None} or all(map(str.isalpha, names)) or names[0] in ("0", "1")):
        return names
    return tuple(map(str, range(len(columns))))


def _plain_mark(mark: str) -> str:
    """Write ② as 2; ㄱ, which normalising tears out of its keyboard, stays."""
    return mark if mark in _CONSONANTS else normalize("NFKC", mark)


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


# Choices on one line, each behind its letter.
_INLINE = re.compile(r"[,;]\s*([a-hA-H])\s*\)\s*")
# A. a stone, (2) wool, ③ bread, at the beginning or behind what parts them.
_MARKED_CHOICE = re.compile(
    r"(?:^|(?<=[\s,;|/]))(?:(?P<circled>[①-⑨])|\(?(?P<name>[A-Ha-h1-9])[).:])\s*(?=\S)", re.MULTILINE
)
_RUN_OF = {"a": tuple(ascii_lowercase), "1": tuple(map(str, range(1, 100)))}
# What objects of choices call their texts, and what they are called by.
_TEXT_KEYS = ("text", "content", "choice", "option", "value", "sentence", "answer", "내용")
_LABEL_KEYS = ("label", "id", "key", "letter", "name", "para")


def listed_choices(raw: str, column: str) -> dict[str, str]:
    """Read a JSON list of texts or of {"text", "label"} objects, {"text": […], "label": […]}, or {label: text}.

    Also a line as MathQA has it: a ) 38 , b ) 40; lines or parts with letters (A. a stone), or with bars or semicolons.
    """
    value = parse_list(raw) if raw.strip() else []
    if value is None and len(parts := _INLINE.split(f", {raw.strip()}")) > 4:
        value = dict(zip(parts[1::2], (text.strip(" ,") for text in parts[2::2]), strict=True))
    value = _marked_choices(raw) if value is None else value
    texts, names = _texts_and_names(value)
    if not isinstance(texts, list):
        raise RowError(f"the choices are not a JSON list (column {quoted(column)})")
    if names is None:
        names = range(len(texts))
    elif not isinstance(names, list) or len(names) != len(texts):
        raise RowError(f"the choices and their labels differ in number (column {quoted(column)})")
    choices = {value_text(name).strip(): value_text(text) for name, text in zip(names, texts, strict=True)}
    if len(choices) != len(texts):
        raise RowError(f"two choices have the same label (column {quoted(column)})")
    return choices


def _marked_choices(raw: str) -> dict[str, str] | list[str] | None:
    """Read choices of one cell: each behind its letter or number, or parted by lines, bars or semicolons."""
    marks = list(_MARKED_CHOICE.finditer(raw.strip()))
    names = [_plain_mark(mark["circled"] or mark["name"]) for mark in marks]
    run = [name for name, _ in zip(_RUN_OF.get(names[0].casefold(), ()) if names else (), names, strict=False)]
    if len(names) > 1 and marks[0].start() == 0 and [name.casefold() for name in names] == run:
        ends = [*(mark.start() for mark in marks[1:]), len(raw.strip())]
        cells = [raw.strip()[mark.end() : end].strip(" \n\r\t,;|/") for mark, end in zip(marks, ends, strict=True)]
        return dict(zip(names, cells, strict=True))
    for parting in ("\n", "|", ";"):
        parts = [part.strip() for part in raw.split(parting)]
        if len(parts) > 1 and all(parts):
            return parts
    return None


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


# --- Which of its choices a question's answer means: a name, a text, or a place among them --------
#
# A number may be the name of a choice or its place, counted from 0 or from 1; which of these shows
# in all answers of a table, not in one.

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
        f"the answer {quoted(answer, _LONGEST_SHOWN)} is not one of the choices: "
        f"{listed(choices, quotes=False)}{_doubt(answer, names)}"
    )


def bare_answer(answer: str) -> str:
    """Write a mark as plain letters or digits, where tests have it otherwise: ②, Ⓑ, 2번, ["B"]."""
    if answer.startswith("["):
        found = parse_list(answer)
        answer = value_text(found[0]).strip() if isinstance(found, list) and len(found) == 1 else answer
    if len(answer) <= _LONGEST_MARK:
        answer = _plain_mark(answer)
    numbered = _NUMBERED.fullmatch(answer)
    return answer if numbered is None else numbered["number"]


def _placed(answer: str, names: Sequence[str], counted_from: int) -> str | None:
    place = int(float(answer)) - counted_from if is_whole(answer) else -1
    return names[place] if 0 <= place < len(names) else None


def _doubt(answer: str, names: Sequence[str]) -> str:
    if not is_whole(answer) or not names or names[0].isdigit() or not 0 < float(answer) < len(names):
        return ""
    return " (it is unclear whether numbers start at 0 or at 1: write the names)"


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
        if name is None and not text and "0" in choices:
            return _placed_letter(marked["name"].casefold(), choices)
        return name if name is not None and text in ("", choices[name].strip()) else None
    return _placed_letter(folded, choices)


def _placed_letter(letter: str, choices: Mapping[str, str]) -> str | None:
    """Return the place in a plain list that a letter means, as in RACE; or of numbered choices, the first being A."""
    found = ascii_lowercase.find(letter) if len(letter) == 1 else -1
    place = str(found if "0" in choices else found + 1)
    return place if found >= 0 and place in choices else None


# --- Which columns of a table hold questions, their choices and the answers -----------------------
#
# Choices stand in a column each (`A` to `E`, `ending0` to `ending3`), in one column that holds a
# JSON list, or with their question in one prompt.

QUESTION_NAMES = (
    *("prompt", "question", "question_stem", "startphrase", "ctx"),
    *("goal", "questions", "question_text", "stem", "query", "problem", "asks_for"),
    *("질문", "문제", "질의", "물음", "문항", "발문"),
)
CONTEXT_NAMES = (
    *("context", "passage", "article", "premise", "paragraph", "story", "sentence", "dialogue", "conversation"),
    *("지문", "본문", "전제", "문단", "문장", "맥락", "제시문"),
)
ANSWER_NAMES = (
    *("answer", "answerkey", "label", "gold_label", "gold", "target", "cop", "정답", "답", "correct_answer", "correct"),
    *("correct_option", "correct_choice", "right_answer", "gold_answer", "answers", "answer_index", "answer_idx"),
    *("answer_label", "정답번호", "답안", "most_plausible_alternative"),
)
LIST_NAMES = (
    *("choices", "options", "choice", "endings", "alternatives", "candidates", "answer_choices", "answer_options"),
    *("보기", "선택지", "선지"),
)
# SWAG's beginning, where it stands in two columns
_TOLD_OF_ROW = re.compile(
    r"(?:^|[\W_])(?:id|idx|index|no|nr|level|topic|source|subject)$|(?<=[a-z])(?:Id|ID)$|번호$", re.IGNORECASE
)
_BEGINNING = ("sent1", "sent2")
# One prompt that holds question and choices, as OpenBookQA is given to language models
_PROMPT_NAME = "instruction"


def find_choice_columns(names: Sequence[str], wanted: Wanted) -> ColumnMap | None:
    """Find the columns of question, choices and answer; None if this is not a table of questions.

    Each part is taken from `--columns`, then from known columns that are all there, then by
    its usual names. `text` of the result is the question, or context and question; its
    label is None where no column of answers is there.

    Args:
        names: the columns that are there.
        wanted: what is looked for; a chosen pair says that these are not questions, and stored columns whether
            there is a context.

    Raises:
        DataError: `--columns` names a column that is missing, or choices without a
            question that can be found; or the answers are missing.
    """
    if wanted.choice is not None and wanted.choice.pair is not None:
        return None
    chosen, stored = wanted.chosen(names), wanted.stored
    known = [columns for columns in wanted.known if columns.choices]
    free = [name for name in names if name not in (*chosen.text, *chosen.choices, chosen.label)]
    texts = chosen.text or all_there(names, (c.text for c in known)) or _find_texts(free, stored)
    choices = chosen.choices or all_there(names, (c.choices for c in known)) or choice_columns(free) or _listed(free)
    texts = texts or _only_other(free, choices)
    if not chosen.text and len(texts) == 1 and first_named(texts, CONTEXT_NAMES) and are_bare(choices):
        texts = texts[1:]  # a text beside columns a and b has nothing to ask of them
    if not texts or not choices:
        if chosen.choices:
            raise missing_choice_columns(names, stored)
        return _find_prompts(free, chosen)
    label = chosen.label or first_there(names, [c.label for c in known])
    label = label or first_named(others(names, *texts, *choices), ANSWER_NAMES)
    if wanted.need_label and label is None:
        raise DataError(f"no column for the answer: {there_are(names)}; add label=COLUMN to --columns.")
    return ColumnMap(texts, None, label, choices)


def looks_asked(rows: Sequence[Row]) -> bool:
    """Tell whether rows are questions with choices; what is asked by another name shows in answers that are choices."""
    found = find_choice_columns(list(rows[0].fields), Wanted(need_label=False))
    if found is None or first_named(found.text, (*QUESTION_NAMES, *CONTEXT_NAMES)) or found.text == found.choices:
        return found is not None
    return 2 * sum(isinstance(made, Question) for made in Questions().examples(rows, found, "")) > len(rows)


def missing_choice_columns(names: Sequence[str], stored: ColumnMap | None = None) -> DataError:
    """Build the error for a table whose columns are not those of questions."""
    wanted = "a question and its choices"
    if stored is not None:
        wanted = f"the texts {listed(stored.text, 80, joint=' and ')} and the choices"
    way_on = "say which is which, for example --columns text=question,choices=a+b+c,label=answer"
    return DataError(f"no columns are recognised as {wanted}: {there_are(names)}; {way_on}.")


def _find_texts(names: Sequence[str], stored: ColumnMap | None) -> tuple[str, ...]:
    """Find the question, and its context unless a run was trained without one."""
    question, context = first_named(names, QUESTION_NAMES), first_named(names, CONTEXT_NAMES)
    beginning = tuple(name for name in _BEGINNING if name in names)
    count = None if stored is None else len(stored.text)
    found = [(context, question), (question,), beginning if len(beginning) == len(_BEGINNING) else (), (context,)]
    for texts in found:
        there = tuple(name for name in texts if name is not None)
        if there and len(there) == len(texts) and count in (None, len(there)):
            return there
    return ()


def _only_other(names: Sequence[str], choices: Sequence[str]) -> tuple[str, ...]:
    """Return the only column beside several choices and their answers, which is what is asked, whatever its name."""
    answer = first_named(others(names, *choices), ANSWER_NAMES)
    found = [name for name in others(names, *choices, answer) if not _TOLD_OF_ROW.search(name)]
    is_asked = answer is not None and len(choices) > 1 and not are_bare(choices) and len(found) == 1
    return tuple(found) if is_asked else ()


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    found = first_named(names, LIST_NAMES)
    return () if found is None else (found,)


def _find_prompts(names: Sequence[str], chosen: ColumnChoice) -> ColumnMap | None:
    """Find a column of prompts: it stands for the question and for the choices."""
    prompt = first_named(names, [_PROMPT_NAME])
    answer = chosen.label or first_named(names, ANSWER_NAMES[:1])
    if prompt is None or answer is None or chosen.text:
        return None
    return ColumnMap((prompt,), None, answer, (prompt,))


# --- Questions with choices: rows of a table as `Question`s ---------------------------------------
#
# A choice goes by the name its file has for it: the letter or the number of its column, its
# label in the list, or else its 0-based place. A blank cell is not a choice, so that the rows of a
# file may differ in how many they have; the choices that are there keep their names.

# Rows looked at for how answers are counted.
_ROWS_AHEAD = 10_000


def question_of(row: Row, rules: RowRules, counted_from: int | None = None) -> Question:
    """Turn a row into a question with its choices.

    The answer may be a choice's name (a letter in either case, a 0-based or 1-based number
    as the choices are numbered) or its whole text; a name goes before a text.

    Args:
        row: the row, lists as JSON text.
        rules: a row whose answer cannot be used has a label of None where it needs none.
        counted_from: from what number answers count the places of choices; None: they do not.

    Raises:
        RowError: the row lacks what it needs.
    """
    texts, named = _texts_and_choices(row.fields, rules.columns)
    choices = _usable(named, rules.columns)
    written, label, unread = _answer(row, rules), None, ""
    answer = (written or "").strip()
    try:
        if not answer:
            raise RowError(missing_label(written, rules.columns.label))
        if not _is_withheld(answer, rules):
            label = read_answer(answer, choices, tuple(named), counted_from)
    except RowError as fault:
        if rules.need_label:
            raise
        unread = str(fault)
    own, names = tuple(choices.values()), tuple(choices)
    return Question(texts, label, row.line, rules.source, choices=own, names=names, unread=unread)


def _texts_and_choices(fields: Mapping[str, str], columns: ColumnMap) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the texts of a row, and the texts of its choices by name."""
    if columns.text == columns.choices:
        parsed = parse_prompted(needed_field(fields, columns.text[0]))
        if parsed is None:
            raise RowError(f"there is no 'Answer1: … Answer2: …' in the prompt (column {quoted(columns.text[0])})")
        texts: tuple[str, ...] = (parsed[0],)
        choices = parsed[1]
    else:
        texts = tuple(text_of(fields, name) for name in columns.text)
        one_list = len(columns.choices) == 1
        choices = (
            listed_choices(needed_field(fields, columns.choices[0]), columns.choices[0])
            if one_list
            else _choices_of_columns(fields, columns)
        )
    if not texts[-1].strip():
        raise RowError(f"the question is empty (column {quoted(columns.text[-1])})")
    return texts, choices


def _usable(named: Mapping[str, str], columns: ColumnMap) -> dict[str, str]:
    """Leave out choices that are blank."""
    choices = {name: text for name, text in named.items() if text.strip()}
    if not choices:
        raise RowError(f"there are no choices ({_place(columns.choices)} empty)")
    if len(choices) == 1:
        raise RowError(f"there is only one choice, {listed(choices, quotes=False)}; a question needs two")
    return choices


def _choices_of_columns(fields: Mapping[str, str], columns: ColumnMap) -> dict[str, str]:
    texts = [field_of(fields, column) or "" for column in columns.choices]
    return dict(zip(choice_names(columns.choices), texts, strict=True))


def _answer(row: Row, rules: RowRules) -> str | None:
    return None if rules.columns.label is None else field_of(row.fields, rules.columns.label)


def _is_withheld(answer: str, rules: RowRules) -> bool:
    return rules.spec is not None and answer in rules.spec.withheld


def _answers(rows: Iterable[Row | BadRow], rules: RowRules) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Iterate the answers of rows that can be read, each with the names of its choices."""
    for row in rows:
        if isinstance(row, BadRow):
            continue
        with suppress(RowError):
            answer = (_answer(row, rules) or "").strip()
            if answer and not _is_withheld(answer, rules):
                yield answer, tuple(_texts_and_choices(row.fields, rules.columns)[1])


def _place(columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return f"column {quoted(columns[0])} is"
    return f"columns {quoted(columns[0])} to {quoted(columns[-1])} are"


class Questions(Shape):
    """Questions with choices."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find question, choices and answer, as `find_choice_columns` does."""
        found = find_choice_columns(names, wanted)
        if found is None:
            raise missing_choice_columns(names, wanted.stored)
        return found

    def records(self, rows: Iterable[Row | BadRow], rules: RowRules) -> Iterator[Example | BadRow]:
        """Make questions; how answers are counted shows in many rows."""
        rows = iter(rows)
        ahead = list(itertools.islice(rows, _ROWS_AHEAD)) if rules.columns.label is not None else []
        counted_from = first_place(_answers(ahead, rules))
        yield from examples_of(itertools.chain(ahead, rows), lambda row: question_of(row, rules, counted_from))
