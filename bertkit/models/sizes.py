"""A model's config.json checked against its weight files before transformers opens either."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, cast

from bertkit.errors import HubError
from bertkit.files import is_dir, is_file
from bertkit.hub import hub_errors, is_offline, require
from bertkit.kinds import MisfitError, read_object, value_of
from bertkit.models.weights import check_config, count_stored, on_paper
from bertkit.plain import quoted

# A file of all weights, or else a list of the files that share them; in the order of transformers.
FILES = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
# Weights that a checkpoint may lack without harm: a pooler, a few positions.
SPARE = 2**21


def checked_config_of(source: str) -> dict[str, Any]:
    """Return what config.json holds; refuse one that would cost time or memory before the weights are looked at.

    Args:
        source: a folder, or a hub id, whose file is fetched.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: it is missing or damaged, or names a size that no encoder has.
    """
    found = _found(source, "config.json")
    if not found:
        raise MisfitError("it has no config.json")
    try:
        values = read_object(found[0])
        check_config(values)
    except MisfitError as error:
        raise MisfitError(f"config.json: {error}") from error
    return values


def count_weights(source: str) -> int:
    """Return how many numbers the files of weights hold that transformers would open.

    Args:
        source: a folder, or a hub id, whose files are fetched.

    Raises:
        PlaceError: the right to read a file is missing.
        MisfitError: there are none, or one is damaged.
    """
    for whole, index in FILES:
        if files := _found(source, whole):
            return count_stored(files)
        if parts := _found(source, index):
            names = _names_of_parts(parts[0])
            files = _found(source, *names)
            if len(files) < len(names):
                raise MisfitError(f"{index} names {len(names)} files of weights and {len(files)} are there")
            return count_stored(files)
    raise MisfitError(f"it has no {FILES[0][0]}")


def _found(source: str, *names: str) -> list[Path]:
    folder = Path(source)
    if not is_dir(folder):
        return list(fetch_files(source, names).values())
    return [folder / name for name in names if is_file(folder / name)]


def _names_of_parts(index: Path) -> list[str]:
    """Return the files that an index of weights names, all of its own folder."""
    try:
        names = sorted(set(value_of(dict[str, str], read_object(index).get("weight_map"), "weight_map").values()))
        strange = next((name for name in names if Path(name).name != name), None)
        if not names or strange is not None:
            raise MisfitError(f"names {'no file' if strange is None else quoted(strange)}")
    except MisfitError as error:
        raise MisfitError(f"{index.name} {error}") from error
    return names


def fetch_files(hub_id: str, names: Iterable[str]) -> dict[str, Path]:
    """Fetch those of the files that a repository of the hub has."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    found = {}
    for name in names:
        try:
            found[name] = Path(hf_hub_download(hub_id, name))
        except EntryNotFoundError as error:
            # "Not in the cache" means "there is none" only where the hub cannot be asked.
            if isinstance(error, LocalEntryNotFoundError) and not is_offline():
                raise
    return found


@cache
def config_of_hub(hub_id: str) -> Path | None:
    """Return the config.json of a repository of the hub, from the cache where that is all there is; asked for once.

    Returns:
        None where it cannot be had, or there is none.
    """
    try:
        require(hub_id, "model", ways_on=())
        with hub_errors(hub_id, "model"):
            return fetch_files(hub_id, ("config.json",)).get("config.json")
    except HubError:
        return None


def check_plan(build: Callable[[Any], Any], config: Any, elements: int) -> None:
    """Build a model without memory, and refuse one that is far larger than its weights.

    Args:
        build: makes the model of a config.
        config: of transformers; it is left as it is.
        elements: how many numbers the weights can be.

    Raises:
        MisfitError: it is; the message has both numbers.
    """
    with on_paper(), no_first_weights():
        wanted = sum(parameter.numel() for parameter in build(deepcopy(config)).parameters())
    if wanted > 2 * elements + SPARE:
        raise MisfitError(f"config.json describes {wanted:,} weights and its files have {elements:,}")


def no_first_weights() -> AbstractContextManager[None]:
    """Leave out the drawing of weights that are to be replaced: seconds, for a model of base size."""
    try:
        from transformers.initialization import no_init_weights
    except ImportError:  # not where every version of transformers 5 has it
        return nullcontext()
    return cast("AbstractContextManager[None]", no_init_weights())
