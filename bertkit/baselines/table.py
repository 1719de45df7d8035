"""The table of baselines: for each task the simple answers its scores stand beside, and those of the smaller tasks."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bertkit.baselines.choice import fit_choice_baselines, load_choice_baselines
from bertkit.baselines.pairs import WordVectors
from bertkit.baselines.sequence import (
    LabelSetBaselines,
    SequenceBaselines,
    fit_label_set_baselines,
    fit_sequence_baselines,
    load_label_set_baselines,
    load_sequence_baselines,
)
from bertkit.baselines.tfidf import (
    FACTS_NAME,
    damaged,
    read_baseline_files,
    split_words,
    words_in,
    write_baseline_files,
)
from bertkit.bundle import sound
from bertkit.data.records import CharSpan, Example, ReadingQuestion, TaggedText
from bertkit.data.store import taken
from bertkit.documents.sentences import Sentence, split_sentences
from bertkit.errors import RunError
from bertkit.kinds import MisfitError, value_of
from bertkit.tasks.base import Outputs, Task
from bertkit.tasks.encoding import joined_texts
from bertkit.tasks.masked_lm import MaskedOutput, is_pair
from bertkit.tasks.question_answering import Said
from bertkit.tasks.summaries import CHOSEN, Extract, oracle_of, reference_of, sentences_of
from bertkit.tasks.tagging import WORD, ScoredEntity, Tagging

# --------------------------------------------------------------------------------------------------
# The simple answers beside a model that reads: the sentence most like the question, and a name or number in it.
#
# `sentence` answers with the sentence of the text that shares most words with the question, weighed by
# how few of the text's sentences have them. `span` answers with the longest stretch of that sentence
# which looks like a name, a number or a noun and does not stand in the question: words with capitals or
# digits; of Korean the longest word, its particle left out. Both learn nothing from rows. Where training
# rows have questions without an answer, `none` says of every row that there is none.

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


# --- The baselines of ner: nothing is an entity, and a lexicon of what was one in training --------
#
# The lexicon knows the texts of the training rows' entities and how often each stood there as
# an entity of which type; in a new text it takes the longest that was more often of one type
# than no entity.

# Words of the longest entity that is looked up.
_LONGEST = 8


@dataclass(frozen=True)
class TaggingBaselines:
    """Entities by their words: the entity type each most often was, and how surely."""

    lexicon: Mapping[tuple[str, ...], tuple[str, float]]

    def predict(self, examples: Sequence[Example]) -> dict[str, list[Tagging]]:
        """Answer texts with each baseline; entities they carry are not looked at."""
        found = [tuple(self._look_up(e.texts[0])) for e in examples]
        return {
            "all-O": [Tagging() for _ in examples],
            "lexicon": [Tagging(entities, entities) for entities in found],
        }

    def save(self, directory: Path) -> None:
        """Write the baselines to a folder."""
        entries = [[list(words), type_, share] for words, (type_, share) in sorted(self.lexicon.items())]
        write_baseline_files(directory, {"task": "ner", "lexicon": entries}, {})

    def _look_up(self, text: str) -> Iterator[ScoredEntity]:
        """Take the longest known entity at each word, from left to right."""
        words = [(m.group(), m.start(), m.end()) for m in WORD.finditer(text)]
        at = 0
        while at < len(words):
            for length in range(min(_LONGEST, len(words) - at), 0, -1):
                entry = self.lexicon.get(tuple(word for word, _, _ in words[at : at + length]))
                if entry is not None:
                    yield ScoredEntity(words[at][1], words[at + length - 1][2], *entry)
                    at += length
                    break
            else:
                at += 1


def fit_tagging_baselines(examples: Sequence[Example]) -> TaggingBaselines:
    """Build the lexicon of training rows."""
    types: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    tokenized = [[m.group() for m in WORD.finditer(e.texts[0])] for e in examples]
    for example in examples:
        for entity in (example.entities or ()) if isinstance(example, TaggedText) else ():
            words = tuple(WORD.findall(example.texts[0][entity.start : entity.end]))
            if 0 < len(words) <= _LONGEST:
                types[words][entity.label] += 1
    seen = _count_runs(tokenized, types)
    lexicon = {}
    for words, counts in types.items():
        type_, count = max(counts.items(), key=lambda item: (item[1], item[0]))
        if count > seen[words] - counts.total():
            lexicon[words] = (type_, round(count / max(count, seen[words]), 6))
    return TaggingBaselines(lexicon)


def load_tagging_baselines(directory: Path) -> TaggingBaselines:
    """Load what `save` wrote.

    Raises:
        RunError: a file is missing or damaged.
    """
    facts, _ = read_baseline_files(directory)
    with sound(directory / FACTS_NAME):
        entries = [(words_in({"words": words}, "words"), type_, share) for words, type_, share in facts["lexicon"]]
        if any(type(type_) is not str or type(share) not in (int, float) for _, type_, share in entries):
            raise MisfitError("lexicon is not a list of words with their types and shares")
        return TaggingBaselines({words: (type_, share) for words, type_, share in entries})


def _count_runs(texts: Sequence[Sequence[str]], wanted: Mapping[tuple[str, ...], Any]) -> Counter[tuple[str, ...]]:
    """Count how often each wanted run of words stands in the texts."""
    by_first: dict[str, set[int]] = defaultdict(set)
    for words in wanted:
        by_first[words[0]].add(len(words))
    seen: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        for i, word in enumerate(text):
            for length in by_first.get(word, ()):
                run = tuple(text[i : i + length])
                if run in wanted:
                    seen[run] += 1
    return seen


# --- What summaries stand beside: the first sentences, and the best that sentences can do ---------


@dataclass(frozen=True)
class SummaryBaselines:
    """`lead`, the first three sentences, and `oracle`, the greedy choice by the reference itself."""

    def predict(self, examples: Sequence[Example]) -> dict[str, list[Extract]]:
        """Answer documents with each.

        Raises:
            DataError: a document has no reference.
        """
        answers: dict[str, list[Extract]] = {"lead": [], "oracle": []}
        for example in examples:
            sentences = sentences_of(example)
            answers["lead"].append(_extract(sentences, tuple(range(min(CHOSEN, len(sentences))))))
            answers["oracle"].append(_extract(sentences, oracle_of(sentences, reference_of(example))))
        return answers

    def save(self, directory: Path) -> None:
        """Write to a folder that there is nothing to remember."""
        write_baseline_files(directory, {"task": "summaries", "sentences": CHOSEN}, {})


def load_summary_baselines(directory: Path) -> SummaryBaselines:
    """Load what `save` wrote.

    Raises:
        RunError: a file is missing or damaged.
    """
    facts, _ = read_baseline_files(directory)
    if facts.get("task") != "summaries":
        raise damaged(directory)
    return SummaryBaselines()


def _extract(sentences: tuple[Sentence, ...], chosen: tuple[int, ...]) -> Extract:
    return Extract(sentences, tuple(float(i in chosen) for i in range(len(sentences))), chosen)


# --- The baseline of masked LM: every masked token is guessed by how frequent it is (unigram) -----

# Rows whose tokens are held at once.
_CHUNK = 1000


@dataclass(frozen=True)
class UnigramBaseline:
    """Log-probabilities of all token ids, (V), add-one smoothed, and the task that hides tokens."""

    task: Task
    logs: NDArray[np.float64]

    def predict(self, examples: Sequence[Example]) -> dict[str, list[MaskedOutput]]:
        """Judge the tokens that the task hides in each row; no pair is judged."""
        best = int(self.logs.argmax())
        answers = []
        for row in self.task.encode_scored(examples):
            tokens = [token for part in row.parts if not is_pair(part) for _, token in part.masked]
            pairs = [(self.logs[token], float(token == best)) for token in tokens]
            answers.append(MaskedOutput(np.asarray(pairs, np.float64).reshape(len(pairs), 2)))
        return {"unigram": answers}

    def save(self, directory: Path) -> None:
        """Write the baseline to a folder."""
        write_baseline_files(directory, {"task": "mlm"}, {"logs": self.logs})


def fit_unigram(task: Task, examples: Sequence[Example]) -> UnigramBaseline:
    """Count the tokens of training rows."""
    tokenizer, counts = task.tokenizer, Counter[int]()
    for start in range(0, len(examples), _CHUNK):
        texts = joined_texts((e.texts for e in examples[start : start + _CHUNK]), task.settings, tokenizer)
        for encoding in tokenizer.encode(texts):
            counts.update(encoding.ids)
    table = np.ones(tokenizer.vocab_size)
    for token, count in counts.items():
        table[token] += 0 if token in tokenizer.special_ids else count
    return UnigramBaseline(task, np.log(table / table.sum()))


def load_unigram(directory: Path, task: Task) -> UnigramBaseline:
    """Load what `save` wrote.

    Raises:
        RunError: a file is missing or damaged.
    """
    _, tensors = read_baseline_files(directory)
    logs = tensors.get("logs")
    if logs is None or logs.shape != (task.tokenizer.vocab_size,):
        raise damaged(directory)
    return UnigramBaseline(task, logs)


# --- The table of baselines: for each task the simple answers its scores stand beside -------------
#
# They are fitted on the model's own training rows and stored with the run. A model that does
# not beat them has learned little from its texts.

MOST_FITTED = 200_000
"""Rows that baselines are fitted on: more of them teach a simple model next to nothing, and fill the memory."""


class Baselines(Protocol):
    """The fitted baselines of one run."""

    def predict(self, examples: Sequence[Any]) -> Mapping[str, Outputs]:
        """Answer rows with each baseline, by its name, in the form of the task's outputs."""
        ...

    def save(self, directory: Path) -> None:
        """Write the baselines to a folder."""
        ...


def rows_to_fit(examples: Sequence[Example], *, seed: int) -> Sequence[Example]:
    """Return the training rows that baselines are fitted on: all, or of very many some that are drawn by the seed."""
    if len(examples) <= MOST_FITTED:
        return examples
    drawn = np.random.default_rng((seed, len(examples))).choice(len(examples), MOST_FITTED, replace=False)
    return taken(examples, np.sort(drawn))


def fitted_sentence(rows: int) -> str | None:
    """Say on how many of the training rows baselines are fitted; None where it is all of them."""
    if rows <= MOST_FITTED:
        return None
    return f"baselines are fitted on {MOST_FITTED:,} of the {rows:,} training rows, drawn by --seed"


def fit_baselines(
    task: Task, examples: Sequence[Any], *, seed: int, class_weights: Sequence[float] | None = None
) -> Baselines:
    """Fit the baselines of a task on training rows.

    Args:
        task: with its labels and tokenizer.
        examples: the training rows of the model that the baselines stand beside.
        seed: of whatever is random in fitting.
        class_weights: what a row of each label counts, as for the model; None: all alike.

    Raises:
        DataError: the rows cannot be used.
    """
    settings = task.settings
    match settings.task:
        case "ner":
            return fit_tagging_baselines(examples)
        case "choice":
            return fit_choice_baselines(examples, seed=seed)
        case "multilabel":
            return fit_label_set_baselines(
                examples, pair=settings.is_pair, labels=settings.labels, seed=seed, class_weights=class_weights
            )
        case "qa":
            return fit_reading_baselines(examples)
        case "mlm":
            return fit_unigram(task, examples)
        case "extractive" | "matching":
            return SummaryBaselines()
        case word:
            pair, labels = settings.is_pair, settings.labels
            return fit_sequence_baselines(
                examples, task=word, pair=pair, labels=labels, seed=seed, class_weights=class_weights
            )


def tuned_baselines(baselines: Baselines, examples: Sequence[Any]) -> Baselines:
    """Return baselines whose thresholds, where they have some, are chosen on the rows on which the model's are."""
    return baselines.tuned(examples) if isinstance(baselines, LabelSetBaselines) else baselines


def load_baselines(directory: Path, task: Task) -> Baselines:
    """Load the baselines of a run.

    Raises:
        RunError: a file is missing, damaged, or written by a newer bertkit.
    """
    match task.settings.task:
        case "ner":
            return load_tagging_baselines(directory)
        case "choice":
            return load_choice_baselines(directory)
        case "multilabel":
            return load_label_set_baselines(directory, task.settings.labels)
        case "qa":
            return load_reading_baselines(directory)
        case "mlm":
            return load_unigram(directory, task)
        case "extractive" | "matching":
            return load_summary_baselines(directory)
        case _:
            return load_labelled(directory, task)


def load_labelled(directory: Path, task: Task, vectors: WordVectors | None = None) -> SequenceBaselines:
    """Load baselines of rows with labels or scores, and hold them against the task.

    Raises:
        RunError: a file is missing or damaged, or they are of another task or other labels.
    """
    loaded, settings = load_sequence_baselines(directory, vectors), task.settings
    if (loaded.task, loaded.labels) != (settings.task, settings.labels):
        raise RunError(
            f"{directory / FACTS_NAME}: does not fit the task or the labels of the run's bertkit.json; "
            "the run is damaged, copy or train it again."
        )
    return loaded
