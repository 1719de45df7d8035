"""Who trains: bertkit's loop and transformers' Trainer, with run_glue's recipe or tuned.

A turn is some steps of a fresh model, after steps that do not count; rows are tokenized
before it, as both do it by themselves.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.data.records import Example
from engines import quiet_transformers
from sidebyside import Contender, Turn

if TYPE_CHECKING:
    from bertkit.config import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """What every contender is told alike.

    `folder` is the model that is fine-tuned, `tokens` the longest row; `native` says that the
    processor multiplies bfloat16.
    """

    folder: Path
    batch_size: int
    tokens: int
    lr: float
    epochs: int
    native: bool


@dataclass(frozen=True)
class Counted:
    """How many steps of a turn count, and how many come before."""

    steps: int
    warm: int = 2

    @property
    def all(self) -> int:
        """Steps that are taken."""
        return self.steps + self.warm

    def seconds(self, ends: Sequence[float]) -> float:
        """Return the time of the counted steps, given when each step ended."""
        return ends[self.all - 1] - ends[self.warm - 1]


def bertkit_contender(name: str, config: TrainConfig, counted: Counted) -> Contender:
    """Train with bertkit's own loop; its epochs have to be enough for the steps."""
    from bertkit.tasks.base import Scores
    from bertkit.training.loop import LoopState, build_learner, build_model, place_training, plan_of, train_steps
    from bertkit.training.prepare import prepare

    prepared = prepare(config)
    unscored = Scores({prepared.task.settings.deciding_metric: 0.0, "loss": 0.0})

    def take_turn() -> Turn:
        model = build_model(prepared)
        placement = place_training(prepared.config, width=model.encoder.hidden_size)
        learner = build_learner(prepared, model, placement)
        steps = train_steps(learner, prepared.rows, plan_of(prepared.config), LoopState(), lambda: unscored)
        ends, rows = [], []
        for facts in itertools.islice(steps, counted.all):
            ends.append(time.perf_counter())
            rows.append(facts.rows)
        return Turn(counted.seconds(ends), sum(rows[counted.warm :]))

    return Contender(name, take_turn)


def trainer_contender(
    name: str, recipe: Recipe, examples: Sequence[Example], counted: Counted, *, tuned: bool
) -> Contender:
    """Train with transformers' Trainer."""
    rows = _tokenized(recipe, examples, padded=not tuned)

    def take_turn() -> Turn:
        clock = _step_clock()
        with _trainer(recipe, rows, tuned=tuned, max_steps=counted.all) as trainer:
            trainer.add_callback(clock)
            trainer.train()
        return Turn(counted.seconds(clock.ends), counted.steps * recipe.batch_size)

    return Contender(name, take_turn)


def train_whole(
    recipe: Recipe, train: Sequence[Example], validation: Sequence[Example], *, tuned: bool
) -> tuple[float, list[str]]:
    """Train all epochs with Trainer; return the seconds of training and the labels of the validation rows."""
    rows = _tokenized(recipe, train, padded=not tuned)
    with _trainer(recipe, rows, tuned=tuned, max_steps=-1) as trainer:
        seconds = float(trainer.train().metrics["train_runtime"])
        logits = trainer.predict(_tokenized(recipe, validation, padded=not tuned)).predictions
    return seconds, [str(label) for label in logits.argmax(axis=-1).tolist()]


def train_rows(recipe: Recipe, train: Sequence[Example]) -> None:
    """Train all epochs with the tuned Trainer, and keep nothing."""
    with _trainer(recipe, _tokenized(recipe, train, padded=False), tuned=True, max_steps=-1) as trainer:
        trainer.train()


def _tokenized(recipe: Recipe, examples: Sequence[Example], *, padded: bool) -> list[dict[str, Any]]:
    """Tokenize pairs as run_glue does, padded to the longest row allowed or not at all."""
    from transformers import AutoTokenizer

    quiet_transformers()
    tokenizer = AutoTokenizer.from_pretrained(str(recipe.folder))
    firsts, seconds = ([example.texts[side] for example in examples] for side in (0, 1))
    padding = "max_length" if padded else False
    encoded = tokenizer(firsts, seconds, truncation=True, max_length=recipe.tokens, padding=padding)
    labels = [int(example.label or 0) for example in examples]
    return [
        {**{name: values[row] for name, values in encoded.items()}, "labels": label} for row, label in enumerate(labels)
    ]


@contextmanager
def _trainer(recipe: Recipe, rows: list[dict[str, Any]], *, tuned: bool, max_steps: int) -> Iterator[Any]:
    """Make a Trainer in a folder of its own.

    run_glue's recipe is Trainer's defaults on padded rows; the tuned one pads each batch to
    its longest row, batches rows of like length, and computes in bfloat16 where that is native.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments
    from transformers import DataCollatorWithPadding as Padding
    from transformers import default_data_collator as stack
    from transformers.trainer_callback import PrinterCallback

    quiet_transformers()
    model = AutoModelForSequenceClassification.from_pretrained(str(recipe.folder), num_labels=2)
    collator = Padding(AutoTokenizer.from_pretrained(str(recipe.folder))) if tuned else stack
    with tempfile.TemporaryDirectory() as place:
        arguments = TrainingArguments(
            output_dir=place,
            per_device_train_batch_size=recipe.batch_size,
            per_device_eval_batch_size=recipe.batch_size,
            learning_rate=recipe.lr,
            num_train_epochs=recipe.epochs,
            max_steps=max_steps,
            use_cpu=True,
            bf16=tuned and recipe.native,
            train_sampling_strategy="group_by_length" if tuned else "random",
            **_NO_EXTRAS,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, data_collator=collator)
        trainer.remove_callback(PrinterCallback)  # standard output is for the report
        yield trainer


_NO_EXTRAS: dict[str, Any] = {
    "report_to": [],
    "save_strategy": "no",
    "logging_strategy": "no",
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}


def _step_clock() -> Any:
    """Make a callback that notes when each step ended."""
    from transformers import TrainerCallback

    class StepClock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    return StepClock()
