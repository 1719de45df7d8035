"""The table of models that write summaries: a name, and what it stands for. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bertkit.errors import ModelError, UnknownNameError
from bertkit.files import is_dir


@dataclass(frozen=True)
class WriterSpec:
    """A row of the table; `hub_id` is None for a local folder, which `name` then is."""

    name: str
    hub_id: str | None
    summary: str
    language: str = "en"


WRITERS: tuple[WriterSpec, ...] = (
    WriterSpec("bart-large-cnn", "facebook/bart-large-cnn", "BART large, English news; 1.6 GB"),
    WriterSpec("t5-small", "google-t5/t5-small", "T5 small, English; 0.2 GB, the quickest"),
    WriterSpec("t5-base", "google-t5/t5-base", "T5 base, English; 0.9 GB"),
    WriterSpec("t5-large", "google-t5/t5-large", "T5 large, English; 3 GB"),
    WriterSpec("t5-3b", "google-t5/t5-3b", "T5 of 3 billion weights, English; 11 GB"),
    WriterSpec("t5-11b", "google-t5/t5-11b", "T5 of 11 billion weights, English; 45 GB"),
    WriterSpec("kobart", "gogamza/kobart-summarization", "KoBART, Korean; 0.5 GB", language="ko"),
)


def find_writer(name: str) -> WriterSpec:
    """Look a model up: a name of the table, hf:org/name, a local folder, or a row's hub id.

    A folder wins over the hub id of a row, but not over a row's name.

    Raises:
        ModelError: the name looks like a path, and nothing is there.
        UnknownNameError: no row has the name.
    """
    for spec in WRITERS:
        if spec.name == name:
            return spec
    if name.startswith("hf:") and name != "hf:":
        return WriterSpec(name, name.removeprefix("hf:"), "a hub model")
    if name and is_dir(Path(name)):
        return WriterSpec(name, None, "a local model")
    for spec in WRITERS:
        if spec.hub_id == name:
            return spec
    if "/" in name or name.startswith("."):
        raise ModelError(f"--model {name}: no such folder; a model of the hub is written hf:org/name.")
    names = [spec.name for spec in WRITERS]
    way_on = f"there are {', '.join(names)}, hf:org/name, and folders"
    raise UnknownNameError.among("model for summaries", name, names, way_on)


def described(spec: WriterSpec) -> str:
    """Say what a model is, where it is from and how large it is, as far as that is known before it is opened."""
    if spec.hub_id is not None:
        known = f" ({spec.summary})" if spec in WRITERS else ""
        return f"{spec.name}{known}, {spec.hub_id} of the hub or its cache"
    size = sum(path.stat().st_size for path in Path(spec.name).glob("*") if path.is_file())
    return f"{spec.name} ({size / 1e6:,.0f} MB)"


def default_writer(language: str) -> WriterSpec:
    """Return the first row for a language, "en" or "ko"."""
    return next(spec for spec in WRITERS if spec.language == language)
