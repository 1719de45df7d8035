"""Which rows of an evaluation were trained on?

A run keeps a salted 64-bit hash of each training row, not its text, so that `eval` can say
"37 of these 500 rows were trained on" wherever the run is copied to.

What is hashed is the row in the form in which splits compare rows (`same_row`). Runs of
earlier versions hold hashes of another form, in which punctuation counted and a swapped pair
was another row; they are compared in that form, and the name in the file tells which it is.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Example
from bertkit.data.same_row import columns_of, row_keys
from bertkit.data.store import parts_of
from bertkit.errors import RunError
from bertkit.files import is_file, read_bytes, save_arrays
from bertkit.kinds import MisfitError

FILE = "training_rows.safetensors"
_ROWS, _FIRST_FORM = "same_rows", "rows"


def save_hashes(examples: Sequence[Example], salt: str, directory: Path, *, is_pair: bool) -> None:
    """Store the hashes of training rows, sorted, which also hides their order.

    Args:
        examples: the training rows.
        salt: makes the hashes of two runs' data different.
        directory: where the file goes.
        is_pair: whether a row is two sentences, in whichever order.
    """
    save_arrays(directory / FILE, {_ROWS: np.unique(_hashes(_keys(examples, is_pair=is_pair), salt))})


def count_known(examples: Sequence[Example], salt: str, directory: Path, *, is_pair: bool) -> int | None:
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
        stored = load(read_bytes(path))
        known, in_first_form = stored[_ROWS if _ROWS in stored else _FIRST_FORM], _ROWS not in stored
        if known.ndim != 1 or known.dtype != np.uint64 or not (known[1:] > known[:-1]).all():
            raise MisfitError("its hashes are not those that were stored")
    except (OSError, SafetensorError, KeyError, MisfitError) as error:
        raise RunError(f"{path}: cannot be read ({error}); the run is damaged, copy or train it again.") from error
    found = 0
    for part in parts_of(examples):
        keys = map(_first_form, part) if in_first_form else _keys(part, is_pair=is_pair)
        hashes = _hashes(keys, salt)
        places = np.searchsorted(known, hashes)
        found += int((known[np.minimum(places, len(known) - 1)] == hashes).sum()) if len(known) else 0
    return found


def _keys(examples: Sequence[Example], *, is_pair: bool) -> Iterator[str]:
    for part in parts_of(examples):
        yield from row_keys(list(map(columns_of, part)), is_pair=is_pair)


def _first_form(example: Example) -> str:
    words = "\x1f".join(example.all_texts).casefold().split()
    return unicodedata.normalize("NFC", " ".join(words))


def _hashes(keys: Iterable[str], salt: str) -> NDArray[np.uint64]:
    secret = salt.encode()[:64]

    def one(key: str) -> int:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=secret)
        return int.from_bytes(digest.digest(), "little")

    return np.fromiter(map(one, keys), np.uint64)
