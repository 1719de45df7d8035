"""Store fitted baselines as one JSON and one safetensors file: no pickle, the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.bundle import sound
from bertkit.errors import RunError
from bertkit.files import save_arrays, write_text
from bertkit.kinds import MisfitError, read_object, shown, value_of
from bertkit.models.weights import read_shapes

# Kinds of arrays that are numbers: floats, whole ones and those without a sign.
_NUMBERS = "fiu"
FACTS_NAME = "baselines.json"
TENSORS_NAME = "baselines.safetensors"
FORMAT_VERSION = 1


def write_baseline_files(directory: Path, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write facts and arrays into `directory`, which is made if it is missing.

    Raises:
        OSError: it cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # ASCII, because words may hold what UTF-8 has no bytes for (lone surrogates)
    text = json.dumps({"format": FORMAT_VERSION, **facts}, sort_keys=True)
    write_text(directory / FACTS_NAME, text + "\n")
    save_arrays(directory / TENSORS_NAME, {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def read_baseline_files(directory: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_baseline_files` wrote.

    Raises:
        RunError: a file is missing or damaged, or a newer bertkit wrote it.
        PlaceError: a file may not be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    facts_path, tensors_path = directory / FACTS_NAME, directory / TENSORS_NAME
    with sound(facts_path):
        facts = read_object(facts_path)
        version = value_of(int, facts.get("format"), "format")
    if version > FORMAT_VERSION:
        raise RunError(
            f"{directory}: these baselines have format {version}, this bertkit reads up to "
            f"{FORMAT_VERSION}; update bertkit."
        )
    with sound(tensors_path):
        read_shapes(tensors_path)
        try:
            tensors = load(tensors_path.read_bytes())
        except SafetensorError as error:
            raise MisfitError(f"holds no tensors ({error})") from error
        for name, tensor in tensors.items():
            if tensor.dtype.kind not in _NUMBERS or not np.isfinite(tensor).all():
                raise MisfitError(f"holds figures that are no numbers (NaN or infinity), in {shown(name)}")
    return facts, tensors


def words_in(facts: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of words, which may hold what UTF-8 has no bytes for.

    Raises:
        MisfitError: it is missing or no list of texts.
    """
    words = facts.get(name)
    if not isinstance(words, list) or any(type(word) is not str for word in words):
        raise MisfitError(f"{name} is {shown(words)} and should be a list of texts")
    return tuple(words)


def damaged(directory: Path) -> RunError:
    """Build the error for baselines that are there and make no sense."""
    return RunError(f"{directory}: the baselines of this run are damaged; copy the run directory again or train anew.")
