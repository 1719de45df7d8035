"""Summaries of documents that have references: each method beside the first three sentences.

    python benchmarks/summaries.py tests/summarization/kinds/*.jsonl --rouge morph
    python benchmarks/summaries.py news.jsonl --methods salience salience-sets

Files are tables with `text` and `summary`. Three sentences a document, as `bertkit summarize` takes by default;
intervals are 95 % over documents, paired, 1,000 resamples.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertkit.documents.rouge import highlight_lines, resolve_mode, score_table, signature
from bertkit.summarization.methods import SummaryOptions, open_summarizer
from bertkit.summarization.records import Listener, SourceText, Summary
from bertkit.tasks.summaries import METRICS, difference_intervals, mean_scores

METHODS = ("textrank", "salience", "salience-sets")
Scores = dict[str, NDArray[np.float64]]


def main() -> None:
    """Print a JSON object a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="JSON lines with text and summary")
    parser.add_argument("--methods", nargs="+", default=METHODS, help="beside lead")
    parser.add_argument("--model", help="a run, for the methods bertsum and matchsum")
    parser.add_argument("--rouge", default="auto", help="tokenization of ROUGE, for Korean morph")
    options = parser.parse_args()
    for path in options.files:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        print(json.dumps(compared(path.name, rows, options), ensure_ascii=False), flush=True)


def compared(name: str, rows: Sequence[dict[str, str]], options: argparse.Namespace) -> dict[str, object]:
    """Score every method on the documents of a file."""
    references = [highlight_lines(row["summary"]) for row in rows]
    mode = resolve_mode("auto", references)
    mode = options.rouge if options.rouge != "auto" and mode != "english" else mode
    report: dict[str, object] = {"file": name, "documents": len(rows), "signature": signature(mode)}
    lead = scored(summaries([row["text"] for row in rows], "lead", None), references, mode)
    report["lead"] = rounded(mean_scores(lead))
    for method in options.methods:
        found = scored(summaries([row["text"] for row in rows], method, options.model), references, mode)
        differences = {
            metric: [round(100 * end, 2) for end in ends] for metric, ends in difference_intervals(found, lead).items()
        }
        report[method] = rounded(mean_scores(found)) | {"minus_lead": differences}
    return report


def summaries(texts: Iterable[str], method: str, model: str | None) -> list[str]:
    """Summarize texts by a method, a chosen sentence a line."""
    options = SummaryOptions(method, model=model if method not in ("lead", "textrank") else None)
    answers = open_summarizer(options, Listener())([SourceText(text, str(i)) for i, text in enumerate(texts)])
    return [answer.summary if isinstance(answer, Summary) else "" for answer in answers]


def scored(found: Sequence[str], references: Sequence[str], mode: str) -> Scores:
    """Return the F1 of each document by metric."""
    table = score_table(list(zip(references, found, strict=True)), mode, METRICS)
    return {metric: np.asarray(table)[:, i] for i, metric in enumerate(METRICS)}


def rounded(means: dict[str, float]) -> dict[str, object]:
    """Return figures times 100."""
    return {metric: round(100 * value, 2) for metric, value in means.items()}


if __name__ == "__main__":
    main()
