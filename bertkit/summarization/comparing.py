"""Every method on the same document (`--compare`), and what lead and textrank reach beside what a model writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace

from bertkit.errors import ModelError
from bertkit.summarization.methods import METHODS, Method, asked_method, open_summarizer
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.records import Answer, Answers, Item, Listener, Summarizer, Summary, Unreadable

BASELINES = ("lead", "textrank")


def open_all(options: SummaryOptions, listener: Listener) -> Summarizer:
    """Open every method that is at hand, and what `--model` names; a document gets an answer of each.

    Raises:
        BertkitError: the model cannot be opened.
    """
    summarizers = [_opened(method, options, listener) for method in METHODS if _needs_no_run(method)]
    if options.model is None:
        listener.note("--compare: a run, or a model that writes, joins with --model.")
    else:
        summarizers.append(open_summarizer(replace(options, method=asked_method(options).name), listener))

    def summarize(items: Iterable[Item]) -> Answers:
        for item in items:
            if isinstance(item, Unreadable):
                yield item
                continue
            for summarizer in summarizers:
                if summarizer is not None:
                    with closing(summarizer([item])) as answers:
                        yield from answers

    return summarize


def _needs_no_run(method: Method) -> bool:
    return not method.writes and (not method.task or method.without_run == method.name)


def _opened(method: Method, options: SummaryOptions, listener: Listener) -> Summarizer | None:
    """Open a method that needs no model of the user's; where it lacks its encoder, say so and go on."""
    try:
        return open_summarizer(_without_model(options, method.name), listener)
    except ModelError as error:
        listener.note(f"--compare: left out: {error}")
        return None


def _without_model(options: SummaryOptions, method: str) -> SummaryOptions:
    return replace(options, method=method, model=None, beams=None, min_tokens=None, max_tokens=None)


def beside_baselines(answers: Answers, options: SummaryOptions, score: Callable[[Summary], Answer]) -> Answers:
    """Add to each scored answer what lead and textrank reach on its document."""
    methods = [(name, open_summarizer(_without_model(options, name), Listener())) for name in BASELINES]
    with closing(answers):
        for answer in answers:
            if not isinstance(answer, Summary) or answer.rouge is None:
                yield answer
                continue
            found = {}
            for name, summarizer in methods:
                (other,) = summarizer([answer.document])
                scored = score(other) if isinstance(other, Summary) else other
                if isinstance(scored, Summary) and scored.rouge is not None:
                    found[name] = scored.rouge
            yield replace(answer, baselines=tuple(found.items()))
