"""The rows that contenders are compared on: real ones where they are, else made to the same lengths.

MRPC's sentences have 19 words (standard deviation 5), CNN/DailyMail's articles 27 sentences
(19) of 22 words (11). Rows that stand in for them are drawn to these figures, from the
words of the bundled sample.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.data.records import Document, Example
from bertkit.tasks.rows import load_data

PAIR_WORDS = (19, 5, 6, 31)  # mean, standard deviation, least, most
SENTENCE_WORDS = (22, 11, 3, 60)
DOCUMENT_SENTENCES = (27, 19, 4, 120)
SEED = 1


@dataclass(frozen=True)
class Pairs:
    """Labelled pairs, and where they are from."""

    examples: tuple[Example, ...]
    source: str


@dataclass(frozen=True)
class Texts:
    """Documents, each with its sentences and a reference, and where they are from."""

    documents: tuple[Text, ...]
    source: str


@dataclass(frozen=True)
class Text:
    """A document as its sentences, and what is said of it."""

    sentences: tuple[str, ...]
    reference: str

    @property
    def text(self) -> str:
        """The document, a sentence on each line."""
        return "\n".join(self.sentences)


def load_pairs(root: Path | None, rows: int | None = None) -> Pairs:
    """Return MRPC's training rows, or generated ones; a seeded choice of `rows` of them."""
    folder = None if root is None else root / "mrpc"
    if folder is not None and folder.is_dir():
        examples = load_data(("mrpc",), data_dir=folder, splits=("train",)).splits["train"]
        chosen = random.Random(SEED).sample(examples, min(rows or len(examples), len(examples)))
        return Pairs(tuple(chosen), f"{len(chosen):,} pairs of MRPC's training rows")
    made = tuple(itertools.islice(_made_pairs(), rows or 4076))
    return Pairs(made, f"{len(made):,} GENERATED pairs of MRPC's lengths (no mrpc/ in --data)")


def lengthened(pairs: Pairs, words: int) -> Pairs:
    """Join pairs, those that follow behind each, until a row has so many words; labels stay those of the first."""
    examples = pairs.examples

    def joined(start: int) -> Example:
        row, counted = examples[start], 0
        parts: list[Example] = []
        for following in itertools.chain(examples[start:], itertools.cycle(examples)):
            parts.append(following)
            counted += sum(len(text.split()) for text in following.texts)
            if counted >= words:
                break
        return replace(row, texts=tuple(" ".join(part.texts[side] for part in parts) for side in (0, 1)))

    return Pairs(tuple(map(joined, range(len(examples)))), f"{pairs.source}, joined to {words:,} words or more")


def write_pairs(pairs: Pairs, path: Path) -> Path:
    """Write pairs as a TSV file that bertkit reads; tabs in texts become spaces."""
    rows = (("sentence1", "sentence2", "label"), *((*e.texts, e.label or "0") for e in pairs.examples))
    lines = ("\t".join(" ".join(cell.split()) for cell in row) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def load_texts(root: Path | None, count: int) -> Texts:
    """Return the first validation articles of CNN/DailyMail, or generated documents, split into sentences."""
    from bertkit.documents.rouge import highlight_lines
    from bertkit.documents.sentences import split_sentences

    folder = None if root is None else root / "cnn_dm"
    if folder is None or not folder.is_dir():
        made = tuple(itertools.islice(_made_texts(), count))
        return Texts(made, f"{count:,} GENERATED documents of CNN/DailyMail's lengths (no cnn_dm/ in --data)")
    rows = load_data(("cnn_dailymail",), data_dir=folder, splits=("validation",)).splits["validation"][:count]
    texts = tuple(
        Text(
            tuple(" ".join(sentence.text.split()) for sentence in split_sentences(row.texts[0])),
            highlight_lines(row.summary or "") or (row.summary or ""),
        )
        for row in rows
        if isinstance(row, Document)
    )
    return Texts(texts, f"{len(texts):,} validation articles of CNN/DailyMail")


def long_texts(texts: Texts, sentences: int, count: int) -> Texts:
    """Join documents to `count` ones of so many sentences each."""
    endless = itertools.cycle([sentence for document in texts.documents for sentence in document.sentences])
    made = tuple(Text(tuple(itertools.islice(endless, sentences)), "") for _ in range(count))
    return Texts(made, f"{count:,} of {sentences:,} sentences, joined from the same")


def _made_pairs() -> Iterator[Example]:
    draw, words = random.Random(SEED), _sample_words()
    for line in itertools.count(2):
        first = _sentence(draw, words, PAIR_WORDS)
        same = draw.random() < 0.67
        second = first[1:] + draw.choices(words, k=2) if same else _sentence(draw, words, PAIR_WORDS)
        yield Example((" ".join(first), " ".join(second)), "1" if same else "0", line, "generated")


def _made_texts() -> Iterator[Text]:
    draw, words = random.Random(SEED), _sample_words()
    while True:
        sentences = [
            " ".join(_sentence(draw, words, SENTENCE_WORDS)) + " ." for _ in range(_length(draw, DOCUMENT_SENTENCES))
        ]
        chosen = draw.sample(sentences, min(3, len(sentences)))
        yield Text(tuple(sentences), "\n".join(" ".join(sentence.split()[::2]) for sentence in chosen))


def _sentence(draw: random.Random, words: Sequence[str], lengths: tuple[int, int, int, int]) -> list[str]:
    return draw.choices(words, k=_length(draw, lengths))


def _length(draw: random.Random, lengths: tuple[int, int, int, int]) -> int:
    mean, deviation, least, most = lengths
    return min(most, max(least, round(draw.gauss(mean, deviation))))


def _sample_words() -> list[str]:
    """Return the running words of the bundled sample: frequent ones are drawn often."""
    sample = load_data(("sample:paraphrase",), splits=("train",)).splits["train"]
    return [word for row in sample for text in row.texts for word in text.lower().split()]
