"""Names under which columns hold texts, pairs and labels, and the form in which names are compared."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable

# Spaces, and what is not seen at all, as copies from pages have it around words.
UNSEEN = f"{string.whitespace}\x85\xa0\u3000\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u2060\ufeff"
UNSEEN += "\u115f\u1160\u3164\uffa0\u2800"  # letters that fill a place: of Hangul, and Braille's without a dot
CONVERSATION_NAMES = (
    *("dialogue", "dialog", "conversation", "transcript", "turns", "utterances", "messages"),
    *("conversations", "dialogues", "minutes", "대화", "대화내용", "회의록"),
)
# Of several that are there the first counts, so that a title is the text only where there is no other.
TEXT_NAMES = (
    *("text", "sentence", "document", "review", "content", "comment", "utterance", "article"),
    *("sentence_form", "paragraph_form"),
    *("텍스트", "문장", "본문", "내용", "리뷰", "댓글", "후기", "발화", "문서", "기사"),
    *("message", "tweet", "body", "post", "review_text", "review_body", "comment_text", "full_text", "description"),
    *CONVERSATION_NAMES,
    *("comments", "reviews", "utt", "sms", "query", "input", "texts", "data", "title", "headline"),
    *("리뷰내용", "댓글내용", "본문내용", "문의내용", "상담내용", "의견"),
    *("문의", "메시지", "트윗", "글", "원문", "발화문", "제목"),
)
PAIR_NAMES = (
    *(("sentence1", "sentence2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"), ("text1", "text2")),
    *(("premise", "hypothesis"), ("question1", "question2"), ("s1", "s2"), ("q1", "q2"), ("context1", "context2")),
    *(("#1 string", "#2 string"), ("text", "text_pair"), ("text", "pair"), ("sentence", "pair"), ("text", "text2")),
    *(("original", "paraphrase"), ("question", "sentence"), ("question", "passage"), ("question", "paragraph")),
    *(("query", "passage"), ("claim", "evidence"), ("context", "hypothesis")),
    *(("문장1", "문장2"), ("문장A", "문장B"), ("sent1", "sent2"), ("질문1", "질문2"), ("전제", "가설")),
)
LABEL_NAMES = (
    *("label", "labels", "gold_label", "score", "quality", "target", "class", "category", "sentiment"),
    *("similarity", "is_duplicate"),
    *("레이블", "라벨", "감정", "감성", "분류", "점수", "평점", "카테고리", "유사도", "정답"),
    *("rating", "stars", "emotion", "polarity", "intent", "intent_name", "topic", "stance", "grade", "label_text"),
    *("class_name", "별점", "등급", "의도", "주제", "긍부정", "긍정부정", "만족도", "클래스", "감정분류", "타겟"),
)
# Of tables with documents and their summaries.
DOCUMENT_NAMES = (
    *("text", "article", "document", "content", "body", "story", "sentences", "passage"),
    *CONVERSATION_NAMES,
    *("fulltext", "full_text", "text_body", "body_text", "maintext", "main_text", "article_original", "article_text"),
    *("contents", "news", "post", "message", "review", "comment"),
    *("본문", "내용", "기사", "기사본문", "기사내용", "기사 내용", "기사_내용", "발화", "상담내용"),
    *("원문", "문서", "글", "텍스트", "리뷰", "뉴스본문", "본문내용", "기사원문"),
    *("segments", "meeting_transcripts", "utt", "paragraphs", "sections", "paragraph", "report", "documents"),
    *("context", "selftext", "src", "source"),
)
SUMMARY_NAMES = (
    *("summary", "highlights", "abstract", "abstractive", "reference", "target", "tgt", "gist"),
    *("요약", "요약문", "요약본", "초록"),
)
# Conversations with a model, and columns that are made of one: its last answer, and what was said before it.
CHAT_NAMES = ("messages", "conversations", "conversation", "contents")
ASKED, ANSWERED = "user_message", "assistant_message"
DISAGREED = "-"  # what annotation_id holds where as many annotators gave one answer as another
# Who says a turn of a conversation.
SPEAKER_NAMES = ("speaker", "speaker_id", "participantID", "role", "화자")
# What else names who wrote a message, and when; as exports of messengers and transcripts call it.
SENDER_NAMES = (
    *SPEAKER_NAMES,
    *("speaker_name", "name", "from", "sender_name", "sender", "author", "user", "username", "user_name"),
    *("이름", "보낸 사람", "사용자"),
)
START_NAMES = ("start", "start_time", "begin", "ts", "timestamp", "date", "datetime", "time", "날짜", "시간", "일시")
END_NAMES = ("end", "end_time", "stop", "stop_time")
# Of tables with a list of tokens and one of tags, or with a token on each row.
TOKEN_NAMES = ("tokens", "words", "token", "word", "form", "tokenized_text", "tok", "토큰", "단어", "어절", "형태소")
TAG_NAMES = (
    *("ner_tags", "tags", "ner", "named_entities", "labels", "label", "ner_tag", "tag", "태그", "개체명"),
    *("ner_label", "ner_labels", "iob", "bio", "iob_tag", "bio_tag", "entity", "entities", "레이블", "라벨", "개체"),
    *("word_labels", "word_tags", "token_labels", "token_tags", "iob_tags", "bio_tags", "bio_labels"),
)


class MadeColumn(str):
    """The name of a column that a file does not have: it is made of what its own columns hold."""

    __slots__ = ()


def column_name(name: str) -> str:
    """Bring a column name to the form in which names are compared: NFC, without what is not seen around it."""
    return unicodedata.normalize("NFC", name).strip(UNSEEN)


def has_text(text: str) -> bool:
    """Tell whether there is anything to read in a text: what is not seen is nothing."""
    return bool(text.strip(UNSEEN)) and not text.isspace()


def folded(name: str) -> str:
    """Bring a name to the form in which it is compared with usual ones: letter case and what parts words aside."""
    return _PARTING.sub("", name.casefold())


def first_named(names: Iterable[str], usual: Iterable[str]) -> str | None:
    """Return the column that goes by the first of some usual names; None where none of them is there."""
    by_folded = {folded(name): name for name in reversed(list(names))}
    return next((by_folded[wanted] for name in usual if (wanted := folded(name)) in by_folded), None)


_PARTING = re.compile(r"[\s_-]+")
# Names that mark a first line as a header, folded.
HEADER_NAMES = frozenset(
    map(
        folded,
        {"id", "idx", "index", "번호", "순번", "아이디", "prompt", "answer", *TEXT_NAMES, *LABEL_NAMES}.union(
            *PAIR_NAMES
        ),
    )
)
