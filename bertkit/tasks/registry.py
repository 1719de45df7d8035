"""The table of tasks; torch-free, so that names are checked before anything heavy loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bertkit.data.records import CLASSES, ENTITIES, LABEL_SETS, QUESTIONS, READINGS, RELATIONS, SCORES, SUMMARIES, TEXTS
from bertkit.errors import UnknownNameError, UsageError

# Words that are kept of those that could stand in a masked place, the likeliest first.
MOST_WORDS = 100
# Answers that are kept of those that a text could give.
KEPT_ANSWERS = 20


@dataclass(frozen=True)
class TaskSpec:
    """A row of the table.

    Attributes:
        name: what --task takes.
        target: "module:class", imported when the task is built.
        summary: one line for people.
        shape: what the rows hold that it reads (`data.shapes.table`).
        metrics: what `train --metric` takes, the task's own first.
        recipe: options of `train` that suit the task better than the model's own.
        from_nothing: options that go before these where the model starts from scratch.
        siamese_target: the target where the texts of a row are read apart.
        rows_an_epoch: validation rows that are scored after each epoch, evenly spaced over
            all of them; None: all. At the end of a training all are scored.
        most_ranked: how many answers of a row `predict --top-k` can list at most; None: all
            there are; 0: the task ranks nothing.
        more_positions: whether --max-length may go beyond the positions an encoder has,
            where its table of them can be made longer.
    """

    name: str
    target: str
    summary: str
    shape: str
    metrics: tuple[str, ...]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    from_nothing: Mapping[str, Any] = field(default_factory=dict)
    siamese_target: str = ""
    rows_an_epoch: int | None = None
    most_ranked: int | None = 0
    more_positions: bool = False

    def target_for(self, pooling: str) -> str:
        """Return the target for a way of pooling.

        Raises:
            UsageError: the task cannot read texts apart.
        """
        if pooling != "siamese":
            return self.target
        if not self.siamese_target:
            raise UsageError(f"--pooling siamese: compares the two texts of a row, which {self.name} does not have.")
        return self.siamese_target


TASKS: tuple[TaskSpec, ...] = (
    TaskSpec(
        "classify",
        "bertkit.tasks.sequence:SequenceTask",
        "one label for a text, a pair or several columns",
        CLASSES,
        ("accuracy", "macro_f1", "f1", "mcc", "precision", "recall", "loss"),
        siamese_target="bertkit.tasks.sequence:SiameseTask",
        most_ranked=None,
    ),
    TaskSpec(
        "multilabel",
        "bertkit.tasks.multilabel:MultiLabelTask",
        "any number of labels for a text, a pair or several columns",
        LABEL_SETS,
        (
            *("micro_f1", "macro_f1", "exact_match", "lrap", "hamming_loss"),
            *("micro_precision", "micro_recall", "loss"),
        ),
        most_ranked=None,
    ),
    TaskSpec(
        "regression",
        "bertkit.tasks.sequence:SequenceTask",
        "one number for a text, a pair or several columns",
        SCORES,
        ("pearson", "spearman", "mse", "mae"),
        siamese_target="bertkit.tasks.sequence:SiameseTask",
    ),
    # A token that is masked is one that could have been tagged.
    TaskSpec(
        "ner",
        "bertkit.tasks.tagging:TaggingTask",
        "entities in a text, with their places",
        ENTITIES,
        ("entity_f1", "entity_precision", "entity_recall", "entity_f1_lenient"),
        {"pooling": "cls", "token_masking": 0.0},
        # Every token is an example, so more is learnt from the same rows (docs/scratch.md).
        from_nothing={"lr": 1e-3, "dropout": 0.1},
    ),
    # A row is as many encodings as it has choices.
    TaskSpec(
        "choice",
        "bertkit.tasks.choice:ChoiceTask",
        "the right one of several choices, all ranked",
        QUESTIONS,
        ("map@3", "accuracy", "mrr", "loss"),
        {"batch_size": 8, "token_masking": 0.0},
        most_ranked=None,
    ),
    # What stands in the text's markers is read, so none of it is masked.
    TaskSpec(
        "relation",
        "bertkit.tasks.sequence:RelationTask",
        "the relation between two entities that are marked in a text",
        RELATIONS,
        ("micro_f1", "auprc", "accuracy", "macro_f1", "mcc", "micro_precision", "micro_recall", "loss"),
        {"pooling": "cls", "token_masking": 0.0, "swap_pairs": False, "overlap_segments": False, "blend": False},
        most_ranked=None,
    ),
    # A row is a question and a text, which is read in windows where it is long.
    TaskSpec(
        "qa",
        "bertkit.tasks.question_answering:QuestionAnsweringTask",
        "the answer to a question as a stretch of a text, or that there is none",
        READINGS,
        (
            *("f1", "exact_match", "char_f1", "klue_exact_match", "klue_rouge_w"),
            *("has_answer_f1", "no_answer_accuracy"),
        ),
        {
            "pooling": "cls",
            "token_masking": 0.0,
            "on_long": "window",
            "swap_pairs": False,
            "overlap_segments": False,
            "blend": False,
        },
        most_ranked=KEPT_ANSWERS,
    ),
    TaskSpec(
        "mlm",
        "bertkit.tasks.masked_lm:MaskedLMTask",
        "masked words of plain text; the encoder can then be fine-tuned",
        TEXTS,
        ("perplexity", "loss", "accuracy", "pair_accuracy"),
        {"token_masking": 0.15, "on_long": "window", "dropout": 0.1, "pooling": "cls"},
        most_ranked=MOST_WORDS,
    ),
    # A row is a document, often longer than an encoder reads at once.
    TaskSpec(
        "extractive",
        "bertkit.tasks.extractive:ExtractiveTask",
        "the sentences of a document that make its summary (BertSum)",
        SUMMARIES,
        ("rouge1", "rouge2", "rougeLsum"),
        {"batch_size": 8, "token_masking": 0.0, "pooling": "cls"},
        # What learns from nothing needs all there is.
        from_nothing={"on_long": "window"},
        siamese_target="bertkit.tasks.extractive:SalienceTask",
        rows_an_epoch=1000,
        more_positions=True,
    ),
    # A row is a document, its reference and 20 candidates.
    TaskSpec(
        "matching",
        "bertkit.tasks.matching:MatchingTask",
        "the candidate summary that is nearest to its document (MatchSum)",
        SUMMARIES,
        ("rouge1", "rouge2", "rougeLsum"),
        {"batch_size": 8, "token_masking": 0.0},
        rows_an_epoch=1000,
    ),
)


# What each task reads, as `data/` is told: of several tasks that read one shape the first is meant.
SHAPE_OF: Mapping[str, str] = {spec.name: spec.shape for spec in TASKS}

# Options of `train` that only some tasks read; for any other they would do nothing.
TASKS_WITH: Mapping[str, tuple[str, ...]] = {
    "positive": ("classify",),
    "class_weights": ("classify", "multilabel", "relation"),
    "label_smoothing": ("classify", "multilabel", "relation", "ner", "choice", "extractive"),
    "loss": ("regression",),
    "head_lr": ("classify", "multilabel", "relation", "regression", "ner", "choice", "qa", "mlm", "extractive"),
    "blend": ("classify", "multilabel", "relation", "regression"),
    "calibrate": ("classify", "multilabel", "relation", "choice"),
    "tune_threshold": ("classify",),
    "whole_words": ("mlm",),
    "sentence_pairs": ("mlm",),
    "mask_decoder": ("mlm",),
    "leave_out": ("classify", "multilabel", "regression", "choice", "mlm"),
    "pooling": ("classify", "multilabel", "regression", "choice", "extractive", "matching"),
}


def check_on_long(task: str, on_long: str) -> None:
    """Refuse a way of reading long rows that a task does not have.

    Raises:
        UsageError: a relation is to be read in windows.
    """
    if task == "relation" and on_long == "window":
        raise UsageError(
            "--on-long window: both entities of a relation are read at once; take truncate, which leaves out what is "
            "furthest from them, or error."
        )


def find_task(name: str) -> TaskSpec:
    """Look a task up.

    Raises:
        UnknownNameError: no row has the name.
    """
    for spec in TASKS:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in TASKS)
    raise UnknownNameError.among("task", name, (s.name for s in TASKS), f"This version trains {known}")
