"""Methods that are a trained model: a run of `bertkit train`, or the extractive model that comes with bertkit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from bertkit import bundle
from bertkit.bundle import Bundle, Manifest
from bertkit.compute.device import choose_placement
from bertkit.data.records import BadRow, ColumnMap, Document, Example
from bertkit.documents.selection import SetScorer, select
from bertkit.documents.sentences import Sentence
from bertkit.documents.words import resolve_language
from bertkit.errors import ModelError
from bertkit.evaluation.predict import predict_stream
from bertkit.kinds import MisfitError
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.models.tokenizers import open_tokenizer
from bertkit.summarization.methods import (
    DEFAULT,
    DEFAULT_SENTENCES,
    SUBSTITUTE,
    Method,
    SummaryOptions,
    find_method,
    open_textrank,
)
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
    document_sentences,
    nothing_in,
    word_counts,
)
from bertkit.tasks.base import Task, TaskSettings
from bertkit.tasks.extractive import SetChoiceTask
from bertkit.tasks.summaries import Extract
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import FitWatch

if TYPE_CHECKING:
    from bertkit.models.extractive import SalienceModel
    from bertkit.models.heads import Encoder

# --------------------------------------------------------------------------------------------------
# Methods that are a run of `bertkit train`: BertSum and salience (task extractive), MatchSum (task matching).
#
# The run scores and chooses sentences. Here texts are cut into them, as `--language` says,
# and what the run makes of them becomes summaries of the length asked for.


def open_trained(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open a run.

    Raises:
        RunError: it is damaged or newer.
        DeviceError: the machine has no such device.
    """
    return summarizer_of(bundle.load(Path(options.model or "")), method, options, listener)


def summarizer_of(loaded: Bundle, method: Method, options: SummaryOptions, listener: Listener) -> Summarizer:
    """Make a summarizer of a model that scores and chooses sentences.

    Raises:
        DeviceError: the machine has no such device.
    """
    placement = choose_placement(options.device, options.precision, width=loaded.model.encoder.hidden_size)
    loaded.model.to(placement.device)
    whole = replace(loaded, task=cast("Task", _Whole(loaded.task)))
    watch = FitWatch(loaded.tokenizer)

    def summarize(items: Iterable[Item]) -> Answers:
        passed: deque[_Split] = deque()  # filled by the reading thread, emptied in the same order
        cut = 0
        rows = _rows(items, options.language, passed)
        with closing(predict_stream(whole, rows, placement, slow_source=True, watch=watch)) as chunks:
            for records in chunks:
                for record in records:
                    split = passed.popleft()
                    cut += _is_cut(split, record, method)
                    yield _answer(split, record, method, options)
        if cut:
            _say_cut(_texts(cut), loaded.task.settings.max_length, method, listener)
        if watch.misfit is not None:
            listener.note(f"warning: {watch.misfit}.")

    return summarize


class _Whole:
    """A task whose records hold all it made of a row: the scores of every sentence, not the chosen ones only."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def record(self, example: Example, output: Extract, top_k: int) -> dict[str, Any]:
        return {"extract": output}


class _Split(NamedTuple):
    """An item with its sentences, and their places in its text."""

    item: Item
    sentences: Sequence[Sentence]


def _rows(items: Iterable[Item], language: str, passed: deque[_Split]) -> Iterator[Example | BadRow]:
    """Yield a row for each item: a document that comes split, so that the run takes these sentences and no others."""
    for item in items:
        line = item.line or 1
        if isinstance(item, Unreadable):
            passed.append(_Split(item, ()))
            yield BadRow(line, item.message)
        else:
            sentences = document_sentences(item, language)
            passed.append(_Split(item, sentences))
            texts = tuple(sentence.said for sentence in sentences)
            yield Document(("\n".join(texts),), None, line, item.source, None, texts)


def _say_cut(texts: str, most: int, method: Method, listener: Listener) -> None:
    """Say how many texts were not read to their end, and what to do."""
    if method.task == "matching":
        listener.note(
            f"warning: {texts} longer than the {most} tokens that the run reads: sets of sentences were compared with "
            "the beginning only; a run of --task extractive with --on-long window reads whole texts."
        )
        return
    listener.note(
        f"warning: {texts} longer than the {most} tokens that the run reads: the rest was left out; "
        "train the run with --on-long window to read whole texts."
    )


def _is_cut(split: _Split, record: Mapping[str, Any], method: Method) -> bool:
    """Tell whether a run that reads the beginning of a text did not read all of this one."""
    if method.task == "matching":  # its sentences are all there; the text that they are compared with was cut
        return record.get("truncated", False) is True
    return "extract" in record and len(record["extract"].sentences) < len(split.sentences)


def _answer(split: _Split, record: Mapping[str, Any], method: Method, options: SummaryOptions) -> Answer:
    item, sentences = split
    if isinstance(item, Unreadable):
        return item
    if "error" in record:
        return Unreadable.of(item, str(record["error"]))
    extract: Extract = record["extract"]
    if not extract.sentences:
        return Unreadable.of(item, nothing_in(item.text))
    found = ((place, sentences[place]) for place in _chosen(extract, options, word_counts(sentences)))
    choices = [Choice.of(i, sentence, round(extract.scores[i], 6)) for i, sentence in found]
    return Summary.of_choices(item, method.name, choices, len(sentences))


def _chosen(extract: Extract, options: SummaryOptions, lengths: Sequence[int] = ()) -> Sequence[int]:
    """Return the model's own choice, or as many of the best sentences as are asked for.

    Where there were sets to choose among, these are the best set of that size; where all are
    larger, the best sentences of the model's own choice.
    """
    count = options.count(len(extract.sentences))
    if options.is_usual and count == DEFAULT_SENTENCES:
        return extract.chosen
    if options.words is not None:
        tokens = [sentence.text.lower().split() for sentence in extract.sentences]
        return select(extract.scores, tokens, count, lengths=lengths, room=options.words)
    if count < min(map(len, extract.candidates), default=0):
        return sorted(extract.chosen, key=lambda place: -extract.scores[place])[:count]
    words = [sentence.text.lower().split() for sentence in extract.sentences]
    of_size = (found for found in extract.candidates if len(found) == count)
    return next(of_size, None) or select(extract.scores, words, count)


# --- The extractive model that comes with bertkit: weights/ on the lower layers of MiniLM ---------
#
# Its encoder is that of the extra `offline`, unchanged; what was learnt (weights/README.md
# tells from what, and how well it does) is in the package. Its methods are salience, which
# takes three sentences, and salience-sets, the default, which takes two or three.

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
    if options.method is not None:
        return telling_of_korean(summarizer, options.language, listener.note)
    others = open_textrank(find_method(SUBSTITUTE), options, listener)
    return korean_apart(summarizer, others, options.language, listener.note)


def korean_apart(
    summarizer: Summarizer, of_korean: Summarizer, language: str, note: Callable[[str], None]
) -> Summarizer:
    """Give Korean texts to another summarizer, in their order among the rest, and say so once.

    The model that comes with bertkit learnt English, and on Korean news written for the project
    it is behind TextRank (docs/summaries.md). Texts that follow each other in one language go on
    together, so that a batch holds as many as there are.
    """

    def summarize(items: Iterable[Item]) -> Answers:
        korean = 0
        for is_korean, run in groupby(items, partial(_is_korean, language)):
            with closing((of_korean if is_korean else summarizer)(run)) as answers:
                for answer in answers:
                    korean += is_korean
                    yield answer
        if korean:
            texts = _texts(korean)
            note(
                f"{texts} Korean and summarized by {SUBSTITUTE}, since the model that comes with bertkit learnt "
                f"English news; --method {DEFAULT} takes the model all the same."
            )

    return summarize


def _is_korean(language: str, item: Item) -> bool:
    return isinstance(item, SourceText) and resolve_language(language, item.text) == "ko"


def _texts(count: int) -> str:
    return "1 text is" if count == 1 else f"{count:,} texts are"


def telling_of_korean(summarizer: Summarizer, language: str, note: Callable[[str], None]) -> Summarizer:
    """Let a summarizer that learnt English say so, once, after it was given Korean texts."""

    def summarize(items: Iterable[Item]) -> Answers:
        korean = 0

        def counted() -> Iterator[Item]:
            nonlocal korean
            for item in items:
                korean += _is_korean(language, item)
                yield item

        yield from summarizer(counted())
        if korean:
            texts = _texts(korean)
            note(
                f"warning: {texts} Korean, and the model that comes with bertkit learnt English news: elsewhere "
                f"it uses position, length and repetition only; take --method textrank, "
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
            raise MisfitError(f"holds values that are not numbers (NaN or infinity), in {broken}")
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
        raise ModelError(f"--model {model_name}: is not a BERT, and extraction uses the lower layers of one.")
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
