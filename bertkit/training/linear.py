"""`--model tfidf`: the baseline of rows with labels or scores, trained as a model of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bertkit import bundle
from bertkit.audit.run import row_doubts
from bertkit.baselines.sequence import SequenceBaselines
from bertkit.baselines.table import fit_baselines
from bertkit.bundle import Manifest
from bertkit.config import TrainConfig, flag, options
from bertkit.data.records import DataSet, Example
from bertkit.errors import UsageError
from bertkit.evaluation.answers import beside
from bertkit.evaluation.blend import STANDING, TASKS, LinearTask, all_others
from bertkit.evaluation.evaluate import About, Evaluation, evaluate, save_answers
from bertkit.evaluation.run import save_hashes
from bertkit.files import write_errors, write_json
from bertkit.models.registry import find_model
from bertkit.models.table import TFIDF
from bertkit.plain import listed
from bertkit.reporting.card import write_card
from bertkit.run_folder import MANIFEST, resume_command
from bertkit.tasks.base import LONGEST, Outputs, TaskSettings
from bertkit.tasks.registry import find_task
from bertkit.tasks.rows import check_answers, class_weights, load_splits
from bertkit.training.place import Place
from bertkit.training.prepare import check_names, describe_data, request_of
from bertkit.training.tuning import check_tuning, choose_metric, tune

BASELINE = "baseline"
# What a model of words can be told, beside what is said of data, files and the machine.
_READ = ("model", "class_weights", "metric", "tune_threshold", "seed", "log_every", "tensorboard")
_NOT_READ = ("leave_out", "max_length", "on_long")
_PANELS = ("Model", "Training")


@dataclass(frozen=True)
class PreparedLinear:
    """Rows, task and choices of a training without an encoder."""

    config: TrainConfig
    dataset: DataSet
    task: LinearTask
    weights: tuple[float, ...] | None
    warnings: tuple[str, ...]

    @property
    def settings(self) -> TaskSettings:
        """What a run must remember."""
        return self.task.settings

    @property
    def train_examples(self) -> Sequence[Example]:
        """The rows that are learnt from."""
        return self.dataset.splits["train"]


@dataclass(frozen=True)
class FinishedLinear:
    """A fitted model with its scores on the validation split."""

    prepared: PreparedLinear
    fitted: SequenceBaselines
    evaluation: Evaluation
    outputs: Outputs

    def save(self, place: Place, training: Mapping[str, Any]) -> None:
        """Write the run directory; bertkit.json comes last and makes it whole.

        Raises:
            OutputError: the folder cannot be written.
        """
        prepared, folder = self.prepared, place.work
        manifest = Manifest(
            settings=prepared.settings,
            model=TFIDF,
            family=TFIDF,
            config=prepared.config.saved(),
            data=describe_data(prepared.config, prepared.dataset),
            training=dict(training),
            versions=bundle.versions(),
        )
        with write_errors(place.shown, way_on=f"fix that, then continue with {resume_command(place.shown)}"):
            (folder / BASELINE).mkdir(exist_ok=True)
            self.fitted.save(folder / BASELINE)
            salt, is_pair = prepared.dataset.fingerprint, manifest.settings.is_pair
            save_hashes(prepared.train_examples, salt, folder / BASELINE, is_pair=is_pair)
            write_json(folder / "metrics.json", self.evaluation.to_json())
            save_answers(prepared.task, prepared.dataset.splits["validation"], self.outputs, folder)
            write_card(folder / "README.md", manifest, self.evaluation, STANDING)
            write_json(folder / MANIFEST, manifest.to_json())


def is_wanted(config: TrainConfig, place: Place) -> bool:
    """Tell whether a training is one without an encoder, whoever asks for it: this call, or the one that is resumed."""
    stored = place.request.get("config") if config.resume and "model" not in config.given else None
    name = stored.get("model") if isinstance(stored, dict) else config.model
    return name == TFIDF or (name == config.model and check_names(config).is_linear)


def prepare_linear(
    config: TrainConfig, note: Callable[[str], None] = lambda _: None, dataset: DataSet | None = None
) -> PreparedLinear:
    """Load and split rows, and learn their labels.

    Args:
        config: the request.
        note: told what is decided, in one sentence each.
        dataset: the rows, split; None: those that the request names.

    Raises:
        BertkitError: names, data, columns, labels or options do not allow training.
    """
    _refuse_idle(config)
    config = replace(config, model=find_model(config.model).name)
    wanted = ("train", "validation", "test") if config.test_fraction else ("train", "validation")
    dataset = load_splits(request_of(config), splits=wanted) if dataset is None else dataset
    if dataset.task not in TASKS:
        raise UsageError(
            f"--model {TFIDF}: is for {' and '.join(TASKS)}, and this is {dataset.task}; name an encoder, or leave "
            "--model out."
        )
    train = dataset.splits["train"]
    metric, sentence = choose_metric(config, find_task(dataset.task), train)
    if sentence:
        note(sentence)
    config = replace(config, metric=metric)
    settings = TaskSettings(
        task=dataset.task, columns=dataset.columns, positive=config.positive, max_length=LONGEST, metric=metric
    )
    task = LinearTask(LinearTask.learn(settings, train))
    check_tuning(config.tune_threshold, task.settings)
    weights = None
    if dataset.task == "classify":
        weights = class_weights(config.class_weights, task.settings.labels, train)
    doubts = [*row_doubts(dataset.task, train)]
    doubts += [f"validation: {doubt}" for doubt in check_answers(task.settings, dataset.splits["validation"])]
    return PreparedLinear(config, dataset, task, weights, (*dataset.warnings, *doubts))


def train_linear(prepared: PreparedLinear, note: Callable[[str], None] = lambda _: None) -> FinishedLinear:
    """Fit the model, and score it on the validation split beside what knows no words.

    Args:
        prepared: rows, task and choices.
        note: told what is decided, in one sentence each.
    """
    task, train, examples = prepared.task, prepared.train_examples, prepared.dataset.splits["validation"]
    fitted = fit_baselines(task, train, seed=prepared.config.seed, class_weights=prepared.weights)
    assert isinstance(fitted, SequenceBaselines)
    answers = fitted.predict(examples)
    if prepared.config.tune_threshold is not None:
        tuned, said = tune(task, fitted, examples, answers[TFIDF], prepared.config.tune_threshold)
        assert isinstance(tuned, SequenceBaselines)
        fitted = tuned
        note(said)
    evaluation = evaluate(
        task,
        examples,
        answers[TFIDF],
        beside(task, fitted, all_others(answers)),
        about=About(prepared.dataset.name, "validation", prepared.warnings),
    )
    return FinishedLinear(prepared, fitted, evaluation, answers[TFIDF])


def _refuse_idle(config: TrainConfig) -> None:
    """Refuse options that only an encoder has a use for.

    Raises:
        UsageError: one was asked for.
    """
    idle = [
        spec.name
        for spec in options(TrainConfig)
        if (spec.metadata["panel"] in _PANELS and spec.name not in _READ) or spec.name in _NOT_READ
        if getattr(config, spec.name) != spec.default
    ]
    if idle:
        names = listed([flag(name) for name in idle], quotes=False)
        raise UsageError(f"{names}: has no effect on {TFIDF}, which has no encoder; leave it out.")
