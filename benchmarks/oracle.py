"""Oracle labels: bertkit's greedy search against scoring every step with rouge-score.

Both pick up to three sentences that raise ROUGE-1 + ROUGE-2 most, from the same sentences
and references; tokenizing and stemming are part of the work, and the picks are compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial

from inputs import Text, load_texts
from options import run_script, script_parser
from report import Report
from sidebyside import Estimate, alternate, clocked, equal_share, speed_ratios

CHOSEN = 3
OURS, REFERENCE = "bertkit", "rouge-score"

Pick = Callable[[Text], list[int]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--documents", type=int, default=25, help="documents to label (default: 25)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare both on the same documents."""
    texts = load_texts(options.data, options.documents)
    report = Report("oracle", texts.source, {"documents": options.documents, "sentences_chosen": CHOSEN})
    pickers = {OURS: _bertkit, REFERENCE: _rouge_score()}
    contenders = [
        clocked(name, partial(_each, pick, texts.documents), len(texts.documents)) for name, pick in pickers.items()
    ]
    courses = alternate(contenders, options.repetitions, budget_s=options.budget)
    report.add_speeds(courses.values(), "documents/s")
    report.add(
        "oracle.rouge_score", "bertkit / rouge-score at each step", speed_ratios(courses[OURS], courses[REFERENCE])
    )
    share = equal_share(courses[OURS].value, courses[REFERENCE].value)
    report.add("oracle.equal", "documents with the same sentences picked", Estimate.exactly(100 * share), "%")
    return report


def _each(pick: Pick, documents: Sequence[Text]) -> list[list[int]]:
    return [pick(document) for document in documents]


def _bertkit(document: Text) -> list[int]:
    from bertkit.documents.rouge import tokenize
    from bertkit.documents.selection import oracle_sentences

    sentences = [tokenize(sentence, "english").tokens for sentence in document.sentences]
    return oracle_sentences(sentences, tokenize(document.reference, "english").tokens, CHOSEN)


def _rouge_score() -> Pick:
    """Score each selection as a whole, as the code of many papers does."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2"], use_stemmer=True)

    def score(document: Text, chosen: Sequence[int]) -> float:
        summary = " ".join(document.sentences[index] for index in chosen)
        found = scorer.score(document.reference, summary)
        return float(found["rouge1"].fmeasure + found["rouge2"].fmeasure)

    def pick(document: Text) -> list[int]:
        chosen: list[int] = []
        best = 0.0
        while len(chosen) < CHOSEN:
            rest = [index for index in range(len(document.sentences)) if index not in chosen]
            scored = [(score(document, sorted([*chosen, index])), -index) for index in rest]
            top, index = max(scored, default=(0.0, 0))
            if top <= best:
                break
            best = top
            chosen = sorted([*chosen, -index])
        return chosen

    return pick


if __name__ == "__main__":
    sys.exit(main())
