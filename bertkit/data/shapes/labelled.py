"""Texts, pairs or several columns, each row with a label: what is classified or scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice, resolve_columns
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.row_cells import examples_of, missing_label, refuse_rejected, texts_of
from bertkit.data.values import NotMeantError, RowError, field_of, parse_list, value_text
from bertkit.plain import listed, quoted, shell_words

# What SNLI and MultiNLI have for pairs without a majority of labels.
_NO_CONSENSUS = "-"
_TELLING_KEYS = ("label", "name", "value", "class", "score", "text")


class LabelledTexts:
    """Texts, pairs or several columns, with a label: classify and regression."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        usual: ColumnMap | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find texts and label; a run of pairs needs a pair."""
        need_pair = stored is not None and stored.pair is not None
        return resolve_columns(
            names, mapping=mapping, usual=usual, stored=stored, need_label=need_label, need_pair=need_pair
        )

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make examples."""
        return to_examples(rows, columns, source, need_label=need_label, spec=spec)


def to_examples(
    rows: Iterable[Row | BadRow],
    columns: ColumnMap,
    source: str,
    *,
    need_label: bool,
    spec: DatasetSpec | None = None,
) -> Iterator[Example | BadRow]:
    """Turn rows into examples; a row that lacks what it needs becomes a `BadRow`.

    A label that `spec` knows as withheld becomes None, whether it is needed or not.
    """
    return examples_of(rows, lambda row: _example_of(row, columns, source, need_label, spec))


def _example_of(row: Row, columns: ColumnMap, source: str, need_label: bool, spec: DatasetSpec | None) -> Example:
    texts = texts_of(row, columns)
    if columns.label is not None:
        refuse_rejected(row.fields)
    raw = None if columns.label is None else field_of(row.fields, columns.label)
    label = (raw or "").strip()
    if label.startswith(("[", "{", "(")):
        label = _one_label(label, columns.label or "")
    if label == _NO_CONSENSUS and columns.label == "gold_label":
        raise NotMeantError("gold_label is '-': those who labelled it did not agree")
    if spec is not None and label in spec.withheld:
        return Example(texts, None, row.line, source)
    if not label and need_label:
        raise RowError(missing_label(raw, columns.label))
    if spec is not None and label:
        canonical = spec.canonical_label(label)
        if canonical is None and need_label:
            raise RowError(spec.strange_label(label))
        label = canonical or label
    return Example(texts, label or None, row.line, source)


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
        raise RowError(f"the label is a list, and a row has one label (column {quoted(column)})")
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
