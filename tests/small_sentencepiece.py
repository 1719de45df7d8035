"""Small SentencePiece models, trained on sentences made here, in the folders publishers give them in."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from bertkit.tokenization.sentencepiece import NORMAL, read_model_proto

SPECIAL = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")
NOUNS = """
나 너 그 우리 친구 동생 선생님 배우 감독 관객 영화 노래 책 한국어 모델 음식 회사 극장 연기 이야기 음악 장면
사람 시간 마음 세상 학교 도시 바다 하늘 여름 겨울 아침 저녁 주말 기차 사진 편지 그림 나무
""".split()
PARTICLES = ("은", "는", "이", "가", "을", "를", "에", "에서", "으로", "와", "도", "만", "의", "까지", "부터")
OTHERS = (
    "2019년에",
    "10,000명과",
    "3월",
    "1일",
    "(주)회사를",
    "DVD를",
    "ABC를",
    "fi를",
    "정말",
    "다시",
    "가장",
    "ㅋㅋ",
)
STEMS = ("좋아", "싫어", "재미있", "지루", "감동", "공유", "추천", "사랑", "기억", "생각", "시작", "감상")
ENDINGS = ("합니다.", "했다.", "했습니다...", "해요", "했어요!", "하네요~", "할까?", "하다..", "하고", "해서")
# Texts on which a careless tokenizer parts from the algorithm.
HARD = (
    "",
    " ",
    "한국어 모델을 공유합니다.",
    "  두  칸\t과\n줄 바꿈 ",
    "영화를 봤다 ㅋㅋㅋㅋ ㅠㅠ",
    "ㅎㅏㄴㄱㅜㄱㅇㅓ",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8어를 좋아한다",
    "ＡＢＣ를 샀다 ㈜ ﬁ ½ ℃",
    "café Cafe\u0301 naïve",
    "좋아요👍 ❤️ 👨‍👩‍👧 🇰🇷",
    "``인용'' \"인용\" ''",
    "ㅁㄴㅇㄹ 뷁 쀍쀍 똠방각하",
    "\u200b영\u200d화\ufeff \u3000노래\xa0책 \x1c책\x1f",
    "3,000원 10,000명 1,2,3",
    "।हिन्दी ไทย кино 映画 日本語のテスト",
    "[CLS] 영화를 [MASK] 봤다 [SEP]",
    "▁노래 _ 책",
    "가" * 300,
)


def sentences(n: int = 600, seed: int = 0) -> list[str]:
    """Some hundred Korean sentences."""
    rng = random.Random(seed)

    def noun() -> str:
        return rng.choice(NOUNS) + rng.choice(PARTICLES)

    def verb() -> str:
        return rng.choice(STEMS) + rng.choice(ENDINGS)

    return [" ".join((noun(), rng.choice(OTHERS), noun(), verb(), noun(), verb())) for _ in range(n)]


def runs_of_dots(n: int, seed: int = 0) -> list[str]:
    """Sentences with long runs of dots, which can be cut in several ways that score alike."""
    rng = random.Random(seed)
    words = [word for text in sentences()[:100] for word in text.split()]
    return [
        "".join(rng.choice(words) + rng.choice((" ", "." * rng.randint(1, 9))) for _ in range(12)) for _ in range(n)
    ]


def train(texts: Sequence[str], **options: Any) -> bytes:
    """Train a unigram model; the same texts give the same bytes."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, **{"vocab_size": 260, "minloglevel": 2, **options}
    )
    return written.getvalue()


def message_class() -> Any:
    """Import the generated message class; skip the test beside a protobuf that it refuses."""
    try:
        from sentencepiece import sentencepiece_model_pb2
    except Exception as error:
        pytest.skip(f"sentencepiece's message class cannot be imported ({error})")
    return sentencepiece_model_pb2


def write_kobert(folder: Path, model: bytes) -> Path:
    """Write a folder as monologg/kobert is: special tokens first, then the pieces by code point."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = [*SPECIAL, *sorted(piece.piece for piece in read_model_proto(model).pieces if piece.type == NORMAL)]
    (folder / "tokenizer_78b3253a26.model").write_bytes(model)
    (folder / "vocab.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    write_json(folder / "config.json", model_type="bert", vocab_size=len(listed), pad_token_id=1)
    # as published: no class, so that transformers guesses BertTokenizer
    write_json(folder / "tokenizer_config.json", do_lower_case=False)
    return folder


def write_merged_kobert(folder: Path, model: bytes) -> Path:
    """Write a folder as skt/kobert-base-v1 is: one model, its pieces in the order of the ids."""
    sentencepiece_model_pb2 = message_class()
    folder.mkdir(parents=True, exist_ok=True)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    normal = sorted((piece.piece, piece.score) for piece in proto.pieces if piece.type == 1)
    del proto.pieces[:]
    for i, name in enumerate(SPECIAL):
        proto.pieces.add(piece=name, score=0.0, type=2 if i == 0 else 3)
    for piece, score in normal:
        proto.pieces.add(piece=piece, score=score)
    proto.trainer_spec.unk_id = 0
    (folder / "spiece.model").write_bytes(proto.SerializeToString())
    write_json(folder / "config.json", model_type="bert", vocab_size=len(proto.pieces), pad_token_id=1)
    write_json(folder / "tokenizer_config.json", tokenizer_class="XLNetTokenizer")
    return folder


def write_deberta(folder: Path, texts: Sequence[str], **options: Any) -> Path:
    """Write a folder as microsoft/deberta-v3-small is."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"pad": 0, "bos": 1, "eos": 2, "unk": 3}
    names = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
    special = {f"{part}_id": i for part, i in parts.items()} | {f"{part}_piece": name for part, name in names.items()}
    (folder / "spm.model").write_bytes(train(texts, **special, **options))
    write_json(folder / "config.json", model_type="deberta-v2")
    write_json(folder / "tokenizer_config.json", do_lower_case=False, vocab_type="spm")
    return folder


def write_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")
