"""What `inspect-data` shows: the page of `--report`, and the pictures of `--plots`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.audit import Audit, Finding, SplitAudit
from bertkit.audit.findings import SEVERITIES
from bertkit.audit.texts import LengthSummary, percentile
from bertkit.data.records import ColumnMap
from bertkit.data.values import is_score
from bertkit.reporting.page import (
    COLOURS,
    SERIES,
    Child,
    Html,
    as_png,
    definitions,
    document,
    drawing,
    histogram,
    joined,
    light_grid,
    new_figure,
    range_bar,
    section,
    share_bar,
    short,
    side_by_side,
    table,
    tag,
    write_document,
    write_figures,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# --- What an inspection found, for the terminal, the pictures and the page ------------------------

# Places that are written for people; labels that are probably wrong may be hundreds.
_MOST_PLACES = 40


@dataclass(frozen=True)
class Inspection:
    """An audit with what it was made of.

    `numbers` are the labels of a sample of the rows of each split, for a regression.
    """

    audit: Audit
    task: str
    columns: ColumnMap
    numbers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as `inspect-data` prints it."""
        return self.audit.to_json()


def written_places(finding: Finding) -> list[str]:
    """Write a finding's places as file:line, line, …; one text for each file."""
    lines: dict[str, list[str]] = {}
    for place in finding.places[:_MOST_PLACES]:
        lines.setdefault(place.file, []).append(str(place.line))
    found = [f"{file}:{', '.join(numbers)}" for file, numbers in lines.items()]
    more = len(finding.places) - _MOST_PLACES
    return [*found, f"and {more:,} more (--format json lists them all)"] if more > 0 else found


# --- The pictures of `inspect-data --plots`: labels, sentence lengths, token length against label -

LABELS, TOKENS = "labels.png", "tokens_by_label.png"
_MOST_LABELS_DRAWN = 25
_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 60  # characters, of up to four bytes; a file's name has room for 255 bytes


def figure_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Name the files of the pictures that data with these text columns may have."""
    return (LABELS, *(length_name(place, column) for place, column in enumerate(columns)), TOKENS)


def length_name(place: int, column: str) -> str:
    """Name the file of a column's lengths; its place tells columns apart whose names are alike in a file's."""
    return f"lengths_{place + 1}_{_UNSAFE.sub('_', column)[:_LONGEST_NAME]}.png"


def draw_data(folder: Path, inspection: Inspection) -> None:
    """Draw and write the pictures.

    Raises:
        OutputError: the folder cannot be written.
    """
    with drawing():
        pictures = {name: as_png(figure) for name, figure in _figures(inspection)}
    write_figures(folder, pictures)


def _figures(inspection: Inspection) -> Iterator[tuple[str, Figure]]:
    splits = {name: split for name, split in inspection.audit.splits.items() if split.rows}
    if any(split.labels for split in splits.values()):
        yield LABELS, label_figure(splits)
    elif any(inspection.numbers.values()):
        yield LABELS, number_figure(inspection.numbers)
    for place, column in enumerate(inspection.columns.inputs):
        own = {name: split.lengths[column].words for name, split in splits.items() if column in split.lengths}
        if own:
            yield length_name(place, column), length_figure(column, own)
    train = next(iter(splits.values()), None)
    if train is not None and train.sample:
        figure = token_figure(train, is_regression=inspection.task == "regression")
        if figure is not None:
            yield TOKENS, figure


def label_figure(splits: Mapping[str, SplitAudit]) -> Figure:
    """Draw how many of each label the splits have, beside each other."""
    totals: dict[str, int] = defaultdict(int)
    for split in splits.values():
        for label, count in split.labels.items():
            totals[label] += count
    shown = set(sorted(totals, key=lambda label: -totals[label])[:_MOST_LABELS_DRAWN])
    labels = [label for label in totals if label in shown]
    height, width = max(2.2, 0.3 * len(labels) + 1.2), 2.6 + 2.2 * len(splits)
    figure, axes = side_by_side(len(splits), height=height, width=width)
    for one, colour, (name, split) in zip(axes, SERIES, splits.items(), strict=False):
        counts = [split.labels.get(label, 0) for label in labels]
        one.barh(range(len(labels)), counts, color=colour, height=0.7)
        for place, count in enumerate(counts):
            one.text(count, place, f" {count:,}", va="center", fontsize=8)
        one.set_yticks(range(len(labels)), [short(label) for label in labels])
        one.set_xlim(0, 1.22 * max(1, *counts))
        one.set_title(f"{name}, {sum(split.labels.values()):,}", fontsize=9)
        light_grid(one, "x")
    axes[0].invert_yaxis()
    if len(totals) > len(labels):
        figure.supxlabel(f"{len(totals) - len(labels):,} labels with fewer are not shown", fontsize=8)
    return figure


def number_figure(splits: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the distribution of the labels of a regression, in a sample of each split."""
    import numpy as np

    figure, axes = new_figure()
    edges = np.histogram_bin_edges([value for values in splits.values() for value in values], bins=20)
    for (name, values), colour in zip(splits.items(), SERIES, strict=False):
        shares = np.histogram(values, edges)[0] / max(1, len(values))
        axes.stairs(shares, edges, fill=True, alpha=0.22, color=colour)
        axes.stairs(shares, edges, color=colour, linewidth=1.6, label=f"{name} ({len(values):,} rows)")
    axes.set_xlabel("label")
    axes.set_ylabel("share of a sample of the rows")
    axes.legend()
    light_grid(axes, "y")
    return figure


def length_figure(column: str, splits: Mapping[str, LengthSummary]) -> Figure:
    """Draw the lengths of a text column in words, as shares of each split."""
    figure, axes = new_figure()
    for (name, summary), colour in zip(splits.items(), SERIES, strict=False):
        bars = [bar for bar in summary.histogram if summary.count]
        if not bars:
            continue
        width = bars[0].high - bars[0].low + 1
        edges = [float(bar.low) for bar in bars] + [float(bars[-1].low + width)]
        axes.stairs([bar.count / summary.count for bar in bars], edges, fill=True, alpha=0.22, color=colour)
        axes.stairs([bar.count / summary.count for bar in bars], edges, color=colour, linewidth=1.6, label=name)
    longest = max(summary.maximum for summary in splits.values())
    axes.set_xlabel(f"words of {short(column)} (the last bar holds all longer ones, up to {longest:,})")
    axes.set_ylabel("share of the rows")
    axes.legend()
    light_grid(axes, "y")
    return figure


def token_figure(split: SplitAudit, *, is_regression: bool) -> Figure | None:
    """Draw the tokens of a sample of rows against their labels; None where rows have no label of their own."""
    pairs = [(tokens, label) for tokens, label in split.sample if label is not None]
    if not pairs:
        return None
    if is_regression:
        points = [(float(label), tokens) for tokens, label in pairs if is_score(label)]
        figure, axes = new_figure()
        axes.scatter(
            [value for value, _ in points],
            [tokens for _, tokens in points],
            s=9,
            alpha=0.35,
            color=SERIES[0],
            linewidths=0,
        )
        axes.set_xlabel("label")
        axes.set_ylabel("tokens of the row")
        light_grid(axes)
        return figure
    by_label: dict[str, list[int]] = defaultdict(list)
    for tokens, label in pairs:
        by_label[label].append(tokens)
    shown = set(sorted(by_label, key=lambda label: -len(by_label[label]))[:_MOST_LABELS_DRAWN])
    labels = [label for label in split.labels if label in shown]
    if not labels:
        return None
    return _boxes({label: by_label[label] for label in labels})


def _boxes(groups: Mapping[str, Sequence[int]]) -> Figure:
    figure, axes = new_figure(height=max(2.2, 0.34 * len(groups) + 1.0))
    line = {"color": COLOURS["muted"], "linewidth": 1}
    axes.boxplot(
        list(groups.values()),
        orientation="horizontal",
        whis=(5, 95),
        widths=0.55,
        patch_artist=True,
        boxprops={"facecolor": SERIES[0], "alpha": 0.65, "linewidth": 0},
        medianprops={"color": COLOURS["ink"], "linewidth": 1.6},
        whiskerprops=line,
        capprops=line,
        flierprops={"marker": ".", "markersize": 2.5, "markerfacecolor": COLOURS["muted"], "markeredgewidth": 0},
    )
    axes.set_yticks(range(1, len(groups) + 1), [short(label) for label in groups])
    axes.invert_yaxis()
    # a single book among letters would squeeze all boxes into one line
    axes.set_xlim(0, 1.3 * max(percentile(Counter(tokens), 0.95) for tokens in groups.values()))
    longest = max(map(max, groups.values()))
    axes.set_xlabel(f"tokens of the row (whiskers: 5 % to 95 %; the longest has {longest:,})")
    light_grid(axes, "x")
    return figure


# --- The page of `inspect-data --report`: what is in the data, what is wrong with it, what to do --

_MOST_LABELS_LISTED = 30
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
        tag("p", "Suggested command:"),
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
        return tag("p", "No findings.")
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
    shown = sorted(split.labels, key=lambda label: -split.labels[label])[:_MOST_LABELS_LISTED]
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
    if not split.labels or len(split.labels) > _MOST_LABELS_LISTED:
        return None
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for tokens, label in split.sample:
        if label is not None:
            counts[label][tokens] += 1
    if len(counts) < 2:
        return None
    quantiles = {
        label: [percentile(counts[label], p / 100) for p in _PERCENTILES] for label in split.labels if label in counts
    }
    longest = max(points[-1] for points in quantiles.values()) or 1
    rows = [
        [
            tag("span", label, title=label),
            range_bar(*(value / longest for value in points)),
            str(points[2]),
            str(points[-1]),
        ]
        for label, points in quantiles.items()
    ]
    note = f"The line goes from 5 % to 95 % of a label's rows ({longest} tokens at the right edge), the box holds half."
    return joined([
        table(["label", "", "median", "95 %"], rows, numeric=2, class_="bars names"),
        tag("p", note, class_="muted"),
    ])  # fmt: skip
