"""Texts, pairs or several columns, each row with a label: what is classified or scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.data.columns import Wanted, resolve_columns
from bertkit.data.records import ColumnMap, Example, Row
from bertkit.data.row_cells import LabelRules, RowShape, label_of, refuse_rejected, texts_of
from bertkit.data.values import NotMeantError, RowError, field_of, parse_list, value_text
from bertkit.plain import listed, quoted, shell_words

# What SNLI and MultiNLI have for pairs without a majority of labels.
_NO_CONSENSUS = "-"
_TELLING_KEYS = ("label", "name", "value", "class", "score", "text")


class LabelledTexts(RowShape):
    """Texts, pairs or several columns, with a label: classify and regression."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find texts and label; a run of pairs needs a pair."""
        return resolve_columns(names, wanted, need_pair=wanted.needs_pair)

    def example(
        self, row: Row, columns: ColumnMap, source: str, *, spec: LabelRules | None, need_label: bool
    ) -> Example:
        """Make an example; a label that `spec` knows as withheld becomes None, whether it is needed or not."""
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
        return Example(texts, label_of(row, columns, label, spec, need_label=need_label), row.line, source)


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
