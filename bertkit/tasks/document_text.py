"""What the tasks of summaries read of a document: its sentences, its reference, the best sentences."""

from __future__ import annotations

from itertools import chain

from bertkit.data.records import Document, Example
from bertkit.documents.oracle import oracle_sentences
from bertkit.documents.rouge import highlight_lines, resolve_mode, tokenize
from bertkit.documents.sentences import Sentence, split_sentences
from bertkit.errors import DataError

CHOSEN = 3
"""Sentences of a summary."""


def sentences_of(example: Example) -> tuple[Sentence, ...]:
    """Return the sentences of a document with their places; those of a file that comes split stay as they are."""
    given = example.sentences if isinstance(example, Document) else ()
    if not given:
        return tuple(split_sentences(example.texts[0]))
    found, start = [], 0
    for text in given:
        found.append(Sentence(start, start + len(text), text))
        start += len(text) + 1  # the line break
    return tuple(found)


def reference_of(example: Example) -> str:
    """Return the reference summary with a sentence on each line.

    Raises:
        DataError: the document has none.
    """
    summary = example.summary if isinstance(example, Document) else None
    if summary is None:
        raise DataError.at(example.source, example.line, "the document has no reference summary.")
    lines = highlight_lines(summary)
    if "\n" in lines:
        return lines
    return "\n".join(one_line(sentence.text) for sentence in split_sentences(lines)) or lines


def summary_lines(sentences: tuple[Sentence, ...], chosen: tuple[int, ...]) -> str:
    """Return chosen sentences as ROUGE reads them: one on each line, whatever lines the document has."""
    return "\n".join(one_line(sentences[i].text) for i in chosen)


def one_line(text: str) -> str:
    """Write a text on one line."""
    return " ".join(text.split())


def oracle_of(sentences: tuple[Sentence, ...], reference: str) -> tuple[int, ...]:
    """Return the sentences that say best what the reference says, up to `CHOSEN`, in document order."""
    return tuple(oracle_sentences(*rouge_tokens(sentences, reference), CHOSEN))


def rouge_tokens(sentences: tuple[Sentence, ...], reference: str) -> tuple[list[list[str]], list[str]]:
    """Return the tokens of each sentence and of the reference, as ROUGE compares them; Korean as eojeol."""
    mode = resolve_mode("auto", chain([reference], (sentence.text for sentence in sentences)))
    return [tokenize(sentence.text, mode).tokens for sentence in sentences], tokenize(reference, mode).tokens
