"""The files of `eval --plots` and `eval --report`: charts, and one page with scores, baselines and mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.evaluation.evaluate import BOUNDS, Evaluation
from bertkit.evaluation.run import EvalRequest, Scored, refuse_outputs
from bertkit.metrics.names import greater_is_better, table_names
from bertkit.reporting.attribution import MOST, show_mistakes
from bertkit.reporting.figures import draw_figures, figure_names
from bertkit.reporting.page import (
    Child,
    Html,
    as_png,
    as_svg,
    document,
    drawing,
    joined,
    refuse_figures,
    section,
    table,
    tag,
    write_document,
    write_figures,
)
from bertkit.reporting.page import table as html_table
from bertkit.reporting.pictures import Answers, Picture

# --------------------------------------------------------------------------------------------------
# What one gets by acting on sure answers only: at score t or more, how many rows, how many of them right.

SCORES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_MOST_LABELS_SCORED = 30
_TASKS = ("classify", "multilabel", "choice", "relation")
EVERY = "(every answer)"


@dataclass(frozen=True)
class AtScore:
    """What answers of a label are with a score of at least `score`.

    `share` of all rows are answered so, `precision` of these are right, and `recall` of the rows that
    have the label are found; None where there is nothing to divide by.
    """

    label: str
    score: float
    share: float
    precision: float | None
    recall: float | None


def at_scores(scored: Scored) -> list[AtScore]:
    """Compute the table of an evaluation; empty for tasks whose answers have no probability of their own."""
    task = scored.run.task.settings.task
    if task not in _TASKS or not len(scored.examples):
        return []
    answers = Answers(scored)
    if task == "choice":
        sureness = np.array([float(np.max(row)) for row in answers.outputs])
        return list(_rows(EVERY, sureness, ~answers.is_wrong, len(sureness)))
    if task == "multilabel":
        return list(_of_sets(answers))
    return list(_of_classes(answers))


def score_section(scored: Scored) -> Sequence[Child]:
    """Write the table for a report; nothing where there is none."""
    found = at_scores(scored)
    if not found:
        return ()
    labels = list(dict.fromkeys(row.label for row in found))
    note = (
        "Of predictions with a score of at least t: their share of all rows (coverage), how many of them are correct "
        "(precision), and how many of the rows with the label they find (recall). `predict --threshold` and "
        "`--abstain-below` act on scores."
    )
    columns = ["label", *(f"≥ {score:g}" for score in SCORES)]
    return (_laid(columns, labels, found), tag("p", note, class_="muted"))


def _laid(columns: Sequence[str], labels: Sequence[str], found: Sequence[AtScore]) -> Html:
    by_place = {(row.label, row.score): row for row in found}
    rows = []
    for label in labels:
        cells = [_cell(by_place[label, score]) for score in SCORES]
        rows.append([tag("span", label, title=label), *cells])
    return html_table(columns, rows, class_="names")


def _cell(row: AtScore) -> Html:
    """Write share, precision and recall one under the other."""
    if row.precision is None:
        return tag("span", "none", class_="muted")
    recall = "" if row.recall is None else f"recall {row.recall:.3f}"
    parts: list[Child] = [f"{row.share:.1%}", tag("br"), f"precision {row.precision:.3f}"]
    return joined([*parts, *((tag("br"), recall) if recall else ())])


def _of_classes(answers: Answers) -> Iterator[AtScore]:
    task = answers.task
    sureness: NDArray[np.float64] = task.sureness(answers.outputs)  # type: ignore[attr-defined]
    gold, given = np.array(answers.gold, object), np.array(answers.predicted, object)
    yield from _rows(EVERY, sureness, gold == given, len(gold))
    for label in _shown(answers.labels, gold):
        mine = given == label
        yield from _rows(label, np.where(mine, sureness, -1.0), gold == given, int((gold == label).sum()))


def _of_sets(answers: Answers) -> Iterator[AtScore]:
    is_gold, scores = answers.is_gold, answers.probabilities
    order = np.argsort(-is_gold.sum(axis=0), kind="stable")[:_MOST_LABELS_SCORED]
    for place in sorted(order.tolist()):
        yield from _rows(answers.labels[place], scores[:, place], is_gold[:, place], int(is_gold[:, place].sum()))


def _shown(labels: Sequence[str], gold: NDArray[np.object_]) -> list[str]:
    """Return the labels with most rows, in their order."""
    counts = {label: int((gold == label).sum()) for label in labels} if len(labels) <= _MOST_LABELS_SCORED else {}
    if not counts:
        names, found = np.unique(gold.astype(str), return_counts=True)
        counts = dict(zip(names.tolist(), found.tolist(), strict=True))
    most = set(sorted(counts, key=lambda label: -counts[label])[:_MOST_LABELS_SCORED])
    return [label for label in labels if label in most]


def _rows(label: str, sureness: NDArray[np.float64], is_right: NDArray[np.bool_], all_gold: int) -> Iterator[AtScore]:
    for score in SCORES:
        sure = sureness >= score
        right = int((sure & is_right).sum())
        precision = right / int(sure.sum()) if sure.any() else None
        yield AtScore(label, score, float(sure.mean()), precision, right / all_gold if all_gold else None)


# --------------------------------------------------------------------------------------------------
# The files of `eval --plots` and `eval --report`: figures, and one page with everything a score needs beside it.

_COUNTS = ("support", "predicted")
_MOST_LABELS_LISTED = 60
_WIDE = 6  # inches; a wider figure has a line of the page for itself


def file_writer(request: EvalRequest, note: Callable[[str], None]) -> Callable[[Scored], None]:
    """Get ready to write what --plots and --report ask for, once the run is scored.

    Args:
        request: says where; places that are taken are refused now, before anything is computed.
        note: told what could not be drawn, in one sentence.

    Raises:
        RunError: no run is there.
        OutputError: a file is there already, and --force is not given.
    """
    if request.plots is None and request.report is None:
        return lambda _: None
    manifest = bundle.load_manifest(request.run)
    refuse_outputs(request, manifest)
    refuse_figures(request.plots, figure_names(manifest.settings.task), force=request.force)

    def write(scored: Scored) -> None:
        with drawing():
            pictures = tuple(draw_figures(scored))
            if not any(picture.name == "loss" for picture in pictures):
                note("no loss curves: the run has stored no losses (train with --tensorboard)")
            if request.plots is not None:
                write_figures(request.plots, {f"{p.name}.png": as_png(p.figure) for p in pictures})
            if request.report is not None:
                write_report(request.report, scored, pictures)

    return write


def write_report(path: Path, scored: Scored, pictures: Sequence[Picture]) -> None:
    """Write the page of an evaluation; to be used inside `style.drawing`.

    Raises:
        OutputError: it cannot be written.
    """
    write_document(path, build_report(scored, pictures))


def build_report(scored: Scored, pictures: Sequence[Picture]) -> str:
    """Return the page as HTML."""
    manifest, found = scored.run.manifest, scored.evaluation
    subtitle = (
        f"{manifest.settings.task} with the model {manifest.model}, scored on the {found.split} split of {found.data} "
        f"({found.n:,} rows)."
    )
    parts = [
        _tiles(scored),
        *(tag("div", tag("p", _sentence(warning)), class_="box warning") for warning in found.warnings),
        section("Scores", _scores(found)),
        _differences(found),
        section("Charts", tag("div", *map(_figure, pictures), class_="grid figures")) if pictures else None,
        _per_label(found.per_label),
        section("Coverage, precision and recall by score", *acting) if (acting := score_section(scored)) else None,
        section("Worst mistakes", *show_mistakes(scored)),
        section("Run", _facts(scored)),
    ]
    return document(f"Evaluation: {scored.run.directory.name}", subtitle, *parts)


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + ("" if clause.endswith(".") else ".")


def _tiles(scored: Scored) -> Html:
    """Show the one figure that counts, beside the best of the others."""
    found, metric = scored.evaluation, scored.run.task.settings.deciding_metric
    tiles = []
    if metric in found.metrics:
        low, high = found.intervals.get(metric, (float("nan"), float("nan")))
        tiles.append((f"{found.metrics[metric]:.4f}", f"{metric}, 95 % CI {low:.4f} to {high:.4f}"))
    beside = {name: metrics for name, metrics in found.baselines.items() if name not in BOUNDS}
    known = {name: metrics[metric] for name, metrics in beside.items() if metric in metrics}
    if known:
        best = (max if greater_is_better(metric) else min)(known, key=lambda name: known[name])
        tiles.append((f"{known[best]:.4f}", f"{metric} of {best}, the best baseline"))
    tiles.append((f"{found.n:,}", "rows"))
    tiles.append((f"{found.rows_per_second:,.0f}", "rows per second"))
    return tag("div", *(tag("div", tag("b", v), tag("span", name), class_="tile") for v, name in tiles), class_="tiles")


def _scores(found: Evaluation) -> Html:
    baselines = list(found.baselines)
    rows = []
    for metric, name in table_names(found.metrics, found.positive).items():
        interval = found.intervals.get(metric)
        shown = "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
        others = [found.baselines[baseline].get(metric) for baseline in baselines]
        cells = ["" if other is None else f"{other:.4f}" for other in others]
        rows.append([name, tag("strong", f"{found.metrics[metric]:.4f}"), shown, *cells])
    return table(["metric", "model", "95 % CI", *baselines], rows)


def _differences(found: Evaluation) -> Html | None:
    if not found.difference:
        return None
    metrics = table_names(dict.fromkeys(m for own in found.difference.values() for m in own), found.positive)
    names = list(found.difference)
    rows = [[shown, *(_interval(found.difference[name].get(key)) for name in names)] for key, shown in metrics.items()]
    note = (
        f"95 % CI of the paired difference (bootstrap over rows). {found.metric} decides: where its CI includes 0, "
        "there is no significant difference."
    )
    return joined([
        tag("h3", "Model minus each of the others"),
        table(["metric", *names], rows),
        tag("p", note, class_="muted"),
    ])  # fmt: skip


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:+.4f} to {interval[1]:+.4f}"


def _figure(picture: Picture) -> Html:
    svg = Html(as_svg(picture.figure, picture.title))
    class_ = "wide" if picture.figure.get_figwidth() > _WIDE else None
    return tag("figure", tag("h3", picture.title), svg, tag("figcaption", picture.caption), class_=class_)


def _per_label(figures: Mapping[str, Mapping[str, float]]) -> Html | None:
    if not figures:
        return None
    names = list(next(iter(figures.values())))
    shown = sorted(figures, key=lambda label: -figures[label].get("support", 0))[:_MOST_LABELS_LISTED]
    ordered: Iterable[str] = (label for label in figures if label in set(shown))
    rows = [
        [
            tag("span", label, title=label),
            *(f"{figures[label][n]:,.0f}" if n in _COUNTS else f"{figures[label][n]:.4f}" for n in names),
        ]
        for label in ordered
    ]
    more = len(figures) - len(shown)
    rest = tag("p", f"and {more:,} labels with fewer rows", class_="muted") if more else None
    return section("Each label", table(["label", *names], rows, class_="names"), rest)


def _facts(scored: Scored) -> Html:
    manifest = scored.run.manifest
    settings = manifest.settings
    rows: list[Sequence[Child]] = [
        ["folder", str(scored.run.directory)],
        ["columns read", ", ".join((*settings.columns.inputs, *settings.columns.choices, *settings.columns.spans))],
        ["longest row", f"{settings.max_length} tokens; longer ones: {settings.on_long}"],
        ["training rows", ", ".join(f"{split} {count:,}" for split, count in manifest.data["rows"].items())],
        ["fingerprint of the data", tag("code", manifest.data["fingerprint"][:16])],
        ["versions", ", ".join(f"{name} {number}" for name, number in manifest.versions.items())],
        ["mistakes shown", f"up to {MOST}; `bertkit eval --errors FILE` writes them all"],
    ]
    return table(["", ""], rows, numeric=2, class_="compact")
