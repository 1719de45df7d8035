"""What columns are called: the synonyms of texts and labels, and the form in which names are compared."""

from __future__ import annotations

import unicodedata

TEXT_NAMES = ("text", "sentence", "document", "review", "content", "title", "comment", "utterance", "article")
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("text1", "text2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("s1", "s2"),
    ("#1 string", "#2 string"),
    ("question", "sentence"),
)
LABEL_NAMES = (
    "label",
    "labels",
    "gold_label",
    "score",
    "quality",
    "target",
    "class",
    "category",
    "sentiment",
    "similarity",
    "is_duplicate",
)
# Names that mark a first line as a header.
HEADER_NAMES = frozenset({"id", "idx", "index", "prompt", "answer", *TEXT_NAMES, *LABEL_NAMES}).union(*PAIR_NAMES)


def column_name(name: str) -> str:
    """Bring a column name to the form in which names are compared: NFC, stripped."""
    return unicodedata.normalize("NFC", name).strip()
