"""The extractive model that comes with bertkit: weights/ on the lower layers of MiniLM.

Its encoder is that of the extra `offline`, unchanged; what was learnt (weights/README.md
tells from what, and how well it does) is in the package. Its methods are salience, which
takes three sentences, and salience-sets, which takes two or three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bertkit.bundle import Bundle, Manifest
from bertkit.data.records import ColumnMap
from bertkit.documents.language import resolve_language
from bertkit.documents.summary_sets import SetScorer
from bertkit.errors import ModelError
from bertkit.kinds import MisfitError
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.models.tokenizers import open_tokenizer
from bertkit.summarization.methods import Method
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.records import Answers, Item, Listener, SourceText, Summarizer
from bertkit.summarization.trained import summarizer_of
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.set_choice import SetChoiceTask
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import Encoder
    from bertkit.models.salience import SalienceModel

WEIGHTS = Path(__file__).parent / "weights" / "extractor.safetensors"
MODEL = "minilm"
LAYERS = 5
"""Of the encoder's six: the last one prepares the comparison of whole texts, and ranks sentences worse."""
MAX_LENGTH = 96
"""Tokens of a sentence; longer ones are cut, and count as truncated."""
SIZES = {"salience": (3,), "salience-sets": (2, 3)}
SETTINGS = TaskSettings(
    "extractive", ColumnMap(("text",), None, None), max_length=MAX_LENGTH, on_long="window", pooling="siamese"
)


def open_shipped(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open the model for one of its methods.

    Raises:
        ModelError: the weights are missing or damaged, or the encoder's package is not the official one.
        DeviceError: the machine has no such device.
    """
    summarizer = summarizer_of(shipped_bundle(method.name), method, options, listener)
    return telling_of_korean(summarizer, options.language, listener.note)


def telling_of_korean(summarizer: Summarizer, language: str, note: Callable[[str], None]) -> Summarizer:
    """Let a summarizer that learnt English say so, once, after it was given Korean texts."""

    def summarize(items: Iterable[Item]) -> Answers:
        korean = 0

        def counted() -> Iterator[Item]:
            nonlocal korean
            for item in items:
                korean += isinstance(item, SourceText) and resolve_language(language, item.text) == "ko"
                yield item

        yield from summarizer(counted())
        if korean:
            texts = "1 text is" if korean == 1 else f"{korean:,} texts are"
            note(
                f"warning: {texts} Korean, and the model that comes with bertkit learnt English news: "
                "there it goes by place, length and repetition alone; take --method textrank, "
                "or --model RUN with a run of your own."
            )

    return summarize


def shipped_bundle(method: str, weights: Path = WEIGHTS, *, model_name: str = MODEL, layers: int = LAYERS) -> Bundle:
    """Put encoder, weights and task together.

    Args:
        method: salience or salience-sets.
        weights: what `examples/train_extractor.py` wrote.
        model_name: the encoder it learnt on, a name of the registry or a folder.
        layers: how many of the encoder's it learnt on.

    Raises:
        ModelError: see `open_shipped`.
    """
    arrays, sets = _opened(weights)
    tokenizer = open_tokenizer(find_model(model_name))
    task = SetChoiceTask(SETTINGS, tokenizer, sets, SIZES[method])
    model = task.build_model(lower_layers(model_name, tokenizer, layers), dropout=0.0)
    _fill(model, _under("salience.", arrays), weights)
    return Bundle(weights.parent, Manifest(SETTINGS, model_name, "", {}, {}), tokenizer, task, model.eval())


def _opened(weights: Path) -> tuple[dict[str, Any], SetScorer]:
    """Read what was learnt, and make the scorer of sets of its part of it."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(weights)
        broken = next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
        if broken is not None:
            raise MisfitError(f"holds figures that are no numbers (NaN or infinity), in {broken}")
        return arrays, SetScorer.from_arrays(_under("sets.", arrays))
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{weights}: cannot be read ({error}); install bertkit again.") from error


def lower_layers(model_name: str, tokenizer: Tokenizer, layers: int = LAYERS) -> Encoder:
    """Open the lower layers of a BERT.

    Raises:
        HubError: it is not here, and cannot be fetched.
        ModelError: its package is not the official one, or it is no BERT.
    """
    spec = find_model(model_name)
    options = BuildOptions(tokenizer.vocab_size, tokenizer.pad_id, with_pooler=False)
    encoder: Any = load_target(spec.builder)(spec, options)
    stack: Any = getattr(encoder.model, "encoder", None)
    if not hasattr(stack, "layer"):
        raise ModelError(f"--model {model_name}: is no BERT, and extraction stands on the lower layers of one.")
    stack.layer = stack.layer[:layers]
    return cast("Encoder", encoder.eval())


def _fill(model: SalienceModel, arrays: dict[str, Any], weights: Path) -> None:
    import torch

    try:
        model.salience.load_state_dict({name: torch.from_numpy(array).float() for name, array in arrays.items()})
    except RuntimeError as error:
        raise ModelError(f"{weights}: the weights do not fit the encoder; train them again on this one.") from error


def _under(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
