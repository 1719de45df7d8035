"""ROUGE of many summaries: bertkit's corpus evaluation against rouge-score, one pair after another.

The same pairs, metrics and stems on both sides, and the figures are compared. How many cores
worked is told by the processor time of the turn, that of workers included.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from inputs import Text, load_texts
from machine import available_cores
from options import run_script, script_parser
from report import Report
from sidebyside import Contender, Course, Estimate, Turn, alternate, speed_ratios

METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
SUMMARY_SENTENCES = 3
OURS, REFERENCE = "bertkit", "rouge-score"

Pair = tuple[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=3)
    parser.add_argument("--pairs", type=int, default=3000, help="summaries with their references (default: 3000)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare both on the same pairs."""
    texts = load_texts(options.data, min(options.pairs, 1000))
    pairs = list(itertools.islice(_pairs(texts.documents), options.pairs))
    words = "summaries are three sentences in a row, from all places of a document"
    report = Report("rouge", f"{len(pairs):,} pairs from {texts.source}; {words}", {"pairs": len(pairs)})
    works = {OURS: _bertkit, REFERENCE: _rouge_score}
    contenders = [_contender(name, work, pairs) for name, work in works.items()]
    courses = alternate(contenders, options.repetitions, warm_ups=0, budget_s=options.budget)
    report.add_speeds(courses.values(), "pairs/s")
    report.add("rouge.speed", "bertkit / rouge-score", speed_ratios(courses[OURS], courses[REFERENCE]))
    report.add("rouge.cores", f"cores at work, of {available_cores()}, bertkit", _cores(courses[OURS]), "")
    gap = max(abs(a - b) for a, b in zip(courses[OURS].value[0], courses[REFERENCE].value[0], strict=True))
    report.notes.append(f"mean F1 of the four metrics differ by {gap:.1e} at most")
    return report


def _pairs(documents: Sequence[Text]) -> Iterator[Pair]:
    """Yield references with summaries, endlessly: each time round, the summaries begin further down."""
    for start in itertools.count(step=SUMMARY_SENTENCES):
        for document in documents:
            begin = start % max(1, len(document.sentences) - SUMMARY_SENTENCES + 1)
            yield document.reference, "\n".join(document.sentences[begin : begin + SUMMARY_SENTENCES])


def _contender(name: str, work: Callable[[Sequence[Pair]], list[float]], pairs: Sequence[Pair]) -> Contender:
    """Make a contender whose value is the means, and the processor seconds with those of ended children."""

    def take_turn() -> Turn:
        before, began = sum(os.times()[:4]), time.perf_counter()
        means = work(pairs)
        seconds = time.perf_counter() - began
        return Turn(seconds, len(pairs), (means, sum(os.times()[:4]) - before))

    return Contender(name, take_turn)


def _cores(course: Course) -> Estimate:
    return Estimate.of(turn.value[1] / turn.seconds for turn in course.turns)


def _bertkit(pairs: Sequence[Pair]) -> list[float]:
    from bertkit.documents.rouge import score_corpus

    found = score_corpus([reference for reference, _ in pairs], [summary for _, summary in pairs], "english")
    return [float(found.scores[metric].mean()) for metric in METRICS]


def _rouge_score(pairs: Sequence[Pair]) -> list[float]:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(METRICS), use_stemmer=True)
    scores = [scorer.score(reference, summary) for reference, summary in pairs]
    return [statistics.fmean(score[metric].fmeasure for score in scores) for metric in METRICS]


if __name__ == "__main__":
    sys.exit(main())
