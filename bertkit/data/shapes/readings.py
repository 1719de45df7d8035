"""Questions about a text whose answers are stretches of it: SQuAD's form, KorQuAD's, KLUE-MRC's, and plain tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertkit.data.column_names import first_named
from bertkit.data.columns import LabelRules, RowShape, Wanted, first_there, others, refuse_rejected, there_are
from bertkit.data.records import ColumnMap, Example, ReadingQuestion, Row, find_place
from bertkit.data.values import RowError, field_of, missing_column, parse_list
from bertkit.errors import DataError
from bertkit.plain import quoted

QUESTION_NAMES = ("question", "query", "질문", "문제")
CONTEXT_NAMES = ("context", "passage", "paragraph", "document", "article", "text", "지문", "본문", "문단")
ANSWER_NAMES = ("answers", "answer", "answer_text", "gold", "label", "정답", "답", "답변")
START_NAMES = ("answer_start", "start", "start_position", "answer_start_index", "시작")
KEY_NAMES = ("id", "guid", "qid", "question_id")
_IMPOSSIBLE = "is_impossible"
_WAY_ON = "say which is which, for example --columns text=question,pair=context,label=answer"


class Readings(RowShape):
    """Questions about a text: qa."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find question, context and answer; the context is the pair of the question."""
        chosen, known = wanted.chosen(names), wanted.known
        texts, context = list(chosen.text), chosen.pair
        if len(texts) == 2 and context is None:
            context = texts.pop()
        if len(texts) > 1 or chosen.choices:
            raise DataError(f"a question is one column and its context another; {_WAY_ON}.")
        question = next(iter(texts), None) or first_there(names, [c.text[0] for c in known])
        context = context or first_there(names, [c.pair for c in known])
        question = question or first_named(others(names, context, chosen.label), QUESTION_NAMES)
        context = context or first_named(others(names, question, chosen.label), CONTEXT_NAMES)
        if question is None or context is None:
            what = "question" if question is None else "context"
            raise DataError(f"no column is recognised as the {what}: {there_are(names)}; {_WAY_ON}.")
        label = chosen.label or first_there(names, [c.label for c in known])
        label = label or first_named(others(names, question, context), ANSWER_NAMES)
        if wanted.need_label and label is None:
            raise DataError(f"no column for the answer: {there_are(names)}; {_WAY_ON}.")
        return ColumnMap((question,), context, label)

    def example(
        self, row: Row, columns: ColumnMap, source: str, *, spec: LabelRules | None, need_label: bool
    ) -> Example:
        """Make a question; an answer that is not in its text makes a row unusable."""
        return _reading(row, columns, source, need_label)


def looks_read(rows: Sequence[Row]) -> bool:
    """Tell whether rows hold a question, a text, and answers that are in it; most of them must be."""
    names = list(rows[0].fields)
    question, context = first_named(names, QUESTION_NAMES), first_named(names, CONTEXT_NAMES)
    answer = first_named(others(names, question, context), ("answers", "answer", "answer_text", "정답", "답"))
    if question is None or context is None or answer is None:
        return False
    columns = ColumnMap((question,), context, answer)
    found = 0
    for row in rows:
        try:
            found += bool(_reading(row, columns, "", need_label=True).places)
        except RowError:
            continue
    return 2 * found >= len(rows) and found > 0


def _reading(row: Row, columns: ColumnMap, source: str, need_label: bool) -> ReadingQuestion:
    question, context = (_text(row.fields, name) for name in columns.inputs)
    if not question.strip():
        raise RowError(f"the question is empty (column {quoted(columns.text[0])})")
    if not context.strip():
        raise RowError(f"the context is empty (column {quoted(columns.pair)})")
    key = row.fields.get(first_named(list(row.fields), KEY_NAMES) or "", "")
    # Questions about one text stay on one side of a split: who has seen the text has an advantage.
    group = hashlib.blake2b(context.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    made = ReadingQuestion((question, context), None, row.line, source, key=key, group=group)
    if columns.label is None:
        return made
    refuse_rejected(row.fields, columns.label)
    written = field_of(row.fields, columns.label)
    if written is None:
        if need_label:
            raise RowError(missing_column(columns.label))
        return made
    is_impossible = row.fields.get(_IMPOSSIBLE, "").strip().casefold() in ("true", "1")
    answers = [] if is_impossible else list(_answers(written, _start(row.fields)))
    places = [place for text, near in answers if (place := find_place(context, text, near)) is not None]
    if answers and not places:
        named = f" of question {quoted(key)}" if key else ""
        raise RowError(f"the answer {quoted(answers[0][0])}{named} is not in its text (column {quoted(columns.pair)})")
    texts = tuple(dict.fromkeys(text.strip() for text, _ in answers))
    return ReadingQuestion(
        made.texts, None, row.line, source, places=tuple(dict.fromkeys(places)), answers=texts, key=key, group=group
    )


def _answers(written: str, start: int | None) -> Iterator[tuple[str, int | None]]:
    """Read the answers of a cell, each with about where it begins: a text, a list, or SQuAD's objects."""
    found = parse_list(written) if written.lstrip().startswith(("[", "{")) else None
    if found is None or isinstance(found, str | int | float):
        if written.strip():
            yield written, start
        return
    if isinstance(found, dict):
        yield from _of_object(found, start)
        return
    for item in found:
        if isinstance(item, dict):
            yield from _of_object(item, None)
        elif isinstance(item, str) and item.strip():
            yield item, start if len(found) == 1 else None


def _of_object(found: Mapping[str, Any], start: int | None) -> Iterator[tuple[str, int | None]]:
    """Read {"text", "answer_start"}, each a value or a list of as many."""
    texts, starts = found.get("text"), found.get("answer_start", found.get("start", start))
    if not isinstance(texts, list):
        texts, starts = [texts], starts if isinstance(starts, list) else [starts]
    starts = starts if isinstance(starts, list) else [starts] * len(texts)
    for i, text in enumerate(texts):
        near = starts[i] if i < len(starts) else None
        if isinstance(text, str) and text.strip():
            yield text, int(near) if isinstance(near, int | str) and str(near).lstrip("-").isdigit() else None


def _start(fields: Mapping[str, str]) -> int | None:
    name = first_named(list(fields), START_NAMES)
    value = fields[name].strip() if name is not None else ""
    return int(value) if value.isdigit() else None


def _text(fields: Mapping[str, str], name: str) -> str:
    text = field_of(fields, name)
    if text is None:
        raise RowError(missing_column(name))
    return text
