"""The tokenizer a user names with --model, and the one that is taken where none is named."""

from __future__ import annotations

from pathlib import Path

from bertkit.errors import ModelError
from bertkit.files import is_file
from bertkit.hub import is_cached, require
from bertkit.models.offline import is_packaged, package_way_on
from bertkit.models.registry import find_model
from bertkit.models.table import ModelSpec
from bertkit.models.tokenizers import open_folder, open_tokenizer
from bertkit.tokenization.base import Tokenizer

USUAL = "minilm"
WAYS_ON = ("name a folder that has it instead", "copy the cache of a machine that has it (HF_HOME)")


def open_named(name: str | None) -> Tokenizer:
    """Open a tokenizer by what stands on a command line; torch is not imported.

    Args:
        name: a run directory, a folder with a tokenizer, a name of the table, or hf:org/name;
            None: minilm, if it is on this machine.

    Raises:
        UnknownNameError: no model has the name.
        ModelError: the model has no tokenizer of its own, or none is named and none is here.
        HubError: the hub is needed and cannot be reached, or does not have it.
        TokenizerError: there is no tokenizer there, or it is damaged.
    """
    spec = find_model(name) if name is not None else _usual()
    if spec.is_scratch:
        raise ModelError(
            f"{spec.name} has no vocabulary before it is trained; give its run directory, "
            "or a folder that `bertkit vocab build` has written."
        )
    if spec.is_linear:
        raise ModelError(f"{spec.name} has no tokenizer: it reads words; name a model that is an encoder.")
    if spec.hub_id is not None and not is_packaged(spec.hub_id):
        require(spec.hub_id, "tokenizer", ways_on=(*package_way_on(spec.hub_id), *WAYS_ON))
    folder = Path(spec.name)
    return open_folder(folder) if spec.hub_id is None and _is_bare(folder) else open_tokenizer(spec)


def _usual() -> ModelSpec:
    spec = find_model(USUAL)
    hub_id = str(spec.hub_id)
    if not is_packaged(hub_id) and not is_cached(hub_id, "tokenizer"):
        raise ModelError(
            f"--model is not given, and {USUAL}, the usual one, is not on this machine; name a run directory, "
            "a folder with a tokenizer, a model of `bertkit models` or hf:org/name with --model."
        )
    return spec


def _is_bare(folder: Path) -> bool:
    """Tell whether a folder holds a tokenizer alone, which knows best how much it may read."""
    return not is_file(folder / "config.json")
