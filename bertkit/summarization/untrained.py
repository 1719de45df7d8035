"""Methods that need no model: the first sentences, and TextRank. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from bertkit.documents.blocking import select
from bertkit.documents.sentences import Sentence
from bertkit.documents.textrank import textrank_scores
from bertkit.documents.words import sentence_words
from bertkit.summarization.methods import Method
from bertkit.summarization.options import SummaryOptions
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
