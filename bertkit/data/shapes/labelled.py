"""Texts with a label, with several or with none, and documents with summaries: columns of a table, and its rows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bertkit.data.column_names import (
    CONVERSATION_NAMES,
    DOCUMENT_NAMES,
    LABEL_NAMES,
    SUMMARY_NAMES,
    UNSEEN,
    first_named,
)
from bertkit.data.columns import (
    ColumnChoice,
    RowRules,
    Shape,
    Wanted,
    all_there,
    examples_of,
    first_there,
    lines_in_objects,
    missing_label,
    others,
    resolve_columns,
    say_which,
    texts_of,
    there_are,
)
from bertkit.data.label_kinds import (
    FLAGS,
    MARKED,
    are_sets,
    flag_of,
    is_listed,
    labels_in,
    refuse_unclear,
    unclear_mark,
)
from bertkit.data.records import (
    CLASSES,
    LABEL_SETS,
    BadRow,
    ColumnMap,
    Document,
    Example,
    LabelSet,
    Row,
    Tasks,
    word_of,
)
from bertkit.data.values import NotMeantError, RowError, field_of, needed_field, parse_list, value_text
from bertkit.errors import DataError
from bertkit.plain import listed, quoted, shell_words, shortened

# --- Texts, pairs or several columns, each row with a label: what is classified or scored ---------

# What SNLI and MultiNLI have for pairs without a majority of labels.
_NO_CONSENSUS = "-"
# Where Prodigy says whether a row was accepted; and how many labels are remembered.
_ANSWER, _MOST_KNOWN = "answer", 10_000
_TELLING_KEYS = ("label", "name", "value", "class", "score", "text")


class LabelledTexts(Shape):
    """Texts, pairs or several columns, with a label: classify and regression."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find texts and label; a run of pairs needs a pair."""
        return resolve_columns(names, wanted, need_pair=wanted.needs_pair)

    def records(self, rows: Iterable[Row | BadRow], rules: RowRules) -> Iterator[Example | BadRow]:
        """Turn rows into records, what equal labels mean being told once: there may be millions of rows."""
        columns, source, known = rules.columns, rules.source, dict[str | None, str]()
        inputs, column = columns.inputs, columns.label or ""
        for row in rows:
            fields = None if isinstance(row, BadRow) else row.fields
            if type(fields) is dict and (label := known.get(fields.get(column))) and _ANSWER not in fields:
                texts: tuple[Any, ...] = tuple([fields.get(name) for name in inputs])
                if all(type(text) is str and text[:1] != "[" for text in texts):
                    yield Example(texts, label, row.line, source)
                    continue
            (found,) = super().records([row], rules)
            # A label inside an object (labels.label) is in no cell of its own.
            if type(found) is Example and found.label and type(fields) is dict and column in fields:
                known.update({fields[column]: found.label} if len(known) < _MOST_KNOWN else {})
            yield found

    def example(self, row: Row, rules: RowRules) -> Example:
        """Make an example; a label that `spec` knows as withheld becomes None, whether it is needed or not."""
        texts, raw = texts_of(row, rules.columns), rules.answer_in(row)
        label = (raw or "").strip(UNSEEN)
        if label.startswith(("[", "{", "(")):
            label = _one_label(label, rules.columns.label or "")
        if label == _NO_CONSENSUS and rules.columns.label == "gold_label":
            raise NotMeantError("gold_label is '-': its annotators did not agree")
        is_withheld = rules.spec is not None and label in rules.spec.withheld
        return Example(texts, None if is_withheld else rules.label_of(raw, label), row.line, rules.source)


def _one_label(written: str, column: str) -> str:
    """Return the label that a list of one holds, or the text itself where it is no JSON.

    Raises:
        RowError: it is another list, or an object: each would be a class of its own.
    """
    found = parse_list(written)
    if isinstance(found, list):
        if not found:
            return ""
        if len(found) == 1 and not isinstance(found[0], list | dict):
            return value_text(found[0]).strip()
        if len(found) == 1 and isinstance(found[0], dict) and list(found[0]) == ["rating"]:  # Label Studio's
            return value_text(found[0]["rating"])
        if len(found) != 1 or not isinstance(found[0], dict):
            raise RowError(f"the label is a list, and a row has one label (column {quoted(column)})")
        (found,) = found
    if isinstance(found, dict):
        way_on = ""
        if (inner := _telling_key(found)) is not None:
            way_on = f"; name the one that counts, as in --columns label={shell_words([f'{column}.{inner}'])}"
        raise RowError(f"the label is an object of {listed(found)} (column {quoted(column)}){way_on}")
    return written


def _telling_key(found: Mapping[str, Any]) -> str | None:
    """Return the key of an object whose value is most likely a label."""
    bare = [key for key, value in found.items() if not isinstance(value, list | dict)]
    return next((key for key in _TELLING_KEYS if key in bare), next(iter(bare), None))


# --- Texts with any number of labels each: in one cell, or in a column of 0 and 1 for every label -

SET_NAMES = (
    *("labels", "tags", "topics", "categories", "genres", "emotions", "keywords", "classes", "genre", "topic"),
    *("레이블들", "태그", "주제", "장르", "키워드", "감정들"),
)
"""What columns of several labels are called, beside the usual names of labels."""
_NUMBERS_ROWS = re.compile(
    r"(?:^|[\W_])(?:ids?|idx|index|counts?|confidence|votes?|unclear|번호)$|^$|^unnamed|(?<=[a-z])(?:Id|ID)$",
    re.IGNORECASE,
)
_RATER = re.compile(
    r"(?:ann(?:ot(?:ator)?)?|(?:co)?rater|coder|judge|reviewer|expert|평가자|작업자|검수자|주석자)[\W_]*(?:\d+|[a-z])",
    re.IGNORECASE,
)
_ROWS_AHEAD = 1000  # that show which marks there are


class LabelSets(Shape):
    """Texts, pairs or several columns, with any number of labels: multilabel."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find texts and labels; the choice names columns of 0 and 1 where `with_flags` found some."""
        chosen = wanted.chosen(names)
        known = None if wanted.stored is None else replace(wanted.stored, labels=())
        of_texts = replace(wanted, choice=replace(chosen, labels=()), stored=known, need_label=False)
        found = resolve_columns(names, of_texts, need_pair=wanted.needs_pair)
        if chosen.labels:
            return replace(found, label=None, labels=chosen.labels)
        if found.label is None:
            free = [name for name in names if name not in found.inputs]
            found = replace(found, label=first_named(free, SET_NAMES))
        if found.label is None and wanted.need_label:
            raise DataError(
                f"no column for the labels: {there_are(names)}; name one (--columns label=COLUMN, its cells as a|b or "
                "JSON lists), or a column of 0 and 1 for each label (label=COLUMN+COLUMN)."
            )
        return found

    def records(self, rows: Iterable[Row | BadRow], rules: RowRules) -> Iterator[Example | BadRow]:
        """Make sets of labels; which mark may be yes or no shows in many rows."""
        rows, names = iter(rows), rules.columns.labels if rules.need_label else ()
        ahead = [*itertools.islice(rows, _ROWS_AHEAD)] if names else []
        good = [row.fields for row in ahead if isinstance(row, Row)]
        unclear = unclear_mark(field_of(fields, name) for fields in good for name in names)
        yield from examples_of(itertools.chain(ahead, rows), lambda row: self._set_of(row, rules, unclear))

    def _set_of(self, row: Row, rules: RowRules, unclear: str) -> LabelSet:
        """Make a set of labels; a cell that is not a list is parted when all were seen (`data.label_kinds`)."""
        texts, cell, lacking = texts_of(row, rules.columns), rules.answer_in(row), rules.columns.label
        if rules.columns.labels:
            flags = {name: field_of(row.fields, name) for name in rules.columns.labels}
            refuse_unclear(flags.values(), unclear)
            lacking = next((name for name, flag in flags.items() if flag is None), None)
            if lacking is None:
                labels = tuple(name for name, flag in flags.items() if flag_of(flag or "", name))
                return LabelSet(texts, None, row.line, rules.source, labels=labels)
        if cell is None:
            if rules.need_label:
                raise RowError(missing_label(None, lacking))
            return LabelSet(texts, None, row.line, rules.source)
        if is_listed(cell):
            labels_in(cell, "")  # a list that cannot be read is a fault of this row
        return LabelSet(texts, cell.strip(), row.line, rules.source)


def with_flags(rows: Sequence[Row], choice: ColumnChoice | None, known: ColumnMap | None) -> ColumnChoice | None:
    """Name the columns of 0 and 1 that hold labels, where neither a person nor a column's name says what does.

    Args:
        rows: the first of a table.
        choice: what `--columns` said.
        known: the columns that a run was trained with, or that another split has.

    Returns:
        `choice` with these columns.
    """
    if not rows or (choice is not None and (choice.label or choice.labels)):
        return choice
    names = list(rows[0].fields)
    if known is not None and (labels := all_there(names, [known.labels])):
        return replace(choice or ColumnChoice(), labels=labels)
    try:
        found = LabelSets().resolve(names, Wanted(choice, stored=known, need_label=False))
    except DataError:
        return choice
    flags = () if found.label is not None else _flag_columns(rows, found.inputs)
    return replace(choice or ColumnChoice(), labels=flags) if flags else choice


def tell_label_sets(rows: Sequence[Row], choice: ColumnChoice | None) -> bool:
    """Tell from a table's first rows whether they have sets of labels, where nobody said so."""
    if choice is not None and choice.labels:
        return True
    try:
        found = LabelSets().resolve(list(rows[0].fields), Wanted(choice, need_label=False))
        if found.label is None:
            return bool(_flag_columns(rows, found.inputs))
        return are_sets([cell for row in rows if (cell := field_of(row.fields, found.label or ""))])
    except (DataError, RowError):
        return False


def why_label_sets(columns: ColumnMap, tasks: Tasks) -> str:
    """Say why rows are taken for sets of labels, where nobody said so."""
    task = f"task: {word_of(LABEL_SETS, tasks)}, because"
    if columns.labels:
        return f"{task} the columns {listed(columns.labels, joint=' and ')} are yes or no"
    return f"{task} rows have several labels (--task {word_of(CLASSES, tasks)} makes each combination one label)"


def _flag_columns(rows: Sequence[Row], taken: Sequence[str]) -> tuple[str, ...]:
    """Return the columns whose cells are all 0 or 1, where there are two or more; some cell is filled in each.

    Of marks such as x and yes each column must consist; what several people say of one thing is no set.
    """
    names = [name for name in rows[0].fields if name not in taken and not _NUMBERS_ROWS.search(name)]
    cells = {name: {(row.fields.get(name) or "").strip().casefold() for row in rows} for name in names}
    filled = {name: own for name, own in cells.items() if own != {""}}
    found = [name for name, own in filled.items() if own <= FLAGS]
    if not found and all(own <= MARKED for own in filled.values()) and not all(map(_RATER.fullmatch, filled)):
        found = list(filled)
    return tuple(found) if len(found) > 1 else ()


# --- Texts without labels, as masked-language training reads them ---------------------------------


class PlainTexts(Shape):
    """Texts without labels: mlm. Both texts of a pair are read as one."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find the texts; a label is not looked for."""
        return ColumnMap(resolve_columns(names, replace(wanted, need_label=False)).inputs)

    def example(self, row: Row, rules: RowRules) -> Example:
        """Make an example without a label."""
        return Example(texts_of(row, rules.columns), None, row.line, rules.source)


# --- Documents with reference summaries, as tables have them: which columns, and rows as records --
#
# A document is a text, or a list of sentences where somebody has split it already (as the
# preprocessed CNN/DailyMail releases are): `["first one .", "second one ."]`, or a list of
# words for each sentence.

# Names that hardly stand over anything but summaries; others need their data to be named.
_TELLING = ("highlights", "abstract", "abstractive", "요약", "요약문", "요약본", "초록")
# What hardly has a summary that is a title or a heading, as reviews have.
_ARTICLES = ("document", "article", "story", "report")
_NO_DOCUMENT = re.compile(r"(?:^|[\W_])(?:id|idx|no|url|date|title|topic|source|category)s?$", re.IGNORECASE)


def find_document_columns(names: Sequence[str], wanted: Wanted) -> ColumnMap:
    """Find the columns of text and summary: `--columns` first, then known names, then synonyms.

    Args:
        names: the columns that are there.
        wanted: what is looked for; the label is the summary.

    Raises:
        DataError: a column is missing; the message lists those that are there.
    """
    chosen, known = wanted.chosen(names), wanted.known
    if len(chosen.text) > 1 or chosen.pair is not None or chosen.choices:
        raise DataError("a document is one column of text; write --columns like text=article,label=summary.")
    text = next(iter(chosen.text), None) or first_there(names, [c.text[0] for c in known])
    text = text or first_named(others(names, chosen.label), DOCUMENT_NAMES)
    if text is None:
        raise DataError(f"no column is recognised as the document: {there_are(names)}; {_way_on(names)}.")
    label = chosen.label or first_there(names, [c.label for c in known])
    label = label or first_named(others(names, text), SUMMARY_NAMES)
    if wanted.need_label and label is None:
        raise DataError(f"no column is recognised as the summary: {there_are(names)}; {_way_on(names, text)}.")
    return ColumnMap((text,), None, label)


def _way_on(names: Sequence[str], text: str | None = None) -> str:
    """Show `--columns` filled with names of this very table, as far as they can be told."""
    summary = first_named(others(names, text), SUMMARY_NAMES)
    free = (name for name in others(names, summary) if not _NO_DOCUMENT.search(name))
    parts = f"text={text or next(free, 'COLUMN')},label={summary or 'COLUMN'}"
    return say_which(f"--columns {shell_words([shortened(parts, 80)])}")


def looks_summarized(rows: Sequence[Row]) -> bool:
    """Tell whether a table's columns are those of documents with summaries, and of nothing else."""
    names = list(rows[0].fields)
    source, target = first_named(names, ("source", "src")), first_named(names, ("target", "tgt"))
    if source is not None and target is not None:
        # Lists of sentences beside a title (SciTLDR).
        cut = [[len(_sentences_in(row, name)) for name in (source, target)] for row in rows]
        if all(map(all, cut)) or any(count > 1 for count, _ in cut):
            return True
    text, label = first_named(names, DOCUMENT_NAMES), first_named(names, LABEL_NAMES)
    label = None if first_named(names, ("extractive",)) is not None else label  # beside it a category is just told
    is_told = first_named(names, (*CONVERSATION_NAMES, *_ARTICLES)) is not None
    telling = SUMMARY_NAMES if is_told else _TELLING
    return text is not None and label is None and first_named(others(names, text), telling) is not None


def _sentences_in(row: Row, name: str) -> list[str]:
    try:
        return _given_sentences(row.fields.get(name, "")) or []
    except RowError:
        return []


def _given_sentences(text: str) -> list[str] | None:
    """Read a JSON list of sentences, each a text or a list of words; None where the text is not such a list."""
    if not text.lstrip().startswith("["):
        return None
    found = parse_list(text)
    if not isinstance(found, list):
        return None
    sentences = [_joined(sentence) for sentence in found]
    # A line break would be taken for the end of a sentence.
    return None if None in sentences else [" ".join(s.split()) for s in sentences if s and s.strip()]


def _joined(sentence: Any) -> str | None:
    if isinstance(sentence, str):
        return sentence
    is_words = isinstance(sentence, list) and all(isinstance(word, str) for word in sentence)
    return " ".join(sentence) if is_words else None


class Documents(Shape):
    """Long texts with summaries: extractive and matching."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find text and summary."""
        return find_document_columns(names, wanted)

    def example(self, row: Row, rules: RowRules) -> Document:
        """Make a document."""
        (name,), label = rules.columns.text, rules.columns.label
        text = needed_field(row.fields, name)
        written = None if label is None else field_of(row.fields, label)
        summary = "\n".join(_given_sentences(written or "") or [written or ""]).strip()
        if rules.need_label and not summary:
            if written is None:
                raise RowError(f"the summary is missing (column {quoted(label)})")
            raise RowError(f"the summary is empty (column {quoted(label)})")
        lines = lines_in_objects(text)
        if lines is not None and not lines:
            raise RowError(f"the column {quoted(name)} holds objects without a text (sentence, text, utterance)")
        text = text if lines is None else "\n".join(lines)
        sentences = _given_sentences(text)
        text = text if sentences is None else "\n".join(sentences)
        return Document((text,), None, row.line, rules.source, summary or None, tuple(sentences or ()))
