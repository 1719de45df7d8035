"""Search for options of `train`: what `bertkit tune` does.

Trials are trainings like any other, on the same training and validation rows; only validation rows decide.
At the end the best is trained beside the default recipe, and both answer test rows too, where some are held out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertkit.compute.processes import this_world
from bertkit.config import TrainConfig, flag
from bertkit.data.records import DataSet
from bertkit.engines.packages import require
from bertkit.errors import BertkitError, Interrupted, RunError, UsageError
from bertkit.files import refusal, write_errors, write_json
from bertkit.kinds import MisfitError, read_object, record_of, value_of
from bertkit.locks import Occupied, held, holder_of
from bertkit.metrics.names import greater_is_better
from bertkit.ours import remove
from bertkit.scale.search import Asked, Begun, new_folder, read_begun, refuse_other, resume_line, trial_config
from bertkit.scale.space import default_space, read_space
from bertkit.scale.study import PROCESSES, Claim, Study, Trial
from bertkit.scale.trial import Lags, Watch, answer_both, train_trial
from bertkit.scale.tune_files import write_files
from bertkit.scale.versus import Pair, Versus
from bertkit.tasks.reading import load_splits
from bertkit.training.interrupts import ended_by_signals
from bertkit.training.prepare import Prepared, check_names, prepare, request_of

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
    with ended_by_signals(f"interrupted; go on with {resume_line(folder)}."):
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
        raise Interrupted(f"interrupted; go on with {resume_line(search.folder)}.") from None
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
        raise RunError(f"{search.folder}: none of {len(found.trials)} trials has come to a figure{why}")
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
        raise Interrupted(f"interrupted; go on with {resume_line(search.folder)}.") from None
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
