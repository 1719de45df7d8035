"""The head for masked words that a checkpoint brings along, whatever its architecture calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bertkit.files import is_dir, is_file
from bertkit.models.opening import WEIGHTS, opening
from bertkit.models.weights import check_finite

if TYPE_CHECKING:
    from torch import Tensor

# Our names → those of each architecture; all are a dense layer, gelu, a norm, and the tied output.
_NAMES: tuple[Mapping[str, str], ...] = tuple(
    {
        "transform.dense.weight": f"{dense}.weight",
        "transform.dense.bias": f"{dense}.bias",
        "transform.LayerNorm.weight": f"{norm}.weight",
        "transform.LayerNorm.bias": f"{norm}.bias",
        "bias": bias,
    }
    for dense, norm, bias in (
        ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),
        ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
        ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
        ("head.dense", "head.norm", "decoder.bias"),
    )
)
# What layers without a bias have in its place.
_MAY_LACK = ("transform.dense.bias", "transform.LayerNorm.bias")


def stored_head(source: str) -> dict[str, Tensor] | None:
    """Read the head of a checkpoint, under our names; None where it has none.

    Args:
        source: a folder, or a hub id whose files are in the cache.

    Raises:
        ModelError: a file cannot be opened, or the head's weights are no numbers.
    """
    with opening(source, is_folder=is_dir(Path(source)), wanted="head for masked words"):
        found = _found_head(source)
        check_finite((found or {}).items())
    return found


def _found_head(source: str) -> dict[str, Tensor] | None:
    for path in _weight_files(source):
        weights = _read(path)
        weights = {name.replace(".gamma", ".weight").replace(".beta", ".bias"): w for name, w in weights.items()}
        for names in _NAMES:
            found = {ours: weights[others].float() for ours, others in names.items() if others in weights}
            if set(names) - set(found) <= set(_MAY_LACK) and found:
                return {**{name: found["bias"].new_zeros(_width(found)) for name in _MAY_LACK}, **found}
    return None


def _width(found: Mapping[str, Tensor]) -> int:
    return found["transform.dense.weight"].shape[0]


def _weight_files(source: str) -> Iterator[Path]:
    """Find the files that may hold the head: those of a folder, or those in the hub's cache."""
    if is_dir(Path(source)):
        yield from (path for pattern in WEIGHTS for path in sorted(Path(source).glob(pattern)) if is_file(path))
        return
    from huggingface_hub import try_to_load_from_cache

    for name in ("model.safetensors", "pytorch_model.bin"):
        found = try_to_load_from_cache(source, name)
        if isinstance(found, str):
            yield Path(found)


def _read(path: Path) -> dict[str, Tensor]:
    """Read the tensors outside the encoder, of which there are few."""
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="pt") as stored:
            wanted = [name for name in stored.keys() if _is_of_head(name)]  # noqa: SIM118 - no mapping
            return {name: stored.get_tensor(name) for name in wanted}
    import torch

    loaded: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor for name, tensor in loaded.items() if _is_of_head(name)}


def _is_of_head(name: str) -> bool:
    return name.startswith(("cls.", "lm_head.", "vocab_", "head.", "decoder.bias"))
