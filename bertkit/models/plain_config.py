"""Whether a config.json describes exactly the encoder of `bert.py`; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
