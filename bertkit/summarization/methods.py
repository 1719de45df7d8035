"""The table of methods: a name, and where its opener is. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.bundle import load_manifest
from bertkit.errors import ModelError, UnknownNameError
from bertkit.models.offline import INSTALL, packaged_model
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
_SHIPPED = "bertkit.summarization.shipped:open_shipped"
METHODS: tuple[Method, ...] = (
    Method("lead", "bertkit.summarization.untrained:open_lead", "the first sentences"),
    Method("textrank", "bertkit.summarization.untrained:open_textrank", "the sentences most like the others"),
    Method(
        "salience", _TRAINED, "sentences read alone, three chosen", "extractive", alone=True, without_run="salience"
    ),
    Method("salience-sets", _SHIPPED, "the same, sets of two or three compared", without_run="salience-sets"),
    Method("bertsum", _TRAINED, "sentences chosen by a run of BertSum", "extractive", without_run="salience"),
    Method("matchsum", _TRAINED, "a set chosen by a run of MatchSum", "matching", without_run="salience-sets"),
    Method("abstractive", "bertkit.summarization.abstractive:open_writers", "written by BART or T5", writes=True),
)
# The encoder of the model that comes with bertkit.
ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT, SUBSTITUTE = "salience", "textrank"
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
        note(f"--model {model}: reads its sentences alone (--pooling siamese), which is the method {true.name}.")
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
    """Return the column that a run's documents stood in; None where the model is no run.

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
