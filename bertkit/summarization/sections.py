"""A summary for each heading: documents are handed to a method section by section, and put together again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import groupby

from bertkit.summarization.records import (
    Answer,
    Answers,
    Choice,
    Item,
    SectionSummary,
    Summarizer,
    Summary,
    Unreadable,
    nothing_in,
    passages_of,
)


def by_section(summarizer: Summarizer) -> Summarizer:
    """Make a summarizer that summarizes what stands under each heading by itself."""

    def summarize(items: Iterable[Item]) -> Answers:
        passed: deque[tuple[Item, int]] = deque()  # filled by the reading side, emptied in the same order
        with closing(summarizer(_sections(items, passed))) as answers:
            for first in answers:
                item, count = passed.popleft()
                yield _together(item, [first, *(next(answers) for _ in range(count - 1))])

    return summarize


def _sections(items: Iterable[Item], passed: deque[tuple[Item, int]]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Unreadable):
            passed.append((item, 1))
            yield item
            continue
        groups = [tuple(group) for _, group in groupby(passages_of(item), key=lambda p: (p.section, p.level))]
        passed.append((item, max(1, len(groups))))
        for group in groups or [()]:
            yield replace(item, passages=group)


def _together(item: Item, answers: list[Answer]) -> Answer:
    """Put the summaries of a document's sections together; sections without a sentence are left out."""
    if isinstance(item, Unreadable):
        return item
    found = [answer for answer in answers if isinstance(answer, Summary)]
    if not found:
        return Unreadable.of(item, nothing_in(item.text))
    before, sections, choices = 0, list[SectionSummary](), list[Choice]()
    for summary in found:
        own = tuple(replace(choice, index=choice.index + before) for choice in summary.sentences)
        before += summary.total
        first = next(iter(summary.document.passages or ()), None)
        heading, level = (first.section, first.level) if first else ("", 0)
        sections.append(SectionSummary(heading, level, summary.summary, own))
        choices += own
    text = "\n".join(section.summary for section in sections if section.summary)
    return Summary(item, found[0].method, text, tuple(choices), total=before, sections=tuple(sections))
