"""Training: bertkit's loop against transformers' Trainer with run_glue's recipe, and against the tuned Trainer.

The same model, rows, batch size and rate for all. With --whole all epochs are trained, and
the F1 of the validation rows stands beside the time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.data.records import Example
from folders import MODELS, chosen_parts, is_packaged, write_classifier
from inputs import Pairs, lengthened, load_pairs, write_pairs
from options import run_script, script_parser
from report import Report
from sidebyside import Contender, Estimate, alternate, clocked, speed_ratios

if TYPE_CHECKING:
    from bertkit.config import TrainConfig
    from trainers import Recipe

OURS, PLAIN, TUNED = "bertkit", "Trainer, run_glue's recipe", "Trainer, tuned"
SHORT_ROWS = 128  # run_glue pads MRPC's rows, 56 tokens on average, to this
WARM = {True: 2, False: 1}  # steps before those that count; of long rows one is enough


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--steps", type=int, default=60, help="counted steps, over all rounds (default: 60)")
    parser.add_argument("--tokens", type=int, default=SHORT_ROWS, help="tokens a row; above 128 rows are joined")
    parser.add_argument("--batch-size", type=int, default=32, help="rows a step (default: 32)")
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder that is fine-tuned")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of --whole (default: 4)")
    parser.add_argument("--lr", type=float, default=1e-4, help="peak rate (default: 1e-4)")
    parser.add_argument("--no-recipe", action="store_true", help="leave run_glue's recipe out")
    parser.add_argument(
        "--whole", action="store_true", help="train all epochs, once, and compare the F1 of validation rows"
    )
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare all contenders on the same rows."""
    from engines import multiplies_bfloat16
    from trainers import Recipe

    pairs = load_pairs(options.data, options.rows)
    if options.tokens > SHORT_ROWS:
        pairs = lengthened(pairs, options.tokens)
    settings = {name: getattr(options, name) for name in ("steps", "tokens", "batch_size", "model", "lr")}
    report = Report("train", pairs.source, settings)
    with tempfile.TemporaryDirectory() as place:
        folder, words = _model_folder(Path(place) / "model", pairs, options)
        report.notes.append(f"model: {words}; sdpa attention, Trainer's own dropout 0.1")
        recipe = Recipe(
            folder, options.batch_size, options.tokens, options.lr, options.epochs, native=multiplies_bfloat16()
        )
        data = write_pairs(pairs, Path(place) / "train.tsv")
        config = _config(data, recipe, enough=1 if options.whole else options.steps)
        if options.whole:
            _whole(report, recipe, config, Path(place) / "run", options)
        else:
            _throughput(report, recipe, config, pairs.examples, options)
    if not recipe.native:
        report.notes.append("this processor does not multiply bfloat16: all contenders compute in float32")
    return report


def _model_folder(place: Path, pairs: Pairs, options: argparse.Namespace) -> tuple[Path, str]:
    """Return a folder both sides fine-tune from: MiniLM's own, or random weights."""
    from bertkit.models.finding import packaged_model
    from bertkit.models.registry import find_model

    packaged = packaged_model(str(find_model("minilm").hub_id))
    if options.model == "minilm" and is_packaged("minilm") and packaged is not None:
        return packaged, chosen_parts("minilm", []).words
    return place, write_classifier(place, pairs, options.model)


def _config(data: Path, recipe: Recipe, *, enough: int) -> TrainConfig:
    """Ask bertkit for what Trainer does: the pooler's head, each pair in its own order."""
    from bertkit.config import TrainConfig

    return TrainConfig(
        data=(str(data),),
        model=str(recipe.folder),
        max_length=recipe.tokens,
        batch_size=recipe.batch_size,
        lr=recipe.lr,
        epochs=max(recipe.epochs, enough),
        patience=max(recipe.epochs, enough),
        warmup=0.0,
        pooling="pooler",
        swap_pairs=False,
        dropout=0.1,
        tensorboard=False,
        device="cpu",
    )


def _throughput(
    report: Report, recipe: Recipe, config: TrainConfig, examples: Sequence[Example], options: argparse.Namespace
) -> None:
    from trainers import Counted, bertkit_contender, trainer_contender

    short = options.tokens <= SHORT_ROWS
    counted = Counted(max(1, -(-options.steps // options.repetitions)), WARM[short])
    contenders: list[Contender] = [
        bertkit_contender(OURS, config, counted),
        trainer_contender(TUNED, recipe, examples, counted, tuned=True),
    ]
    if not options.no_recipe:
        contenders.append(trainer_contender(PLAIN, recipe, examples, counted, tuned=False))
    # Each turn has its own steps to warm up on.
    courses = alternate(contenders, options.repetitions, warm_ups=0, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    report.notes.append(f"{counted.steps} counted steps a turn, after {counted.warm}")
    place = "short" if short else options.tokens
    for key, name in (("recipe", PLAIN), ("tuned", TUNED)):
        if name in courses:
            report.add(f"train.{place}.{key}", f"bertkit / {name}", speed_ratios(courses[OURS], courses[name]))


def _whole(report: Report, recipe: Recipe, config: TrainConfig, output: Path, options: argparse.Namespace) -> None:
    """Train to the end, on the rows and for the epochs bertkit takes, and compare the labels of validation rows."""
    from bertkit.training.prepare import prepare
    from trainers import train_whole

    splits = prepare(config).dataset.splits
    train, validation = splits["train"], splits["validation"]

    def trainer(name: str, *, tuned: bool) -> Contender:
        return clocked(name, lambda: train_whole(recipe, train, validation, tuned=tuned), len(train) * recipe.epochs)

    contenders = [
        clocked(OURS, lambda: _bertkit_whole(config, output, validation), len(train) * recipe.epochs),
        trainer(TUNED, tuned=True),
        trainer(PLAIN, tuned=False),
    ]
    kept = [contender for contender in contenders if not (options.no_recipe and contender.name == PLAIN)]
    courses = alternate(kept, 1, warm_ups=0)
    report.notes.append("training only: neither bertkit's evaluation after each epoch nor its checkpoints count")
    times = {name: course.value[0] for name, course in courses.items()}
    for name, seconds in times.items():
        report.speeds.append((f"{name}, training only", "s", Estimate.exactly(seconds)))
        report.notes.append(_f1_words(name, validation, courses[name].value[1]))
    for key, name in (("recipe", PLAIN), ("tuned", TUNED)):
        if name in times:
            report.add(f"train.whole.{key}", f"{name} / bertkit, time", Estimate.exactly(times[name] / times[OURS]))
            difference = _f1_difference(validation, courses[OURS].value[1], courses[name].value[1])
            report.add(f"train.whole.f1_{key}", f"F1, bertkit minus {name} (95 % interval)", difference, "")


def _bertkit_whole(config: TrainConfig, output: Path, validation: Sequence[Example]) -> tuple[float, list[str]]:
    """Train with bertkit; return the seconds of its steps and the labels of the validation rows."""
    from dataclasses import replace

    from bertkit import bundle
    from bertkit.compute.device import choose_placement
    from bertkit.evaluation.predict import predict_stream
    from bertkit.training.loop import StepFacts
    from bertkit.training.run import train

    seconds: list[float] = []

    def listen(event: Any) -> None:
        if isinstance(event, StepFacts):
            seconds.append(event.seconds)

    result = train(replace(config, output=str(output), force=True), listen)
    run = bundle.load(Path(result.run))
    placement = choose_placement("cpu", width=run.model.encoder.hidden_size)
    labels = [record["label"] for records in predict_stream(run, validation, placement) for record in records]
    return sum(seconds), labels


def _f1_words(name: str, validation: Sequence[Example], labels: Sequence[str]) -> str:
    from bertkit.metrics.classification import classification_metrics
    from bertkit.metrics.intervals import classification_intervals

    gold = [example.label or "" for example in validation]
    score = classification_metrics(gold, labels, labels=("0", "1"), positive="1")["f1"]
    low, high = classification_intervals(gold, labels, ("0", "1"), "1")["f1"]
    return f"{name}: F1 {score:.4f}, 95 % interval {low:.4f} to {high:.4f}, on {len(gold)} validation rows"


def _f1_difference(validation: Sequence[Example], ours: Sequence[str], reference: Sequence[str]) -> Estimate:
    """Return ours minus the reference with its bootstrap interval over rows."""
    from bertkit.metrics.classification import classification_metrics
    from bertkit.metrics.intervals import classification_difference

    gold = [example.label or "" for example in validation]
    mine, other = (
        classification_metrics(gold, labels, labels=("0", "1"), positive="1")["f1"] for labels in (ours, reference)
    )
    low, high = classification_difference(gold, ours, reference, ("0", "1"), "1")["f1"]
    return Estimate(mine - other, low, high, len(gold))


if __name__ == "__main__":
    sys.exit(main())
