"""The end of a training: score the best weights beside baselines, and write the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit import bundle
from bertkit.bundle import Bundle, Manifest
from bertkit.data.records import Example
from bertkit.evaluation.answers_file import save_answers
from bertkit.evaluation.baselines import Baselines, fit_baselines, rows_to_fit
from bertkit.evaluation.blend import Blend, ScoreBlend, fit_blend, fit_score_blend, fit_set_blend
from bertkit.evaluation.contamination import save_hashes
from bertkit.evaluation.decisions import beside
from bertkit.evaluation.ensemble import ENCODER, Ensemble, fit_member
from bertkit.evaluation.evaluate import Evaluation, evaluate
from bertkit.evaluation.run import Scored
from bertkit.files import write_errors, write_json
from bertkit.reporting.card import write_card
from bertkit.run_folder import resume_command
from bertkit.tasks.base import Outputs, Task
from bertkit.tasks.multilabel import MultiLabelTask
from bertkit.tokenization.trimming import DROPPED_FILE
from bertkit.training.loop import Learner
from bertkit.training.place import Place
from bertkit.training.prepare import Prepared, describe_data, describe_encoder
from bertkit.training.tuning import calibrate, tune

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
            f"answers are blended, {formula}, weighed on the validation rows: {metric} {both:.4f}, "
            f"the encoder alone {alone:.4f} (--no-blend to leave it alone)"
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
        with write_errors(place.shown, way_on=f"fix that, then go on with {resume_command(place.shown)}"):
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
        data=prepared.dataset.name,
        split="validation",
        warnings=prepared.warnings,
    )
    return Finished(evaluation, baselines, outputs, ensemble, (cooled, tuned), calibration)


def _fitted_blend(task: Task, examples: Sequence[Example], own: Outputs, others: Outputs) -> Blend:
    """Weigh encoder and other member on the validation rows, whose labels or scores neither has learnt."""
    if task.settings.task == "regression":
        return fit_score_blend([float(example.label or "nan") for example in examples], own, others)
    if isinstance(task, MultiLabelTask):
        return fit_set_blend(task.sets.gold(examples, task.settings.labels), own, others)
    return fit_blend([example.label for example in examples], task.settings.labels, own, others)
