"""What comes out of an audit, as records and as the JSON of `inspect-data`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bertkit.audit.findings import Finding
from bertkit.audit.labels import LabelCounts, Numbers, balancing_weights
from bertkit.audit.lengths import LengthSummary, SplitLengths, fitting_length, summarize


@dataclass(frozen=True)
class ColumnLengths:
    """The lengths of one text column."""

    words: LengthSummary
    characters: LengthSummary


@dataclass(frozen=True)
class SplitAudit:
    """The figures of one split.

    `class_weights` balance the labels; `numbers` are the labels of a regression. `tokens`,
    `over_max_length` (a share of the rows) and `fitting_length` (the tokens that lose under
    1 % of the rows) are None where no tokens were counted. `sample` pairs tokens with
    labels for a figure, for up to 5,000 rows.
    """

    rows: int
    labels: Mapping[str, int]
    class_weights: Mapping[str, float]
    numbers: Numbers | None
    lengths: Mapping[str, ColumnLengths]
    tokens: LengthSummary | None
    over_max_length: float | None
    fitting_length: int | None
    sample: tuple[tuple[int, str | None], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the split as `inspect-data` prints it; lengths of columns are in words."""
        return {
            "rows": self.rows,
            "labels": dict(self.labels),
            "class_weights": {label: round(weight, 6) for label, weight in self.class_weights.items()},
            "label_numbers": self.numbers.to_json() if self.numbers else None,
            "lengths": {
                name: {"unit": "words", **column.words.to_json(), "characters": column.characters.to_json()}
                for name, column in self.lengths.items()
            },
            "tokens": self.tokens.to_json() if self.tokens else None,
            "over_max_length": None if self.over_max_length is None else round(self.over_max_length, 6),
            "fitting_length": self.fitting_length,
        }


@dataclass(frozen=True)
class Audit:
    """Everything that was found in a data set, the worst first."""

    data: str
    splits: Mapping[str, SplitAudit]
    findings: tuple[Finding, ...]
    verdict: str
    suggested_command: str
    notes: tuple[str, ...] = ()

    @property
    def has_problems(self) -> bool:
        """Whether there is a warning or an error, for `--strict`."""
        return any(finding.severity != "info" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as `inspect-data` prints it."""
        return {
            "data": self.data,
            "splits": {name: split.to_json() for name, split in self.splits.items()},
            "findings": [finding.to_json() for finding in self.findings],
            "verdict": self.verdict,
            "suggested_command": self.suggested_command,
            "notes": list(self.notes),
        }


def build_split(task: str, labels: LabelCounts, lengths: SplitLengths, max_length: int | None) -> SplitAudit:
    """Put the counts of one split together."""
    counts = labels.ordered()
    has_tokens = bool(lengths.tokens)
    over = lengths.cut.count / lengths.tokens.total() if has_tokens and max_length is not None else None
    return SplitAudit(
        rows=labels.rows,
        labels=counts,
        class_weights=balancing_weights(counts) if task == "classify" else {},
        numbers=labels.numbers if task == "regression" else None,
        lengths={
            name: ColumnLengths(summarize(words), summarize(lengths.characters[name]))
            for name, words in lengths.words.items()
        },
        tokens=summarize(lengths.tokens) if has_tokens else None,
        over_max_length=over,
        fitting_length=fitting_length(lengths.tokens) if has_tokens else None,
        sample=tuple(lengths.sample.items),
    )
