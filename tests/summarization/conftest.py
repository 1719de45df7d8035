"""Tiny models: random ones that write, with tokenizers as the real ones have them, and trained ones that choose."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.conftest import OBJECTS, SUBJECTS, VERBS

TEXTS = Path(__file__).parent.parent / "documents" / "texts"
POSITIONS = 64


KOREAN = (
    ("고양이가", "개는", "할머니가", "기차가", "선생님은", "마을이", "버스는", "주민들이"),
    ("공을", "강을", "빵을", "편지를", "사과를", "음악을", "조합을", "회관을"),
    ("보았다", "좋아한다", "찾는다", "따라간다", "그린다", "부른다", "만들기로 했다", "옮긴다"),
)


@pytest.fixture(params=["with kiwipiepy", "without kiwipiepy"])
def any_splitter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the extra `ko`, and one without."""
    if request.param == "with kiwipiepy":
        pytest.importorskip("kiwipiepy")
    else:
        monkeypatch.setitem(sys.modules, "kiwipiepy", None)


@pytest.fixture
def without_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the extra `offline`."""
    monkeypatch.setattr("bertkit.models.finding.PACKAGES", {})


@pytest.fixture
def texts() -> dict[str, str]:
    """The ten documents written for the project, by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(TEXTS.glob("*.txt"))}


def byte_pairs(sentences: list[str], *, framed: bool) -> Tokenizer:
    """A byte-level BPE as BART's; KoBART's has no marks round a text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    if framed:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    return tokenizer


def unigram(sentences: list[str]) -> Tokenizer:
    """A unigram tokenizer as T5's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False, initial_alphabet=list("abc:.,")
    )
    tokenizer.train_from_iterator([*sentences, "summarize: "], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def write_bart(folder: Path, tokenizer: Tokenizer) -> Path:
    """Write a BART of 16 dimensions."""
    torch.manual_seed(0)
    config = transformers.BartConfig(
        vocab_size=tokenizer.get_vocab_size(), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        max_position_embeddings=POSITIONS, init_std=0.5,
    )  # fmt: skip
    transformers.BartForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    generation = {"max_length": 12, "min_length": 4, "num_beams": 2, "no_repeat_ngram_size": 3, "length_penalty": 2.0}
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **generation}))
    return folder


@pytest.fixture(scope="session")
def bart(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    """A tiny random BART."""
    return write_bart(tmp_path_factory.mktemp("bart"), byte_pairs(sentences, framed=True))


@pytest.fixture(scope="session")
def kobart(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    """A tiny random BART whose tokenizer frames nothing and has no config, as KoBART's."""
    return write_bart(tmp_path_factory.mktemp("kobart"), byte_pairs(sentences, framed=False))


def write_t5(folder: Path, tokenizer: Tokenizer) -> Path:
    """Write a T5 of 16 dimensions; how it writes stands in config.json, as in the real one."""
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=tokenizer.get_vocab_size(), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        n_positions=POSITIONS, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, initializer_factor=5.0,
        task_specific_params={"summarization": {"prefix": "summarize: ", "max_length": 10, "num_beams": 3}},
    )  # fmt: skip
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**names, "model_max_length": POSITIONS}))
    return folder


@pytest.fixture(scope="session")
def t5(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    """A tiny random T5."""
    return write_t5(tmp_path_factory.mktemp("t5"), unigram(sentences))


@pytest.fixture
def long_text(sentences: list[str]) -> str:
    """Forty short sentences: more than the tiny models read at once."""
    return " ".join(sentence.capitalize() for sentence in sentences[:40])


def trained(folder: Path, task: str) -> Path:
    """Train a run for an epoch on forty short documents, every second one Korean; so is its tokenizer."""
    from bertkit.config import TrainConfig
    from bertkit.training.run import train

    rng = random.Random(0)
    rows = []
    for number in range(40):
        words = KOREAN if number % 2 else (SUBJECTS, VERBS, OBJECTS)
        sentences = [" ".join(map(rng.choice, words)) + "." for _ in range(6)]
        rows.append({"text": " ".join(sentences), "summary": sentences[2]})
    data = folder / "docs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = TrainConfig(
        data=(str(data),), task=task, output=str(folder / "run"), layers=1, hidden=16, epochs=1,
        max_length=48, vocab_size=300, threads=1, tensorboard=False,
    )  # fmt: skip
    train(config)
    return folder / "run"


@pytest.fixture(scope="session")
def extractive_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the task extractive."""
    return trained(tmp_path_factory.mktemp("extractive"), "extractive")


@pytest.fixture(scope="session")
def matching_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the task matching."""
    return trained(tmp_path_factory.mktemp("matching"), "matching")
