"""What columns are called: the synonyms of texts and labels, and the form in which names are compared."""

from __future__ import annotations

import unicodedata

TEXT_NAMES = (
    *("text", "sentence", "document", "review", "content", "title", "comment", "utterance", "article"),
    *("텍스트", "문장", "본문", "내용", "리뷰", "댓글", "후기", "발화", "문서", "기사", "제목"),
)
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
    ("문장1", "문장2"),
    ("질문1", "질문2"),
    ("전제", "가설"),
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
    *("레이블", "라벨", "감정", "감성", "분류", "점수", "평점", "카테고리", "유사도", "정답"),
)
# Of tables with a list of tokens and one of tags, or with a token on each row.
TOKEN_NAMES = ("tokens", "words", "token", "word", "form", "토큰", "단어")
TAG_NAMES = ("ner_tags", "tags", "ner", "named_entities", "labels", "label", "ner_tag", "tag", "태그", "개체명")
# Names that mark a first line as a header.
HEADER_NAMES = frozenset({"id", "idx", "index", "prompt", "answer", *TEXT_NAMES, *LABEL_NAMES}).union(*PAIR_NAMES)


def column_name(name: str) -> str:
    """Bring a column name to the form in which names are compared: NFC, stripped."""
    return unicodedata.normalize("NFC", name).strip()
