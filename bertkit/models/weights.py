"""Weights on disk, checked before anything is built from them; and the head for masked words in them."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.files import is_dir, is_file
from bertkit.kinds import MisfitError, reading, shown
from bertkit.models.finding import WEIGHTS, opening
from bertkit.plain import shortened, visible

if TYPE_CHECKING:
    from torch import Tensor

# --- Weights on disk, looked at before anything is built of them ----------------------------------
#
# The head of a safetensors file says names, kinds and shapes. What config.json says is held
# against it first, so that a config that lies about sizes costs neither memory nor time.

Shape = tuple[int, ...]
# Bytes of each kind of number.
_WIDTHS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
}
# The library's own bound.
_LONGEST_HEAD = 100_000_000
# No encoder has so many layers, or so many labels: whole numbers of config.json that make
# transformers build or list things one by one, whatever the weights are.
_MOST_LAYERS, _MOST_LABELS = 1000, 1_000_000
_OF_LAYERS = re.compile(r"layer|group|depth|block")
_MOST = 2**24
# Of these there is at least one.
_NEEDED = re.compile(r"(num|n|encoder|decoder)_(hidden_|attention_|decoder_)?(layers|heads)")
# Whole numbers that nothing is built of.
_FREE = re.compile(r"theta|seed")


def read_shapes(path: Path) -> dict[str, Shape]:
    """Return the shape of each tensor of a safetensors file; only its head is read.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: it is missing, no regular file, or its head does not describe it.
    """
    if not is_file(path):
        raise MisfitError("is missing")
    with reading(path), path.open("rb") as stream:
        size, first = path.stat().st_size, stream.read(8)
        if len(first) < 8:
            raise MisfitError(f"holds no tensors (it has {size:,} bytes)")
        (length,) = struct.unpack("<Q", first)
        if length > min(_LONGEST_HEAD, size - 8):
            raise MisfitError(f"holds no tensors (a head of {length:,} bytes in a file of {size:,})")
        head = stream.read(length)
    try:
        entries = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise MisfitError("holds no tensors (its head is not JSON)") from error
    if not isinstance(entries, dict):
        raise MisfitError("holds no tensors (its head is not a JSON object)")
    return {name: _shape(name, entry, size - 8 - length) for name, entry in entries.items() if name != "__metadata__"}


def _shape(name: str, entry: Any, room: int) -> Shape:
    values = entry if isinstance(entry, dict) else {}
    kind, shape, place = (values.get(key) for key in ("dtype", "shape", "data_offsets"))
    width = _WIDTHS.get(kind) if isinstance(kind, str) else None
    if width is None or not _are_sizes(shape) or not _are_sizes(place):
        raise MisfitError(f"describes its tensor {_cut(name)} as {shown(entry)}")
    found, (start, end) = tuple(shape or ()), [*(place or ()), -1, -1][:2]
    if not start <= end <= room or end - start != math.prod(found) * width:
        raise MisfitError(f"describes its tensor {_cut(name)} as {shown(entry)}, which is not its size")
    return found


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _cut(name: str) -> str:
    return visible(shortened(name))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, on the CPU; all are numbers.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: it is missing or damaged, or holds NaN or infinity.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not is_file(path):
        raise MisfitError("is missing")
    with reading(path):
        try:
            tensors: dict[str, Tensor] = load_file(path)
        except (SafetensorError, ValueError, RuntimeError, LookupError) as error:
            raise MisfitError(f"holds no tensors ({shortened(str(error))})") from error
    check_finite(tensors.items())
    return tensors


def read_array(path: Path, name: str) -> NDArray[np.float32]:
    """Return one tensor of a safetensors file, in float32; needs no torch.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: it is missing, damaged, or holds no such tensor.
    """
    from safetensors import SafetensorError, safe_open

    with reading(path):
        try:
            with safe_open(path, framework="numpy") as stored:
                array: NDArray[np.float32] = np.asarray(stored.get_tensor(name), np.float32)
        except (SafetensorError, ValueError, LookupError) as error:
            raise MisfitError(f"holds no {_cut(name)} ({shortened(str(error))})") from error
    return array


def check_finite(tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse weights with which every answer would be NaN.

    Raises:
        MisfitError: a tensor holds NaN or infinity; the message names it.
    """
    import torch

    for name, tensor in tensors:
        # One sum is several times quicker than a look at each number; of large ones it may overflow.
        if tensor.is_floating_point() and not torch.isfinite(tensor.sum(dtype=torch.float32)):
            wrong = int((~torch.isfinite(tensor.to(torch.float32))).sum())
            if wrong:
                raise MisfitError(f"holds {wrong:,} weights that are not numbers (NaN or infinity), in {_cut(name)}")


def check_config(values: Mapping[str, Any]) -> None:
    """Refuse whole numbers of a config.json that would cost time or memory before weights are looked at.

    Raises:
        MisfitError: a number of layers, of labels or of anything else is beyond what encoders have.
    """
    for name, value in _whole_numbers(values, ""):
        key = name.rpartition(".")[2]
        most = _MOST_LAYERS if _OF_LAYERS.search(key) else _MOST_LABELS if key == "num_labels" else _MOST
        least = 1 if _NEEDED.fullmatch(key) else 0 if key == "pad_token_id" else -most
        if not least <= value <= most and not _FREE.search(key):
            raise MisfitError(f"{name} is {shown(value)}, and encoders have from {least:,} to {most:,}")


def _whole_numbers(values: Any, name: str) -> Iterator[tuple[str, int]]:
    if type(values) is int:
        yield name, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from _whole_numbers(value, f"{name}.{_cut(str(key))}" if name else _cut(str(key)))
    elif isinstance(values, list):
        for value in values:
            yield from _whole_numbers(value, name)


@contextmanager
def on_paper() -> Iterator[None]:
    """Let modules built in the body have shapes and no memory; no random number is drawn."""
    import torch

    with torch.device("meta"):
        yield


@contextmanager
def undrawn() -> Iterator[None]:
    """Let modules built in the body have weights that nobody has drawn, for others to take their place.

    Drawing takes time, and on paper half of torch is imported for it.
    """
    from torch.overrides import TorchFunctionMode

    class Undrawn(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__module__", "") == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    with Undrawn():
        yield


def check_shapes(wanted: Mapping[str, Shape], stored: Mapping[str, Shape]) -> None:
    """Compare the tensors that a model needs with those of a file.

    Raises:
        MisfitError: one is missing, too many, or of another shape.
    """
    for name, shape in wanted.items():
        if name not in stored:
            raise MisfitError(f"lacks {_cut(name)}, which the model has by config.json and bertkit.json")
        if stored[name] != shape:
            raise MisfitError(
                f"holds {_cut(name)} as {_sizes(stored[name])}, and by config.json and bertkit.json it is "
                f"{_sizes(shape)}"
            )
    over = next((name for name in stored if name not in wanted), None)
    if over is not None:
        raise MisfitError(f"holds {_cut(over)}, which the model does not have by config.json and bertkit.json")


def _sizes(shape: Shape) -> str:
    return " × ".join(f"{size:,}" for size in shape) or "one number"


def count_stored(paths: Iterable[Path]) -> int:
    """Return how many numbers files of weights can hold: by their heads, or else by their size in bytes.

    Raises:
        PlaceError: the right to read one is missing.
        MisfitError: a file is damaged; the message names it.
    """
    total = 0
    for path in paths:
        if path.suffix == ".safetensors":
            try:
                total += sum(math.prod(shape) for shape in read_shapes(path).values())
            except MisfitError as error:
                raise MisfitError(f"{path.name} {error}") from error
        else:
            total += path.stat().st_size
    return total


# --- The head for masked words that a checkpoint brings along, whatever its architecture calls it -

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
