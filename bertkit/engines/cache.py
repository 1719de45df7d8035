"""Graphs of runs, made once and kept in the cache of this user.

A graph's name is a hash of all it is made of: weights, settings, and the versions of what
makes it. It gets its name when it is finished, with a digest beside it, so that nothing that
a killed process or a full disk has left is ever read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bertkit import __version__
from bertkit.bundle import Bundle
from bertkit.cache import cache_folder
from bertkit.engines.graph import GRAPH, most_tokens, write_graph
from bertkit.engines.packages import version_of
from bertkit.errors import PlaceError
from bertkit.files import is_file, put_in_place, sync, write_errors, write_json, write_text
from bertkit.kinds import MisfitError, read_object, record_of
from bertkit.plain import to_json
from bertkit.tasks.base import TaskSettings

_DIGEST, _ENCODER = "sha256", "encoder.json"
# Of what stands in an entry.
_FORM = 2
_FILES = ("model.safetensors", "config.json")
_MAKERS = ("torch", "transformers", "onnx", "onnxscript")
# Seconds after which a graph that nobody has asked for goes: 30 days.
_FORGOTTEN_S = 30 * 24 * 3600


@dataclass(frozen=True)
class CachedFacts:
    """What is stored beside a graph of the cache: all that is asked of an encoder whose weights are not read.

    Attributes:
        hidden_size: figures of a token's vector.
        vocab_size: ids it has embeddings for.
        max_positions: longest row it reads; None: any.
        embeddings: what the run's weights call its table of word embeddings.
    """

    hidden_size: int
    vocab_size: int
    max_positions: int | None
    embeddings: str


def found_graph(directory: Path, settings: TaskSettings) -> tuple[Path, CachedFacts] | None:
    """Look for a run's graph without opening its weights; needs no torch.

    Args:
        directory: the run.
        settings: its settings.

    Returns:
        The graph and what is stored beside it; None where it has to be made.
    """
    try:
        entry = cache_folder() / "engines" / _key(directory, settings)
    except OSError:  # what is wrong with the run is for those to say who open it
        return None
    if not _is_sound(entry):
        return None
    try:
        facts = record_of(CachedFacts, read_object(entry / _ENCODER))
    except (MisfitError, PlaceError):
        return None
    with suppress(OSError):
        os.utime(entry)
    return entry / GRAPH, facts


def cached_graph(run: Bundle, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the graph of a run, which is made if it is not in the cache.

    Args:
        run: of a task and an architecture that have a graph.
        tell: told in a sentence that it is made, which takes seconds.

    Raises:
        MissingPackageError: it has to be made, and the packages for that are not installed.
        ModelError: torch cannot make it.
        OutputError: the cache cannot be written.
    """
    folder = cache_folder() / "engines"
    entry = folder / _key(run.directory, run.manifest.settings)
    if _is_sound(entry):
        with suppress(OSError):
            os.utime(entry)
        return entry / GRAPH
    tell(f"its graph is made, once, and kept in {folder}")
    with write_errors(folder, "the cache", way_on="name another folder with BERTKIT_CACHE"):
        folder.mkdir(parents=True, exist_ok=True)
        _forget(folder)
        _make(run, entry)
    return entry / GRAPH


def _make(run: Bundle, entry: Path) -> None:
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".making-", ignore_cleanup_errors=True) as place:
        made = Path(place, entry.name)
        made.mkdir()
        write_graph(run.model, made / GRAPH, longest=most_tokens(run.model, run.task.settings))
        write_json(made / _ENCODER, asdict(_facts(run)))
        write_text(made / _DIGEST, _digest(made / GRAPH))
        if entry.exists() and not _is_sound(entry):
            shutil.rmtree(entry)
        sync(made)
        try:
            put_in_place(made, entry)
        except OSError:
            if not _is_sound(entry):  # else another process was faster
                raise


def _facts(run: Bundle) -> CachedFacts:
    from bertkit.models.heads import exported_names

    encoder = run.model.encoder
    name = next(others for others, weight in exported_names(run.model) if weight is encoder.embeddings_weight)
    return CachedFacts(encoder.hidden_size, encoder.vocab_size, encoder.max_positions, name)


def _key(directory: Path, settings: TaskSettings) -> str:
    """Hash what a graph is made of."""
    parts = {name: _digest(directory / name) for name in _FILES}
    made_by = {"bertkit": __version__, **{package: version_of(package) for package in _MAKERS}}
    words = to_json([parts, settings.to_json(), made_by, _FORM])
    return hashlib.sha256(words.encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_sound(entry: Path) -> bool:
    """Tell whether a graph is there, whole, as it was written."""
    if not is_file(entry / GRAPH) or not is_file(entry / _DIGEST):
        return False
    try:
        return (entry / _DIGEST).read_text(encoding="ascii") == _digest(entry / GRAPH)
    except (OSError, UnicodeDecodeError):
        return False


def _forget(folder: Path) -> None:
    """Delete graphs that nobody has asked for in a long time, and what killed processes have left."""
    for entry in folder.iterdir():
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(entry)
