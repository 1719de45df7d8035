"""Summaries that a model writes, of documents of any length.

A document that does not fit the model is read in windows of whole sentences, and the
summaries of the windows are joined. Where that is still more than two summaries long, what
is joined is summarized in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Any

from bertkit.compute.device import Placement, choose_placement
from bertkit.documents.sentences import Sentence, split_sentences
from bertkit.documents.words import resolve_language
from bertkit.errors import ModelError, UnknownNameError
from bertkit.files import is_dir
from bertkit.hub import hub_errors, require
from bertkit.kinds import MisfitError, value_of
from bertkit.models.finding import check_folder, opening, quiet
from bertkit.models.sizes import check_plan, checked_config_of, count_weights
from bertkit.models.table import ModelSpec
from bertkit.models.tokenizers import open_tokenizer
from bertkit.models.weights import check_finite
from bertkit.run_folder import is_there
from bertkit.summarization.methods import Method, SummaryOptions
from bertkit.summarization.records import (
    Answer,
    Answers,
    Choice,
    Item,
    Listener,
    SourceText,
    Summarizer,
    Summary,
    Unreadable,
    Windows,
    document_sentences,
    nothing_in,
    on_one_line,
)
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import FitWatch

# --- The table of models that write summaries: a name, and what it stands for. Imports nothing heavy


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


# --- Long documents in windows of whole sentences, as even as they can be -------------------------


def even_windows(lengths: Sequence[int], room: int) -> list[range]:
    """Divide sentences into as few runs as possible, the longest of them as short as possible.

    Args:
        lengths: tokens of each sentence; none is longer than `room`.
        room: most tokens of a window.

    Returns:
        The sentences of each window, in order.
    """
    fewest = len(_packed(lengths, room))
    low, high = max(lengths, default=0), room
    while low < high:  # the tightest room that needs no window more
        middle = (low + high) // 2
        low, high = (low, middle) if len(_packed(lengths, middle)) <= fewest else (middle + 1, high)
    return _packed(lengths, high)


def _packed(lengths: Sequence[int], room: int) -> list[range]:
    windows, start, used = [], 0, 0
    for place, length in enumerate(lengths):
        if used + length > room and place > start:
            windows.append(range(start, place))
            start, used = place, 0
        used += length
    if start < len(lengths):
        windows.append(range(start, len(lengths)))
    return windows


def fitting(texts: Sequence[str], lengths: Callable[[Sequence[str]], Sequence[int]], room: int) -> list[str]:
    """Return sentences that fit a window: one that does not is halved, between words if it has several."""
    fits: list[str] = []
    for text, length in zip(texts, lengths(texts), strict=True):
        halves = _halves(text) if length > room else ()
        fits.extend(fitting(halves, lengths, room) if halves else [text])
    return fits


def _halves(text: str) -> tuple[str, ...]:
    if len(text) < 2:
        return ()
    middle = len(text) // 2
    spaces = [place for place in (text.rfind(" ", 0, middle), text.find(" ", middle)) if place > 0]
    cut = min(spaces, key=lambda place: abs(place - middle), default=middle)
    return tuple(half for half in (text[:cut].strip(), text[cut:].strip()) if half)


# --- A model that writes: text of one window in, a summary out (BART, T5 and their kin) -----------
#
# The summarization pipeline left transformers with version 5; what it did is done here:
# T5's prefix, the lengths and beams a checkpoint recommends, and no sampling, so that the
# same text always gets the same summary.

WAYS_ON = (
    "give a local copy with --model DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "take --method textrank, which needs no model",
)
# Where neither the user nor the checkpoint says anything; See et al. 2017 and Lewis et al. 2020 took these.
BEAMS, NO_REPEAT, MOST_TOKENS = 4, 3, 142
# Tokens of a summary, and beams, that a checkpoint may recommend.
_LONGEST_SUMMARY, WIDEST = 65_536, 64
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
        raise ModelError(
            f"--model {spec.name}: is a run of `bertkit train`, which does not write summaries; leave out --method."
        )
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

    most = options.max_tokens or number(_LONGEST_SUMMARY, "max_new_tokens", "max_length") or MOST_TOKENS
    least = options.min_tokens or number(_LONGEST_SUMMARY, "min_new_tokens", "min_length") or 0
    own.num_beams = options.beams or number(WIDEST, "num_beams") or BEAMS
    own.no_repeat_ngram_size = number(_LONGEST_SUMMARY, "no_repeat_ngram_size") or NO_REPEAT
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


_TOO_LONG = 2  # summaries of usual length


def open_writers(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open the model asked for; without one, each language's own is opened at its first document.

    Raises:
        BertkitError: the model cannot be opened.
    """
    desk = _Desk(method, options, listener)
    if options.model is not None:
        desk.writer(find_writer(options.model))
    return desk.summarize


@dataclass
class _Draft:
    """What has become of a document so far, sentence by sentence; `tokens` is how long that is."""

    document: SourceText
    sentences: list[str]
    tokens: float = inf


class _Desk:
    """The open models, and the documents that pass over them."""

    def __init__(self, method: Method, options: SummaryOptions, listener: Listener) -> None:
        self._method, self._options, self._listener = method, options, listener
        self._open: dict[str, Writer] = {}

    def writer(self, spec: WriterSpec) -> Writer:
        if spec.name not in self._open:
            self._listener.note(f"{self._method.name}: the model is {described(spec)}; it is loaded now.")
            self._open[spec.name] = open_writer(spec, self._options)
        return self._open[spec.name]

    def summarize(self, items: Iterable[Item]) -> Answers:
        for chunk in _chunks(items, self._most_at_once):
            yield from self._answers(chunk)
        for name, writer in self._open.items():
            if writer.watch.misfit is not None:
                self._listener.note(f"warning: {name} does not know these texts' words; choose another --model.")

    def _most_at_once(self) -> int:
        """Return how many documents to take: on a CPU a batch of them takes as long as one after the other."""
        return max((w.batch_size for w in self._open.values() if w.placement.kind != "cpu"), default=1)

    def _answers(self, items: Sequence[Item]) -> list[Answer]:
        answers: list[Answer] = []
        work: dict[str, list[tuple[int, _Draft]]] = {}
        for item in items:
            if isinstance(item, Unreadable):
                answers.append(item)
                continue
            draft = _Draft(item, _lines(document_sentences(item, self._options.language)))
            if draft.sentences:
                work.setdefault(self._spec(item).name, []).append((len(answers), draft))
            answers.append(Unreadable.of(item, nothing_in(item.text)))  # its summary takes this place
        for name, drafts in work.items():
            for place, summary in zip((p for p, _ in drafts), self._written(name, [d for _, d in drafts]), strict=True):
                answers[place] = summary
        return answers

    def _within(self, written: Sequence[str]) -> Sequence[str]:
        """Leave out what goes beyond the words that were asked for."""
        if self._options.words is None:
            return written
        room = accumulate(len(sentence.split()) for sentence in written)
        return written[: max(1, sum(words <= self._options.words for words in room))]

    def _spec(self, document: SourceText) -> WriterSpec:
        if self._options.model is not None:
            return find_writer(self._options.model)
        return default_writer(resolve_language(self._options.language, document.text))

    def _written(self, name: str, drafts: Sequence[_Draft]) -> list[Summary]:
        wanted = [self._options.most_written(len(draft.sentences)) for draft in drafts]
        source = drafts[0].document.source

        def report(total: int, done: int) -> None:
            if total > 1:
                self._listener.progress(Windows(source, done, total))

        _write(self.writer(find_writer(name)), drafts, self._options.language, report)
        return [
            Summary(draft.document, self._method.name, "\n".join(self._within(draft.sentences[:most])))
            for draft, most in zip(drafts, wanted, strict=True)
        ]


def _write(writer: Writer, drafts: Sequence[_Draft], language: str, report: Callable[[int, int], None]) -> None:
    """Replace the sentences of drafts by summaries of them, until these are short or shrink no more.

    `report` is told how many windows there are, and how many are done.
    """
    pending = list(drafts)
    while pending:
        cut = [_windows(writer, draft.sentences) for draft in pending]
        total = sum(map(len, cut))
        texts = iter(writer.write([w for windows in cut for w in windows], partial(report, total)))
        long = []
        for draft, windows in zip(pending, cut, strict=True):
            before = draft.tokens
            draft.sentences = [s for _ in windows for s in _sentences(next(texts), language, keep=True)]
            draft.tokens = sum(writer.lengths(draft.sentences))
            if len(windows) > 1 and _TOO_LONG * writer.limits.most < draft.tokens < before:
                long.append(draft)
        pending = long


def _windows(writer: Writer, sentences: Sequence[str]) -> list[str]:
    pieces = fitting(sentences, writer.lengths, writer.room)
    runs = even_windows(writer.lengths(pieces), writer.room)
    return [" ".join(pieces[i] for i in run) for run in runs]


def _sentences(text: str, language: str, *, keep: bool = False) -> list[str]:
    """Return a text's sentences, each on one line; with `keep`, what has no words is one too."""
    found = _lines(split_sentences(text, language))
    return found or ([on_one_line(text)] if keep and text.strip() else [])


def _lines(sentences: Iterable[Sentence]) -> list[str]:
    return [Choice.of(0, sentence, 0.0).line for sentence in sentences]


def _chunks(items: Iterable[Item], most: Callable[[], int]) -> Iterator[list[Item]]:
    """Yield items in lists of 1, 2, 4, …, so that the first answers come soon."""
    size, chunk = 1, list[Item]()
    for item in items:
        chunk.append(item)
        if len(chunk) >= size:
            yield chunk
            size, chunk = min(2 * size, most()), []
    if chunk:
        yield chunk
