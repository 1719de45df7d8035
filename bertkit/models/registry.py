"""The table of models: a name, what it stands for, and where its builder is.

Imports nothing heavy: `bertkit models` and "did you mean" need no torch. A target is
"module:function" and is imported when the model is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.errors import ModelError, UnknownNameError


@dataclass(frozen=True)
class Recipe:
    """Training figures that suit a model where its user names none.

    `epochs` is an upper bound where `patience` ends a run earlier.
    """

    epochs: int = 4
    batch_size: int = 32
    lr: float = 5e-5
    weight_decay: float = 0.01
    dropout: float = 0.1
    label_smoothing: float = 0.0
    patience: int = 3
    pooling: str = "cls"
    overlap_segments: bool = False
    swap_pairs: bool = False
    token_masking: float = 0.0
    average: int = 1


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


@dataclass(frozen=True)
class BuildOptions:
    """What a builder must know to make an encoder.

    `size`, `layers`, `hidden` and `heads` shape a model that starts from nothing;
    `type_vocab_size` is the number of segment ids the task uses.
    """

    vocab_size: int
    pad_id: int
    type_vocab_size: int = 2
    max_length: int = 512
    dropout: float = 0.1
    with_pooler: bool = True
    from_nothing: bool = False
    size: str | None = None
    layers: int | None = None
    hidden: int | None = None
    heads: int | None = None


@dataclass(frozen=True)
class ModelSpec:
    """A row of the table.

    `max_length` is in tokens, special tokens included; `builder` is the target that
    loads the encoder, called as `builder(spec, options)`.
    """

    name: str
    hub_id: str | None
    max_length: int
    summary: str
    builder: str = "bertkit.models.pretrained:build"
    recipe: Recipe = FINE_TUNING
    aliases: tuple[str, ...] = ()

    @property
    def is_scratch(self) -> bool:
        """Whether the model starts from nothing, tokenizer included."""
        return self.family == "scratch"

    @property
    def family(self) -> str:
        """Which file of this room builds the model; a run stores it to be built again."""
        return self.builder.partition(":")[0].rpartition(".")[2]


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        "scratch",
        None,
        512,
        "BERT from nothing: own weights, own vocabulary",
        "bertkit.models.scratch:build",
        SCRATCH,
    ),
    ModelSpec("bert", "google-bert/bert-base-uncased", 512, "BERT base, English, lower case"),
    ModelSpec("bert-cased", "google-bert/bert-base-cased", 512, "BERT base, English, cased"),
    ModelSpec(
        "minilm",
        "sentence-transformers/all-MiniLM-L6-v2",
        512,
        "MiniLM, 6 layers of 384, English; quick on a CPU",
        recipe=replace(FINE_TUNING, lr=1e-4, pooling="mean"),
    ),
    ModelSpec("kobert", "monologg/kobert", 512, "KoBERT, Korean", aliases=("monologg/kobert",)),
    ModelSpec("kobert-skt", "skt/kobert-base-v1", 512, "KoBERT, Korean, its first publisher's copy"),
    ModelSpec("deberta", "microsoft/deberta-v3-small", 512, "DeBERTa v3 small, English"),
    ModelSpec("deberta-v3-base", "microsoft/deberta-v3-base", 512, "DeBERTa v3 base, English"),
    ModelSpec("deberta-v3-large", "microsoft/deberta-v3-large", 512, "DeBERTa v3 large, English"),
    ModelSpec("mdeberta", "microsoft/mdeberta-v3-base", 512, "DeBERTa v3 base, 100 languages"),
    ModelSpec("longformer", "allenai/longformer-base-4096", 4096, "Longformer, English, texts of 4,096 tokens"),
    ModelSpec("roberta", "FacebookAI/roberta-base", 512, "RoBERTa base, English"),
    ModelSpec("electra", "google/electra-base-discriminator", 512, "ELECTRA base, English"),
    ModelSpec("distilbert", "distilbert/distilbert-base-uncased", 512, "DistilBERT, English, 6 layers"),
    ModelSpec("modernbert", "answerdotai/ModernBERT-base", 8192, "ModernBERT base, English"),
    ModelSpec("klue-bert", "klue/bert-base", 512, "BERT base, Korean"),
    ModelSpec("klue-roberta", "klue/roberta-base", 512, "RoBERTa base, Korean"),
    ModelSpec("koelectra", "monologg/koelectra-base-v3-discriminator", 512, "ELECTRA base, Korean"),
)


def find_model(name: str) -> ModelSpec:
    """Look a MODEL up: a name of the table, a local folder, or hf:org/name.

    Raises:
        ModelError: the name looks like a path, and nothing is there.
        UnknownNameError: no row has the name.
    """
    for spec in MODELS:
        if name in (spec.name, *spec.aliases):
            return spec
    if name.startswith("hf:") and name != "hf:":
        hub_id = name.removeprefix("hf:")
        return next((s for s in MODELS if s.hub_id == hub_id), ModelSpec(name, hub_id, 512, "a hub encoder"))
    if name and Path(name).is_dir():
        return ModelSpec(name, None, 512, "a local encoder")
    if "/" in name or name.startswith("."):
        raise ModelError(f"--model {name}: no such folder; a model of the hub is written hf:org/name.")
    raise UnknownNameError.among("model", name, (s.name for s in MODELS), "`bertkit models` lists them")


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
