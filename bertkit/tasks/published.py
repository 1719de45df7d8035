"""Which runs transformers can open with its own classes, and give the same answers for the same texts.

A head of bertkit's is one vector a row and a linear layer. Classes of transformers put a layer
with an activation between the two; `Kind` says which, and where its weights are called what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bertkit.tasks.base import TaskSettings


@dataclass(frozen=True)
class Kind:
    """How a class of transformers goes from the first token to the linear layer.

    `dense` and `linear` are the names of the two layers; `activation` stands between them.
    """

    dense: str
    linear: str
    activation: str


KINDS: Mapping[str, Kind] = {
    "Bert": Kind("bert.pooler.dense", "classifier", "tanh"),
    "Roberta": Kind("classifier.dense", "classifier.out_proj", "tanh"),
    "XLMRoberta": Kind("classifier.dense", "classifier.out_proj", "tanh"),
    "Camembert": Kind("classifier.dense", "classifier.out_proj", "tanh"),
    "Longformer": Kind("classifier.dense", "classifier.out_proj", "tanh"),
    "MPNet": Kind("classifier.dense", "classifier.out_proj", "tanh"),
    "Electra": Kind("classifier.dense", "classifier.out_proj", "gelu"),
    "DistilBert": Kind("pre_classifier", "classifier", "relu"),
    "Albert": Kind("albert.pooler", "classifier", "tanh"),
    "Deberta": Kind("pooler.dense", "classifier", "linear"),
    "DebertaV2": Kind("pooler.dense", "classifier", "linear"),
}
_TOKEN_HEADS = (
    "Bert", "Roberta", "XLMRoberta", "Camembert", "MPNet", "DistilBert", "Electra", "Deberta", "DebertaV2",
    "Longformer",
)  # fmt: skip


def why_not_expressed(settings: TaskSettings, encoder_class: str) -> str | None:
    """Say why no class of transformers answers a run's texts as the run does, or None where one does.

    A blend is not looked at: what is exported is the encoder with its head.

    Args:
        settings: the run's.
        encoder_class: transformers' class of the bare encoder, such as BertModel.
    """
    return _why_not_read(settings) or _why_no_head(settings, encoder_class.removesuffix("Model"))


def _why_not_read(settings: TaskSettings) -> str | None:
    """Say what only bertkit does between a text and the ids that the model reads."""
    if settings.overlap_segments:
        return "only bertkit computes the segments of its pairs from text; train with --no-overlap-segments"
    if settings.leave_out != "none":
        return f"words are left out (--leave-out {settings.leave_out}) before the model reads; train without it"
    if len(settings.columns.text) > 1:
        return "several columns are joined to one text; join them in the table and train on that column"
    return None


def refusal(settings: TaskSettings, encoder_class: str, *, is_blended: bool) -> str:
    """Say, in the place of a run's `model_type`, why transformers does not open the run, and what does.

    Args:
        settings: the run's.
        encoder_class: transformers' class of the bare encoder, such as BertModel.
        is_blended: whether a baseline has a say in the run's answers.
    """
    reason = why_not_expressed(settings, encoder_class)
    if reason is not None:
        return f"a run of bertkit; `bertkit predict RUN` answers with it, `bertkit export RUN` cannot: {reason}"
    what = "its encoder, without the baseline's say," if is_blended else "it"
    return f"a run of bertkit; `bertkit export RUN --to transformers` writes {what} as a folder that opens here"


def _why_no_head(settings: TaskSettings, kind: str) -> str | None:
    """Say why no class has the run's head; `kind` is the encoder's class without "Model"."""
    heads = {"ner": _TOKEN_HEADS, "mlm": ("Bert",), "choice": ("Bert",)}.get(settings.task, tuple(KINDS))
    if settings.task not in ("classify", "regression", "choice", "ner", "mlm"):
        return f"transformers has no class for the task {settings.task}; predict with bertkit"
    if settings.sentence_pairs != "none":
        return "its class for hidden words does not also learn whether lines follow each other; take --to onnx"
    if settings.task not in ("ner", "mlm") and settings.pooling not in ("cls", "pooler"):
        usual = "pooler" if kind == "Bert" else "cls"
        return f"its classes do not pool by {settings.pooling}; train with --pooling {usual}, or with --portable"
    return None if kind in heads else f"its class of {kind} has another head; take --to onnx"


def opens_as(settings: TaskSettings, encoder_class: str, *, is_blended: bool) -> str | None:
    """Name the class of transformers that gives a run's answers out of the run itself, or None.

    Args:
        settings: the run's.
        encoder_class: transformers' class of the bare encoder, such as BertModel.
        is_blended: whether a baseline has a say in the run's answers.
    """
    if is_blended or why_not_expressed(settings, encoder_class) is not None:
        return None
    kind = encoder_class.removesuffix("Model")
    if settings.task == "ner":
        return f"{kind}ForTokenClassification"
    if settings.task == "mlm":
        return "BertForMaskedLM"
    # As a run stores it, the head is BERT's pooler and a linear layer, or no class has it.
    if kind != "Bert" or settings.pooling != "pooler":
        return None
    return "BertForMultipleChoice" if settings.task == "choice" else "BertForSequenceClassification"
