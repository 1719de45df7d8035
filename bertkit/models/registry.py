"""The table of models: a name, what it stands for, and where its builder is.

Imports nothing heavy: `bertkit models` and "did you mean" need no torch. A target is
"module:function" and is imported when the model is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bertkit.errors import ModelError, UnknownNameError
from bertkit.files import is_dir, is_file
from bertkit.kinds import MisfitError, read_object
from bertkit.names import is_spelling
from bertkit.run_folder import put_back


@dataclass(frozen=True)
class Recipe:
    """Training figures that suit a model where its user names none.

    `epochs` is an upper bound where `patience` ends a run earlier, and becomes more where rows
    are few; `head_lr` is the head's own peak rate, None for the encoder's. By task, the options
    in `by_task` go before the rest, and those in `by_pair_task` before these where a row is two
    texts.
    """

    epochs: int = 4
    batch_size: int = 32
    lr: float = 5e-5
    head_lr: float | None = None
    weight_decay: float = 0.01
    dropout: float = 0.1
    label_smoothing: float = 0.0
    patience: int = 3
    pooling: str = "cls"
    overlap_segments: bool = False
    swap_pairs: bool = False
    token_masking: float = 0.0
    average: int = 1
    freeze: int = 0
    freeze_after: float = 1.0
    trim_vocab: bool = False
    blend: bool = False
    by_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    by_pair_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def options(self, task: str, *, two_texts: bool) -> dict[str, Any]:
        """Return the options of `train` by name, for a task on rows of one text or of two."""
        values = asdict(self)
        by_task, by_pair_task = values.pop("by_task"), values.pop("by_pair_task")
        of_pairs = by_pair_task.get(task, {}) if two_texts else {}
        return {**values, **by_task.get(task, {}), **of_pairs}


# Chosen on held-out parts of MRPC's training rows; docs/scratch.md has the figures.
SCRATCH = Recipe(
    epochs=8,
    lr=5e-4,
    weight_decay=0.01,
    dropout=0.3,
    patience=8,
    pooling="pooler",
    overlap_segments=True,
    swap_pairs=True,
    token_masking=0.2,
    average=3,
)
FINE_TUNING = Recipe()
# Chosen on held-out parts of MRPC's training rows; docs/minilm.md has the figures.
MINILM = replace(
    FINE_TUNING,
    lr=1e-4,
    pooling="mean",
    swap_pairs=True,
    by_task={"choice": {"epochs": 2}, "classify": {"head_lr": 2e-3}},
    by_pair_task={
        "classify": {"pooling": "align", "epochs": 2, "lr": 2e-4, "blend": True},
        "choice": {"pooling": "match"},
        "regression": {"pooling": "siamese"},
    },
)
E5 = replace(FINE_TUNING, lr=1e-4, freeze=1, trim_vocab=True, by_pair_task={"regression": {"pooling": "siamese"}})
BASE = replace(FINE_TUNING, epochs=3, lr=3e-5)
# The classes of transformers for these put the pooler under a classifier, and it came trained.
BERT = replace(BASE, pooling="pooler")
KOBERT = replace(BERT, lr=5e-5)
ROBERTA = replace(BASE, lr=2e-5)
# He et al. 2021 and the authors' scripts; a DeBERTa diverges where a BERT of its size still learns.
DEBERTA = replace(BASE, lr=2e-5, epochs=4)
DEBERTA_SMALL = replace(DEBERTA, lr=4e-5)
DEBERTA_LARGE = replace(DEBERTA, lr=7e-6)
# Beltagy et al. 2020; rows are long, so fewer of them make a step.
LONGFORMER = replace(BASE, batch_size=8)
LONGFORMER_LARGE = replace(LONGFORMER, lr=1e-5)
# Pretrained without dropout (Warner et al. 2024).
MODERNBERT = replace(BASE, lr=5e-5, dropout=0.0)
# For encoders that are no row of the table: by the model_type of their config.json.
RECIPES: Mapping[str, Recipe] = {
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "deberta": DEBERTA,
    "deberta-v2": DEBERTA,
    "longformer": LONGFORMER,
    "modernbert": MODERNBERT,
}
# Architectures with embeddings of segments, as many as wanted.
WITH_SEGMENTS = ("bert", "electra")
# Architectures whose first position comes after the padding id: fewer positions than rows in the table.
NUMBERED_FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet")
USUAL_LENGTH = 512
# Architectures whose table of positions can be made longer.
EXTENDABLE = ("bert",)


@dataclass(frozen=True)
class BuildOptions:
    """What a builder must know to make an encoder.

    `size`, `layers`, `hidden` and `heads` shape a model that starts from nothing;
    `type_vocab_size` is the number of segment ids the task uses; `more_positions` says that
    `max_length` was asked for although the table of positions ends before.
    """

    vocab_size: int
    pad_id: int
    type_vocab_size: int = 2
    max_length: int = 512
    dropout: float = 0.1
    with_pooler: bool = True
    from_nothing: bool = False
    more_positions: bool = False
    size: str | None = None
    layers: int | None = None
    hidden: int | None = None
    heads: int | None = None


@dataclass(frozen=True)
class ModelSpec:
    """A row of the table.

    `max_length` is in tokens, special tokens included; `builder` is the target that
    loads the encoder, called as `builder(spec, options)`; `architecture` is what
    transformers calls it (`model_type`), empty where only the hub knows.
    """

    name: str
    hub_id: str | None
    max_length: int
    summary: str
    builder: str = "bertkit.models.pretrained:build"
    recipe: Recipe = FINE_TUNING
    aliases: tuple[str, ...] = ()
    architecture: str = "bert"

    @property
    def is_scratch(self) -> bool:
        """Whether the model starts from nothing, tokenizer included."""
        return self.family == "scratch"

    @property
    def family(self) -> str:
        """Which file of this room builds the model; a run stores it to be built again."""
        return self.builder.partition(":")[0].rpartition(".")[2]


def _row(
    name: str,
    hub_id: str,
    summary: str,
    recipe: Recipe = BERT,
    *,
    architecture: str = "bert",
    max_length: int = USUAL_LENGTH,
    aliases: tuple[str, ...] = (),
) -> ModelSpec:
    """Make the row of a hub's encoder."""
    return ModelSpec(name, hub_id, max_length, summary, recipe=recipe, aliases=aliases, architecture=architecture)


def _deberta(name: str, size: str, recipe: Recipe, summary: str, aliases: tuple[str, ...] = ()) -> ModelSpec:
    return _row(name, f"microsoft/{size}", summary, recipe, architecture="deberta-v2", aliases=aliases)


def _longformer(name: str, size: str, recipe: Recipe, summary: str) -> ModelSpec:
    return _row(name, f"allenai/{size}", summary, recipe, architecture="longformer", max_length=4096)


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        "scratch",
        None,
        512,
        "BERT from nothing: own weights, own vocabulary",
        "bertkit.models.scratch:build",
        SCRATCH,
    ),
    _row("bert", "google-bert/bert-base-uncased", "BERT base, English, lower case"),
    _row("bert-cased", "google-bert/bert-base-cased", "BERT base, English, cased"),
    _row(
        "minilm",
        "sentence-transformers/all-MiniLM-L6-v2",
        "MiniLM, 6 layers of 384, English; quick on a CPU",
        MINILM,
    ),
    _row(
        "multilingual-e5-small",
        "intfloat/multilingual-e5-small",
        "multilingual E5 small, 12 layers of 384, 100 languages; also without a hub",
        E5,
    ),
    _row("kobert", "monologg/kobert", "KoBERT, Korean", KOBERT),
    _row("kobert-skt", "skt/kobert-base-v1", "KoBERT, Korean, its first publisher's copy", KOBERT),
    _row(
        "distilkobert",
        "monologg/distilkobert",
        "DistilKoBERT, Korean, 3 layers; quick",
        replace(FINE_TUNING, lr=5e-5),
        architecture="distilbert",
    ),
    _deberta("deberta", "deberta-v3-small", DEBERTA_SMALL, "DeBERTa v3 small, English", ("deberta-v3-small",)),
    _deberta("deberta-v3-xsmall", "deberta-v3-xsmall", DEBERTA_SMALL, "DeBERTa v3 extra small, English"),
    _deberta("deberta-v3-base", "deberta-v3-base", DEBERTA, "DeBERTa v3 base, English"),
    _deberta("deberta-v3-large", "deberta-v3-large", DEBERTA_LARGE, "DeBERTa v3 large, English"),
    _deberta("mdeberta", "mdeberta-v3-base", DEBERTA, "DeBERTa v3 base, 100 languages", ("mdeberta-v3-base",)),
    _row("deberta-base", "microsoft/deberta-base", "DeBERTa v1 base, English", DEBERTA, architecture="deberta"),
    _longformer("longformer", "longformer-base-4096", LONGFORMER, "Longformer, English, texts of 4,096 tokens"),
    _longformer("longformer-large", "longformer-large-4096", LONGFORMER_LARGE, "Longformer large, English"),
    _row("roberta", "FacebookAI/roberta-base", "RoBERTa base, English", ROBERTA, architecture="roberta"),
    _row(
        "electra",
        "google/electra-base-discriminator",
        "ELECTRA base, English",
        replace(BASE, lr=5e-5),
        architecture="electra",
    ),
    _row(
        "distilbert",
        "distilbert/distilbert-base-uncased",
        "DistilBERT, English, 6 layers",
        replace(BASE, lr=5e-5),
        architecture="distilbert",
    ),
    _row(
        "modernbert",
        "answerdotai/ModernBERT-base",
        "ModernBERT base, English, texts of 8,192 tokens",
        MODERNBERT,
        architecture="modernbert",
        max_length=8192,
    ),
    _row("klue-bert", "klue/bert-base", "BERT base, Korean"),
    _row("klue-roberta", "klue/roberta-base", "RoBERTa base, Korean", ROBERTA, architecture="roberta"),
    _row(
        "koelectra",
        "monologg/koelectra-base-v3-discriminator",
        "ELECTRA base, Korean",
        replace(BASE, lr=5e-5),
        architecture="electra",
    ),
)


def find_model(name: str) -> ModelSpec:
    """Look a MODEL up: a name of the table, a local folder, hf:org/name, or a row's hub id.

    A folder wins over the hub id of a row, but not over a row's name.

    Raises:
        ModelError: the name looks like a path, and nothing is there.
        UnknownNameError: no row has the name.
    """
    for spec in MODELS:
        if name in (spec.name, *spec.aliases):
            return spec
    if name.startswith("hf:") and name != "hf:":
        hub_id = name.removeprefix("hf:")
        unlisted = ModelSpec(name, hub_id, USUAL_LENGTH, "a hub encoder", architecture="")
        return _of_hub(hub_id) or unlisted
    if name:
        put_back(Path(name))
        if is_dir(Path(name)):
            return _local(name)
    if listed := _of_hub(name) or _of_other_spelling(name):
        return listed
    if "/" in name or name.startswith("."):
        raise ModelError(f"--model {name}: no such folder; a model of the hub is written hf:org/name.")
    raise UnknownNameError.among("model", name, (s.name for s in MODELS), "`bertkit models` lists them")


def _of_other_spelling(name: str) -> ModelSpec | None:
    return next(
        (spec for spec in MODELS if any(is_spelling(name, known) for known in (spec.name, *spec.aliases))), None
    )


def _of_hub(hub_id: str) -> ModelSpec | None:
    return next((spec for spec in MODELS if hub_id and spec.hub_id == hub_id), None)


def _local(name: str) -> ModelSpec:
    """Describe a folder by its config.json; whether it can be opened is for the builder to say."""
    path = Path(name) / "config.json"
    try:
        values = read_object(path) if is_file(path) else {}
    except MisfitError:
        values = {}
    architecture = str(values.get("model_type", ""))
    recipe = RECIPES.get(architecture, FINE_TUNING)
    return ModelSpec(name, None, _positions(values), "a local encoder", recipe=recipe, architecture=architecture)


def _positions(values: Mapping[str, Any]) -> int:
    """Return how many tokens an encoder reads by its config.json."""
    rows, padding = values.get("max_position_embeddings"), values.get("pad_token_id", 1)
    if type(rows) is not int or type(padding) is not int:
        return USUAL_LENGTH
    count = rows - padding - 1 if values.get("model_type") in NUMBERED_FROM_PADDING else rows
    return count if count > 0 else USUAL_LENGTH


def find_rebuilder(family: str) -> Callable[..., Any]:
    """Return the function that makes a run's encoder again from its config.json.

    Raises:
        ModelError: no model of the table is of that family.
    """
    if family not in {spec.family for spec in MODELS}:
        raise ModelError(f"a model of family {family!r}: this bertkit knows none; upgrade it.")
    return load_target(f"bertkit.models.{family}:rebuild")


def load_target(target: str) -> Callable[..., Any]:
    """Import the function a row names as "module:function"."""
    module, _, function = target.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded
