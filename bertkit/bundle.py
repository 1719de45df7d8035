"""A run on disk: one save, one load.

bertkit.json is written last and by a rename: a folder that has it is a whole run, a folder
without it is unfinished. What is written can be read without bertkit (transformers,
safetensors, JSON); nothing is pickled.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit import __version__
from bertkit.errors import RunError
from bertkit.files import save_tensors, write_json
from bertkit.models.registry import find_rebuilder, load_target
from bertkit.run_folder import MANIFEST, is_whole, put_back, why_no_run
from bertkit.tasks.base import Task, TaskSettings
from bertkit.tasks.registry import find_task
from bertkit.tasks.viterbi import tag_names
from bertkit.tokenization.base import Tokenizer, load_tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What bertkit.json holds: all a run knows of itself beside weights and tokenizer.

    `blend` has the weights of model and baseline in the answers; it is empty where the model
    answers alone.
    """

    settings: TaskSettings
    model: str
    family: str
    config: dict[str, Any]
    data: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    blend: dict[str, float] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "format_version": self.format_version,
            "task": self.settings.task,
            "settings": self.settings.to_json(),
            "model": self.model,
            "family": self.family,
            "config": self.config,
            "data": self.data,
            "training": self.training,
            "versions": self.versions,
            "blend": self.blend,
        }


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that is needed to use it."""

    directory: Path
    manifest: Manifest
    tokenizer: Tokenizer
    task: Task
    model: TaskModel


def versions() -> dict[str, str]:
    """Name the versions a run was made with."""
    packages = ("torch", "transformers", "tokenizers", "safetensors", "accelerate")
    return {"bertkit": __version__, "python": platform.python_version(), **{p: version(p) for p in packages}}


def save(directory: Path, manifest: Manifest, tokenizer: Tokenizer, model: TaskModel) -> None:
    """Write a run: config.json, model.safetensors, tokenizer, and bertkit.json last.

    Raises:
        OSError: the folder cannot be written; libraries raise errors of their own
            (`files.write_errors` turns all of them into one sentence).
    """
    from bertkit.models.heads import exported_weights

    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "config.json", _transformers_config(manifest.settings, model))
    tokenizer.save(directory)
    save_tensors(directory / "model.safetensors", exported_weights(model))
    write_json(directory / MANIFEST, manifest.to_json())


def _transformers_config(settings: TaskSettings, model: TaskModel) -> dict[str, Any]:
    """Describe the run so that transformers opens it: the whole, or else the bare encoder."""
    encoder = model.encoder.transformers_config()
    bare = encoder.get("encoder_class", "BertModel")
    names = tag_names(settings.labels) if settings.task == "ner" else settings.labels
    labels = dict(enumerate(names or ("score",)))
    return {
        **encoder,
        "architectures": [model.transformers_class(bare) or bare],
        "classifier_dropout": model.dropout.p,
        "id2label": {str(i): label for i, label in labels.items()},
        "label2id": {label: i for i, label in labels.items()},
        **({} if (kind := _PROBLEM_TYPES.get(settings.task)) is None else {"problem_type": kind}),
        "dtype": "float32",
    }


_PROBLEM_TYPES = {"classify": "single_label_classification", "regression": "regression"}


def load_manifest(directory: Path) -> Manifest:
    """Read what a run says of itself; needs no torch.

    Raises:
        RunError: no run is there, or it is unfinished, damaged, or newer than this bertkit.
    """
    path = directory / MANIFEST
    put_back(directory)
    if not is_whole(directory):
        raise RunError(why_no_run(directory))
    values = _read_json(path)
    found = values.get("format_version")
    if not isinstance(found, int):
        raise RunError(f"{path}: has no format_version; the run is damaged, copy or train it again.")
    if found > FORMAT_VERSION:
        raise RunError(
            f"{path}: is of format {found}, and this bertkit ({__version__}) reads up to {FORMAT_VERSION}; "
            "upgrade bertkit."
        )
    try:
        return Manifest(
            settings=TaskSettings.from_json(values["settings"]),
            model=values["model"],
            family=values["family"],
            config=values["config"],
            data=values["data"],
            training=values["training"],
            versions=values["versions"],
            blend=values.get("blend", {}),
            format_version=found,
        )
    except (KeyError, TypeError) as error:
        raise RunError(f"{path}: lacks {error}; the run is damaged, copy or train it again.") from error


def load(directory: Path) -> Bundle:
    """Open a run: manifest, tokenizer, task and model in evaluation mode, on the CPU.

    Raises:
        RunError: no run is there, or it is unfinished, damaged, or newer than this bertkit.
        TokenizerError: its tokenizer is missing or damaged.
    """
    manifest = load_manifest(directory)
    tokenizer = load_tokenizer(directory)
    settings = manifest.settings
    task: Task = load_target(find_task(settings.task).target_for(settings.pooling))(settings, tokenizer)
    model = _load_model(directory, manifest, task)
    return Bundle(directory, manifest, tokenizer, task, model)


def _load_model(directory: Path, manifest: Manifest, task: Task) -> TaskModel:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from bertkit.models.heads import imported_weights

    for name in ("config.json", "model.safetensors"):
        if not (directory / name).is_file():
            raise RunError(f"{directory / name}: is missing; the run is damaged, copy or train it again.")
    config = _read_json(directory / "config.json")
    encoder = find_rebuilder(manifest.family)(config, with_pooler=manifest.settings.pooling == "pooler")
    model = task.build_model(encoder, dropout=float(config.get("classifier_dropout") or 0.0))
    try:
        model.load_state_dict(imported_weights(model, load_file(directory / "model.safetensors")))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"{directory / 'model.safetensors'}: does not hold this run's weights ({reason}); "
            "the run is damaged, copy or train it again."
        ) from error
    return model.eval()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); the run is damaged, copy or train it again.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: is not a JSON object; the run is damaged, copy or train it again.")
    return values
