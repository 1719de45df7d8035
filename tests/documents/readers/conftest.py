"""What is read of files, by name and through a pipe."""

from __future__ import annotations

import io
import sys

import pytest

from bertkit.summarization.documents_in import read_documents
from bertkit.summarization.records import document_sentences


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Write a file and return its sentences; the same must be read of it through a pipe."""

    def reading(name, content, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        items = list(read_documents([str(path)], **options))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        piped = [found_in(item) for item in read_documents(["-"], **options)]
        found = [found_in(item) for item in items]
        assert piped == found
        for item, sentences in zip(items, found, strict=True):
            for sentence in sentences:
                check_place(item.text, sentence)
        return found[0] if len(found) == 1 else found

    return reading


def found_in(item):
    return document_sentences(item, "auto")


def check_place(text, sentence):
    """A sentence stands where it says: from its first word to its last."""
    there = text[sentence.start : sentence.end]
    words = sentence.text.removeprefix(f"{sentence.speaker}: ").split()
    bare = [word.strip(".,!?:;\"'“”()<>&") for word in (words[0], words[-1])]
    assert bare[0] in there.split("\n")[0]
    assert bare[1] in there or "…" in bare[1]  # what a formula is read as
