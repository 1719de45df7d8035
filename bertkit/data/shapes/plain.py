"""Texts without labels, as masked-language training reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bertkit.data.columns import Wanted, resolve_columns
from bertkit.data.records import ColumnMap, Example, Row
from bertkit.data.row_cells import LabelRules, RowShape, texts_of


class PlainTexts(RowShape):
    """Texts without labels: mlm. Both texts of a pair are read as one."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find the texts; a label is not looked for."""
        return ColumnMap(resolve_columns(names, replace(wanted, need_label=False)).inputs)

    def example(
        self, row: Row, columns: ColumnMap, source: str, *, spec: LabelRules | None, need_label: bool
    ) -> Example:
        """Make an example without a label."""
        return Example(texts_of(row, columns), None, row.line, source)
