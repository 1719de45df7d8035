"""The simple answers beside a model that reads: the sentence most like the question, and a name or number in it.

`sentence` answers with the sentence of the text that shares most words with the question, weighed by
how few of the text's sentences have them. `span` answers with the longest stretch of that sentence
which looks like a name, a number or a noun and does not stand in the question: words with capitals or
digits; of Korean the longest word, its particle left out. Both learn nothing from rows. Where training
rows have questions without an answer, `none` says of every row that there is none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.bundle import sound
from bertkit.data.records import CharSpan, Example, ReadingQuestion
from bertkit.documents.sentences import split_sentences
from bertkit.evaluation.baseline_files import FACTS_NAME, damaged, read_baseline_files, write_baseline_files
from bertkit.evaluation.tfidf import split_words
from bertkit.kinds import value_of
from bertkit.tasks.question_answering import Said

_TASK = "qa"
_STEM = 4  # letters of a longer word that count when it is compared, so that endings do not
_KOREAN_STEM = 2
_WORD = re.compile(r"[^\s\"“”()\[\],;:!?]+")
_HANGUL = re.compile("[가-힣\u1100-\u11ff]")
_PARTICLE = re.compile(
    "(?<=..)(?:에서는|으로는|에게서|에서|으로|에게|까지|부터|이다|이며|였다|은|는|이|가|을|를|의|에|로|와|과|도|만)$"
)


@dataclass(frozen=True)
class ReadingBaselines:
    """The baselines of one run; `with_none` says whether training rows have questions without an answer."""

    with_none: bool

    def predict(self, examples: Sequence[Example]) -> dict[str, list[Said]]:
        """Answer rows with each baseline."""
        found = [_nearest(example.texts[0], example.texts[1]) for example in examples]
        answers = {
            "sentence": [Said(e.texts[1][start:end]) for e, (start, end) in zip(examples, found, strict=True)],
            "span": [
                Said(_named(e.texts[0], e.texts[1][start:end])) for e, (start, end) in zip(examples, found, strict=True)
            ],
        }
        return {**answers, "none": [Said("")] * len(examples)} if self.with_none else answers

    def save(self, directory: Path) -> None:
        """Write what is to be known of them."""
        write_baseline_files(directory, {"task": _TASK, "with_none": self.with_none}, {})


def fit_reading_baselines(examples: Sequence[Example]) -> ReadingBaselines:
    """Look whether questions without an answer are among training rows."""
    return ReadingBaselines(any(isinstance(e, ReadingQuestion) and e.places == () for e in examples))


def load_reading_baselines(directory: Path) -> ReadingBaselines:
    """Load what `ReadingBaselines.save` wrote.

    Raises:
        RunError: a file is missing or damaged, or of another task.
    """
    facts: dict[str, Any] = dict(read_baseline_files(directory)[0])
    if facts.get("task") != _TASK:
        raise damaged(directory)
    with sound(directory / FACTS_NAME):
        return ReadingBaselines(value_of(bool, facts.get("with_none"), "with_none"))


def _nearest(question: str, text: str) -> CharSpan:
    """Return the place of the sentence that is most like the question."""
    sentences = [(s.start, s.end) for s in split_sentences(text)] or [(0, len(text))]
    stems = [set(_stems(text[start:end])) for start, end in sentences]
    having = Counter(stem for own in stems for stem in own)
    asked = set(_stems(question))

    def likeness(i: int) -> float:
        shared = sum(math.log(1.0 + len(stems) / having[stem]) for stem in asked & stems[i])
        return shared / math.sqrt(1.0 + len(stems[i]))

    return sentences[max(range(len(sentences)), key=likeness)]


def _stems(text: str) -> list[str]:
    """Cut words to what their endings leave as it is."""
    return [word[: _KOREAN_STEM if _HANGUL.search(word) else _STEM] for word in split_words(text) if word.isalnum()]


def _named(question: str, sentence: str) -> str:
    """Return the longest stretch of a sentence that looks like a name or a number and is not in the question."""
    asked = set(_stems(question))
    words = [(match.start(), match.end(), match.group()) for match in _WORD.finditer(sentence)]
    new = [not asked.intersection(_stems(word)) for _, _, word in words]
    if any(_HANGUL.search(word) for _, _, word in words):
        bare = [_PARTICLE.sub("", word.rstrip(".")) for (_, _, word), is_new in zip(words, new, strict=True) if is_new]
        return max(bare, key=len, default=sentence)
    runs: list[list[int]] = [[]]
    for i, (_, _, word) in enumerate(words):
        looks = new[i] and (word[0].isupper() or any(char.isdigit() for char in word)) and (i or len(words) == 1)
        parted = bool(runs[-1]) and "," in sentence[words[runs[-1][-1]][1] : words[i][0]]
        if looks and not parted:
            runs[-1].append(i)
        else:
            runs.append([i] if looks else [])
    longest = max(runs, key=len)
    if not longest:
        fresh = [word for (_, _, word), is_new in zip(words, new, strict=True) if is_new]
        return max(fresh, key=len, default=sentence).rstrip(".")
    return sentence[words[longest[0]][0] : words[longest[-1]][1]].rstrip(".")
