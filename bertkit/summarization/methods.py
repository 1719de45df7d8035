"""The table of methods and what a summary is asked to be; the methods that need no model. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import sqrt
from pathlib import Path

from bertkit.bundle import load_manifest
from bertkit.compute.device import check_device_word
from bertkit.documents.selection import select
from bertkit.documents.sentences import Sentence
from bertkit.documents.textrank import textrank_scores
from bertkit.documents.words import LANGUAGES, sentence_words
from bertkit.errors import ModelError, UnknownNameError, UsageError
from bertkit.models.finding import INSTALL, packaged_model
from bertkit.models.registry import load_target
from bertkit.plain import brief
from bertkit.run_folder import is_there
from bertkit.summarization.records import (
    Answer,
    Choice,
    Listener,
    SourceText,
    Summarizer,
    Summary,
    Unreadable,
    document_sentences,
    nothing_in,
    one_by_one,
    word_counts,
)

# --- What a summary is asked to be; checked in the words of the flags, without torch --------------

DEFAULT_SENTENCES = 3
_LONG = 100  # sentences of a document from which three are too few
_GROWTH = 0.3  # of the square root of a long document's sentences are chosen: 3 of 100, 9 of 1,000, 19 of 4,000


def suitable_length(sentences: int) -> int:
    """Return how many of a document's sentences are chosen where nobody says how many."""
    return DEFAULT_SENTENCES if sentences <= _LONG else max(DEFAULT_SENTENCES, round(_GROWTH * sqrt(sentences)))


def _section_length(sentences: int) -> int:
    """Return how many of a section's are: 1 of up to 20 sentences, 2 of up to 56, 3 of up to 100."""
    return min(DEFAULT_SENTENCES, max(1, round(sqrt(sentences) / 3)))


PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class SummaryOptions:
    """How to summarize.

    Args:
        method: a name of `methods.METHODS`; None: what suits `model`, or else the default.
        model: a run directory, or for abstractive a name of `registry.WRITERS`, hf:org/name or
            a folder.
        sentences: most sentences of a summary; None: three, and of written ones all.
        ratio: most sentences as a share of the document's, 0 to 1; at least one is taken.
        language: auto, en or ko.
        beams: abstractive: summaries kept in sight while one is written.
        min_tokens: abstractive: fewest tokens written for a window of usual length.
        max_tokens: abstractive: most tokens written for a window.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: auto, float32 or bfloat16.
        words: most words of a summary, in place of sentences.
        sections: whether each part under a heading has a summary of its own.

    Raises:
        UsageError: a value that its flag cannot take, or two that exclude each other.
    """

    method: str | None = None
    model: str | None = None
    sentences: int | None = None
    ratio: float | None = None
    language: str = "auto"
    beams: int | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    device: str = "auto"
    precision: str = "auto"
    words: int | None = None
    sections: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("sentences", "words", "beams", "max_tokens", "min_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} {value}: must be at least 1.")
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise UsageError(f"--ratio {self.ratio:g}: must be above 0 and at most 1.")
        lengths = (("--sentences", self.sentences), ("--words", self.words), ("--ratio", self.ratio))
        given = [flag for flag, value in lengths if value is not None]
        if len(given) > 1:
            raise UsageError(f"give {' or '.join(given)}, not both.")
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            raise UsageError(f"--min-tokens {self.min_tokens}: is more than --max-tokens {self.max_tokens}.")
        for flag, word, allowed in (
            ("--language", self.language, LANGUAGES),
            ("--precision", self.precision, PRECISIONS),
        ):
            if word not in allowed:
                raise UsageError(f"{flag} {brief(word)}: must be one of {', '.join(allowed)}.")
        check_device_word(self.device)

    def count(self, sentences: int) -> int:
        """Return how many of a document's sentences to choose; `words` may let fewer in."""
        if self.words is not None:
            return sentences
        if self.sections and self.is_usual:
            return _section_length(sentences) if sentences <= _LONG else suitable_length(sentences)
        return self.most_written(sentences) or suitable_length(sentences)

    @property
    def is_usual(self) -> bool:
        """Whether nobody has said how long a summary is to be."""
        return self.sentences is None and self.ratio is None and self.words is None

    def most_written(self, sentences: int) -> int | None:
        """Return how many sentences may be written of a document of so many; None: as many as the model likes."""
        if self.ratio is not None:
            return max(1, round(self.ratio * sentences))
        return self.sentences

    def refuse_unused(self, method: str, unused: Mapping[str, str]) -> None:
        """Refuse options that a method does not have; `unused` has for each name what it belongs to.

        Raises:
            UsageError: one of them is given.
        """
        for name, owner in unused.items():
            if getattr(self, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')}: belongs to {owner}, and the method is {method}.")


# --- The table of methods: a name, and where its opener is. Imports nothing heavy -----------------


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        name: what --method takes.
        opener: "module:function", called as `opener(method, options, listener)`; it returns
            a `Summarizer`.
        summary: one line for people.
        task: of what task a run directory must be to serve as its model; empty where none can.
        alone: whether such a run reads sentences one by one (`--pooling siamese`).
        without_run: the method whose model, the one that comes with bertkit, serves where no
            run is given; empty where none is needed.
        writes: whether it writes sentences of its own; else it chooses the document's.
    """

    name: str
    opener: str
    summary: str
    task: str = ""
    alone: bool = False
    without_run: str = ""
    writes: bool = False


_TRAINED = "bertkit.summarization.trained:open_trained"
# Opens the model that comes with bertkit.
_SHIPPED = "bertkit.summarization.trained:open_shipped"
METHODS: tuple[Method, ...] = (
    Method("lead", "bertkit.summarization.methods:open_lead", "the first sentences"),
    Method("textrank", "bertkit.summarization.methods:open_textrank", "the sentences most like the others"),
    Method(
        "salience",
        _TRAINED,
        "each sentence scored by itself, three chosen",
        "extractive",
        alone=True,
        without_run="salience",
    ),
    Method("salience-sets", _SHIPPED, "the same scores, sets of two or three compared", without_run="salience-sets"),
    Method("bertsum", _TRAINED, "sentences chosen by a run of BertSum", "extractive", without_run="salience"),
    Method("matchsum", _TRAINED, "a set chosen by a run of MatchSum", "matching", without_run="salience-sets"),
    Method("abstractive", "bertkit.summarization.abstractive:open_writers", "written by BART or T5", writes=True),
)
# The encoder of the model that comes with bertkit.
ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT, SUBSTITUTE = "salience-sets", "textrank"
_WRITING = dict.fromkeys(("beams", "min_tokens", "max_tokens"), "the method abstractive")
_WITH_MODEL = "bertsum, matchsum, salience and abstractive"


def find_method(name: str) -> Method:
    """Look a method up.

    Raises:
        UnknownNameError: no row has the name.
    """
    for method in METHODS:
        if method.name == name:
            return method
    names = [method.name for method in METHODS]
    raise UnknownNameError.among("method", name, names, f"there are {', '.join(names)}")


def asked_method(options: SummaryOptions) -> Method:
    """Return the method asked for, else what the model is for, else the default, whether it can be had or not.

    Raises:
        UnknownNameError: there is no such method.
        ModelError: the model is a run that serves no method.
        RunError: the model is a damaged or newer run.
    """
    if options.method is not None:
        return find_method(options.method)
    if options.model is None:
        return find_method(DEFAULT)
    if not is_there(Path(options.model)):
        return next(method for method in METHODS if method.writes)
    return _method_of_run(options.model, "summaries", ("extractive", "matching"))


def choose_method(options: SummaryOptions, note: Callable[[str], None]) -> Method:
    """Return the method to use, under its true name: `asked_method`, checked against the other options.

    bertsum and matchsum are papers' methods, and need a run. Where none is given the model that
    comes with bertkit serves, which is another method; `note` is told of it. Where that has no
    encoder, the best method that needs none takes the default's place, and `note` is told.

    Raises:
        UsageError: an option is given that the method does not have.
        ModelError: the method asked for needs a model, and none is given or at hand.
        BertkitError: see `asked_method`.
    """
    method = asked_method(options)
    unused: Mapping[str, str] = {} if method.writes else _WRITING
    if not method.task and not method.writes:
        unused = {**unused, "model": _WITH_MODEL}
    options.refuse_unused(method.name, unused)
    if not method.task and not method.without_run:
        return method
    if options.model is not None:
        return _of_run(method, options.model, note)
    return _of_bertkit(method, options, note)


def _of_run(method: Method, model: str, note: Callable[[str], None]) -> Method:
    """Return what a run is, asked for as `method`."""
    true = _method_of_run(model, method.name, (method.task,))
    if true.alone and not method.alone:
        note(f"--model {model}: scores each sentence by itself (--pooling siamese), which is the method {true.name}.")
    elif method.alone and not true.alone:
        raise ModelError(f"--model {model}: is a run of BertSum; take --method {true.name}.")
    return true


def _of_bertkit(method: Method, options: SummaryOptions, note: Callable[[str], None]) -> Method:
    """Return the method of the model that comes with bertkit, for one that was asked for without a run."""
    true = find_method(method.without_run)
    a_run = f"--model RUN, a run of `bertkit train DATA --task {method.task}`"
    if packaged_model(ENCODER) is not None:
        if true is not method:
            shipped = f"without one the model that comes with bertkit serves, {true.name}"
            note(f"--method {method.name} needs {a_run}; {shipped}.")
        return replace(true, opener=_SHIPPED)
    needs = f"needs the encoder MiniLM ({INSTALL})" + (f", or {a_run}" if method.task else "")
    if options.method is not None:
        raise ModelError(f"--method {method.name}: {needs}; or take --method {SUBSTITUTE}, which needs neither.")
    note(f"{method.name} {needs}; {SUBSTITUTE} is used instead.")
    return find_method(SUBSTITUTE)


def run_column(model: str | None) -> str | None:
    """Return the column that a run's documents stood in; None where the model is not a run.

    Raises:
        RunError: the run is damaged or newer.
    """
    if model is None or not is_there(Path(model)):
        return None
    return next(iter(load_manifest(Path(model)).settings.columns.text), None)


def open_summarizer(options: SummaryOptions, listener: Listener) -> Summarizer:
    """Choose the method and build its summarizer.

    Raises:
        BertkitError: see `choose_method`, or the method's model cannot be opened.
    """
    method = choose_method(options, listener.note)
    summarizer: Summarizer = load_target(method.opener)(method, options, listener)
    return summarizer


def _method_of_run(model: str, what: str, tasks: Sequence[str]) -> Method:
    """Return the method that a run's task and pooling make.

    Raises:
        ModelError: it is a run of none of the tasks, which `what` needs.
    """
    settings = load_manifest(Path(model)).settings
    if settings.task not in tasks:
        needed = " or ".join(tasks)
        verb = "need" if what == "summaries" else "needs"
        raise ModelError(f"--model {model}: is a run of the task {settings.task}; {what} {verb} one of {needed}.")
    alone = settings.task == "extractive" and settings.pooling == "siamese"
    return next(method for method in METHODS if method.task == settings.task and method.alone is alone)


# --- Methods that need no model: the first sentences, and TextRank. No torch ----------------------

FEWEST_WORDS = 4
"""Words of a sentence, as white space parts them, from which TextRank may choose it before others."""
_BEHIND = 1e6

Chosen = tuple[Sequence[int], Sequence[float]]
"""The places of the chosen sentences, and the scores of all."""


def open_lead(method: Method, options: SummaryOptions, _: Listener) -> Summarizer:
    """Take the first sentences; a sentence scores one over its place."""

    def choose(sentences: Sequence[Sentence], count: int) -> Chosen:
        scores = [1 / (place + 1) for place in range(len(sentences))]
        if options.words is None:
            return range(min(count, len(sentences))), scores
        room = accumulate(word_counts(sentences))
        return range(max(1, sum(words <= options.words for words in room))), scores

    return _choosing(method, options, choose)


def open_textrank(method: Method, options: SummaryOptions, _: Listener) -> Summarizer:
    """Take the sentences that share most words with others that do (Mihalcea & Tarau 2004).

    A sentence that repeats three words in a row of a better one is passed over.
    """

    def choose(sentences: Sequence[Sentence], count: int) -> Chosen:
        words = sentence_words([sentence.said for sentence in sentences], options.language)
        scores = textrank_scores(words).tolist()
        ranking = _short_ones_last(scores, sentences)
        return select(ranking, words, count, lengths=word_counts(sentences), room=options.words), scores

    return _choosing(method, options, choose)


def _short_ones_last(scores: Sequence[float], sentences: Sequence[Sentence]) -> list[float]:
    """Put sentences of next to no words behind all others, in their order.

    The measure of TextRank divides by the logarithm of lengths, so that a sentence of two words
    ("Will do.") that shares one with many others would be chosen first.
    """
    lengths = [len(sentence.said.split()) for sentence in sentences]
    return [score if length >= FEWEST_WORDS else score - _BEHIND for score, length in zip(scores, lengths, strict=True)]


def _choosing(
    method: Method, options: SummaryOptions, choose: Callable[[Sequence[Sentence], int], Chosen]
) -> Summarizer:
    def answer(document: SourceText) -> Answer:
        sentences = document_sentences(document, options.language)
        if not sentences:
            return Unreadable.of(document, nothing_in(document.text))
        places, scores = choose(sentences, options.count(len(sentences)))
        chosen = [Choice.of(i, sentences[i], scores[i]) for i in places]
        return Summary.of_choices(document, method.name, chosen, len(sentences))

    return one_by_one(answer)
