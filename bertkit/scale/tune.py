"""`bertkit tune`: search for options of `train`, trial by trial, and write the results."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.compute.processes import ended_by_signals, this_world
from bertkit.config import TrainConfig, flag, to_toml
from bertkit.data.records import DataSet
from bertkit.engines.graph import require
from bertkit.errors import BertkitError, Interrupted, RunError, UsageError
from bertkit.evaluation.run import EvalRequest, compare_on
from bertkit.files import refusal, write_errors, write_json, write_text
from bertkit.kinds import MisfitError, read_object, record_of, value_of
from bertkit.locks import Occupied, held, holder_of
from bertkit.metrics.names import greater_is_better, in_words
from bertkit.plain import span, visible
from bertkit.reporting.page import Child, definitions, document, section, share_bar, table, tag
from bertkit.run_folder import remove
from bertkit.scale.search import (
    Asked,
    Begun,
    default_space,
    new_folder,
    read_begun,
    read_space,
    refuse_other,
    resume_line,
    trial_config,
)
from bertkit.scale.study import PROCESSES, Claim, Study, Trial
from bertkit.tasks.base import Interval
from bertkit.tasks.rows import load_splits
from bertkit.training.loop import StepFacts
from bertkit.training.prepare import Prepared, check_names, prepare, request_of
from bertkit.training.run import Event, TrainResult, train

# --------------------------------------------------------------------------------------------------
# Is the best of a search better than the default recipe, or lucky? Both are trained anew, with other seeds.
#
# With each seed both learn from the same rows and answer the same validation rows; the difference is taken
# row by row. Two kinds of noise are in its mean: which rows happen to be there (the bootstrap of each pair), and
# which seed (the standard deviation of the differences over seeds, Student's t). The interval holds both, as the
# square root of the sum of their squares. As each pair's bootstrap has some of the second kind in it too, it
# is rather too wide than too narrow.


@dataclass(frozen=True)
class Pair:
    """One seed: the figures of both, and the interval of their difference over rows (best minus default)."""

    seed: int
    best: float
    default: float
    interval: Interval

    @property
    def difference(self) -> float:
        """How much more the best has."""
        return self.best - self.default


@dataclass(frozen=True)
class Versus:
    """The best of a search beside the default recipe, on `rows` rows: those that chose it, or test rows."""

    metric: str
    rows: int
    pairs: tuple[Pair, ...]
    is_test: bool = False

    @property
    def mean(self) -> float:
        """The mean difference over seeds."""
        return float(np.mean([pair.difference for pair in self.pairs]))

    @property
    def interval(self) -> Interval:
        """Its 95 % interval, rows and seeds both drawn; of one seed, rows alone."""
        reach = math.hypot(
            float(np.mean([(pair.interval[1] - pair.interval[0]) / 2 for pair in self.pairs])),
            _of_seeds([pair.difference for pair in self.pairs]),
        )
        return self.mean - reach, self.mean + reach

    @property
    def is_better(self) -> bool:
        """Whether the best is better beyond noise."""
        low, high = self.interval
        return low > 0 if greater_is_better(self.metric) else high < 0

    @property
    def sentence(self) -> str:
        """Say whether the two differ beyond noise."""
        if not self.is_beyond_noise:
            return f"the best trial does not differ from the default recipe beyond noise ({self.figures})"
        word = "better" if self.is_better else "worse"
        if self.is_test:
            return f"the best trial is {word} than the default recipe beyond noise ({self.figures})"
        return (
            f"the best trial is {word} than the default recipe beyond noise ({self.figures}; it was chosen on "
            f"these same rows, which favours it: --test-fraction scores both on held-out test rows)"
        )

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the two differ beyond noise."""
        low, high = self.interval
        return not low <= 0 <= high

    @property
    def figures(self) -> str:
        """Say what either has, and how far they may be apart."""
        low, high = self.interval
        seeds = f"{len(self.pairs)} seed{'s' * (len(self.pairs) > 1)} each"
        best, default = _mean(pair.best for pair in self.pairs), _mean(pair.default for pair in self.pairs)
        rows = f"{self.rows:,} held-out test rows" if self.is_test else f"{self.rows:,} validation rows"
        return (
            f"{in_words(self.metric)} {best:.4f} against {default:.4f}, {seeds}, {rows}; 95 % CI of the difference "
            f"{low:+.4f} to {high:+.4f}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "metric": self.metric,
            "rows": self.rows,
            "pairs": [asdict(pair) for pair in self.pairs],
            "difference": round(self.mean, 6),
            "interval": [round(end, 6) for end in self.interval],
            "beyond_noise": self.is_beyond_noise,
        }


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _of_seeds(differences: Sequence[float]) -> float:
    """Return half the width of the interval of a mean over seeds; 0 of one."""
    from scipy.stats import t

    count = len(differences)
    if count < 2:
        return 0.0
    return float(t.ppf(0.975, count - 1)) * float(np.std(differences, ddof=1)) / math.sqrt(count)


# --------------------------------------------------------------------------------------------------
# One training of a search: it hears its own validation figure after every epoch, and may be ended there.

Watch = Callable[[StepFacts], None]
"""Hears of every step."""
OnEpoch = Callable[[float, int], bool]
"""Hears the validation figure after an epoch, and tells whether the training should end there."""


class Lags(Exception):  # noqa: N818 - it is an end, not a fault
    """A training that was ended, because others had more after as many epochs."""

    def __init__(self, value: float, epoch: int) -> None:
        super().__init__(value, epoch)
        self.value, self.epoch = value, epoch


def train_trial(
    config: TrainConfig, dataset: DataSet, place: Path, watch: Watch, on_epoch: OnEpoch, metric: str
) -> TrainResult:
    """Train on given rows.

    Args:
        config: the request.
        dataset: the rows, split.
        place: where the run goes.
        watch: hears of every step.
        on_epoch: hears the validation figure after every epoch but the last.
        metric: which figure.

    Raises:
        Lags: `on_epoch` has ended it.
        BertkitError: see `train`.
    """

    def hear(event: Event) -> None:
        if not isinstance(event, StepFacts):
            return
        watch(event)
        if event.scores is not None:
            value = event.scores.metrics[metric]
            if on_epoch(value, event.epoch) and event.step < event.total_steps:
                raise Lags(value, event.epoch)

    return train(replace(config, output=str(place)), hear, dataset)


def answer_both(
    best: Path, default: Path, dataset: DataSet, config: TrainConfig, split: str, *, metric: str, seed: int
) -> Pair:
    """Let two runs answer the rows of a split, and take the difference row by row."""
    request = EvalRequest(
        best, against=(default,), device=config.device, precision=config.precision, on_long=config.on_long
    )
    found = compare_on(dataset.splits[split], request, data=dataset.name, split=split)
    other = str(default)
    return Pair(seed, found.metrics[metric], found.baselines[other][metric], found.difference[other][metric])


# --------------------------------------------------------------------------------------------------
# What a search leaves to be read: best.toml for `train --config`, trials.csv, and a page with table and plots.

CONFIG, TABLE, PAGE = "best.toml", "trials.csv", "tune.html"


def write_files(found: Tuned, config: TrainConfig, begun: Begun) -> None:
    """Write all of them into the folder of a search.

    Args:
        found: what came of it, with the best trial.
        config: the request of the best.
        begun: how the search was begun.

    Raises:
        OutputError: one cannot be written.
    """
    with write_errors(found.output, "--output"):
        write_text(found.output / CONFIG, _toml(found, config))
        write_text(found.output / TABLE, _csv(found.trials, list(begun.space)))
        write_text(found.output / PAGE, _page(found, begun))


def _toml(found: Tuned, config: TrainConfig) -> str:
    """Write what was given and what was found; the recipe fills the rest, as in the trial."""
    assert found.best is not None
    defaults = TrainConfig()
    kept = {name: getattr(config, name) for name in config.given if hasattr(defaults, name)}
    lines = to_toml(replace(defaults, **kept)).splitlines()
    wanted = [line for line in lines if line.partition(" = ")[0] in config.given]
    count = f"trial {found.best.number} of {len(found.trials)}"
    head = f"# {count}: {found.metric} {found.best.value:.4f} on {found.rows:,} validation rows, which chose it"
    return "\n".join([head, f"# {visible(found.sentence)}", *wanted]) + "\n"


def _csv(trials: Sequence[Trial], names: Sequence[str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["trial", "state", "value", "seconds", "epochs", *(f"option.{name}" for name in names), "default", "reason"]
    )
    for one in trials:
        options = [one.options.get(name) for name in names]
        default = "yes" if one.is_default else ""
        writer.writerow([one.number, one.state, one.value, one.seconds, one.epochs, *options, default, one.reason])
    return stream.getvalue()


def _page(found: Tuned, begun: Begun) -> str:
    assert found.best is not None
    best = found.best
    facts: list[tuple[str, Child]] = [
        ("data", ", ".join(begun.config.data)),
        ("model", begun.config.model),
        ("metric", f"{found.metric} of {found.rows:,} validation rows"),
        ("best", f"trial {best.number}, {best.value:.4f}"),
        ("trials", f"{len(found.trials):,}"),
    ]
    if found.versus is not None and found.tested is not None:
        facts.append(("on the rows that chose it", found.versus.figures))
    parts: list[Child] = [
        definitions(facts),
        tag("div", tag("p", f"{found.sentence[:1].upper()}{found.sentence[1:]}."), class_="box info"),
        section("Options of the best", definitions((flag(n), _said(v)) for n, v in best.options.items())),
    ]
    if found.importances:
        rows = [[flag(n), share_bar(share), f"{share:.2f}"] for n, share in found.importances.items()]
        said = (
            "Share of the variance of the scores that each option explains (fANOVA). With few trials it is unreliable."
        )
        importance = table(["option", "importance", "share"], rows, numeric=2, class_="bars")
        parts.append(section("Which options mattered", importance, tag("p", said, class_="muted")))
    parts.append(section("Scores, trial by trial", _history(found.trials)))
    names = list(begun.space)
    head = ["trial", "state", found.metric, "time", *(flag(name) for name in names), "why"]
    parts.append(section("Trials", table(head, [_row(one, names) for one in _ordered(found)])))
    return document(f"Search: {', '.join(begun.config.data)}", f"bertkit tune, {begun.config.model}", *parts)


def _ordered(found: Tuned) -> list[Trial]:
    """Put the best first; what has no figure comes last."""
    sign = -1 if greater_is_better(found.metric) else 1
    return sorted(found.trials, key=lambda one: (one.value is None, sign * (one.value or 0.0), one.number))


def _row(one: Trial, names: Sequence[str]) -> list[Child]:
    named = f"{one.number}" + " (default recipe)" * one.is_default
    figure = "" if one.value is None else f"{one.value:.4f}"
    time = "" if one.seconds is None else span(one.seconds)
    return [named, one.state, figure, time, *(_said(one.options.get(name)) for name in names), one.reason]


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


_WIDTH, _HEIGHT, _EDGE = 640, 180, 34


def _history(trials: Sequence[Trial]) -> Child:
    """Draw the figure of each trial as a dot, in order; a ring is the default recipe."""
    values = [one.value for one in trials if one.value is not None]
    low, high = min(values), max(values)
    last = max(1, trials[-1].number)
    parts: list[Child] = []
    for share, value in ((0.0, high), (1.0, low)):
        y = 10 + share * (_HEIGHT - 20)
        parts.append(tag("line", x1=_EDGE + 12, x2=_WIDTH, y1=y, y2=y, stroke="var(--line)"))
        parts.append(tag("text", f"{value:.3f}", x=0, y=y + 3, font_size=10, fill="var(--muted)"))
    for one in trials:
        if one.value is None:
            continue
        x = _EDGE + 20 + (_WIDTH - _EDGE - 30) * one.number / last
        y = 10 + (_HEIGHT - 20) * ((high - one.value) / (high - low) if high > low else 0.5)
        title = tag("title", f"trial {one.number}: {one.value:.4f}")
        look = {"fill": "none", "stroke": "var(--orange)"} if one.is_default else {"fill": "var(--blue)"}
        parts.append(tag("g", title, tag("circle", cx=round(x, 1), cy=round(y, 1), r=4, **look)))
    label = f"Scores of {len(values)} trials, from {low:.4f} to {high:.4f}"
    return tag("svg", *parts, class_="figure", role="img", aria_label=label, viewBox=f"0 0 {_WIDTH} {_HEIGHT}")


# --- Search for options of `train`: what `bertkit tune` does --------------------------------------
#
# Trials are trainings like any other, on the same training and validation rows; only validation rows decide.
# At the end the best is trained beside the default recipe, and both answer test rows too, where some are held out.

VALIDATION, TEST = "validation", "test"
COMPARED, FINISHING, TRIALS = "compared.json", ".finishing", ".trials"
NOT_COMPARED = "the best trial was not compared with the default recipe"
# Seeds of the comparison: none of them chose the best.
_FIRST_SEED = 1_000


@dataclass(frozen=True)
class Tuned:
    """What a search has found.

    Attributes:
        output: its folder.
        metric: what decided, on `rows` validation rows.
        trials: all there are.
        best: the best of them; None where others still search.
        importances: share of the variance of the values that each option explains.
        versus: the best beside the default recipe; None where that is the best itself, or was not asked for.
        tested: the same on the test rows that were held out; None where none were.
        sentence: what came of it, in words.
    """

    output: Path
    metric: str
    rows: int
    trials: list[Trial]
    best: Trial | None = None
    importances: dict[str, float] = field(default_factory=dict)
    versus: Versus | None = None
    tested: Versus | None = None
    sentence: str = ""


def tune(asked: Asked, note: Callable[[str], None], watch: Watch = lambda _: None) -> Tuned:
    """Search, and compare the best with the default recipe.

    Args:
        asked: the request.
        note: told what happens, in one sentence each.
        watch: hears of every step of every training.

    Raises:
        MissingPackageError: Optuna is not installed.
        UsageError: options that do not go together.
        Interrupted: Ctrl-C or a termination signal; the search goes on with --resume.
        RunError: every trial has failed.
    """
    require("optuna", wanted="tune")
    if this_world().size > 1:
        raise UsageError("tune: trains in one process; start several of them, all but the first with --resume.")
    if asked.resume:
        if asked.output is None:
            raise UsageError("--resume: name the search with --output.")
        folder, begun = asked.output, read_begun(asked.output)
        refuse_other(asked, begun)
        dataset = _rows(begun.config)
        if dataset.fingerprint != begun.fingerprint:
            raise RunError(f"{dataset.name}: the data has changed since the search began; begin another one.")
        if asked.trials is None and asked.minutes is None:
            asked = replace(asked, trials=begun.trials, minutes=begun.minutes)
    else:
        folder, begun, dataset = _begin(asked, note)
    with ended_by_signals(f"interrupted; continue with {resume_line(folder)}."):
        return _searched(_Search(folder, begun, dataset, asked, note, watch))


def _begin(asked: Asked, note: Callable[[str], None]) -> tuple[Path, Begun, DataSet]:
    """Read the rows, settle what is varied, and make the folder."""
    config = asked.config
    if not config.data:
        raise UsageError("DATA is missing; name a data set, a sample or a file.")
    if check_names(config).is_linear:
        raise UsageError(f"tune: --model {config.model} has no option to search for; name an encoder.")
    folder, dataset = new_folder(asked), _rows(config)
    prepared = prepare(replace(config, tensorboard=False), None, note, dataset)
    for sentence in (*dataset.notes, *(f"warning: {w}" for w in prepared.warnings)):
        note(sentence)
    config = replace(config, model=prepared.config.model, given=config.given | {"model"})
    space = _space(asked, prepared)
    resolved = prepared.config.saved()
    begun = Begun(
        config=config,
        metric=prepared.task.settings.deciding_metric,
        space=space,
        recipe={name: resolved[name] for name in space},
        seeds=asked.seeds,
        prunes=asked.prunes,
        fingerprint=dataset.fingerprint,
        trials=asked.trials,
        minutes=asked.minutes,
    )
    with write_errors(folder, "--output", way_on="choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)
    begun.save(folder)
    for name, one in space.items():
        note(f"varied: {flag(name)} {one}; the recipe has {begun.recipe[name]}")
    return folder, begun, dataset


def _space(asked: Asked, prepared: Prepared) -> Any:
    given = set(asked.config.given)
    if asked.space is not None:
        return read_space(asked.space, given)
    settings = prepared.task.settings
    two_texts = settings.is_pair or settings.task == "choice"
    return default_space(prepared.config, prepared.spec, task=settings.task, two_texts=two_texts, given=given)


def _rows(config: TrainConfig) -> DataSet:
    """Load the rows that are learnt from and those that decide; test rows are held out where asked, for the end."""
    wanted = ("train", VALIDATION, TEST) if config.test_fraction else ("train", VALIDATION)
    return load_splits(request_of(config), splits=wanted)


@dataclass(frozen=True)
class _Search:
    """The parts of a search in this process."""

    folder: Path
    begun: Begun
    dataset: DataSet
    asked: Asked
    note: Callable[[str], None]
    watch: Watch

    @property
    def rows(self) -> int:
        """How many rows decide."""
        return len(self.dataset.splits[VALIDATION])

    def place_of(self, name: str) -> Path:
        """Return an empty place for a training, and make away with what a dead process has left there."""
        place = self.folder / TRIALS / name
        if place.exists():
            remove(place)
        place.parent.mkdir(exist_ok=True)
        return place


def _searched(search: _Search) -> Tuned:
    begun, asked, note = search.begun, search.asked, search.note
    rising = greater_is_better(begun.metric)
    study = Study(
        search.folder, begun.space, begun.recipe, is_rising=rising, seed=begun.config.seed, prunes=begun.prunes
    )
    until = None if asked.minutes is None else time.monotonic() + asked.minutes * 60
    with study.process():
        while until is None or time.monotonic() < until:
            claim = study.claim(asked.trials)
            if claim is None:
                break
            _tried(search, study, claim)
    found = Tuned(search.folder, begun.metric, search.rows, study.trials(), study.best())
    if study.others_at_work():
        note("other processes still search here; the last of them compares the best with the default recipe")
        return replace(found, best=None)
    return _finished(search, study, found)


def _tried(search: _Search, study: Study, claim: Claim) -> None:
    """Train a trial, and store what came of it; a failure does not end the search."""
    metric, began = search.begun.metric, time.perf_counter()
    place = search.place_of(f"{claim.number:04d}")
    try:
        config = trial_config(search.begun.config, claim.options)  # options that do not go together are a failure, too
        result = train_trial(config, search.dataset, place, search.watch, claim.lags, metric)
    except Lags as lagging:
        claim.pruned(time.perf_counter() - began)
        search.note(
            f"{_named(claim)}: ended after epoch {lagging.epoch}, {metric} {lagging.value:.4f}{_in_words(claim)}"
        )
    except (Interrupted, KeyboardInterrupt):
        claim.failed("interrupted", again=True)
        raise Interrupted(f"interrupted; continue with {resume_line(search.folder)}.") from None
    except Exception as error:
        reason = str(error) if isinstance(error, BertkitError) else refusal(error)
        claim.failed(reason or f"{type(error).__name__}: {error}")
        if reason is None:  # a defect
            raise
        search.note(f"{_named(claim)}: failed: {reason}{_in_words(claim)}")
    else:
        seconds = time.perf_counter() - began
        claim.done(result.metrics[metric], seconds)
        best = study.best()
        ahead = "the best so far" if best is None or best.number == claim.number else f"best {best.value:.4f}"
        search.note(
            f"{_named(claim)}: {metric} {result.metrics[metric]:.4f} ({ahead}), {seconds:.0f} s{_in_words(claim)}"
        )
    finally:
        _clear(place)


def _named(claim: Claim) -> str:
    return f"trial {claim.number}" + " (the default recipe)" * claim.is_default


def _in_words(claim: Claim) -> str:
    return "".join(f" {flag(name)} {_short(value)}" for name, value in claim.options.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _clear(place: Path) -> None:
    remove(place)
    with suppress(OSError):
        place.parent.rmdir()


def _clear_away(folder: Path) -> None:
    """Delete the half-done trainings, and the marks, that processes which died have left."""
    for name in (TRIALS, PROCESSES):
        above = folder / name
        for place in sorted(above.iterdir()) if above.is_dir() else ():
            if holder_of(place) is None:
                remove(place)
        with suppress(OSError):
            above.rmdir()


def _finished(search: _Search, study: Study, found: Tuned) -> Tuned:
    """Compare the best with the default recipe, and write what there is to read; one process does it.

    Raises:
        RunError: no trial has a figure.
    """
    best = found.best
    if best is None:
        reasons = [trial.reason for trial in found.trials if trial.reason]
        why = f"; the first: {reasons[0]}" if reasons else ""
        raise RunError(f"{search.folder}: none of {len(found.trials)} trials has ended with a score{why}")
    place = search.folder / FINISHING
    try:
        with held(place, place):
            _clear_away(search.folder)
            config = trial_config(search.begun.config, {} if best.is_default else best.options)
            found = replace(found, importances=study.importances(), sentence=NOT_COMPARED)
            write_files(found, config, search.begun)  # for whoever stops the comparison
            found = _with_sentence(search, found, best)
            write_files(found, config, search.begun)
    except Occupied:
        search.note("another process compares the best with the default recipe, and writes the files")
        return replace(found, best=None)
    return found


def _with_sentence(search: _Search, found: Tuned, best: Trial) -> Tuned:
    """Add what came of it: where the best is not the default recipe, by training both anew."""
    if best.is_default:
        return replace(found, sentence="no trial was better than the default recipe")
    if not search.begun.seeds:
        return found
    try:
        versus, tested = _compared(search, best)
    except Interrupted:
        raise Interrupted(f"interrupted; continue with {resume_line(search.folder)}.") from None
    except BertkitError as error:
        return replace(found, sentence=f"{NOT_COMPARED}: {str(error).rstrip('.')}")
    return replace(found, versus=versus, tested=tested, sentence=(tested or versus).sentence)


def _compared(search: _Search, best: Trial) -> tuple[Versus, Versus | None]:
    """Train both with seeds of their own, and score both on the validation rows and on test rows that are held out.

    What an earlier process has compared is taken from there.
    """
    base, metric, seeds = search.begun.config, search.begun.metric, search.begun.seeds
    splits = [split for split in (VALIDATION, TEST) if split in search.dataset.splits]
    pairs = {split: _stored_pairs(search.folder, best.number, split) for split in splits}
    for seed in range(base.seed + _FIRST_SEED, base.seed + _FIRST_SEED + seeds):
        if all(any(pair.seed == seed for pair in pairs[split]) for split in splits):
            continue
        search.note(f"comparing trial {best.number} with the default recipe, seed {seed}")
        places = []
        for name, varied in (("best", best.options), ("default", {})):
            config = replace(trial_config(base, varied), seed=seed)
            places.append(search.place_of(f"{name}-{seed}"))
            train_trial(config, search.dataset, places[-1], search.watch, lambda _v, _e: False, metric)
        for split in splits:
            pairs[split].append(
                answer_both(places[0], places[1], search.dataset, base, split, metric=metric, seed=seed)
            )
        for place in places:
            _clear(place)
        found = _both_of(search, pairs)
        values = {split: one.to_json() for split, one in zip(splits, found, strict=False) if one is not None}
        write_json(search.folder / COMPARED, {"trial": best.number, **values})
    return _both_of(search, pairs)


def _both_of(search: _Search, pairs: dict[str, list[Pair]]) -> tuple[Versus, Versus | None]:
    metric, splits = search.begun.metric, search.dataset.splits
    versus = Versus(metric, search.rows, tuple(pairs[VALIDATION]))
    if TEST not in pairs:
        return versus, None
    return versus, Versus(metric, len(splits[TEST]), tuple(pairs[TEST]), is_test=True)


def _stored_pairs(folder: Path, number: int, split: str) -> list[Pair]:
    try:
        values = read_object(folder / COMPARED)
        if values.get("trial") != number:
            return []
        stored = value_of(dict[str, Any], values.get(split), split)
        return [record_of(Pair, one) for one in value_of(list[Any], stored.get("pairs"), "pairs")]
    except MisfitError:
        return []
