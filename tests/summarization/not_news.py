"""Does a method take the first sentences by habit? Ten documents that are not news tell.

They were written for the project: minutes, a recipe, a story and the like, English and
Korean. The sentence that says what matters stands behind the lead in each of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bertkit.summarization.methods import SummaryOptions, open_summarizer
from bertkit.summarization.records import Listener, SourceText, Summary
from tests.summarization.conftest import TEXTS

DOCUMENTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(TEXTS.glob("*.txt"))}
MAIN_POINTS: Mapping[str, list[str]] = json.loads((TEXTS / "main_points.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Habits:
    """What a method chose of the documents.

    Attributes:
        leads: share of the documents of which it took just the first sentences, 0 to 1.
        early: share of the chosen sentences that are among the first three of their document.
        main_points: share of the documents whose main point is in the summary.
    """

    leads: float
    early: float
    main_points: float


def habits(method: SummaryOptions | Callable[[str], Summary]) -> Habits:
    """Summarize the ten documents by a method, and say what it chose."""
    summaries = _summaries(method)
    chosen = {name: [choice.index for choice in summary.sentences] for name, summary in summaries.items()}
    all_chosen = [index for indices in chosen.values() for index in indices]
    said = (any(point in summaries[name].summary for point in points) for name, points in MAIN_POINTS.items())
    return Habits(
        leads=sum(indices == list(range(len(indices))) for indices in chosen.values()) / len(chosen),
        early=sum(index < 3 for index in all_chosen) / len(all_chosen),
        main_points=sum(said) / len(MAIN_POINTS),
    )


def _summaries(method: SummaryOptions | Callable[[str], Summary]) -> dict[str, Summary]:
    if not isinstance(method, SummaryOptions):
        return {name: method(text) for name, text in DOCUMENTS.items()}
    sources = [SourceText(text, name) for name, text in DOCUMENTS.items()]
    answers = list(open_summarizer(method, Listener())(sources))
    assert all(isinstance(answer, Summary) for answer in answers)
    return dict(zip(DOCUMENTS, answers, strict=True))
