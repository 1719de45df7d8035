"""What the cells of a row hold once it is known which column is what: its texts, and why a row cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from bertkit.data.column_names import SPEAKER_NAMES
from bertkit.data.records import BadRow, ColumnMap, Example, LeftOut, Row
from bertkit.data.values import JsonText, NotMeantError, RowError, field_of, missing_column, parse_list
from bertkit.plain import listed, quoted, shell_words

# Keys under which objects in a list have their text, and who says it.
_TEXT_KEYS = (
    "sentence",
    "text",
    "utterance",
    "content",
    "form",
    "original_form",
    "dialogue",
    "message",
    "문장",
    "발화",
)
_SPEAKER_KEYS = (*SPEAKER_NAMES, "name")
# How a list begins in which there may be objects.
_OBJECTS = ("[{", "[[")
_UNUSED = ("reject", "ignore")
_PRODIGY = ("_task_hash", "_input_hash", "spans", "_session_id", "_annotator_id", "_view_id")


def texts_of(row: Row, columns: ColumnMap) -> tuple[str, ...]:
    """Return the texts of a row, in the order of `columns.inputs`.

    Raises:
        RowError: a column is missing, or cannot be read as text.
    """
    return tuple([text_of(row.fields, name) for name in columns.inputs])


def text_of(fields: Mapping[str, str], name: str) -> str:
    """Return the text that a column holds; the texts of a JSON list are joined with spaces, those of objects by lines.

    Raises:
        RowError: the column is missing, or holds an object or a list of other things.
    """
    found = fields.get(name)
    if type(found) is str and not found.startswith(_OBJECTS):
        return found
    if found is not None and (lines := lines_in_objects(found)):
        return "\n".join(lines)
    if not isinstance(found, JsonText) or not found.startswith(("[", "{")):
        text = field_of(fields, name)
        if text is None:
            raise RowError(missing_column(name))
        return text
    value = found.value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    what = f"an object of {listed(value)}" if isinstance(value, dict) else "a list that is not of texts alone"
    inner = (
        next((key for key, text in value.items() if isinstance(text, str)), None) if isinstance(value, dict) else None
    )
    way_on = (
        "" if inner is None else f"; name the one that counts, as in --columns text={shell_words([f'{name}.{inner}'])}"
    )
    raise RowError(f"the column {quoted(name)} holds {what} and no text{way_on}")


Turn = tuple[str, str]
"""Who says a line, empty where that is not known, and the line."""


def lines_in_objects(written: str) -> list[str] | None:
    """Return the lines of `turns_in_objects`, each with its speaker before it.

    Raises:
        RowError: the list cannot be used.
    """
    turns = turns_in_objects(written)
    return None if turns is None else [as_line(turn) for turn in turns]


def as_line(turn: Turn) -> str:
    """Return what is said with the speaker before it."""
    speaker, line = turn
    return f"{speaker}: {line}" if speaker else line


def turns_in_objects(written: str) -> list[Turn] | None:
    """Return the texts of a list that holds objects, however deep: paragraphs of sentences, turns of a conversation.

    Between paragraphs stands an empty one. None: it is no such list; empty: its objects have no text.

    Raises:
        RowError: the list cannot be used.
    """
    if "{" not in written[:200] or not written.lstrip().startswith("["):
        return None
    found = parse_list(written)
    return list(_turns(found)) if isinstance(found, list) and any(map(_has_object, found)) else None


def _has_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_object, value)))


def _turns(value: Any) -> Iterator[Turn]:
    if isinstance(value, str):
        yield "", " ".join(value.split())
    elif isinstance(value, dict):
        text = next((value[key] for key in _TEXT_KEYS if isinstance(value.get(key), str)), None)
        speaker = next((value[key] for key in _SPEAKER_KEYS if isinstance(value.get(key), str | int)), "")
        if text and text.strip():
            yield str(speaker).strip(), " ".join(text.split())
        else:
            yield from (turn for inner in value.values() if isinstance(inner, list) for turn in _turns(inner))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            if place and isinstance(part, list):
                yield "", ""
            yield from _turns(part)


def refuse_rejected(fields: Mapping[str, str]) -> None:
    """Refuse a row that whoever annotated it with Prodigy rejected or passed over.

    Raises:
        NotMeantError: it is one.
    """
    if fields.get("answer") not in _UNUSED:
        return
    answer = fields["answer"]
    if any(name in fields for name in _PRODIGY) or (
        "text" in fields and "label" in fields and "question" not in fields
    ):
        raise NotMeantError(f"the answer is {answer} (Prodigy)")


def unusable(row: Row, error: RowError) -> BadRow:
    """Make a record of a row that was refused: it is left out where it is not meant to be one."""
    return (LeftOut if isinstance(error, NotMeantError) else BadRow)(row.line, str(error))


def examples_of(rows: Iterable[Row | BadRow], make: Callable[[Row], Example]) -> Iterator[Example | BadRow]:
    """Make a record of each row; one that is refused stays as what could not be used, in its place."""
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield make(row)
        except RowError as error:
            yield unusable(row, error)


def missing_label(raw: str | None, column: str | None) -> str:
    """Say in a clause that a row has no label."""
    return f"label is {'missing' if raw is None else 'empty'} (column {quoted(column)})"


class LabelRules(Protocol):
    """What a data set that is known by name says of its labels."""

    @property
    def withheld(self) -> frozenset[str]:
        """What stands in place of a label that is not published."""
        ...

    def canonical_label(self, label: str) -> str | None:
        """Give the official word for a label; None if there is no such label."""
        ...

    def strange_label(self, label: str) -> str:
        """Say in a clause that there is no such label."""
        ...


class RowShape:
    """A shape that makes a record of each row by itself."""

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: LabelRules | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Turn rows into records; one that lacks what it needs becomes a `BadRow`."""
        return examples_of(rows, lambda row: self.example(row, columns, source, spec=spec, need_label=need_label))

    def example(
        self, row: Row, columns: ColumnMap, source: str, *, spec: LabelRules | None, need_label: bool
    ) -> Example:
        """Make a record of a row.

        Raises:
            RowError: it cannot be used.
        """
        raise NotImplementedError


def label_of(row: Row, columns: ColumnMap, label: str, spec: LabelRules | None, *, need_label: bool) -> str | None:
    """Return a label as its data set spells it; None where there is none.

    Raises:
        RowError: it is missing, or strange to its data set, and there must be one.
    """
    if not label:
        if need_label:
            raw = None if columns.label is None else field_of(row.fields, columns.label)
            raise RowError(missing_label(raw, columns.label))
        return None
    canonical = label if spec is None else spec.canonical_label(label)
    if canonical is None and spec is not None and need_label:
        raise RowError(spec.strange_label(label))
    return canonical or label
