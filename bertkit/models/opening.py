"""Folders and hub repositories that should hold an encoder, and the sentence where they do not."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bertkit.errors import ModelError
from bertkit.files import is_file, refusal
from bertkit.model_type import MODEL_TYPE, OWN_MODEL_TYPE, restored
from bertkit.plain import brief

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
# What transformers, torch and pickle raise for a file that is not what it should be.
BROKEN = (
    ValueError, OSError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    ImportError, EOFError, pickle.UnpicklingError,
)  # fmt: skip


def read_config(source: str, values: Mapping[str, Any]) -> Any:
    """Open config.json, also that of a run which refuses to be opened by transformers; remote code is never run.

    Args:
        source: folder or hub id.
        values: what its config.json holds.

    Raises:
        ModelError: it describes no encoder of text.
    """
    from transformers import CONFIG_MAPPING, AutoConfig

    if OWN_MODEL_TYPE in values:
        values = restored(values)
        config = type(AutoConfig.for_model(values[MODEL_TYPE])).from_dict(values)
    else:
        kind, is_code = values.get(MODEL_TYPE), bool(values.get("auto_map"))
        if isinstance(kind, str) and kind not in CONFIG_MAPPING:
            raise _unknown(source, kind, is_code=is_code)
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if is_code and _is_decoder(config):  # transformers has a class of that name, and it is not what the code is
            raise _unknown(source, config.model_type, is_code=True)
    if config.is_encoder_decoder or not hasattr(config, "hidden_size") or not hasattr(config, "vocab_size"):
        raise ModelError(f"--model {source}: is a {config.model_type}, and bertkit needs an encoder of text.")
    if _is_decoder(config):
        raise ModelError(
            f"--model {source}: is a {config.model_type}, a decoder that reads from left to right; bertkit needs an "
            "encoder, which sees the whole text."
        )
    return config


def usual_length(kind: str) -> int | None:
    """Return how many positions an encoder of a type has where its config.json does not say; None: there is no limit.

    Args:
        kind: the type, as transformers calls it.
    """
    from transformers import CONFIG_MAPPING

    try:
        found = getattr(CONFIG_MAPPING[kind](), "max_position_embeddings", None)
    except (*BROKEN, NotImplementedError):  # no such type, or one whose config wants more than it names
        return None
    return found if type(found) is int else None


def _unknown(source: str, kind: str, *, is_code: bool) -> ModelError:
    if is_code:
        return ModelError(
            f"--model {source}: its encoder, {brief(kind)}, comes as Python code of its own, and bertkit never runs "
            "a model's code; choose one that transformers itself has (docs/models.md)."
        )
    import transformers

    return ModelError(
        f"--model {source}: is a {brief(kind)}, and transformers {transformers.__version__} has no such model; upgrade "
        "transformers, or choose another --model."
    )


def _is_decoder(config: Any) -> bool:
    """Tell whether a config is of a kind that only ever writes; of others, the probe says what they see.

    Weights of decoders are large, so that this is asked before they are fetched.
    """
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = config.model_type
    if (
        kind == "xlnet"
        or getattr(config, "use_bidirectional_attention", False)
        or not getattr(config, "is_causal", True)
    ):
        return False
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def check_folder(folder: Path, *, weights: bool = True) -> None:
    """Refuse a folder without a config.json, or without weights where those are needed.

    Raises:
        ModelError: a file is missing.
    """
    if not is_file(folder / "config.json"):
        raise ModelError(f"--model {folder}: has no config.json, so it holds no model; check the folder.")
    if weights and not any(is_file(path) for pattern in WEIGHTS for path in folder.glob(pattern)):
        raise ModelError(
            f"--model {folder}: has a config.json and no weights (model.safetensors); "
            "copy them there, or start from nothing with --init random."
        )


def check_complete(source: str, found: Mapping[str, Any]) -> None:
    """Refuse weights that would leave a part of the encoder random; a pooler is learnt anyway.

    Raises:
        ModelError: weights are missing, or of another shape than config.json says.
    """
    for name, stored, wanted in sorted(found["mismatched_keys"]):
        raise ModelError(
            f"--model {source}: {name} is {tuple(stored)} in the weights and {tuple(wanted)} by config.json; "
            "they do not belong together, copy the model again."
        )
    missing = sorted(name for name in found["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ModelError(
            f"--model {source}: its weights lack {len(missing)} tensors of the encoder, {missing[0]} first; "
            "copy the model again, or start from nothing with --init random."
        )


@contextmanager
def opening(source: str, *, is_folder: bool, wanted: str = "encoder") -> Iterator[None]:
    """Say in one sentence why transformers opens no model; the hub's errors are for others to say.

    Args:
        source: folder or hub id.
        is_folder: whether it is a folder of the user's.
        wanted: what the model should be.

    Raises:
        ModelError: transformers refuses it.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except (*BROKEN, StrictDataclassError, SafetensorError) as error:
        if is_of_machine(error) or (not is_folder and isinstance(error, OSError)):
            raise
        way_on = "check the folder" if is_folder else "choose another --model"
        raise ModelError(f"--model {source}: holds no {wanted} ({first_line(error)}); {way_on}.") from error


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Drop what a logger is told for a while; its level stays, because transformers acts on it."""
    logger = logging.getLogger(name)

    def nothing(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


def is_of_machine(error: BaseException) -> bool:
    """Tell whether no file is to blame: a package is not there, or memory has run out."""
    return isinstance(error, ModuleNotFoundError) or (isinstance(error, RuntimeError) and refusal(error) is not None)


def first_line(error: Exception) -> str:
    """Return what an error says first, or its class where it says nothing."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    # Where a field of a config is at fault, its name stands before the fault.
    return f"{first} {others[0].strip()}" if first.endswith(":") and others else first
