"""What every export folder holds beside its weights: tokenizer, configuration, manifest, a README."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertkit.bundle import Bundle, Manifest
from bertkit.files import is_file, write_json, write_text
from bertkit.plain import to_json
from bertkit.run_folder import MANIFEST, refuse_replaced
from bertkit.tasks.viterbi import tag_names
from bertkit.tokenization.trimming import DROPPED_FILE

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
