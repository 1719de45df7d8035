"""The end of a training: scores of the best weights beside baselines, of folds where asked for, and the run."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.baselines.table import Baselines, fit_baselines, rows_to_fit
from bertkit.bundle import Bundle, Manifest
from bertkit.config import TrainConfig
from bertkit.data.records import CLASSES, RELATIONS, DataSet, Example
from bertkit.data.splits import hold_out
from bertkit.engines.opening import Way
from bertkit.errors import UsageError
from bertkit.evaluation.answers import beside, forward
from bertkit.evaluation.blend import (
    ENCODER,
    Blend,
    Ensemble,
    ScoreBlend,
    fit_blend,
    fit_member,
    fit_score_blend,
    fit_set_blend,
    open_ensemble,
    open_to_answer,
)
from bertkit.evaluation.evaluate import About, Evaluation, evaluate, save_answers
from bertkit.evaluation.run import Scored, save_hashes
from bertkit.files import write_errors, write_json, writing
from bertkit.kinds import read_object, record_of
from bertkit.metrics.names import range_of
from bertkit.plain import to_json
from bertkit.reporting.card import write_card
from bertkit.run_folder import resume_command
from bertkit.tasks.base import Interval, Outputs, Task
from bertkit.tasks.multilabel import Decided, MultiLabelTask
from bertkit.tasks.objectives import MANY_LABELS, shown
from bertkit.tasks.registry import SHAPE_OF
from bertkit.tokenization.trimming import DROPPED_FILE
from bertkit.training.loop import Learner
from bertkit.training.place import Place
from bertkit.training.prepare import Prepared, describe_data, describe_encoder
from bertkit.training.tuning import calibrate, tune

# --- The end of a training: score the best weights beside baselines, and write the run ------------

BASELINE = "baseline"


@dataclass(frozen=True)
class Finished:
    """The scores of a finished training, ready to be saved; `outputs` are blended where there is a blend."""

    evaluation: Evaluation
    baselines: Baselines
    outputs: Outputs
    ensemble: Ensemble | None = None
    chosen: tuple[str, ...] = ()
    calibration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what was chosen on the validation rows."""
        return tuple(note for note in (self._of_blend(), *self.chosen) if note)

    def _of_blend(self) -> str | None:
        """Say what a blend is made of, and how its model does alone; None where there is no blend."""
        if self.ensemble is None:
            return None
        weights = self.ensemble.weights().items()
        if isinstance(self.ensemble.blend, ScoreBlend):
            formula = " + ".join(f"{weight:.2f} x {name}" for name, weight in weights)
        else:
            formula = " x ".join(f"{name}^{weight:.2f}" for name, weight in weights)
        metric = self.evaluation.metric
        both, alone = self.evaluation.metrics[metric], self.evaluation.baselines[ENCODER][metric]
        return (
            f"answers are ensembled, {formula}, with weights fitted on the validation rows: {metric} {both:.4f}, "
            f"the encoder alone {alone:.4f} (--no-blend turns it off)"
        )

    def save(self, place: Place, prepared: Prepared, learner: Learner, training: Mapping[str, Any]) -> Scored:
        """Write the run directory; bertkit.json comes last and makes it whole.

        The run's answers on the validation split are returned, for whoever draws them.

        Args:
            place: where the training works.
            prepared: what was trained on, and how.
            learner: holds the best weights.
            training: steps, times and figures, stored as they are.

        Raises:
            OutputError: the folder cannot be written.
        """
        manifest = Manifest(
            settings=prepared.task.settings,
            model=prepared.spec.name,
            family=prepared.spec.family,
            config=prepared.config.saved(),
            data=describe_data(prepared.config, prepared.dataset),
            training={
                **training,
                **describe_encoder(prepared),
                **({"calibration": dict(self.calibration)} if self.calibration else {}),
            },
            versions=bundle.versions(),
            blend=self.ensemble.weights() if self.ensemble else {},
        )
        folder = place.work
        prepared.task.settle(learner.bare_model)
        with write_errors(place.shown, way_on=f"fix that, then continue with {resume_command(place.shown)}"):
            (folder / BASELINE).mkdir(exist_ok=True)
            self.baselines.save(folder / BASELINE)
            if self.ensemble is not None:
                self.ensemble.save(folder / BASELINE)
            salt, is_pair = prepared.dataset.fingerprint, manifest.settings.is_pair
            if prepared.dropped is not None:
                prepared.dropped.save(folder / DROPPED_FILE)
            save_hashes(prepared.train_examples, salt, folder / BASELINE, is_pair=is_pair)
            write_json(folder / "metrics.json", self.evaluation.to_json())
            save_answers(prepared.task, prepared.validation_examples, self.outputs, folder)
            standing = bundle.standing_of(manifest, learner.bare_model)
            write_card(folder / "README.md", manifest, self.evaluation, standing)
            bundle.save(folder, manifest, prepared.tokenizer, learner.bare_model)
        run = Bundle(folder, manifest, prepared.tokenizer, prepared.task, learner.bare_model)
        return Scored(run, prepared.validation_examples, self.outputs, self.evaluation)


def finish(prepared: Prepared, learner: Learner, outputs: Outputs) -> Finished:
    """Score the best weights' outputs on the validation split, beside baselines fitted on the same rows."""
    task, train, examples = prepared.task, prepared.train_examples, prepared.validation_examples
    seed = prepared.config.seed
    learnt = rows_to_fit(train, seed=seed)
    baselines = fit_baselines(task, learnt, seed=seed, class_weights=prepared.options.class_weights)
    calibration: dict[str, Any] = {}
    cooled = ""
    # Windows are averaged as probabilities, which no temperature of their logits keeps in order.
    is_cut = prepared.config.on_long == "window" and any(len(row.parts) > 1 for row in prepared.validation)
    if prepared.config.calibrate and not is_cut:
        outputs, calibration, cooled = calibrate(task, learner.bare_model, examples, outputs)
    others, alone, ensemble = dict(baselines.predict(examples)), None, None
    if prepared.config.blend:
        member = fit_member(task, learner.bare_model, baselines, learnt, seed=seed)
        say = member.answers(examples, others)
        others.setdefault(member.name, say)
        ensemble = Ensemble(_fitted_blend(task, examples, outputs, say), member)
        outputs, alone = ensemble.blend.mix(outputs, say), outputs
    baselines, tuned = tune(task, baselines, examples, outputs, prepared.config.tune_threshold)
    others = {**others, **baselines.predict(examples)} if tuned else others
    evaluation = evaluate(
        task,
        examples,
        outputs,
        beside(task, baselines, others),
        alone=alone,
        about=About(prepared.dataset.name, "validation", prepared.warnings),
    )
    return Finished(evaluation, baselines, outputs, ensemble, (cooled, tuned), calibration)


def _fitted_blend(task: Task, examples: Sequence[Example], own: Outputs, others: Outputs) -> Blend:
    """Weigh encoder and other member on the validation rows, whose labels or scores neither has learnt."""
    if task.settings.task == "regression":
        return fit_score_blend([float(example.label or "nan") for example in examples], own, others)
    if isinstance(task, MultiLabelTask):
        return fit_set_blend(task.sets.gold(examples, task.settings.labels), own, others)
    return fit_blend([example.label for example in examples], task.settings.labels, own, others)


# --- Scores of folds: every row is answered by a model that was trained without it ----------------
#
# The rows are parted as splits are held out: the same rows stay together, and so do groups; of classes
# each part has its share. Each fold is a training of its own, from its rows to its calibrated answers,
# in a folder that is removed; what it says of its part is kept.

FLAG = "--folds"
ROWS, SCORES = "folds.jsonl", "folds.json"
TASKS = ("classify", "multilabel", "relation", "regression")
TrainFold = Callable[[TrainConfig, DataSet, int], object]


@dataclass(frozen=True)
class FoldStep:
    """Where the training of a fold is."""

    fold: int
    folds: int
    step: int
    total_steps: int


@dataclass(frozen=True)
class FoldScores:
    """What folds came to.

    Attributes:
        folds: the figures of each.
        metrics: those of all rows together.
        intervals: of the mean over folds, 95 %. Folds share most of their training rows, so a figure
            varies more from one training to another than their variance shows; the variance is corrected
            for that (Nadeau and Bengio 2003, "Inference for the Generalization Error").
    """

    folds: tuple[dict[str, float], ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)


def check_folds(config: TrainConfig, task: str, processes: int) -> None:
    """Refuse --folds where it cannot be followed, before anything is trained.

    Raises:
        UsageError: the task has no figures of single rows, or several processes share the work.
    """
    if task not in TASKS:
        raise UsageError(f"{FLAG}: is for {', '.join(TASKS)}, and this is {task}; leave it out.")
    if processes > 1:
        raise UsageError(f"{FLAG}: trains in one process; start it without torchrun.")


def score_folds(
    config: TrainConfig, dataset: DataSet, task: Task, work: Path, train_fold: TrainFold, note: Callable[[str], None]
) -> FoldScores:
    """Train every fold, and write what was said of each row; one that was stopped behind them reads them again.

    Args:
        config: the request, with the number of folds.
        dataset: its training and validation rows are the rows.
        task: knows the labels and the figures.
        work: where the run is made.
        train_fold: trains by a config on given rows, and writes a run; told the fold's number, from 1 on.
        note: told how far it is.
    """
    if (work / SCORES).is_file() and (work / ROWS).is_file():
        return record_of(FoldScores, read_object(work / SCORES), SCORES)
    parts = _parts(dataset, config)
    said: list[Outputs] = []
    seen = [np.zeros((len(part), len(task.settings.labels))) for part in parts]
    with tempfile.TemporaryDirectory(prefix="bertkit-folds-") as folder:
        for number, part in enumerate(parts):
            note(
                f"fold {number + 1} of {len(parts)}: {len(part):,} rows are predicted by a model trained on the others"
            )
            rest = [row for i, other in enumerate(parts) if i != number for row in other]
            rows = hold_out(
                replace(dataset, splits={"train": tuple(rest)}),
                validation_fraction=config.validation_fraction,
                test_fraction=0.0,
                seed=config.seed,
                stratify=SHAPE_OF[dataset.task] in (CLASSES, RELATIONS),
                group=config.group,
            )
            run = Path(folder) / str(number + 1)
            train_fold(_fold_config(config, dataset, run), rows, number + 1)
            answers = _answering(run, config, task)
            said.append(answers(part))
            # What a model says of the rows that it has learnt from tells of their labels, too.
            if 0 < len(task.settings.labels) <= MANY_LABELS:
                for i, other in enumerate(parts):
                    seen[i] += 0.0 if i == number else _probabilities(answers(other)) / (len(parts) - 1)
    scores = _scores(task, parts, said)
    names = _names({row.source for part in parts for row in part})
    with writing(work / ROWS, FLAG) as stream:
        for number, (part, outputs, learnt) in enumerate(zip(parts, said, seen, strict=True), start=1):
            stream.writelines(to_json(line) + "\n" for line in _lines(task, part, outputs, learnt, number, names))
    write_json(work / SCORES, asdict(scores))
    return scores


def _fold_config(config: TrainConfig, dataset: DataSet, run: Path) -> TrainConfig:
    """Ask for the same training, but in a folder of its own and without what only the last one needs."""
    return replace(
        config,
        task=dataset.task,
        folds=None,
        output=str(run),
        resume=False,
        force=False,
        keep_checkpoints=False,
        tensorboard=False,
        tune_threshold=None,
        strict=False,
    )


def _parts(dataset: DataSet, config: TrainConfig) -> list[tuple[Example, ...]]:
    """Part the rows, each part held out from what the earlier ones left."""
    rows = tuple(row for split in ("train", "validation") for row in dataset.splits.get(split, ()))
    count, parts, rest = int(config.folds or 2), list[tuple[Example, ...]](), replace(dataset, splits={"train": rows})
    for left in range(count, 1, -1):
        found = hold_out(
            rest,
            validation_fraction=1.0 / left,
            test_fraction=0.0,
            seed=config.seed,
            stratify=SHAPE_OF[dataset.task] in (CLASSES, RELATIONS),
            group=config.group,
        )
        parts.append(tuple(found.splits["validation"]))
        rest = replace(dataset, splits={"train": tuple(found.splits["train"])})
    return [*parts, tuple(rest.splits["train"])]


def _answering(run: Path, config: TrainConfig, task: Task) -> Callable[[Sequence[Example]], Outputs]:
    """Return what says how a fold's model answers rows, labels in the order of `task`."""
    loaded, placement = open_to_answer(run, Way("torch", config.device, config.precision))
    ensemble = open_ensemble(loaded)

    def answers(rows: Sequence[Example]) -> Outputs:
        outputs: Outputs = forward(loaded.model, loaded.task, loaded.task.encode_scored(rows), placement)
        if ensemble is not None:
            outputs = ensemble.blend.mix(outputs, ensemble.member.answers(rows, {}))
        return _in_order(loaded, task, outputs)

    return answers


def _probabilities(outputs: Outputs) -> NDArray[np.float64]:
    """Lay out the probabilities of rows, (N, C)."""
    return np.stack([output.scores if isinstance(output, Decided) else np.asarray(output) for output in outputs])


def _in_order(loaded: Bundle, task: Task, outputs: Outputs) -> Outputs:
    """Lay probabilities out by all labels: a fold's training rows may lack a rare one."""
    labels = task.settings.labels
    if not labels:
        return outputs
    mine = loaded.task.settings
    places = [labels.index(label) if label in labels else -1 for label in mine.labels]
    kept, at = [i for i, place in enumerate(places) if place >= 0], [place for place in places if place >= 0]
    found: list[Any] = []
    for output in outputs:
        scores = np.zeros(len(labels))
        scores[at] = np.asarray(output)[kept]
        if isinstance(task, MultiLabelTask):
            chosen = np.zeros(len(labels), bool)
            chosen[at] = (np.asarray(output) >= np.asarray(mine.thresholds or 0.5))[kept]
            found.append(Decided(scores, chosen))
        else:
            found.append(scores)
    return found


def _scores(task: Task, parts: Sequence[Sequence[Example]], said: Sequence[Outputs]) -> FoldScores:
    each = tuple(task.score(part, outputs).metrics for part, outputs in zip(parts, said, strict=True))
    rows, outputs = [row for part in parts for row in part], [output for own in said for output in own]
    together = task.score(rows, outputs).metrics
    return FoldScores(each, together, {name: _interval(name, [own[name] for own in each]) for name in together})


def _interval(metric: str, values: Sequence[float]) -> Interval:
    """Return the interval of a metric's mean over folds, with the corrected variance and Student's t."""
    from scipy.stats import t

    count, mean = len(values), float(np.mean(values))
    std = math.sqrt((1.0 / count + 1.0 / (count - 1)) * float(np.var(values, ddof=1)))
    reach = float(t.ppf(0.975, count - 1)) * std
    least, most = range_of(metric)
    return max(least, mean - reach), min(most, mean + reach)


def _names(sources: Collection[str]) -> dict[str, str]:
    """Name files: each by its name, or where several have the same one, by its way from the folder above them all."""
    names = {source: Path(source).name for source in sources}
    if len(set(names.values())) == len(names):
        return names
    above = os.path.commonpath([str(Path(source).absolute().parent) for source in sources])
    return {source: Path(source).absolute().relative_to(above).as_posix() for source in sources}


def _lines(
    task: Task,
    part: Sequence[Example],
    outputs: Outputs,
    seen: NDArray[np.float64],
    fold: int,
    names: Mapping[str, str],
) -> Iterator[Mapping[str, Any]]:
    labels = task.settings.labels
    is_known = len(labels) <= MANY_LABELS
    for row, output, learnt in zip(part, outputs, seen, strict=True):
        also = {"seen": shown(learnt, labels)} if is_known else {}
        place = {"file": names[row.source], "line": row.line, "fold": fold, "gold": row.answer}
        if isinstance(output, Decided):
            predicted: Any = [label for label, is_chosen in zip(labels, output.chosen, strict=True) if is_chosen]
            yield {**place, "predicted": predicted, "probabilities": shown(output.scores, labels), **also}
        elif labels:
            best = labels[int(np.argmax(output))]
            yield {**place, "predicted": best, "probabilities": shown(output, labels), **also}
        else:
            yield {**place, "gold": float(row.label or 0), "predicted": round(float(output[0]), 6)}
