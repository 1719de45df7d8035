"""What a summary is asked to be; checked in the words of the flags, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from bertkit.compute.device import check_device_word
from bertkit.documents.language import LANGUAGES
from bertkit.errors import UsageError
from bertkit.plain import brief

DEFAULT_SENTENCES = 3
_LONG = 100  # sentences of a document from which three are too few
_GROWTH = 0.3  # of the square root of a long document's sentences are chosen: 3 of 100, 9 of 1,000, 19 of 4,000


def suitable_length(sentences: int) -> int:
    """Return how many of a document's sentences are chosen where nobody says how many."""
    return DEFAULT_SENTENCES if sentences <= _LONG else max(DEFAULT_SENTENCES, round(_GROWTH * sqrt(sentences)))


def _section_length(sentences: int) -> int:
    """Return how many of a section's are: 1 of up to 20 sentences, 2 of up to 56, 3 of up to 100."""
    return min(DEFAULT_SENTENCES, max(1, round(sqrt(sentences) / 3)))


PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class SummaryOptions:
    """How to summarize.

    Args:
        method: a name of `methods.METHODS`; None: what suits `model`, or else the default.
        model: a run directory, or for abstractive a name of `registry.WRITERS`, hf:org/name or
            a folder.
        sentences: most sentences of a summary; None: three, and of written ones all.
        ratio: most sentences as a share of the document's, 0 to 1; at least one is taken.
        language: auto, en or ko.
        beams: abstractive: summaries kept in sight while one is written.
        min_tokens: abstractive: fewest tokens written for a window of usual length.
        max_tokens: abstractive: most tokens written for a window.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: auto, float32 or bfloat16.
        words: most words of a summary, in place of sentences.
        sections: whether each part under a heading has a summary of its own.

    Raises:
        UsageError: a value that its flag cannot take, or two that exclude each other.
    """

    method: str | None = None
    model: str | None = None
    sentences: int | None = None
    ratio: float | None = None
    language: str = "auto"
    beams: int | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    device: str = "auto"
    precision: str = "auto"
    words: int | None = None
    sections: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("sentences", "words", "beams", "max_tokens", "min_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} {value}: must be at least 1.")
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise UsageError(f"--ratio {self.ratio:g}: must be above 0 and at most 1.")
        lengths = (("--sentences", self.sentences), ("--words", self.words), ("--ratio", self.ratio))
        given = [flag for flag, value in lengths if value is not None]
        if len(given) > 1:
            raise UsageError(f"give {' or '.join(given)}, not both.")
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            raise UsageError(f"--min-tokens {self.min_tokens}: is more than --max-tokens {self.max_tokens}.")
        for flag, word, allowed in (
            ("--language", self.language, LANGUAGES),
            ("--precision", self.precision, PRECISIONS),
        ):
            if word not in allowed:
                raise UsageError(f"{flag} {brief(word)}: must be one of {', '.join(allowed)}.")
        check_device_word(self.device)

    def count(self, sentences: int) -> int:
        """Return how many of a document's sentences to choose; `words` may let fewer in."""
        if self.words is not None:
            return sentences
        if self.sections and self.is_usual:
            return _section_length(sentences) if sentences <= _LONG else suitable_length(sentences)
        return self.most_written(sentences) or suitable_length(sentences)

    @property
    def is_usual(self) -> bool:
        """Whether nobody has said how long a summary is to be."""
        return self.sentences is None and self.ratio is None and self.words is None

    def most_written(self, sentences: int) -> int | None:
        """Return how many sentences may be written of a document of so many; None: as many as the model likes."""
        if self.ratio is not None:
            return max(1, round(self.ratio * sentences))
        return self.sentences

    def refuse_unused(self, method: str, unused: Mapping[str, str]) -> None:
        """Refuse options that a method does not have; `unused` has for each name what it belongs to.

        Raises:
            UsageError: one of them is given.
        """
        for name, owner in unused.items():
            if getattr(self, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')}: belongs to {owner}, and the method is {method}.")
