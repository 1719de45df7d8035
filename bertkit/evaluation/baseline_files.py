"""Store fitted baselines as one JSON and one safetensors file: no pickle, the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.errors import RunError
from bertkit.files import read_bytes, save_arrays, write_text

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

    try:
        facts = json.loads(read_bytes(directory / FACTS_NAME).decode("ascii"))
        tensors = load(read_bytes(directory / TENSORS_NAME))
    except OSError as e:
        raise RunError(
            f"{directory}: the baselines of this run cannot be read ({e.strerror}: {e.filename}); "
            "copy the run directory again or train anew."
        ) from e
    except (ValueError, SafetensorError, KeyError) as e:
        raise damaged(directory) from e
    version = facts.get("format") if isinstance(facts, dict) else None
    if not isinstance(version, int):
        raise damaged(directory)
    if version > FORMAT_VERSION:
        raise RunError(
            f"{directory}: these baselines have format {version}, this bertkit reads up to "
            f"{FORMAT_VERSION}; update bertkit."
        )
    return facts, tensors


def damaged(directory: Path) -> RunError:
    """Build the error for baselines that are there and make no sense."""
    return RunError(f"{directory}: the baselines of this run are damaged; copy the run directory again or train anew.")
