"""A tiny encoder of every type that transformers has a classifier for, with a tokenizer that fits it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors
from torch import nn
from transformers.models.auto import modeling_auto

LENGTH = 64
WORDS = tuple("abcdefghijklmnopqrstuvwxyz")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# By the names that transformers' configs use for them; a config has some of these.
SIZES: dict[str, Any] = {
    "vocab_size": len(SPECIAL) + len(WORDS) + 5,
    **dict.fromkeys(("hidden_size", "d_model", "dim", "emb_dim", "n_embd", "embedding_size", "embedding_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_heads", "n_head", "num_heads", "num_key_value_heads"), 4),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "d_ff", "d_inner", "ffn_dim"), 64),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), LENGTH),
    "head_dim": 8,
    "d_head": 8,
    "true_hidden_size": 32,
    "intra_bottleneck_size": 32,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
    "mask_token_id": 4,
}
# What some types need besides, to be small or to be made at all.
OWN: dict[str, dict[str, Any]] = {
    "funnel": {"architectures": ["FunnelModel"], "block_sizes": [1, 1],
               "block_repeats": [1, 1], "num_decoder_layers": 1},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 32},
    "layoutlm": {"max_2d_position_embeddings": 32},
    "layoutlmv3": {"max_2d_position_embeddings": 32, "coordinate_size": 4, "shape_size": 8, "visual_embed": False},
    "markuplm": {"max_xpath_tag_unit_embeddings": 8, "max_xpath_subs_unit_embeddings": 8, "tag_pad_id": 7,
                 "subs_pad_id": 7, "xpath_unit_hidden_size": 8, "max_depth": 2},
    "nystromformer": {"num_landmarks": 16, "segment_means_seq_len": 16},
    "longformer": {"attention_window": 16},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "reformer": {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [16, 16], "attn_layers": ["local", "lsh"],
                 "num_buckets": 4, "feed_forward_size": 64, "attention_head_size": 8},
    "tapas": {"type_vocab_sizes": [3, 8, 8, 2, 8, 8, 4]},
    "esm": {"mask_token_id": 4, "position_embedding_type": "absolute"},
    "roc_bert": {"pronunciation_vocab_size": 12, "shape_vocab_size": 12, "pronunciation_embed_dim": 8,
                 "shape_embed_dim": 8},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "squeezebert": {"embedding_size": 32, "q_groups": 2, "k_groups": 2, "v_groups": 2, "post_attention_groups": 1,
                    "intermediate_groups": 2, "output_groups": 2},
    "mobilebert": {"embedding_size": 32, "num_feedforward_networks": 1},
    "xlm": {"n_langs": 1},
    "flaubert": {"n_langs": 1},
    "rembert": {"input_embedding_size": 32, "output_embedding_size": 32},
    "convbert": {"head_ratio": 2, "conv_kernel_size": 3},
    "perceiver": {"num_latents": 8, "d_latents": 32, "num_blocks": 1, "num_self_attends_per_block": 1},
    "canine": {"num_hash_buckets": 64, "local_transformer_stride": 8},
    "lilt": {"hidden_size": 48},
    "xlnet": {"d_head": 8},
}  # fmt: skip
# They read pictures besides, and take no text alone.
NOT_OF_TEXT = ("modernvbert", "ultravbert", "layoutlmv2", "neomme", "perceiver", "canine")


def with_classifier() -> list[str]:
    """Return the types that have a class for sequences in transformers."""
    return sorted(modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)


def is_encoder_decoder(kind: str) -> bool:
    """Tell whether a type reads and writes."""
    return bool(type(transformers.AutoConfig.for_model(kind))().is_encoder_decoder)


def only_writes(kind: str) -> bool:
    """Tell whether a type has a head that writes and none that fills gaps."""
    return (
        kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and kind not in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )


def encoders() -> list[str]:
    """Return the types that read plain text and are not decoders."""
    return [
        kind
        for kind in with_classifier()
        if kind not in NOT_OF_TEXT
        and (kind == "xlnet" or not only_writes(kind))
        and kind != "mistral4"
        and not kind.startswith(("t5", "mt5", "umt5", "bart", "mbart", "mvp"))
    ]


def tiny_config(kind: str, **changes: Any) -> Any:
    """Return the smallest config of a type that still does what the type does."""
    config_class = type(transformers.AutoConfig.for_model(kind))
    known = config_class().to_dict()
    names = {**SIZES, **OWN.get(kind, {}), **changes}
    mapped = getattr(config_class, "attribute_map", {})
    taken = {key: value for key, value in names.items() if key in known or key in mapped or key in OWN.get(kind, {})}
    return config_class(**taken)


def save_tiny(kind: str, folder: Path, *, std: float = 0.2, **changes: Any) -> Path:
    """Write a model of a type with random weights, and a tokenizer of single letters."""
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(tiny_config(kind, **changes)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # zero biases and unit norms would hide what is mixed up
            if parameter.dtype.is_floating_point:
                nn.init.normal_(parameter, mean=1.0 if "norm" in name.lower() and parameter.ndim == 1 else 0.0, std=std)
    model.save_pretrained(folder)
    save_letters(folder)
    return folder


def save_letters(folder: Path) -> None:
    """Write a tokenizer whose words are single letters."""
    names = {token: i for i, token in enumerate((*SPECIAL, *WORDS))}
    backend = Backend(models.WordLevel(names, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(list(SPECIAL))
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    backend.save(str(folder / "tokenizer.json"))
    named = zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LENGTH, **dict(named)})
    )
