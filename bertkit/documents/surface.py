"""What can be seen of a sentence without a model: where it stands, how long it is, what it repeats.

These figures are what sentence extraction was built on before neural encoders (Luhn 1958;
Edmundson 1969; Mihalcea & Tarau 2004), and a small encoder's vectors do not hold them: no
sentence by itself knows how often its document comes back to its words. No torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.documents.textrank import textrank_scores
from bertkit.documents.words import sentence_words

FEATURES = (
    "place",
    "place_share",
    "place_inverse",
    "places_left",
    "words_before",
    "document_length",
    "length",
    "content_share",
    "mean_count",
    "mass",
    "mass_log",
    "once_share",
    "recurring",
    "often_recurring",
    "textrank",
    "textrank_place",
    "textrank_best",
    "shared_with_first",
    "said_before",
    "newly_recurring",
    "digit",
    "digit_share",
    "quote",
    "question",
    "colon",
    "bracket",
    "commas",
    "word_length",
    "stopped",
)
"""The columns of `surface_features`; a stored model names those that it learnt from."""

# Counts and their like, which are taken as logarithms: so all features are of about the same size.
_UNBOUNDED = [
    FEATURES.index(name)
    for name in (
        "place",
        "places_left",
        "words_before",
        "length",
        "mean_count",
        "mass_log",
        "recurring",
        "often_recurring",
        "textrank",
        "newly_recurring",
        "commas",
        "word_length",
    )
]
_QUOTES = frozenset("'\"`‘’“”「」『』«»")
_STOPS = tuple(".!?。！？…\"'”’)」")

Column = Sequence[float]


def surface_features(sentences: Sequence[str], language: str = "auto") -> NDArray[np.float32]:
    """Return the features of each sentence of a document, (sentences, features).

    Args:
        sentences: the whole document's, in order.
        language: decides what a word is; see `sentence_words`.

    Raises:
        UnknownNameError: the language is none of "auto", "en" and "ko".
    """
    words = sentence_words(sentences, language)
    lengths = [len(sentence.split()) for sentence in sentences]
    figures = [
        *_places(lengths),
        *_lengths(lengths, words),
        *_repetitions(words),
        *_centrality(words),
        *_novelty(words),
        *_marks(sentences),
    ]
    table = np.array(figures, np.float32).T.reshape(len(sentences), len(FEATURES))
    table[:, _UNBOUNDED] = np.log1p(table[:, _UNBOUNDED])
    return table


def _places(lengths: Sequence[int]) -> list[Column]:
    n = len(lengths)
    before: list[float] = np.cumsum([0, *lengths])[:n].tolist()
    places = range(n)
    return [
        list(places),
        [i / n for i in places],
        [1 / (i + 1) for i in places],
        [n - i for i in places],
        before,
        [math.log(max(1, n))] * n,
    ]


def _lengths(lengths: Sequence[int], words: Sequence[Sequence[str]]) -> list[Column]:
    content = [len(found) / (1 + length) for found, length in zip(words, lengths, strict=True)]
    return [lengths, content]


def _repetitions(words: Sequence[Sequence[str]]) -> list[Column]:
    """Tell how often the document has the words of each sentence."""
    counts = Counter(word for found in words for word in found)
    sentences_with = Counter(word for found in words for word in set(found))
    total = max(1, counts.total())
    rows = []
    for found in words:
        kinds = set(found)
        rows.append(
            (
                sum(counts[word] for word in found) / (1 + len(found)),
                sum(counts[word] for word in kinds) / total,
                sum(math.log(counts[word]) for word in kinds),
                sum(counts[word] == 1 for word in kinds) / (1 + len(kinds)),
                sum(sentences_with[word] > 1 for word in kinds),
                sum(sentences_with[word] > 2 for word in kinds),
            )
        )
    return [*zip(*rows, strict=True)] if rows else [()] * 6


def _centrality(words: Sequence[Sequence[str]]) -> list[Column]:
    """Return TextRank's scores over their mean, the share of sentences that are better, and whether under three are."""
    scores = textrank_scores(words)
    better = np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
    mean = float(scores.mean()) if len(scores) else 1.0
    return [list(scores / (mean or 1.0)), list(better / max(1, len(scores))), list(better < 3)]


def _novelty(words: Sequence[Sequence[str]]) -> list[Column]:
    """Compare each sentence with the first one and with all before it."""
    sentences_with = Counter(word for found in words for word in set(found))
    first = set(words[0]) if words else set()
    seen: set[str] = set()
    rows = []
    for found in words:
        kinds = set(found)
        size = 1 + len(kinds)
        newly = sum(sentences_with[word] > 1 for word in kinds - seen)
        rows.append((len(kinds & first) / size, len(kinds & seen) / size, newly))
        seen |= kinds
    return [*zip(*rows, strict=True)] if rows else [()] * 3


def _marks(sentences: Sequence[str]) -> list[Column]:
    digits = [sum(map(str.isdigit, sentence)) for sentence in sentences]
    tokens = [sentence.split() for sentence in sentences]
    return [
        [n > 0 for n in digits],
        [n / (1 + len(sentence)) for n, sentence in zip(digits, sentences, strict=True)],
        [any(mark in _QUOTES for mark in sentence) for sentence in sentences],
        ["?" in sentence for sentence in sentences],
        [":" in sentence for sentence in sentences],
        [any(mark in sentence for mark in ("(", "[", "-lrb-")) for sentence in sentences],
        [sentence.count(",") for sentence in sentences],
        [sum(map(len, found)) / (1 + len(found)) for found in tokens],
        [sentence.rstrip().endswith(_STOPS) for sentence in sentences],
    ]
