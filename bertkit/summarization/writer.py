"""A model that writes: text of one window in, a summary out (BART, T5 and their kin).

The summarization pipeline left transformers with version 5; what it did is done here:
T5's prefix, the lengths and beams a checkpoint recommends, and no sampling, so that the
same text always gets the same summary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.compute.device import Placement, choose_placement
from bertkit.errors import ModelError
from bertkit.hub import hub_errors, require
from bertkit.kinds import MisfitError, value_of
from bertkit.models.opening import check_folder, opening, quiet
from bertkit.models.sizes import check_plan, checked_config_of, count_weights
from bertkit.models.table import ModelSpec
from bertkit.models.tokenizers import open_tokenizer
from bertkit.models.weights import check_finite
from bertkit.run_folder import is_there
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.registry import WriterSpec
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import FitWatch

WAYS_ON = (
    "give a local copy with --model DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "take --method textrank, which needs no model",
)
# Where neither the user nor the checkpoint says anything; See et al. 2017 and Lewis et al. 2020 took these.
BEAMS, NO_REPEAT, MOST_TOKENS = 4, 3, 142
# Tokens of a summary, and beams, that a checkpoint may recommend.
LONGEST, WIDEST = 65_536, 64
PREFIX = "summarize: "
_T5_KIN = ("t5", "mt5", "umt5", "longt5")
_POSITIONS = ("max_encoder_position_embeddings", "max_position_embeddings", "n_positions")
_USUAL_POSITIONS = 512
_BATCH = {"cpu": 4}  # windows; each is as many rows as there are beams
_LARGE_BATCH = 16
_SHORTEST = 8  # tokens: no window, and no limit on a summary, is less


@dataclass(frozen=True, slots=True)
class Limits:
    """Fewest and most tokens of a summary."""

    least: int
    most: int

    def for_window(self, tokens: int) -> Limits:
        """Return the limits for a short text: no longer than it, and forced to no more than a third of it."""
        return Limits(min(self.least, tokens // 3), min(self.most, max(tokens, _SHORTEST)))


class Writer:
    """A model that writes summaries, with its tokenizer.

    Attributes:
        room: tokens of a window, its prefix and special tokens not counted.
        limits: of the summary of a window of usual length.
        watch: has seen every text.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, placement: Placement, options: SummaryOptions) -> None:
        self.model = model
        self.placement = placement
        self.watch = FitWatch(tokenizer)
        self.limits = _take_over_generation(model, options)
        self._tokenizer = tokenizer
        self._prefix = _prefix(model.config)
        (empty,) = self._encode([""])
        self.room = max(tokenizer.max_length - len(empty), _SHORTEST)

    @property
    def batch_size(self) -> int:
        """Windows that are worked on at once."""
        return _BATCH.get(self.placement.kind, _LARGE_BATCH)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of texts, each with the space that would part it from the one before."""
        rows = self._tokenizer.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(row) + 1 for row in rows]

    def write(self, windows: Sequence[str], report: Callable[[int], None]) -> list[str]:
        """Return the summaries of windows, in order; a window longer than `room` is cut.

        Args:
            windows: one text each.
            report: is told how many are done, batch by batch.
        """
        rows = self._encode(windows)
        alike: defaultdict[Limits, list[int]] = defaultdict(list)
        for place in sorted(range(len(rows)), key=lambda place: len(rows[place])):
            alike[self.limits.for_window(len(rows[place]))].append(place)
        written, done = [""] * len(rows), 0
        for limits, places in alike.items():
            for start in range(0, len(places), self.batch_size):
                batch = places[start : start + self.batch_size]
                for place, text in zip(batch, self._generate([rows[i] for i in batch], limits), strict=True):
                    written[place] = text
                done += len(batch)
                report(done)
        return written

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return ids with the prefix and with the marks the model was trained with."""
        config, room = self.model.config, self._tokenizer.max_length
        encodings = self._tokenizer.encode([self._prefix + text for text in texts], max_length=room)
        self.watch.see(encodings)
        return [_framed(list(encoding.ids), config, room) for encoding in encodings]

    def _generate(self, rows: Sequence[list[int]], limits: Limits) -> list[str]:
        import torch

        config, longest = self.model.config, max(map(len, rows))
        padding = next(iter(_ids(config, "pad")), 0)
        ids = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])  # (B, L)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        with torch.inference_mode(), quiet("transformers.generation.utils"):
            written = self.model.generate(
                input_ids=ids.to(self.placement.device),
                attention_mask=mask.to(self.placement.device),
                max_new_tokens=limits.most,
                min_new_tokens=limits.least,
            )
        marks = {token for part in ("eos", "bos", "pad", "decoder_start") for token in _ids(config, part)}
        kept = [[token for token in row if token not in marks] for row in written.tolist()]
        return [self._tokenizer.backend.decode(row, skip_special_tokens=True).strip() for row in kept]


def open_writer(spec: WriterSpec, options: SummaryOptions) -> Writer:
    """Load a model and its tokenizer onto the device.

    Raises:
        HubError: the hub is needed and cannot be reached, or does not have the model.
        ModelError: there is no such model, it is damaged, or it does not write.
        TokenizerError: its tokenizer is missing or damaged.
        DeviceError: the machine has no such device.
    """
    source = _source(spec)
    with hub_errors(source, "model"), opening(source, is_folder=spec.hub_id is None, wanted="model that writes"):
        from transformers import AutoModelForSeq2SeqLM

        checked_config_of(source)
        config = _read_config(source)
        check_plan(AutoModelForSeq2SeqLM.from_config, config, count_weights(source))
        placement = choose_placement(options.device, options.precision, width=config.hidden_size)
        model = _load(source, placement)
    tokenizer = open_tokenizer(ModelSpec(spec.name, spec.hub_id, _positions(config), spec.summary))
    with opening(source, is_folder=spec.hub_id is None, wanted="model that writes"):
        _check_ids(tokenizer, model)
        return Writer(model, tokenizer, placement, options)


def _positions(config: Any) -> int:
    """Return how many tokens a model reads by its config."""
    stated = (getattr(config, name, None) for name in _POSITIONS)
    return next((number for number in stated if type(number) is int and number > 0), _USUAL_POSITIONS)


def _check_ids(tokenizer: Tokenizer, model: Any) -> None:
    ids, embeddings = tokenizer.vocab_size, len(model.get_input_embeddings().weight)
    if ids > embeddings:
        raise MisfitError(f"its tokenizer's ids go up to {ids - 1:,}, and it has embeddings for {embeddings:,}")


def _source(spec: WriterSpec) -> str:
    """Return what from_pretrained is given: a folder, or a hub id that is in reach."""
    if spec.hub_id is not None:
        require(spec.hub_id, "model", ways_on=WAYS_ON)
        return spec.hub_id
    if is_there(Path(spec.name)):
        raise ModelError(f"--model {spec.name}: is a run of `bertkit train`, which writes nothing; leave out --method.")
    check_folder(Path(spec.name))
    return spec.name


def _read_config(source: str) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if not config.is_encoder_decoder:
        raise ModelError(f"--model {source}: is a {config.model_type}, and summaries are written by a BART or T5.")
    return config


def _load(source: str, placement: Placement) -> Any:
    """Load the weights in the precision they are computed in: the large ones would not fit twice.

    Raises:
        ModelError: weights are missing, or of another shape than config.json says.
    """
    import torch
    from transformers import AutoModelForSeq2SeqLM

    with quiet("transformers.modeling_utils"), quiet("transformers.generation.configuration_utils"):
        model, found = AutoModelForSeq2SeqLM.from_pretrained(
            source,
            dtype=getattr(torch, placement.precision),
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    lacking = sorted({*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])})
    if lacking:
        raise ModelError(
            f"--model {source}: its weights lack {len(lacking)} tensors, {lacking[0]} first; copy the model again."
        )
    check_finite(model.named_parameters())
    return model.to(placement.device).eval()


def _take_over_generation(model: Any, options: SummaryOptions) -> Limits:
    """Set the model's way of writing: the user's wish, else the checkpoint's, else the usual.

    A checkpoint keeps its own in generation_config.json, older ones in config.json, T5 under
    `task_specific_params`. Lengths are taken out, for they are given window by window.
    """
    own, task = model.generation_config, _task_parameters(model.config)

    def stated(*names: str) -> Any:
        values = [value for name in names for value in (getattr(own, name, None), task.get(name))]
        return next((value for value in values if value is not None), None)

    def number(most: int, *names: str) -> int | None:
        value: int | None = value_of(int | None, stated(*names), names[0])
        if value is not None and not 0 <= value <= most:
            raise MisfitError(f"{names[0]} is {value:,} and should be from 0 to {most:,}")
        return value

    most = options.max_tokens or number(LONGEST, "max_new_tokens", "max_length") or MOST_TOKENS
    least = options.min_tokens or number(LONGEST, "min_new_tokens", "min_length") or 0
    own.num_beams = options.beams or number(WIDEST, "num_beams") or BEAMS
    own.no_repeat_ngram_size = number(LONGEST, "no_repeat_ngram_size") or NO_REPEAT
    for name in ("length_penalty", "early_stopping"):  # without beams they are refused
        setattr(own, name, stated(name) if own.num_beams > 1 else None)
    own.do_sample = False
    for name in ("max_length", "min_length", "max_new_tokens", "min_new_tokens", "temperature", "top_k", "top_p"):
        setattr(own, name, None)
    return Limits(min(least, most), most)


def _task_parameters(config: Any) -> dict[str, Any]:
    values = value_of(dict[str, Any] | None, getattr(config, "task_specific_params", None), "task_specific_params")
    own = value_of(dict[str, Any] | None, (values or {}).get("summarization"), "task_specific_params.summarization")
    return dict(own or {})


def _prefix(config: Any) -> str:
    stated = _task_parameters(config).get("prefix")
    return str(stated) if stated is not None else PREFIX * (config.model_type in _T5_KIN)


def _framed(ids: list[int], config: Any, room: int) -> list[int]:
    """Put the marks of beginning and end round ids whose tokenizer (KoBART's) does not."""
    ends = _ids(config, "eos")
    if not ends or any(token in ends for token in ids):
        return ids
    first = _ids(config, "bos")[:1] if config.model_type == "bart" else []
    return [*first, *ids[: room - len(first) - 1], ends[0]]


def _ids(config: Any, part: str) -> list[int]:
    """Return the ids a config gives a part: one, several or none."""
    value = getattr(config, f"{part}_token_id", None)
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
