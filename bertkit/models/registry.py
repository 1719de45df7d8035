"""The table of models: a name, what it stands for, and where its builder is.

Imports nothing heavy: `bertkit models` and "did you mean" need no torch. A target is
"module:function" and is imported when the model is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.errors import ModelError, UnknownNameError, is_spelling
from bertkit.files import is_dir, is_file
from bertkit.kinds import MisfitError, read_object
from bertkit.models.table import FINE_TUNING, MODELS, RECIPES, USUAL_LENGTH, ModelSpec
from bertkit.run_folder import MODEL_TYPE, put_back, restored

# --- Whether a config.json describes exactly the encoder of `bert.py`; needs no torch -------------

# The class of transformers of each architecture that is BERT but for where positions begin.
CLASSES = {
    "bert": "BertModel",
    "roberta": "RobertaModel",
    "xlm-roberta": "XLMRobertaModel",
    "camembert": "CamembertModel",
}
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_SHARES = ("hidden_dropout_prob", "attention_probs_dropout_prob")
# What other architectures that call themselves BERT have; here it is the usual, or not there.
_USUAL: Mapping[str, tuple[Any, ...]] = {
    "hidden_act": ("gelu",),
    "position_embedding_type": (None, "absolute"),
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "bertkit_leaks_padding": (None, False),
}


def of_plain_bert(values: Mapping[str, Any]) -> bool:
    """Tell whether our own BERT computes what a config.json describes, with the same names of weights.

    Args:
        values: of a run, `encoder_class` included.
    """
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in CLASSES or values.get("encoder_class", CLASSES[kind]) != CLASSES[kind]:
        return False
    if any(type(values.get(name)) is not int or values[name] < 1 for name in _SIZES):
        return False
    if any(
        not isinstance(values.get(name, 0.0), int | float) or not 0 <= values.get(name, 0.0) <= 1 for name in _SHARES
    ):
        return False
    padding, eps = values.get("pad_token_id"), values.get("layer_norm_eps")
    if type(padding) is not int or not 0 <= padding < values["vocab_size"]:
        return False
    if not isinstance(eps, float) or not 0 < eps < 1 or values["hidden_size"] % values["num_attention_heads"]:
        return False
    if kind != "bert" and values["max_position_embeddings"] <= padding + 1:
        return False
    return all(values.get(name) in usual for name, usual in _USUAL.items())


def positions_before_first(values: Mapping[str, Any]) -> int | None:
    """Return the position before the first token's; None where the first token stands at the table's first."""
    return None if values["model_type"] == "bert" else int(values["pad_token_id"])


# Architectures with embeddings of segments, as many as wanted.
WITH_SEGMENTS = ("bert", "electra")
# Architectures whose first position comes after the padding id: fewer positions than rows in the table.
NUMBERED_FROM_PADDING = (
    "roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "data2vec-text", "ibert", "layoutlmv3", "lilt",
    "luke", "markuplm", "roberta-prelayernorm", "xlm-roberta-xl", "xmod", "esm",
)  # fmt: skip
# Architectures whose figure is the usual one where config.json gives none.
OF_USUAL_LENGTH = ("bert", "distilbert", "electra")
# What a config.json calls the longest row it was made for.
LENGTH_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len")
# Architectures whose table of positions can be made longer.
EXTENDABLE = ("bert",)
# Encoders that start from scratch and cost as much per token for a book as for a page, or have
# no table of positions: the longest row they can be made for.
LONGEST_ROW = {"window": 16_384, "dilated": 16_384, "global": 16_384, "disentangled": 4_096}
# Key of a run's config.json: what its tokens look at, where that is not everything.
OWN_ATTENTION = "bertkit_attention"
# Kinds that transformers has not, or opens with other global tokens: such a run is opened here.
LOCAL_ATTENTIONS = ("window", "dilated", "global")
OWN_BUILDER = "bertkit.models.own_weights:build"


@dataclass(frozen=True)
class BuildOptions:
    """What a builder must know to make an encoder.

    `size`, `layers`, `hidden` and `heads` shape a model that starts from scratch;
    `type_vocab_size` is the number of segment ids the task uses; `more_positions` says that
    `max_length` was asked for although the table of positions ends before. What follows is of
    `--attention`; None stands for its usual figure, `sep_id` is the separator token's.
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
    attention: str = "full"
    window: int | None = None
    dilation: int | None = None
    global_tokens: str | None = None
    distances: int | None = None
    buckets: int | None = None
    sep_id: int = 0


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
        return _of_hub(hub_id) or _unlisted(name, hub_id)
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
    return _by_config(name, None, "a local encoder", Path(name) / "config.json")


def _unlisted(name: str, hub_id: str) -> ModelSpec:
    """Describe a repository of the hub by its config.json; where there is none to be had, the builder says why."""
    fetched: Callable[[str], Path | None] = load_target("bertkit.models.sizes:config_of_hub")
    return _by_config(name, hub_id, "a hub encoder", fetched(hub_id))


def _by_config(name: str, hub_id: str | None, summary: str, path: Path | None) -> ModelSpec:
    try:
        values = restored(read_object(path)) if path is not None and is_file(path) else {}
    except MisfitError:
        values = {}
    architecture = str(values.get("model_type", ""))
    recipe = RECIPES.get(architecture, FINE_TUNING)
    builder = OWN_BUILDER if hub_id is None and values.get(OWN_ATTENTION) in LOCAL_ATTENTIONS else ModelSpec.builder
    return ModelSpec(name, hub_id, _positions(values), summary, builder, recipe, architecture=architecture)


def _positions(values: Mapping[str, Any]) -> int:
    """Return how many tokens an encoder reads by its config.json."""
    rows = next((values[key] for key in LENGTH_KEYS if key in values), None)
    # A file may leave out what is its type's own figure; to ask for that imports torch.
    if rows is None and values.get(MODEL_TYPE) not in (None, "", *OF_USUAL_LENGTH):
        usual: Callable[[str], int | None] = load_target("bertkit.models.finding:usual_length")
        rows = usual(str(values[MODEL_TYPE]))
    padding = values.get("pad_token_id", 1)
    if type(rows) is not int or type(padding) is not int:
        return USUAL_LENGTH
    kind = values.get("model_type")
    if kind == "mpnet":
        padding = 1  # whatever the config says
    count = rows - padding - 1 if kind in NUMBERED_FROM_PADDING else rows
    return count if count > 0 else USUAL_LENGTH


def find_rebuilder(family: str, values: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the function that makes a run's encoder again from its config.json.

    Args:
        family: which kind of model the run says it has.
        values: its config.json; what is exactly BERT is computed without transformers.

    Raises:
        ModelError: no model of the table is of that family.
    """
    if family not in {*(spec.family for spec in MODELS), "own_weights"}:
        raise ModelError(f"a model of family {family!r}: this bertkit knows none; upgrade it.")
    module = "plain_bert" if family == "pretrained" and of_plain_bert(values) else family
    return load_target(f"bertkit.models.{module}:rebuild")


def load_target(target: str) -> Callable[..., Any]:
    """Import the function a row names as "module:function"."""
    module, _, function = target.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded
