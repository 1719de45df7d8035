"""The page of `inspect-data --report`: what is in the data, what is wrong with it, what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from bertkit.audit import Finding, SplitAudit
from bertkit.audit.findings import SEVERITIES
from bertkit.audit.lengths import LengthSummary, percentile
from bertkit.reporting.charts import histogram, range_bar, share_bar
from bertkit.reporting.inspected import Inspection, written_places
from bertkit.reporting.page import Child, Html, definitions, document, joined, section, table, tag, write_document

_MOST_LABELS = 30
_PERCENTILES = (5, 25, 50, 75, 95)


def write_page(path: Path, inspection: Inspection) -> None:
    """Write the page.

    Raises:
        OutputError: it cannot be written.
    """
    write_document(path, build_page(inspection))


def build_page(inspection: Inspection) -> str:
    """Return the page as HTML."""
    found = inspection.audit
    rows = ", ".join(f"{name} {split.rows:,}" for name, split in found.splits.items())
    columns = ", ".join((*inspection.columns.inputs, *inspection.columns.choices, *inspection.columns.spans))
    severity = found.findings[0].severity if found.findings else "info"
    parts = [
        tag("div", tag("p", found.verdict), class_=f"box {severity}"),
        tag("p", "The command that makes the best of it:"),
        tag("pre", found.suggested_command),
        joined(tag("p", _sentence(note), class_="muted") for note in found.notes),
        section("Findings", _findings(found.findings)),
        *(section(f"{name}: {split.rows:,} rows", *_split(split)) for name, split in found.splits.items()),
    ]
    subtitle = f"{inspection.task}, reading {columns}. Rows: {rows}."
    return document(f"Data: {found.data}", subtitle, *parts)


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + ("" if clause.endswith(".") else ".")


def _findings(findings: tuple[Finding, ...]) -> Html:
    if not findings:
        return tag("p", "Nothing was found.")
    counts = [(severity, sum(f.severity == severity for f in findings)) for severity in SEVERITIES]
    shown = definitions((_PLURALS[severity], number) for severity, number in counts if number)
    return joined([shown, tag("ul", *map(_finding, findings))])


_PLURALS = {"error": "errors", "warning": "warnings", "info": "worth knowing"}


def _finding(finding: Finding) -> Html:
    badge = tag("span", f"{finding.severity}: {finding.kind.replace('_', ' ')}", class_=f"badge {finding.severity}")
    places = [tag("p", place, class_="place") for place in written_places(finding)]
    return tag("li", tag("p", badge, finding.message), *places)


def _split(split: SplitAudit) -> Iterator[Child]:
    if split.labels:
        yield tag("h3", "Labels")
        yield _labels(split)
    if split.numbers is not None and split.numbers.count:
        numbers = split.numbers
        yield tag("h3", "Labels")
        yield table(
            ["rows", "least", "greatest", "mean", "deviation"],
            [[f"{numbers.count:,}", *(f"{v:.4g}" for v in (numbers.minimum, numbers.maximum)),
              f"{numbers.mean:.3f}", f"{numbers.deviation:.3f}"]],
            numeric=0,
            class_="compact",
        )  # fmt: skip
    lengths = dict(_lengths(split))
    yield tag("h3", "Lengths")
    yield _length_table(lengths)
    if split.tokens is not None:
        yield tag("p", _token_sentence(split), class_="muted")
    shown = {name: summary for name, summary in lengths.items() if summary.histogram and "characters" not in name}
    yield tag("div", *(_figure(name, summary) for name, summary in shown.items()), class_="grid")
    by_label = _tokens_by_label(split)
    if by_label is not None:
        yield tag("h3", "Tokens by label")
        yield by_label


def _labels(split: SplitAudit) -> Html:
    total = sum(split.labels.values())
    most = max(split.labels.values())
    shown = sorted(split.labels, key=lambda label: -split.labels[label])[:_MOST_LABELS]
    ordered = [label for label in split.labels if label in set(shown)]
    rows = [
        [
            tag("span", label, title=label),
            share_bar(split.labels[label] / most),
            f"{split.labels[label]:,}",
            f"{split.labels[label] / total:.1%}",
            f"{split.class_weights[label]:.3f}" if label in split.class_weights else "",
        ]
        for label in ordered
    ]
    more = len(split.labels) - len(shown)
    head = ["label", "", "count", "share", "weight" if split.class_weights else ""]
    rest = tag("p", f"and {more:,} labels with fewer", class_="muted") if more else None
    return joined([table(head, rows, numeric=2, class_="bars names"), rest])


def _lengths(split: SplitAudit) -> Iterator[tuple[str, LengthSummary]]:
    if split.tokens is not None:
        yield "tokens of a row", split.tokens
    for name, column in split.lengths.items():
        yield f"{name}, words", column.words
        yield f"{name}, characters", column.characters


def _length_table(lengths: Mapping[str, LengthSummary]) -> Html:
    percents = list(next(iter(lengths.values())).percentiles) if lengths else []
    rows = [
        [name, *(f"{summary.percentiles[p]:,}" for p in percents), f"{summary.maximum:,}", f"{summary.mean:,.1f}"]
        for name, summary in lengths.items()
    ]
    return table(["", *(f"{p} %" for p in percents), "longest", "mean"], rows)


def _token_sentence(split: SplitAudit) -> str:
    over = "" if split.over_max_length is None else f"{split.over_max_length:.2%} of the rows would be cut. "
    return f"{over}{split.fitting_length} tokens cut under 1 % of them."


def _figure(name: str, summary: LengthSummary) -> Html:
    return tag("figure", tag("h3", name), histogram(summary.histogram, name.rpartition(", ")[2] or name))


def _tokens_by_label(split: SplitAudit) -> Html | None:
    """Draw the distribution of tokens of each label, from the sample."""
    if not split.labels or len(split.labels) > _MOST_LABELS:
        return None
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for tokens, label in split.sample:
        if label is not None:
            counts[label][tokens] += 1
    if len(counts) < 2:
        return None
    spreads = {
        label: [percentile(counts[label], p / 100) for p in _PERCENTILES] for label in split.labels if label in counts
    }
    longest = max(spread[-1] for spread in spreads.values()) or 1
    rows = [
        [
            tag("span", label, title=label),
            range_bar(*(value / longest for value in spread)),
            str(spread[2]),
            str(spread[-1]),
        ]
        for label, spread in spreads.items()
    ]
    note = f"The line goes from 5 % to 95 % of a label's rows ({longest} tokens at the right edge), the box holds half."
    return joined([
        table(["label", "", "median", "95 %"], rows, numeric=2, class_="bars names"),
        tag("p", note, class_="muted"),
    ])  # fmt: skip
