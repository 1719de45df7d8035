"""Which rows of an evaluation were trained on?

A run keeps a salted 64-bit hash of each training row, not its text, so that `eval` can say
"37 of these 500 rows were trained on" wherever the run is copied to.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Example
from bertkit.errors import RunError
from bertkit.files import is_file, read_bytes, save_arrays

FILE = "training_rows.safetensors"


def hash_rows(examples: Sequence[Example], salt: str) -> NDArray[np.uint64]:
    """Hash the texts of rows, labels ignored; letter case and white space do not count."""
    key = salt.encode()[:64]

    def one(example: Example) -> int:
        texts = ("\x1f".join(example.all_texts)).casefold().split()
        plain = unicodedata.normalize("NFC", " ".join(texts)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(plain, digest_size=8, key=key).digest(), "little")

    return np.array([one(e) for e in examples], dtype=np.uint64)


def save_hashes(examples: Sequence[Example], salt: str, directory: Path) -> None:
    """Store the hashes of training rows, sorted, which also hides their order."""
    save_arrays(directory / FILE, {"rows": np.unique(hash_rows(examples, salt))})


def count_known(examples: Sequence[Example], salt: str, directory: Path) -> int | None:
    """Count the rows that were trained on; None where the run has lost its hashes.

    Raises:
        RunError: the file is damaged.
        PlaceError: it may not be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = directory / FILE
    if not is_file(path):
        return None
    try:
        known = load(read_bytes(path))["rows"]
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(f"{path}: cannot be read ({error}); the run is damaged, copy or train it again.") from error
    return int(np.isin(hash_rows(examples, salt), known).sum())
