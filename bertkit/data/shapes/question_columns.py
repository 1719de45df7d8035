"""Which columns of a table hold questions, their choices and the answers.

Choices stand in a column each (`A` to `E`, `ending0` to `ending3`), in one column that holds a
JSON list, or with their question in one prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bertkit.data.column_names import first_named
from bertkit.data.columns import ColumnChoice, Wanted, check_mapped, has_column, there_are
from bertkit.data.records import ColumnMap
from bertkit.data.shapes.choices import are_bare, choice_columns
from bertkit.errors import DataError
from bertkit.plain import listed

QUESTION_NAMES = (
    *("prompt", "question", "question_stem", "startphrase", "ctx"),
    *("goal", "questions", "question_text", "stem", "query"),
    *("질문", "문제", "질의", "물음"),
)
CONTEXT_NAMES = (
    *("context", "passage", "article", "premise", "paragraph", "story", "sentence"),
    *("지문", "본문", "전제", "문단", "문장"),
)
ANSWER_NAMES = (
    *("answer", "answerkey", "label", "gold_label", "gold", "target", "cop", "정답", "답", "correct_answer", "correct"),
    *("correct_option", "correct_choice", "right_answer", "gold_answer", "answers", "answer_index", "answer_idx"),
    *("answer_label", "정답번호", "답안"),
)
LIST_NAMES = ("choices", "options", "endings", "alternatives", "candidates", "answer_choices", "보기", "선택지", "선지")
# SWAG's beginning, where it stands in two columns
_BEGINNING = ("sent1", "sent2")
# One prompt that holds question and choices, as OpenBookQA is given to language models
_PROMPT_NAME = "instruction"


def find_choice_columns(
    names: Sequence[str],
    *,
    choice: ColumnChoice | None = None,
    usual: ColumnMap | None = None,
    stored: ColumnMap | None = None,
    need_label: bool = False,
) -> ColumnMap | None:
    """Find the columns of question, choices and answer; None if this is no table of questions.

    Each part is taken from `choice`, then from known columns that are all there, then by
    its usual names. `text` of the result is the question, or context and question; its
    label is None where no column of answers is there.

    Args:
        names: the columns that are there.
        choice: what `--columns` said; with a pair it says that these are no questions.
        usual: the columns that the catalog has for the data set.
        stored: the columns a run was trained with; they also say whether there is a context.
        need_label: whether a table of questions without answers is an error.

    Raises:
        DataError: `--columns` names a column that is missing, or choices without a
            question that can be found; or the answers are missing.
    """
    chosen = choice or ColumnChoice()
    if chosen.pair is not None:
        return None
    check_mapped(names, chosen)
    known = [columns for columns in (stored, usual) if columns and columns.choices]
    free = [name for name in names if name not in (*chosen.text, *chosen.choices, chosen.label)]
    texts = chosen.text or _all_there(names, (c.text for c in known)) or _find_texts(free, stored)
    choices = chosen.choices or _all_there(names, (c.choices for c in known)) or choice_columns(free) or _listed(free)
    if not chosen.text and len(texts) == 1 and first_named(texts, CONTEXT_NAMES) and are_bare(choices):
        texts = texts[1:]  # a text beside columns a and b has nothing to ask of them
    if not texts or not choices:
        if chosen.choices:
            raise missing_choice_columns(names, stored)
        return _find_prompts(free, chosen)
    label = chosen.label or _find_label(names, known, taken=(*texts, *choices))
    if need_label and label is None:
        raise DataError(f"no column for the answer: {there_are(names)}; add label=COLUMN to --columns.")
    return ColumnMap(texts, None, label, choices)


def resolve_question_columns(names: Sequence[str], wanted: Wanted) -> ColumnMap:
    """Find question, choices and answer, as `find_choice_columns` does.

    Raises:
        DataError: they are not there.
    """
    found = find_choice_columns(
        names, choice=wanted.choice, usual=wanted.usual, stored=wanted.stored, need_label=wanted.need_label
    )
    if found is None:
        raise missing_choice_columns(names, wanted.stored)
    return found


def missing_choice_columns(names: Sequence[str], stored: ColumnMap | None = None) -> DataError:
    """Build the error for a table whose columns are not those of questions."""
    wanted = "a question and its choices"
    if stored is not None:
        wanted = f"the texts {listed(stored.text, 80, joint=' and ')} and the choices"
    way_on = "say which is which, for example --columns text=question,choices=a+b+c,label=answer"
    return DataError(f"no columns are recognised as {wanted}: {there_are(names)}; {way_on}.")


def _all_there(names: Sequence[str], known: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return next((columns for columns in known if all(has_column(names, name) for name in columns)), ())


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


def _find_label(names: Sequence[str], known: Sequence[ColumnMap], taken: Sequence[str]) -> str | None:
    found = _all_there(names, ((columns.label,) for columns in known if columns.label is not None))
    return next(iter(found), None) or first_named([name for name in names if name not in taken], ANSWER_NAMES)


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
