"""ROUGE (Lin 2004) with a tokenization that has a name, for English and Korean.

The package rouge-score counts; what it counts is decided here, since its own tokenizer
drops every character outside a-z and 0-9: two Korean texts score 0, or, where they share
a number, 1. Each score comes with the share of characters its tokenization ignored, and
text that is mostly ignored is refused.

    english   runs of a-z and 0-9 in lower case, Porter's stems: close to published English figures,
              whose Perl script also knows irregular forms
    eojeol    words between white space, outer punctuation left off
    morph     morphemes by kiwipiepy (extra `ko`), punctuation left out
    char      letters and digits, each for itself

Scores of different tokenizations cannot be compared: morpheme and character scores are
higher than eojeol scores of the same texts. The signature says which was used.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from itertools import pairwise
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertkit.documents.words import detect_language, morphemes
from bertkit.errors import DataError, UnknownNameError
from bertkit.processor import usable_cores, usual_threads

# --- ROUGE of many summaries on several processors ------------------------------------------------
#
# The workers are programs of their own, not processes of the module multiprocessing: those
# would copy this process in the middle of what its threads do (fork), or run the caller's
# script a second time, with all that it imports (spawn, forkserver). A worker imports what
# counts, and no torch. Its part of the work is fixed beforehand, so that the order is, and
# where a worker fails its part is done here.

Pair = tuple[str, str]
"""A reference and a summary."""
Figures = list[list[float]]
"""F1 by metric for each pair."""
Count = Callable[[Sequence[Pair], str, Sequence[str]], Figures]
"""Scores pairs under a tokenization by some metrics."""

# Pairs that are scored here while the workers start, and the fewest that one is started for:
# a worker needs half a second to start, and one and a half milliseconds for a pair of news summaries.
HEAD_START, FEWEST = 400, 200
_PROGRAM = "from bertkit.documents.rouge import work; work()"
# Packages that nltk imports where it finds them, for a second and a half, and that ROUGE has no use for.
_NOT_NEEDED = ("scipy", "sklearn", "pandas", "matplotlib")


def in_processes(pairs: Sequence[Pair], mode: str, metrics: Sequence[str], count: Count) -> Figures:
    """Return `count(pairs, mode, metrics)`, computed on all cores this process may use where there is enough to do.

    OMP_NUM_THREADS limits their number, as it does elsewhere.
    """
    own, *others = _parts(len(pairs), _processors())
    with ExitStack() as stack:
        answers = [stack.enter_context(_worker(pairs[part], mode, metrics)) for part in others]
        figures = count(pairs[own], mode, metrics)
        for part, answer in zip(others, answers, strict=True):
            found = answer()
            figures += count(pairs[part], mode, metrics) if found is None else found
    return figures


def work() -> None:
    """Be a worker: read pairs, tokenization and metrics from standard input, and write the figures."""
    for name in _NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment] # as if it were not installed

    json.dump(f_measures(*json.load(sys.stdin)), sys.stdout)


def _parts(size: int, processors: int) -> list[slice]:
    """Divide pairs among processes; the first part is longer, for its process runs already."""
    head = min(size, HEAD_START)
    processes = max(1, min(processors, (size - head) // FEWEST))
    cuts = [0, *(head + (size - head) * i // processes for i in range(1, processes + 1))]
    return [slice(start, end) for start, end in pairwise(cuts)]


def _processors() -> int:
    """Return how many processes compute: no more than there are cores for, whatever OMP_NUM_THREADS says."""
    return min(usable_cores(), usual_threads())


@contextmanager
def _worker(pairs: Sequence[Pair], mode: str, metrics: Sequence[str]) -> Iterator[Callable[[], Figures | None]]:
    """Start a worker; gives a function that waits for its figures, None where it failed."""
    with ExitStack() as stack:
        # Files, not pipes: nobody has to read while the other writes.
        asked = stack.enter_context(TemporaryFile("w+", encoding="utf-8"))
        answered = stack.enter_context(TemporaryFile("w+", encoding="utf-8"))
        json.dump((pairs, mode, metrics), asked)
        asked.seek(0)
        process = _started(asked, answered)
        if process is None:
            yield lambda: None
            return
        stack.enter_context(process)
        stack.callback(process.kill)  # where it is no longer waited for
        yield lambda: _figures(process, answered, len(pairs))


def _started(asked: IO[str], answered: IO[str]) -> subprocess.Popen[bytes] | None:
    if not sys.executable or getattr(sys, "frozen", False):  # the program that runs is not an interpreter
        return None
    places = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", _PROGRAM]
    try:
        return subprocess.Popen(
            command, stdin=asked, stdout=answered, stderr=subprocess.DEVNULL, env={**os.environ, **places}
        )
    except OSError:
        return None


def _figures(process: subprocess.Popen[bytes], answered: IO[str], size: int) -> Figures | None:
    if process.wait() != 0:
        return None
    answered.seek(0)
    try:
        figures: Figures = json.load(answered)
    except ValueError:
        return None
    return figures if len(figures) == size else None


METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
MOST_IGNORED = 0.5

_OUTER_PUNCTUATION = re.compile(r"^[\W_]+|[\W_]+$")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_NOT_ENGLISH = re.compile(r"[^a-z0-9]+")


class Tokens(NamedTuple):
    """The tokens of a text, and how many of its characters they stand for."""

    tokens: list[str]
    read: int


@dataclass(frozen=True, slots=True)
class RougeScores:
    """F1 of a summary against its reference, 0 to 1, and the share of characters that were ignored."""

    rouge1: float
    rouge2: float
    rougeL: float  # noqa: N815 - the metric's name
    rougeLsum: float  # noqa: N815
    ignored_share: float


@dataclass(frozen=True, slots=True)
class CorpusRouge:
    """The scores of many summaries: an array of shape (documents) for each metric."""

    scores: dict[str, NDArray[np.float64]]
    ignored_share: float
    signature: str


def resolve_mode(mode: str, texts: Iterable[str]) -> str:
    """Return the name of a tokenization; "auto" is english or, for Korean texts, eojeol.

    Not `morph` for Korean, so that the same texts get the same scores with and without kiwipiepy.

    Raises:
        UnknownNameError: there is no such tokenization.
    """
    if mode == "auto":
        return "eojeol" if detect_language("\n".join(texts)) == "ko" else "english"
    if mode not in _TOKENIZERS:
        known = ("auto", *_TOKENIZERS)
        raise UnknownNameError.among("ROUGE tokenization", mode, known, f"there are {', '.join(known)}")
    return mode


def signature(mode: str) -> str:
    """Return what has to be told beside a score so that someone else can get the same one."""
    parts = [f"rouge-score-{version('rouge-score')}", f"tokenizer={mode}"]
    if mode == "english":
        parts.append("stemmer=porter")
    elif mode == "morph":
        parts.append(f"kiwipiepy={version('kiwipiepy')}")
    return "|".join([*parts, "lsum=newline"])


def score_pair(reference: str, summary: str, mode: str = "auto") -> RougeScores:
    """Return ROUGE-1, -2, -L and -Lsum of a summary; for Lsum the sentences of both texts stand on lines.

    Raises:
        DataError: the tokenization ignores more than half of the characters, or it is the
            English one and the texts are Korean.
        TokenizerError: `morph` was asked for and kiwipiepy is not installed.
        UnknownNameError: there is no such tokenization.
    """
    mode = resolve_mode(mode, (reference, summary))
    share = _ignored_share((reference, summary), mode)
    _refuse_if_unread((reference, summary), mode, share)
    (figures,) = f_measures([(reference, summary)], mode, METRICS)
    return RougeScores(**dict(zip(METRICS, figures, strict=True)), ignored_share=share)


def score_corpus(
    references: Sequence[str], summaries: Sequence[str], mode: str = "auto", metrics: Sequence[str] = METRICS
) -> CorpusRouge:
    """Return the scores of each summary; language, ignored characters and refusal are those of all together.

    Thousands of summaries are scored on all processors, as far as OMP_NUM_THREADS allows.

    Args:
        references: one to each summary.
        summaries: with sentences on lines, as the references.
        mode: a tokenization, or auto.
        metrics: some of `METRICS`; rougeL takes as long as the others together.

    Raises:
        DataError: as `score_pair`, or there is not one reference to each summary.
        TokenizerError: as `score_pair`.
        UnknownNameError: as `score_pair`.
    """
    if len(references) != len(summaries):
        raise DataError(f"{len(summaries)} summaries cannot be compared with {len(references)} references.")
    texts = [*references, *summaries]
    mode = resolve_mode(mode, texts)
    share = _ignored_share(texts, mode)
    _refuse_if_unread(texts, mode, share)
    table = score_table(list(zip(references, summaries, strict=True)), mode, metrics)
    return CorpusRouge({metric: table[:, i] for i, metric in enumerate(metrics)}, share, signature(mode))


def score_table(pairs: Sequence[Pair], mode: str, metrics: Sequence[str] = METRICS) -> NDArray[np.float64]:
    """Return the F1 of pairs of reference and summary, (pairs, metrics), whatever the tokenization ignores.

    For a caller who has settled on a tokenization by other texts of the same corpus: a second
    look at these alone could come to another answer.

    Args:
        pairs: reference and summary, sentences on lines.
        mode: a tokenization, not auto.
        metrics: some of `METRICS`.
    """
    # Each worker would load the analyser of morphemes, for seconds and half a gigabyte.
    found = f_measures(pairs, mode, metrics) if mode == "morph" else in_processes(pairs, mode, metrics, f_measures)
    return np.array(found, dtype=np.float64).reshape(len(pairs), len(metrics))


def f_measures(pairs: Sequence[Pair], mode: str, metrics: Sequence[str]) -> Figures:
    """Return the F1 of pairs of reference and summary by each metric, whatever the tokenization ignores."""
    score = _scorer(mode, tuple(metrics)).score
    rows = (score(reference, summary) for reference, summary in pairs)
    return [[float(row[metric].fmeasure) for metric in metrics] for row in rows]


def highlight_lines(abstract: str) -> str:
    """Return a reference with a sentence on each line, from CNN/DailyMail's `<s> … </s> <s> … </s>`."""
    sentences = (sentence.strip() for sentence in re.split(r"</?s>", abstract))
    return "\n".join(filter(None, sentences))


def tokenize(text: str, mode: str) -> Tokens:
    """Return the tokens that ROUGE compares, under one of the named tokenizations (not "auto")."""
    return _TOKENIZERS[mode](unicodedata.normalize("NFC", text))


def _english(text: str) -> Tokens:
    words = _NOT_ENGLISH.sub(" ", text.lower()).split()
    return Tokens(list(map(_porter_stem, words)), sum(map(len, words)))


def _eojeol(text: str) -> Tokens:
    words = [stripped for word in text.lower().split() if (stripped := _OUTER_PUNCTUATION.sub("", word))]
    return Tokens(words, sum(map(len, words)))


def _morph(text: str) -> Tokens:
    (found,) = morphemes([text])
    kept = [token for token in found if not token.tag.startswith(("SF", "SP", "SS", "SE", "SO", "SW", "SB"))]
    # Contracted morphemes share characters: 했 is 하 and 았.
    places = {place for token in kept for place in range(token.start, token.start + token.len)}
    return Tokens([token.form.lower() for token in kept], sum(not text[place].isspace() for place in places))


def _char(text: str) -> Tokens:
    characters = _LETTER_OR_DIGIT.findall(text.lower())
    return Tokens(characters, len(characters))


_TOKENIZERS: dict[str, Callable[[str], Tokens]] = {
    "english": _english,
    "eojeol": _eojeol,
    "morph": _morph,
    "char": _char,
}


@lru_cache(maxsize=2**17)
def _porter_stem(word: str) -> str:
    return word if len(word) <= 3 else str(_stemmer().stem(word))  # as rouge-score does


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]

    return PorterStemmer()


class _Tokenizer:
    """What rouge-score asks for its tokens."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        return tokenize(text, self.mode).tokens


@cache
def _scorer(mode: str, metrics: tuple[str, ...]) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(metrics), tokenizer=_Tokenizer(mode))


def _ignored_share(texts: Iterable[str], mode: str) -> float:
    read = total = 0
    for text in texts:
        read += tokenize(text, mode).read
        total += len("".join(unicodedata.normalize("NFC", text).split()))
    return max(0.0, 1 - read / total) if total else 0.0


def _refuse_if_unread(texts: Iterable[str], mode: str, share: float) -> None:
    if mode == "english" and detect_language("\n".join(texts)) == "ko":
        raise DataError(
            "the English ROUGE tokenization does not read Hangul, and these texts are Korean; "
            "choose eojeol, morph or char."
        )
    if share > MOST_IGNORED:
        raise DataError(
            f"the ROUGE tokenization {mode!r} ignores {share:.0%} of the characters of these texts, so a score "
            f"would mean nothing; choose another: english, eojeol, morph or char."
        )
