"""Tiny random models that write, each with a tokenizer in the form its real repository has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = Path(__file__).parent.parent / "documents" / "texts"
POSITIONS = 64


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
