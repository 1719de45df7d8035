"""Folders of exports: their files beside the weights, and writing them completely or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertkit.bundle import Bundle, Manifest
from bertkit.errors import OutputError
from bertkit.files import exists, hidden_beside, is_dir, is_file, sync, sync_tree, write_errors, write_json, write_text
from bertkit.plain import listed, to_json
from bertkit.run_folder import MANIFEST, lasting, refuse_replaced
from bertkit.tasks.tagging import tag_names
from bertkit.tokenization.trimming import DROPPED_FILE

# --- What every export folder holds beside its weights: tokenizer, configuration, manifest, a README

BASELINE = "baseline"


def fill(folder: Path, run: Bundle, config: dict[str, Any], facts: dict[str, str], readme: str) -> None:
    """Write all but the weights; the manifest last.

    Args:
        folder: where to.
        run: what is exported.
        config: config.json.
        facts: what the export is (`Manifest.export`).
        readme: README.md.

    Raises:
        RunError: another run has taken the run's place.
    """
    with_segments = run.model.encoder.segments > 1
    run.tokenizer.save(folder, max_length=run.task.settings.max_length, with_segments=with_segments)
    write_json(folder / "config.json", plain_config(config))
    write_text(folder / "README.md", readme)
    baseline = run.directory / BASELINE
    if baseline.is_dir():  # eval compares with it, as it does for a run
        shutil.copytree(baseline, folder / BASELINE)
    dropped = run.directory / DROPPED_FILE
    if is_file(dropped):  # what a trimmed vocabulary lacks, which predict counts
        shutil.copyfile(dropped, folder / DROPPED_FILE)
    refuse_replaced(run.directory, run.identity)
    write_json(folder / MANIFEST, _handed_on(run.manifest, facts).to_json())


def _handed_on(manifest: Manifest, facts: dict[str, str]) -> Manifest:
    """Leave out what is of this machine: where the data lie, and the baseline's say in the answers."""
    request = dict(manifest.data["request"])
    request |= {"names": [Path(str(name)).name for name in request["names"]], "data_dir": None}
    config = {**manifest.config, "data": request["names"], "data_dir": None}
    for name in ("model", "tokenizer"):
        if config.get(name):
            config[name] = Path(str(config[name])).name
    model = Path(manifest.model).name if Path(manifest.model).is_absolute() else manifest.model
    data = {**manifest.data, "request": request}
    return replace(manifest, model=model, config=config, data=data, blend={}, export=facts)


def plain_config(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a config.json what transformers does not know."""
    return {name: value for name, value in config.items() if name != "encoder_class"}


def usage_texts(run: Bundle) -> tuple[str, str | None]:
    """Return example texts for a README."""
    settings = run.task.settings
    first = "The shop opens at nine."
    if settings.task == "mlm":
        first = f"The shop {run.tokenizer.special.mask} at nine."
    return first, "It opens at 9 a.m." if settings.is_pair or settings.task == "choice" else None


def labels_line(run: Bundle) -> str:
    """Say which labels there are, as JSON, escapes included."""
    settings = run.task.settings
    labels = to_json(list(tag_names(settings.labels) if settings.task == "ner" else settings.labels))
    fence = "`" * (1 + max(map(len, re.findall("`+", labels)), default=0))
    found = f"Labels, in the order of the outputs: {fence}{labels}{fence}.\n" if settings.labels else ""
    if settings.thresholds:
        shown = to_json([round(threshold, 6) for threshold in settings.thresholds])
        found += f"A row has each label whose probability (sigmoid) is at least: `{shown}`, in the same order.\n"
    return found


# --- Where an export is made and put: whole or not at all, and nothing of others is deleted -------

_WAY_ON = "choose another folder"
# What an export holds, by the path in it.
_OURS = re.compile(
    r"(config|bertkit|onnx|tokenizer|tokenizer_config)\.json|README\.md|dropped_pieces\.safetensors|model\.(safetensors|onnx)"
    r"|baseline/(overlap/)?(baselines\.(json|safetensors)|training_rows\.safetensors)"
)


def check_place(place: Path, run: Path, *, force: bool) -> None:
    """Refuse a folder whose content forbids an export.

    Args:
        place: --output.
        run: what is exported.
        force: whether an older export there may be replaced.

    Raises:
        OutputError: something is there, and --force is not given; or it is not an export of bertkit,
            or the run itself.
    """
    if not exists(place) or _is_empty(place):
        return
    if lasting(place) == lasting(run):
        raise OutputError(f"--output {place}: is the run that is exported; {_WAY_ON}.")
    if not force:
        raise OutputError(f"--output {place}: exists; add --force to replace it, or {_WAY_ON}.")
    if not is_dir(place):
        raise OutputError(f"--output {place}: is a file, not a folder; choose another name.")
    names = list(_names(place))
    foreign = [name for name in names if not _OURS.fullmatch(name)]
    if MANIFEST not in names or foreign:
        example = f" ({listed(foreign[:3])})" if foreign else ""
        raise OutputError(
            f"--output {place}: is not an export of bertkit{example}, so --force does not replace it: {_WAY_ON}."
        )


@contextmanager
def made_beside(place: Path) -> Iterator[Path]:
    """Give a folder to work in, which gets its name at the end; where that is not reached it is gone.

    Args:
        place: the folder's name; what is there (see `check_place`) makes way when the new one is ready.

    Raises:
        OutputError: it cannot be written.
    """
    lasting_place = lasting(place)
    beside = hidden_beside(lasting_place, f"{os.getpid()}.tmp")
    with write_errors(place, "--output", way_on=_WAY_ON):
        made = _make(beside)
        try:
            yield beside
            for folder in (*(path for path in sorted(beside.rglob("*"), reverse=True) if path.is_dir()), beside):
                sync_tree(folder)
            _put(beside, lasting_place)
            made = []
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            for folder in reversed(made[:-1]):
                if _is_empty(folder):
                    folder.rmdir()


def _make(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns the ones that were not there, from above."""
    missing = [path for path in (*reversed(folder.parents), folder) if not exists(path)]
    shutil.rmtree(folder, ignore_errors=True)  # of a killed process of the same number
    folder.mkdir(parents=True)
    return missing


def _put(beside: Path, place: Path) -> None:
    """Give the finished folder its name; if that fails, what was there has it back."""
    if not exists(place) or _is_empty(place):
        beside.replace(place)
        sync(place.parent)
        return
    old = hidden_beside(place, f"{os.getpid()}.old")
    place.rename(old)
    try:
        beside.rename(place)
    except BaseException:
        old.rename(place)
        raise
    sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _is_empty(place: Path) -> bool:
    return is_dir(place) and not any(place.iterdir())


def _names(place: Path) -> Iterator[str]:
    """Iterate the files in a folder, and the empty or linked folders, relative to it."""
    for path in sorted(place.rglob("*")):
        if path.is_symlink() or not path.is_dir() or _is_empty(path):
            yield path.relative_to(place).as_posix()
