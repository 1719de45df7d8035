"""Which tokenizer a training reads its rows with, and whether its vocabulary is trimmed for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bertkit.config import TrainConfig
from bertkit.data.records import Example
from bertkit.data.store import texts_of
from bertkit.errors import ModelError, TokenizerError, UsageError
from bertkit.kinds import MisfitError
from bertkit.models.registry import find_model
from bertkit.models.table import ModelSpec
from bertkit.models.tokenizers import open_folder, open_tokenizer
from bertkit.run_folder import put_back
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import load_tokenizer
from bertkit.tokenization.trimming import DROPPED_FILE, Dropped, Trimmed, read_dropped, trim, trim_alike
from bertkit.tokenization.vocab import train_wordpiece


def choose_tokenizer(
    config: TrainConfig,
    spec: ModelSpec,
    train: Sequence[Example],
    saved: Path | None,
    note: Callable[[str], None],
) -> tuple[Tokenizer, Trimmed | None]:
    """Open, trim or train the tokenizer of a training.

    Args:
        config: the resolved request.
        spec: the model's row.
        train: the training rows, for a vocabulary that is trained or trimmed.
        saved: folder of the tokenizer of a run that is resumed.
        note: told what is being done, in one sentence each.

    Returns:
        The tokenizer, and what was trimmed away, None where all is kept.

    Raises:
        HubError: the hub is needed and cannot be reached.
        TokenizerError: there is none, it is damaged, or it cannot mask the tokens that are to be masked.
        UsageError: a vocabulary is to be trimmed that cannot be.
    """
    trimmed = _trimmed(config, spec, train, saved, note)
    if trimmed is not None:
        tokenizer = trimmed.tokenizer
    else:
        tokenizer = load_tokenizer(saved) if saved else _opened(config, spec, train, note)
    if config.token_masking and tokenizer.special.mask is None:
        raise TokenizerError(
            f"{owner(config)}: its tokenizer has no mask token for --token-masking; take one that has, or "
            "--token-masking 0."
        )
    return tokenizer, trimmed


def dropped_pieces(config: TrainConfig, spec: ModelSpec, trimmed: Trimmed | None) -> Dropped | None:
    """Return what the vocabulary lacks: what is trimmed away now, and what a run that is learnt on from lacked.

    Raises:
        ModelError: the list of that run is damaged.
    """
    found = [] if trimmed is None else [trimmed.dropped]
    if spec.hub_id is None and config.tokenizer is None and config.init == "pretrained":
        try:
            before = read_dropped(Path(spec.name) / DROPPED_FILE)
        except MisfitError as error:
            raise ModelError(f"--model {spec.name}: {DROPPED_FILE} {error}; copy the run again.") from error
        found += [] if before is None else [before]
    if not found:
        return None
    return Dropped(
        tuple(piece for dropped in found for piece in dropped.pieces),
        tuple(score for dropped in found for score in dropped.scores),
    )


def owner(config: TrainConfig) -> str:
    """Return the flag and value that a tokenizer is from, for sentences about it."""
    return f"--tokenizer {config.tokenizer}" if config.tokenizer is not None else f"--model {config.model}"


def _opened(config: TrainConfig, spec: ModelSpec, train: Sequence[Example], note: Callable[[str], None]) -> Tokenizer:
    """Open the tokenizer that is named, or the model's, or train one."""
    if config.tokenizer is not None:
        folder = Path(config.tokenizer)
        put_back(folder)
        return open_folder(folder) if folder.is_dir() else open_tokenizer(find_model(config.tokenizer))
    if not spec.is_scratch and config.init == "pretrained":
        return open_tokenizer(spec)
    note(f"training a vocabulary of up to {config.vocab_size:,} pieces on {len(train):,} rows")
    return train_wordpiece(
        texts_of(train),
        size=int(config.vocab_size or 0),
        lowercase=bool(config.lowercase),
        max_length=int(config.max_length or spec.max_length),
    )


def _trimmed(
    config: TrainConfig,
    spec: ModelSpec,
    train: Sequence[Example],
    saved_tokenizer: Path | None,
    note: Callable[[str], None],
) -> Trimmed | None:
    """Cut the vocabulary down to what the training rows need, where that is wanted."""
    if not config.trim_vocab:
        return None
    if spec.is_scratch or config.init == "random":
        raise UsageError("--trim-vocab: a model that starts from nothing has no vocabulary to trim; leave it out.")
    whole = _opened(config, spec, train, note)
    if saved_tokenizer is not None:
        return trim_alike(whole, load_tokenizer(saved_tokenizer), name=spec.name)
    trimmed = trim(whole, texts_of(train), name=spec.name)
    note(
        f"of {whole.vocab_size:,} pieces {len(trimmed.rows):,} are kept: single characters, the {trimmed.seen:,} of "
        "the training rows, and likely ones of their scripts (--no-trim-vocab keeps all)"
    )
    return trimmed
