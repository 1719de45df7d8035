"""The pictures of `inspect-data --plots`: labels, sentence lengths, token length against label."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bertkit.audit import SplitAudit
from bertkit.audit.lengths import LengthSummary, percentile
from bertkit.data.numerals import is_score
from bertkit.reporting.inspected import Inspection
from bertkit.reporting.output import write_figures
from bertkit.reporting.style import COLOURS, SERIES, as_png, drawing, light_grid, new_figure, short, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS, TOKENS = "labels.png", "tokens_by_label.png"
_MOST_LABELS = 25
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
    shown = set(sorted(totals, key=lambda label: -totals[label])[:_MOST_LABELS])
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
    """Draw how the labels of a regression are spread, in a sample of each split."""
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
    shown = set(sorted(by_label, key=lambda label: -len(by_label[label]))[:_MOST_LABELS])
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
