"""Texts without labels, as masked-language training reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice, resolve_columns
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.row_cells import examples_of, texts_of


class PlainTexts:
    """Texts without labels: mlm. Both texts of a pair are read as one."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        usual: ColumnMap | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find the texts; a label is not looked for."""
        found = resolve_columns(names, mapping=mapping, usual=usual, stored=stored, need_label=False)
        return ColumnMap(found.inputs)

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make examples without labels."""
        return examples_of(rows, lambda row: Example(texts_of(row, columns), None, row.line, source))
