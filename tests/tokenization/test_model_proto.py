"""SentencePiece's model files are read without its generated message class, and read alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece

from bertkit.kinds import MisfitError
from bertkit.tokenization.sentencepiece import read_model_proto
from tests import small_sentencepiece as small

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalization_rule_name": "nmt_nfkc_cf", "unk_id": 3, "pad_id": 0, "bos_id": 1, "eos_id": 2},
        {"model_type": "bpe", "add_dummy_prefix": False, "remove_extra_whitespaces": False},
        {"byte_fallback": True, "vocab_size": 500, "user_defined_symbols": ["<sep>", "<문장>"]},
        {"normalization_rule_name": "identity"},
    ],
)
def test_what_is_read_is_what_the_message_class_reads(options: dict[str, object]) -> None:
    content = small.train(small.sentences(), **options)
    reference = small.message_class().ModelProto.FromString(content)
    ours = read_model_proto(content)
    assert [(p.piece, p.score, p.type) for p in ours.pieces] == [(p.piece, p.score, p.type) for p in reference.pieces]
    spec, trainer = reference.normalizer_spec, reference.trainer_spec
    assert (ours.model_type, ours.unk_id, ours.byte_fallback) == (
        trainer.model_type,
        trainer.unk_id,
        trainer.byte_fallback,
    )
    assert (ours.normalization, ours.character_map) == (spec.name, spec.precompiled_charsmap)
    assert (ours.has_prefix, ours.collapses_spaces) == (spec.add_dummy_prefix, spec.remove_extra_whitespaces)


def test_what_a_file_leaves_out_is_the_formats_own() -> None:
    proto = small.message_class().ModelProto()
    proto.pieces.add(piece="가")
    ours = read_model_proto(proto.SerializeToString())
    assert [(p.piece, p.score, p.type) for p in ours.pieces] == [("가", 0.0, 1)]
    assert (ours.model_type, ours.unk_id, ours.has_prefix, ours.collapses_spaces) == (1, 0, True, True)


def test_a_negative_number_is_read() -> None:
    proto = small.message_class().ModelProto()
    proto.trainer_spec.unk_id = -1
    assert read_model_proto(proto.SerializeToString()).unk_id == -1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x0a\x05ab", "a field of 5 bytes, and 2 are left"),
        (b"\x0a", "it ends within a number"),
        (b"\xff" * 12, "a number that does not end"),
        (b"\x0b", "a field of the kind 3"),
        (b"\x00", "a field without a number"),
        (b"\x0a\x03\x15ab", "a field of 4 bytes"),
        (b"\x0a\x03\x0a\x01\xff", "not UTF-8"),
        (b"\x08\x01", "a number where a text should be"),
    ],
)
def test_damaged_files_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(MisfitError, match=reason):
        read_model_proto(content)


def test_any_cut_or_changed_byte_is_read_or_refused() -> None:
    content = small.train(small.sentences(200), vocab_size=150)
    for end in range(0, len(content), 997):
        try:
            read_model_proto(content[:end])
        except MisfitError:
            continue
    for place in range(0, len(content), 1009):
        try:
            read_model_proto(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        except MisfitError:
            continue


WITHOUT = """
import sys
sys.modules["sentencepiece.sentencepiece_model_pb2"] = None  # as beside a protobuf it refuses
from pathlib import Path
from bertkit.models.tokenizers import open_folder
print(*open_folder(Path(sys.argv[1])).encode(["영화를 봤다"])[0].ids)
"""


@pytest.mark.parametrize("write", ["kobert", "deberta"])
def test_kobert_and_deberta_open_where_the_message_class_cannot_be_imported(write: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    if write == "kobert":
        small.write_kobert(folder, small.train(small.sentences()))
    else:
        small.write_deberta(folder, small.sentences())
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ids = [int(word) for word in done.stdout.split()]
    if write == "deberta":
        model = sentencepiece.SentencePieceProcessor(model_proto=(folder / "spm.model").read_bytes())
        assert ids[1:-1] == model.encode("영화를 봤다")
    assert len(ids) > 2
