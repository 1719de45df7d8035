"""The baselines of ner: nothing is an entity, and a lexicon of what was one in training.

The lexicon knows the texts of the training rows' entities and how often each stood there as
an entity of which kind; in a new text it takes the longest that was more often of one kind
than no entity.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.bundle import sound
from bertkit.data.records import Example, TaggedText
from bertkit.evaluation.baseline_files import FACTS_NAME, read_baseline_files, words_in, write_baseline_files
from bertkit.kinds import MisfitError
from bertkit.tasks.tagging import ScoredEntity, Tagging
from bertkit.tasks.units import WORD

# Words of the longest entity that is looked up.
_LONGEST = 8


@dataclass(frozen=True)
class TaggingBaselines:
    """Entities by their words: the kind each most often was, and how surely."""

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
        entries = [[list(words), kind, share] for words, (kind, share) in sorted(self.lexicon.items())]
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
    kinds: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    tokenized = [[m.group() for m in WORD.finditer(e.texts[0])] for e in examples]
    for example in examples:
        for entity in (example.entities or ()) if isinstance(example, TaggedText) else ():
            words = tuple(WORD.findall(example.texts[0][entity.start : entity.end]))
            if 0 < len(words) <= _LONGEST:
                kinds[words][entity.label] += 1
    seen = _count_runs(tokenized, kinds)
    lexicon = {}
    for words, counts in kinds.items():
        kind, count = max(counts.items(), key=lambda item: (item[1], item[0]))
        if count > seen[words] - counts.total():
            lexicon[words] = (kind, round(count / max(count, seen[words]), 6))
    return TaggingBaselines(lexicon)


def load_tagging_baselines(directory: Path) -> TaggingBaselines:
    """Load what `save` wrote.

    Raises:
        RunError: a file is missing or damaged.
    """
    facts, _ = read_baseline_files(directory)
    with sound(directory / FACTS_NAME):
        entries = [(words_in({"words": words}, "words"), kind, share) for words, kind, share in facts["lexicon"]]
        if any(type(kind) is not str or type(share) not in (int, float) for _, kind, share in entries):
            raise MisfitError("lexicon is no list of words with their kinds and shares")
        return TaggingBaselines({words: (kind, share) for words, kind, share in entries})


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
