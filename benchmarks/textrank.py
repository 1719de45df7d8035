"""TextRank: bertkit against sumy and summa, on news articles and on documents of 400 sentences.

All get the same sentences, already split: sumy as objects, summa as lines, which it splits
again by itself. The work is words, weights, scores and the three best sentences.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from inputs import Text, load_texts, long_texts
from options import Missing, run_script, script_parser, silent
from report import Report
from sidebyside import Course, alternate, clocked, speed_ratios

CHOSEN = 3
WORD = re.compile(r"\w+")
PEERS = ("sumy", "summa")

Summarize = Callable[[Text], Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--documents", type=int, default=100, help="news articles (default: 100)")
    parser.add_argument("--long-documents", type=int, default=1, help="documents of many sentences (default: 1)")
    parser.add_argument("--sentences", type=int, default=400, help="sentences of a long document (default: 400)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare all on articles, then on long documents."""
    summarizers = {"bertkit": _bertkit(), **_peers()}
    articles = load_texts(options.data, options.documents)
    long_ones = long_texts(articles, options.sentences, options.long_documents)
    settings = {name: getattr(options, name) for name in ("documents", "long_documents", "sentences")}
    report = Report("textrank", f"{articles.source}; {long_ones.source}", settings)
    everything = {**summarizers, "bertkit, splitting too": _bertkit_from_text()}
    parts = (("articles", articles.documents, everything), ("long", long_ones.documents, summarizers))
    for key, documents, chosen in parts:
        contenders = [clocked(name, partial(_each, work, documents), len(documents)) for name, work in chosen.items()]
        courses = alternate(contenders, options.repetitions, budget_s=options.budget / len(parts))
        mean = sum(len(document.sentences) for document in documents) / len(documents)
        _add(report, courses, key, f"{mean:.0f} sentences a document")
    for name in PEERS:
        if name not in summarizers:
            for key in ("articles", "long"):
                report.left_out[f"textrank.{key}.{name}"] = f"{name} is not installed: pip install '.[bench]'"
    return report


def _add(report: Report, courses: dict[str, Course], key: str, what: str) -> None:
    for name, course in courses.items():
        report.speeds.append((f"{name}, {what}", "documents/s", course.speed))
    for name in PEERS:
        if name in courses:
            ratio = speed_ratios(courses["bertkit"], courses[name])
            report.add(f"textrank.{key}.{name}", f"bertkit / {name}, {what}", ratio)
    whole = courses.get("bertkit, splitting too")
    if whole is not None and "summa" in courses:
        ratio = speed_ratios(whole, courses["summa"])
        report.add(f"textrank.{key}.summa_from_text", f"bertkit with its own splitting / summa, {what}", ratio)


def _each(summarize: Summarize, documents: Sequence[Text]) -> list[Any]:
    return [summarize(document) for document in documents]


def _bertkit() -> Summarize:
    from bertkit.documents.textrank import textrank_scores
    from bertkit.documents.words import sentence_words

    def summarize(document: Text) -> list[int]:
        scores = textrank_scores(sentence_words(document.sentences, "en"))
        return sorted(scores.argsort(kind="stable")[::-1][:CHOSEN].tolist())

    return summarize


def _bertkit_from_text() -> Summarize:
    from bertkit.documents.sentences import split_sentences

    rank = _bertkit()
    return lambda document: rank(Text(tuple(s.text for s in split_sentences(document.text, "en")), ""))


def _peers() -> dict[str, Summarize]:
    """Return those that are installed.

    Raises:
        Missing: none is.
    """
    found: dict[str, Summarize] = {}
    for name, build in (("sumy", _sumy), ("summa", _summa)):
        try:
            found[name] = build()
        except ImportError:
            continue
    if not found:
        raise Missing("neither sumy nor summa is installed: pip install '.[bench]'.")
    return found


def _sumy() -> Summarize:
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.summarizers.text_rank import TextRankSummarizer
    from sumy.utils import get_stop_words

    summarizer = TextRankSummarizer()  # without stemming, as bertkit, and the faster for it
    summarizer.stop_words = get_stop_words("english")

    class Words:
        """What sumy's own tokenizer does, which needs data that have to be downloaded."""

        def to_words(self, sentence: str) -> tuple[str, ...]:
            return tuple(WORD.findall(sentence))

    words = Words()

    def summarize(document: Text) -> list[str]:
        paragraph = Paragraph([Sentence(sentence, words) for sentence in document.sentences])
        return [str(sentence) for sentence in summarizer(ObjectDocumentModel([paragraph]), CHOSEN)]

    return summarize


def _summa() -> Summarize:
    with silent():
        from summa.summarizer import summarize as rank

    def summarize(document: Text) -> list[str]:
        best: list[tuple[str, float]] = rank(document.text, ratio=1.0, split=True, scores=True)
        return [sentence for sentence, _ in sorted(best, key=lambda pair: -pair[1])[:CHOSEN]]

    return summarize


if __name__ == "__main__":
    sys.exit(main())
