"""A run on disk: one save, one load.

bertkit.json is written last and by a rename: a folder that has it is a whole run, a folder
without it is unfinished. What is written can be read without bertkit (transformers,
safetensors, JSON); nothing is pickled.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit import __version__
from bertkit.data.splits import DataRequest
from bertkit.errors import DataError, ModelError, RunError, TokenizerError, UnknownNameError, UsageError
from bertkit.files import save_tensors, write_json
from bertkit.kinds import MisfitError, read_object, shown, value_of
from bertkit.models.finding import BROKEN, first_line, is_of_machine
from bertkit.models.registry import OWN_ATTENTION, find_rebuilder, load_target
from bertkit.models.table import TFIDF
from bertkit.models.weights import check_config, check_shapes, on_paper, read_shapes, read_weights, undrawn
from bertkit.run_folder import (
    MANIFEST,
    Identity,
    is_whole,
    read_steadily,
    restored,
    unchanged,
    why_no_run,
    with_sentence,
)
from bertkit.tasks.base import Task, TaskSettings
from bertkit.tasks.encoding import try_out
from bertkit.tasks.published import OF_A_ROW, PublishedHead, Standing, kind_of, standing
from bertkit.tasks.registry import find_task
from bertkit.tasks.tagging import tag_names
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import load_tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What bertkit.json holds: all a run knows of itself beside weights and tokenizer.

    `blend` has the weights of model and baseline in the answers; it is empty where the model
    answers alone. `export` says what form the weights have (`to`, and `class` of transformers)
    where they are not a run's own.
    """

    settings: TaskSettings
    model: str
    family: str
    config: dict[str, Any]
    data: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    blend: dict[str, float] = field(default_factory=dict)
    export: dict[str, str] = field(default_factory=dict)
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
            **({"export": self.export} if self.export else {}),
        }


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that is needed to use it; `identity` is that of the folder it was read from."""

    directory: Path
    manifest: Manifest
    tokenizer: Tokenizer
    task: Task
    model: TaskModel
    identity: Identity = None


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
    write_json(directory / "config.json", _own_config(manifest, model))
    tokenizer.save(directory, max_length=manifest.settings.max_length, with_segments=model.encoder.segments > 1)
    save_tensors(directory / "model.safetensors", exported_weights(model))
    write_json(directory / MANIFEST, manifest.to_json())


def _own_config(manifest: Manifest, model: TaskModel) -> dict[str, Any]:
    """Describe a run so that transformers answers as bertkit does, or refuses it in a sentence."""
    found = standing_of(manifest, model)
    class_name = found.class_name or encoder_class_of(model)
    config = {**published_config(manifest.settings, model), "architectures": [class_name]}
    return with_sentence(config, f"a run of bertkit; {found.refusal}") if found.refusal else config


def standing_of(manifest: Manifest, model: TaskModel) -> Standing:
    """Say what transformers makes of a run as it is."""
    bare, is_blended = encoder_class_of(model), bool(manifest.blend)
    return standing(manifest.settings, bare, is_blended=is_blended, positions=model.encoder.max_positions)


def encoder_class_of(model: TaskModel) -> str:
    """Name transformers' class of a model's bare encoder; that of an encoder of ours alone is not one of its."""
    from bertkit.models.heads import TokenModel

    # transformers' Longformer for tokens makes no token global.
    if isinstance(model, TokenModel) and model.encoder.transformers_config().get(OWN_ATTENTION) == "global":
        return "LocalBertModel"
    return str(model.encoder.transformers_config().get("encoder_class", "BertModel"))


def published_config(settings: TaskSettings, model: TaskModel) -> dict[str, Any]:
    """Describe a model as transformers does; a place on this machine is not passed on."""
    encoder = model.encoder.transformers_config()
    names = tag_names(settings.labels) if settings.task == "ner" else settings.labels
    labels = dict(enumerate(names or _OUTPUTS.get(settings.task, ("score",))))
    return {
        **{name: value for name, value in encoder.items() if name != "_name_or_path"},
        "classifier_dropout": model.dropout.p,
        "id2label": {str(i): label for i, label in labels.items()},
        "label2id": {label: i for i, label in labels.items()},
        **({} if (kind := _PROBLEM_TYPES.get(settings.task)) is None else {"problem_type": kind}),
        "dtype": "float32",
    }


# What the outputs are called where they are not labels.
_OUTPUTS = {"qa": ("start", "end")}
_PROBLEM_TYPES = {
    "classify": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
}


def load_manifest(directory: Path) -> Manifest:
    """Read what a run says of itself; needs no torch.

    Raises:
        RunError: no run is there, or it is unfinished, damaged, or newer than this bertkit.
    """
    return read_steadily(directory, lambda: _load_manifest(directory))


def _load_manifest(directory: Path) -> Manifest:
    path = directory / MANIFEST
    if not is_whole(directory):
        raise RunError(why_no_run(directory))
    with sound(path):
        values = read_object(path)
        found = value_of(int, _part(values, "format_version"), "format_version")
    if found > FORMAT_VERSION:
        raise RunError(
            f"{path}: has format {found}, and this bertkit ({__version__}) reads up to {FORMAT_VERSION}; "
            "upgrade bertkit."
        )
    with sound(path):
        return _manifest(values)


def _manifest(values: dict[str, Any]) -> Manifest:
    data = value_of(dict[str, Any], _part(values, "data"), "data")
    for name, kind in (("name", str), ("fingerprint", str), ("rows", dict[str, int])):
        value_of(kind, _part(data, name, "data"), f"data.{name}")
    DataRequest.from_json(_part(data, "request", "data"), "data.request")
    manifest = Manifest(
        settings=TaskSettings.from_json(_part(values, "settings"), "settings"),
        model=value_of(str, _part(values, "model"), "model"),
        family=value_of(str, _part(values, "family"), "family"),
        config=value_of(dict[str, Any], _part(values, "config"), "config"),
        data=data,
        training=value_of(dict[str, Any], _part(values, "training"), "training"),
        versions=value_of(dict[str, str], _part(values, "versions"), "versions"),
        blend=value_of(dict[str, float], values.get("blend", {}), "blend"),
        export=value_of(dict[str, str], values.get("export", {}), "export"),
        format_version=values["format_version"],
    )
    task = find_task(manifest.settings.task)
    task.target_for(manifest.settings.pooling)
    if values.get("task", task.name) != task.name:
        raise MisfitError(f"task is {shown(values['task'])} and settings.task is {shown(task.name)}")
    return manifest


def _part(values: dict[str, Any], name: str, of: str = "") -> Any:
    if name not in values:
        raise MisfitError(f"has no {of}{'.' * bool(of)}{name}")
    return values[name]


def load(directory: Path) -> Bundle:
    """Open a run: manifest, tokenizer, task and model in evaluation mode, on the CPU.

    A row is read before anybody's: whatever is wrong is said here.

    Raises:
        RunError: no run is there, or it is unfinished, damaged, or newer than this bertkit.
        TokenizerError: its tokenizer is missing or damaged.
        PlaceError: the right to read a file is missing.
    """
    return read_steadily(directory, lambda: _load(directory))


def _load(directory: Path) -> Bundle:
    with unchanged(directory) as identity:
        manifest = _load_manifest(directory)
        if manifest.export.get("to") == "onnx":
            raise RunError(
                f"{directory}: is an ONNX export, which predict, eval and tokenize read; this command needs the "
                f"run it was made from."
            )
        if manifest.family == TFIDF:
            raise RunError(f"{directory}: is a TF-IDF run, which predict and eval read; this command needs an encoder.")
        tokenizer = load_tokenizer(directory)
        with sound(directory):
            task, model = _load_model(directory, manifest, tokenizer)
            try_out(task, model)
    return Bundle(directory, manifest, tokenizer, task, model, identity)


def _load_model(directory: Path, manifest: Manifest, tokenizer: Tokenizer) -> tuple[Task, TaskModel]:
    from bertkit.models.heads import exported_shapes, imported_weights

    described, weights = directory / "config.json", directory / "model.safetensors"
    with sound(described):
        config = restored(read_object(described))
        check_config(config)
        with on_paper(), undrawn():
            _, plan = _built(config, manifest, tokenizer)
        own, head = exported_shapes(plan), _published_head(manifest, plan)
        shapes = head.shapes(own) if head else own
    with sound(weights):
        check_shapes(shapes, read_shapes(weights))
        with undrawn():
            task, model = _built(config, manifest, tokenizer)
        stored = read_weights(weights)
        wanted = imported_weights(model, head.own(stored, own) if head else stored)
        # In the place of its weights, not copied into them: those have never taken any memory.
        model.load_state_dict({name: weight.float() for name, weight in wanted.items()}, assign=True)
    _check_limits(model, task, manifest.family)
    return task, model.eval()


def _published_head(manifest: Manifest, model: TaskModel) -> PublishedHead | None:
    """Return the head that an export for transformers has; None where the head is ours.

    Raises:
        MisfitError: no class has such a head.
    """
    if manifest.export.get("to") != "transformers" or manifest.settings.task not in OF_A_ROW:
        return None
    return PublishedHead.of(model, kind_of(encoder_class_of(model)))


def _built(config: dict[str, Any], manifest: Manifest, tokenizer: Tokenizer) -> tuple[Task, TaskModel]:
    settings = manifest.settings
    task: Task = load_target(find_task(settings.task).target_for(settings.pooling))(settings, tokenizer)
    encoder = find_rebuilder(manifest.family, config)(config, with_pooler=settings.pooling == "pooler")
    dropout = value_of(float | None, config.get("classifier_dropout"), "classifier_dropout")
    return task, task.build_model(encoder, dropout=dropout or 0.0)


def _check_limits(model: TaskModel, task: Task, family: str) -> None:
    """Compare the longest row and the highest id with what the encoder has rows for.

    A pretrained encoder may have been given a longer row's length than it can read, and says so
    where a row is longer; one of our own is made for it.

    Raises:
        MisfitError: it has fewer.
    """
    longest, positions = task.settings.max_length, model.encoder.max_positions
    if family == "scratch" and positions is not None and longest > positions:
        raise MisfitError(f"{MANIFEST} has a max_length of {longest:,}, and the encoder has {positions:,} positions")
    ids, embeddings = task.tokenizer.vocab_size, len(model.encoder.embeddings_weight)
    if ids > embeddings:
        raise MisfitError(
            f"the ids of tokenizer.json go up to {ids - 1:,}, and the model has embeddings for {embeddings:,}"
        )


@contextmanager
def sound(place: Path, *, way_on: str = "train it again") -> Iterator[None]:
    """Say in one sentence what of a run is damaged, whoever notices it.

    Args:
        place: the folder, or the file that is looked at.
        way_on: what else than copying it again would help.

    Raises:
        RunError: whatever is raised where files hold what no training would have written.
    """
    try:
        yield
    except (*BROKEN, MisfitError, UsageError, UnknownNameError, ModelError, TokenizerError, DataError) as error:
        if is_of_machine(error):
            raise
        reason = first_line(error).rstrip(".") or type(error).__name__
        raise RunError(f"{place}: {reason}; the run is damaged, copy or {way_on}.") from error
