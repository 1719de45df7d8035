"""Turn a request into figures: the model's recipe fills what the user left open."""

from __future__ import annotations

from dataclasses import fields, replace

from bertkit.config import TrainConfig
from bertkit.errors import UsageError
from bertkit.models.registry import ModelSpec, Recipe

# Vocabulary of a scratch model: a piece must be seen often enough to be learnt.
WORDS_PER_PIECE = 20
SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 1_000, 32_000
SHAPE = ("size", "layers", "hidden", "heads")


def resolve(config: TrainConfig, spec: ModelSpec, *, is_pair: bool, n_words: int) -> TrainConfig:
    """Fill every open value of a request.

    Args:
        config: the request; None stands for "you decide".
        spec: the model's row; its recipe decides.
        is_pair: whether a row is two sentences; what only pairs can use is off otherwise.
        n_words: running words of the training rows, for the size of a new vocabulary.

    Raises:
        UsageError: an option that the model or the data cannot use.
    """
    _refuse_misfits(config, spec, is_pair)
    from_recipe = {
        rule.name: getattr(spec.recipe, rule.name) for rule in fields(Recipe) if getattr(config, rule.name) is None
    }
    filled = replace(config, **from_recipe)
    return replace(
        filled,
        init=filled.init or ("random" if spec.is_scratch else "pretrained"),
        overlap_segments=bool(filled.overlap_segments and is_pair),
        swap_pairs=bool(filled.swap_pairs and is_pair),
        max_length=min(filled.max_length or spec.max_length, spec.max_length),
        vocab_size=filled.vocab_size or _vocabulary_size(n_words),
        lowercase=True if filled.lowercase is None else filled.lowercase,
    )


def _vocabulary_size(n_words: int) -> int:
    return max(SMALLEST_VOCABULARY, min(LARGEST_VOCABULARY, n_words // WORDS_PER_PIECE))


def _refuse_misfits(config: TrainConfig, spec: ModelSpec, is_pair: bool) -> None:
    if spec.is_scratch and config.init == "pretrained":
        raise UsageError("--init pretrained: scratch has no weights to start from; leave the flag out.")
    if config.max_length is not None and config.max_length > spec.max_length:
        raise UsageError(
            f"--max-length {config.max_length}: {spec.name} reads at most {spec.max_length} tokens; lower it."
        )
    if not is_pair:
        for name in ("overlap_segments", "swap_pairs"):
            if getattr(config, name):
                word = "--" + name.replace("_", "-")
                raise UsageError(f"{word}: needs rows of two sentences, and this data has one text per row.")
    shape = [f"--{name}" for name in SHAPE if getattr(config, name) is not None]
    if shape and not spec.is_scratch and config.init != "random":
        raise UsageError(f"{shape[0]}: a pretrained model has its shape; add --init random to start from nothing.")
