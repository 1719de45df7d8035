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
# Ways from a row to one vector that classes of transformers have.
POOLINGS = ("cls", "pooler")
# What classes of transformers answer like: one vector a row, a linear layer.
OF_A_ROW = ("classify", "multilabel", "regression", "choice")
_TOKEN_HEADS = (
    "Bert", "Roberta", "XLMRoberta", "Camembert", "MPNet", "DistilBert", "Electra", "Albert", "Deberta", "DebertaV2",
    "Longformer",
)  # fmt: skip
# Classes whose head for masked words, or for choices, is ours.
_ONLY_BERT = ("Bert",)
# Attention that only bertkit computes.
_OURS_ALONE = "LocalBert"
_BY_ONNX = "; `--to onnx` takes it as it is"
_PIPELINES = {
    "classify": "text-classification",
    "multilabel": "text-classification",
    "regression": "text-classification",
    "ner": "token-classification",
    "mlm": "fill-mask",
}


def kind_of(encoder_class: str) -> str:
    """Return what the classes of an architecture begin with, as `KINDS` has it.

    >>> kind_of("DebertaV2Model")
    'DebertaV2'
    """
    return encoder_class.removesuffix("Model")


def pipeline_of(task: str) -> str | None:
    """Name the pipeline of transformers that asks a model of a task; None where there is none."""
    return _PIPELINES.get(task)


def why_not_expressed(settings: TaskSettings, encoder_class: str) -> str | None:
    """Say why no class of transformers answers a run's texts as the run does, or None where one does.

    A blend is not looked at: what is exported is the encoder with its head. Nor are rows that
    are longer than the run reads at once.

    Args:
        settings: the run's.
        encoder_class: transformers' class of the bare encoder, such as BertModel.

    Returns:
        A clause that says what would help.
    """
    return _why_not_read(settings) or _why_no_head(settings, kind_of(encoder_class))


def class_of(settings: TaskSettings, encoder_class: str) -> str:
    """Name the class of transformers that expresses a run which `why_not_expressed` allows."""
    heads = {
        "ner": "TokenClassification",
        "mlm": "MaskedLM",
        "choice": "MultipleChoice",
        "qa": "QuestionAnswering",
    }
    return f"{kind_of(encoder_class)}For{heads.get(settings.task, 'SequenceClassification')}"


def _why_not_read(settings: TaskSettings) -> str | None:
    """Say what only bertkit does between a text and the ids that the model reads."""
    if settings.overlap_segments:
        return (
            "only bertkit computes the ids of --overlap-segments from text; train with --no-overlap-segments, "
            "or with --portable"
        )
    if settings.leave_out != "none":
        return f"bertkit drops words before the model reads (--leave-out {settings.leave_out}); train without it"
    if len(settings.columns.text) > 1:
        return "bertkit joins several columns to one text; join them in the table, and train on that column"
    return None


def _why_no_head(settings: TaskSettings, kind: str) -> str | None:
    """Say why no class has the run's head; `kind` is the encoder's class without "Model"."""
    if kind == _OURS_ALONE:
        return (
            "transformers has no class for windows without global tokens, for dilated windows, and for entities, "
            "questions or columns with global tokens; train with --attention full, disentangled, or global with "
            "--global first"
        )
    if settings.task not in (*OF_A_ROW, "ner", "mlm", "qa"):
        return f"transformers has no class for the task {settings.task}; use bertkit"
    if settings.sentence_pairs != "none":
        return "transformers' class for masked words does not learn the order of lines; train without --sentence-pairs"
    if settings.task in OF_A_ROW and settings.pooling not in POOLINGS:
        usual = "pooler" if kind == "Bert" else "cls"
        return (
            f"transformers' classes do not pool by {settings.pooling}; train with --pooling {usual}, or with --portable"
            + ("" if settings.pooling == "siamese" else _BY_ONNX)
        )
    heads = {"ner": _TOKEN_HEADS, "qa": _TOKEN_HEADS, "mlm": _ONLY_BERT, "choice": _ONLY_BERT}.get(
        settings.task, tuple(KINDS)
    )
    if kind not in heads:
        return (
            f"transformers' class of {kind} has another head for {settings.task}; train a BERT (--model scratch, "
            f"minilm, bert){'' if kind == 'Longformer' else _BY_ONNX}"
        )
    return None


@dataclass(frozen=True)
class Standing:
    """What transformers makes of a run as it is.

    `class_name` is its class that gives the run's answers, None where it must not open the run;
    then `refusal` is a clause that says why, and what does open.
    """

    class_name: str | None
    refusal: str = ""


def standing(settings: TaskSettings, encoder_class: str, *, is_blended: bool, positions: int | None) -> Standing:
    """Say what transformers makes of a run as it is.

    Args:
        settings: the run's.
        encoder_class: transformers' class of the bare encoder, such as BertModel.
        is_blended: whether a baseline is ensembled into the run's answers.
        positions: how many tokens the encoder can read; None: any number.
    """
    reason = why_not_expressed(settings, encoder_class)
    if reason is not None:
        return Standing(
            None,
            "`bertkit predict RUN` answers with it, and `bertkit export RUN --to transformers` cannot write it: "
            + reason,
        )
    if not is_blended and _is_stored_so(settings, kind_of(encoder_class), positions):
        return Standing(class_of(settings, encoder_class))
    what = "its encoder, without the baseline's part in its answers," if is_blended else "it"
    return Standing(None, f"`bertkit export RUN --to transformers` writes {what} as a folder that transformers opens")


def _is_stored_so(settings: TaskSettings, kind: str, positions: int | None) -> bool:
    """Tell whether a run's own files give its answers, long texts included."""
    # As a run stores it, the head of a row is BERT's pooler and a linear layer, or no class has it.
    if settings.task in OF_A_ROW and not (kind == "Bert" and settings.pooling == "pooler"):
        return False
    # The pipeline of tokens cuts a long text where the tokenizer says; others would read on.
    ends = settings.task == "ner" or (positions is not None and positions <= settings.max_length)
    return ends and (settings.on_long != "window" or settings.task == "mlm")
