"""Which runs transformers can open with its own classes, and their heads under its names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bertkit.kinds import MisfitError
from bertkit.models.weights import Shape
from bertkit.tasks.base import TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import TaskModel

# --- Which runs transformers can open with its own classes, and give the same answers for the same texts
#
# A head of bertkit's is one vector a row and a linear layer. Classes of transformers put a layer
# with an activation between the two; `Kind` says which, and where its weights are called what.


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
            f"transformers' classes have no pooling {settings.pooling}; train with --pooling {usual}, or with "
            f"--portable" + ("" if settings.pooling == "siamese" else _BY_ONNX)
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


# --- A run's head under the names of transformers' classes, and back ------------------------------
#
# A head of bertkit's is one vector a row and a linear layer. Most classes of transformers put a
# layer with an activation between the two. Where the run's vector is the first token's, that
# layer can be made to change nothing: tanh is a straight line near zero, ReLU and GELU are one
# far from it. What is scaled or shifted on the way in is undone by the linear layer behind.

T = TypeVar("T")

# What the linear layer is called here.
_CLASSIFIER = "classifier"
# tanh(x / 2**14) differs from x / 2**14 by less than a millionth of it for |x| up to 28, which
# layers normalised at their end do not reach; powers of two cost no digit.
_STRAIGHT = 2.0**-14
# ReLU and GELU leave x + 32 as it is for x from -26 on.
_FAR = 32.0
# What the layer in the middle multiplies by, and what it adds.
_MIDDLE: Mapping[str, tuple[float, float]] = {
    "tanh": (_STRAIGHT, 0.0),
    "gelu": (1.0, _FAR),
    "relu": (1.0, _FAR),
    "linear": (1.0, 0.0),
}


@dataclass(frozen=True)
class PublishedHead:
    """The head of one model that pools by its first token, in transformers' form.

    Args:
        kind: transformers' class of the bare encoder without "Model"; one of `KINDS`.
        pooler: what the encoder's own layer over the first token is called, where the model
            pools by that and a class has it in its middle; None: the middle changes nothing.
    """

    kind: str
    pooler: str | None

    @classmethod
    def of(cls, model: TaskModel, kind: str) -> PublishedHead:
        """Say which form a model's head has.

        Raises:
            MisfitError: no class has such a head.
        """
        if kind not in KINDS:
            raise MisfitError(f"describes a {kind}, whose head `bertkit export` does not write")
        own: Any = model
        can_hold = KINDS[kind].activation in ("tanh", "linear")  # what is linear takes its activation from config.json
        has_pooler = own.pooling == "pooler" and can_hold and own.encoder.pooler is not None
        return cls(kind, f"{model.encoder.prefix}.pooler.dense" if has_pooler else None)

    @property
    def _how(self) -> Kind:
        return KINDS[self.kind]

    def weights(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights of a model under the names of transformers' class.

        Args:
            own: what `exported_weights` gave.
        """
        import torch

        if self.pooler is not None:
            return self._renamed(own)
        rest = dict(own)
        weight, bias = rest.pop(f"{_CLASSIFIER}.weight").double(), rest.pop(f"{_CLASSIFIER}.bias").double()  # (C, H)
        width, (scale, shift) = weight.shape[1], _MIDDLE[self._how.activation]
        head = {
            f"{self._how.dense}.weight": torch.eye(width) * scale,
            f"{self._how.dense}.bias": torch.full((width,), shift),
            f"{self._how.linear}.weight": (weight / scale).float(),
            f"{self._how.linear}.bias": (bias - shift * (weight / scale).sum(dim=1)).float(),
        }
        return {**rest, **head}

    def config(self, width: int) -> dict[str, Any]:
        """Return what config.json must say of the layer in the middle; `width` is the encoder's."""
        if self._how.activation != "linear":
            return {}
        activation = "linear" if self.pooler is None else "tanh"
        return {"pooler_hidden_act": activation, "pooler_hidden_size": width, "pooler_dropout": 0.0}

    def shapes(self, own: Mapping[str, Shape]) -> dict[str, Shape]:
        """Return the shapes of `weights` out of those of the model's own."""
        if self.pooler is not None:
            return self._renamed(own)
        rest = dict(own)
        outputs, width = rest.pop(f"{_CLASSIFIER}.weight")
        del rest[f"{_CLASSIFIER}.bias"]
        dense = {f"{self._how.dense}.weight": (width, width), f"{self._how.dense}.bias": (width,)}
        return {**rest, **dense, f"{self._how.linear}.weight": (outputs, width), f"{self._how.linear}.bias": (outputs,)}

    def own(self, published: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
        """Undo `weights`.

        Args:
            published: the weights.
            names: what the model's own are called; some encoders keep a layer in the middle that they do not use.

        Raises:
            MisfitError: the layer in the middle is another than the one that changes nothing.
        """
        import torch

        if self.pooler is not None:
            back = {others: ours for ours, others in self._names().items()}
            return {back.get(name, name): weight for name, weight in published.items()}
        rest, (scale, shift) = dict(published), _MIDDLE[self._how.activation]
        before, added = rest[f"{self._how.dense}.weight"], rest[f"{self._how.dense}.bias"]
        weight, bias = rest.pop(f"{self._how.linear}.weight").double(), rest.pop(f"{self._how.linear}.bias").double()
        if not (torch.equal(before, torch.eye(len(before)) * scale) and bool((added == shift).all())):
            raise MisfitError(f"holds a {self._how.dense} that `bertkit export` did not write")
        rest[f"{_CLASSIFIER}.weight"] = (weight * scale).float()
        rest[f"{_CLASSIFIER}.bias"] = (bias + shift * weight.sum(dim=1)).float()
        return {name: weight for name, weight in rest.items() if name in names}

    def _renamed(self, own: Mapping[str, T]) -> dict[str, T]:
        names = self._names()
        return {names.get(name, name): value for name, value in own.items()}

    def _names(self) -> dict[str, str]:
        pairs = ((self.pooler, self._how.dense), (_CLASSIFIER, self._how.linear))
        return {f"{ours}.{part}": f"{others}.{part}" for ours, others in pairs for part in ("weight", "bias")}
