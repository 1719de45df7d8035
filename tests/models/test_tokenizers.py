"""The tokenizer of any model: from the hub under its real id, from folders, and where there is none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import normalizers

from bertkit.errors import TokenizerError
from bertkit.models.registry import find_model
from bertkit.models.table import ModelSpec
from bertkit.models.tokenizers import open_folder, open_tokenizer
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.published import open_kobert
from bertkit.tokenization.vocab import bert_tokenizer
from tests import small_sentencepiece as small
from tests.stand_in_hub import StandInHub, refused, run_client

ROOT = Path(__file__).parents[2]
TEXT = "영화를 추천합니다 ㅋㅋ"
OPEN = """
import json, sys
from bertkit.errors import BertkitError
from bertkit.models.registry import find_model
from bertkit.models.tokenizers import open_tokenizer
try:
    tokenizer = open_tokenizer(find_model({name!r}))
    answer = [tokenizer.encode([{text!r}], [{text!r}])[0].ids, tokenizer.max_length, tokenizer.pad_id]
except BertkitError as error:
    answer = [type(error).__name__, str(error)]
print(json.dumps([*answer, sorted({{"torch", "transformers"}} & set(sys.modules))]))
"""


def opened(name: str, hub: str, home: Path, **variables: str) -> list:
    """Open a model's tokenizer in a process that knows only this hub."""
    return run_client(OPEN.format(name=name, text=TEXT), hub, home, **variables).answer


def ids_of_pair(tokenizer: Tokenizer) -> list[int]:
    return tokenizer.encode([TEXT], [TEXT])[0].ids


@pytest.fixture(scope="module")
def model() -> bytes:
    return small.train(small.sentences())


@pytest.fixture(scope="module")
def kobert(tmp_path_factory: pytest.TempPathFactory, model: bytes) -> Path:
    folder = small.write_kobert(tmp_path_factory.mktemp("kobert"), model)
    (folder / "pytorch_model.bin").write_bytes(b"weights")
    return folder


@pytest.fixture
def saved(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    tokenizer.save(folder)
    small.write_json(folder / "config.json", model_type="bert")
    return folder


def edit(path: Path, **changes: object) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")


# --- from the hub ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kobert", "kobert-skt"])
def test_kobert_comes_from_the_hub_without_torch_and_stays(
    name: str, kobert: Path, model: bytes, tmp_path: Path
) -> None:
    hub_id = str(find_model(name).hub_id)
    folder = kobert if name == "kobert" else small.write_merged_kobert(tmp_path / "merged", model)
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model(hub_id, folder)
        answer = opened(name, hub.url, tmp_path / "home")
        fetched = {request.rpartition("/")[2] for request in hub.requests if request.startswith("GET")}
    assert answer == [ids_of_pair(open_kobert(folder)), 512, 1, []]
    assert "pytorch_model.bin" not in fetched
    assert opened(name, refused(), tmp_path / "home") == answer
    assert opened(name, refused(), tmp_path / "home", HF_HUB_OFFLINE="1") == answer


def test_deberta_comes_from_the_hub_without_torch(tmp_path: Path) -> None:
    folder = small.write_deberta(tmp_path / "deberta", small.sentences())
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model("microsoft/deberta-v3-small", folder)
        answer = opened("deberta", hub.url, tmp_path / "home")
    assert answer == [ids_of_pair(open_folder(folder)), 512, 0, []]


def test_a_tokenizer_json_comes_from_the_hub_without_torch(saved: Path, tmp_path: Path) -> None:
    (saved / "vocab.txt").write_text("not fetched")
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model("google-bert/bert-base-uncased", saved)
        answer = opened("bert", hub.url, tmp_path / "home")
        assert not any("vocab.txt" in request for request in hub.requests)
    assert answer == [ids_of_pair(open_folder(saved)), 512, 0, []]


def test_what_only_transformers_reads_comes_through_it(tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    vocabulary = tokenizer.backend.get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    small.write_json(folder / "config.json", model_type="electra")
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model("monologg/koelectra-base-v3-discriminator", folder)
        ids, length, pad, loaded = opened("koelectra", hub.url, tmp_path / "home")
    assert (length, pad, loaded) == (512, 0, ["torch", "transformers"])
    assert ids[0] == vocabulary["[CLS]"]
    assert open_folder(folder).encode(["The cat sees a red ball."]) == tokenizer.encode(["The cat sees a red ball."])


def test_what_the_hub_does_not_have_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    small.write_json(folder / "config.json", model_type="bert")
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model("some-org/bare", folder)
        kind, said, _ = opened("hf:some-org/bare", hub.url, tmp_path / "home")
        nowhere = opened("hf:some-org/nothing", hub.url, tmp_path / "home")
    assert kind == "TokenizerError"
    assert said.startswith("some-org/bare: has no tokenizer there (no tokenizer.json, vocab.txt")
    assert nowhere[0] == "HubError"
    assert "some-org/nothing" in nowhere[1]


def test_without_a_network_the_ways_on_are_said(tmp_path: Path) -> None:
    kind, said, loaded = opened("kobert", refused(), tmp_path / "home")
    assert (kind, loaded) == ("HubError", [])
    assert "'monologg/kobert' is not in the cache" in said
    assert "--tokenizer DIR" in said


# --- from folders ---------------------------------------------------------------------------


def test_folders_are_opened_without_torch(kobert: Path, saved: Path, tmp_path: Path) -> None:
    deberta = small.write_deberta(tmp_path / "deberta", small.sentences())
    code = "import sys; from pathlib import Path; from bertkit.models.tokenizers import open_folder\n"
    code += "for name in sys.argv[1:]: open_folder(Path(name)).encode(['a'])\n"
    code += "print(*sys.modules)"
    command = [sys.executable, "-c", code, str(kobert), str(saved), str(deberta)]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "bertkit.tokenization.published" in loaded
    assert [name for name in ("torch", "transformers", "huggingface_hub") if name in loaded] == []


def test_a_local_model_is_a_folder(kobert: Path) -> None:
    spec = find_model(str(kobert))
    assert ids_of_pair(open_tokenizer(spec)) == ids_of_pair(open_folder(kobert)) == ids_of_pair(open_kobert(kobert))


def test_kobert_s_files_win_over_what_transformers_made_of_them(kobert: Path, saved: Path) -> None:
    for name in ("tokenizer_78b3253a26.model", "vocab.txt"):
        shutil.copy(kobert / name, saved)
    assert ids_of_pair(open_folder(saved)) == ids_of_pair(open_kobert(kobert))


def test_kobert_without_its_model_is_no_wordpiece(kobert: Path, tmp_path: Path) -> None:
    shutil.copy(kobert / "vocab.txt", tmp_path)
    shutil.copy(kobert / "config.json", tmp_path)
    with pytest.raises(TokenizerError, match=r"is of KoBERT's shape and lacks its SentencePiece model"):
        open_folder(tmp_path)


@pytest.mark.parametrize("config", [{}, {"model_type": "bert"}, {"model_type": "roberta"}])
def test_a_folder_without_a_tokenizer_is_named_with_what_was_looked_for(config: dict, tmp_path: Path) -> None:
    if config:
        small.write_json(tmp_path / "config.json", **config)
    with pytest.raises(
        TokenizerError, match=r"has no tokenizer there \(no tokenizer\.json, vocab\.txt, .+\); "
    ) as caught:
        open_tokenizer(find_model(str(tmp_path)))
    assert str(caught.value).startswith(str(tmp_path))


def test_an_empty_vocabulary_is_no_tokenizer(tmp_path: Path) -> None:
    small.write_json(tmp_path / "config.json", model_type="bert")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(TokenizerError, match="has no tokenizer there"):
        open_folder(tmp_path)


def test_what_transformers_cannot_open_is_said(tmp_path: Path) -> None:
    small.write_json(tmp_path / "config.json", model_type="roberta")
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(TokenizerError, match=r"has no tokenizer transformers can open \(.+\)") as caught:
        open_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_damaged_tokenizer_json_is_said(saved: Path) -> None:
    (saved / "tokenizer.json").write_text("{}")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: model is null and should be an object; copy it"):
        open_folder(saved)


def test_deberta_v1_has_one_separator_between_the_texts(tmp_path: Path) -> None:
    pieces = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", *"abcdefgh", "Ġ", "ab"]
    small.write_json(tmp_path / "vocab.json", **{piece: i for i, piece in enumerate(pieces)})
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    small.write_json(tmp_path / "config.json", model_type="deberta")
    (row,) = open_folder(tmp_path).encode(["a"], ["c"])
    assert (row.ids, row.type_ids) == ([1, 5, 2, 7, 2], [0, 0, 0, 1, 1])


def test_a_deberta_that_transformers_stored_is_mended(tmp_path: Path) -> None:
    small.message_class()
    from transformers import DebertaV2Tokenizer

    folder = small.write_deberta(tmp_path / "deberta", small.sentences())
    stored = tmp_path / "stored"
    DebertaV2Tokenizer.from_pretrained(folder).save_pretrained(stored)
    shutil.copy(folder / "config.json", stored)
    assert open_folder(stored).encode(["ＡＢＣ ㈜"])[0].ids == open_folder(folder).encode(["ＡＢＣ ㈜"])[0].ids


def test_a_sentencepiece_file_beside_an_old_protobuf_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spiece.model").write_bytes(small.train(small.sentences()))
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "AlbertTokenizer"}')
    monkeypatch.setitem(sys.modules, "sentencepiece.sentencepiece_model_pb2", None)
    monkeypatch.delattr("sentencepiece.sentencepiece_model_pb2", raising=False)
    with pytest.raises(TokenizerError, match=r"a message class that refuses protobuf .* pip install --upgrade"):
        open_folder(tmp_path)


def test_rembert_gets_its_frame_and_its_unknown_token(tmp_path: Path) -> None:
    small.message_class()
    model = small.train(
        small.sentences(), pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"]
    )
    (tmp_path / "sentencepiece.model").write_bytes(model)
    (tmp_path / "config.json").write_text('{"model_type": "rembert"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RemBertTokenizer"}')
    own = open_folder(tmp_path)
    tokens = [own.backend.id_to_token(i) for i in own.backend.encode("Ω", "Ω").ids]
    assert tokens == ["[CLS]", "▁", "<unk>", "[SEP]", "▁", "<unk>", "[SEP]"]


# --- what lies beside a tokenizer.json --------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "spec_length", "of_model", "of_folder"),
    [(128, 512, 128, 128), (4096, 512, 512, 4096), (10**30, 4096, 4096, 512), (1e30, 512, 512, 512)],
)
def test_lengths(saved: Path, stored: float, spec_length: int, of_model: int, of_folder: int) -> None:
    edit(saved / "tokenizer_config.json", model_max_length=stored)
    spec = ModelSpec(str(saved), None, spec_length, "a local encoder")
    assert open_tokenizer(spec).max_length == of_model
    assert open_folder(saved).max_length == of_folder


def test_a_folder_that_names_no_length_reads_what_the_model_reads(saved: Path) -> None:
    (saved / "tokenizer_config.json").unlink()
    assert open_tokenizer(ModelSpec(str(saved), None, 4096, "a local encoder")).max_length == 4096


def test_names_come_from_the_config_then_from_the_map_then_from_habit(saved: Path) -> None:
    backend = Backend.from_file(str(saved / "tokenizer.json"))
    backend.add_special_tokens(["<fill>", "<hide>", "<end>"])
    backend.save(str(saved / "tokenizer.json"))
    config = {"mask_token": {"content": "<hide>", "lstrip": True, "__type": "AddedToken"}}
    small.write_json(saved / "tokenizer_config.json", **config)
    named = {"pad_token": {"content": "<fill>"}, "mask_token": "[MASK]", "sep_token": "<end>", "cls_token": "<nowhere>"}
    small.write_json(saved / "special_tokens_map.json", **named)
    special = open_folder(saved).special
    assert (special.mask, special.pad, special.sep) == ("<hide>", "<fill>", "<end>")
    assert (special.cls, special.unk) == ("[CLS]", "[UNK]")


def test_case_follows_the_config(tmp_path: Path) -> None:
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "Ab": 5, "ab": 6, "é": 7, "e": 8}
    made = bert_tokenizer(words, lowercase=True)
    made.backend.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    made.save(tmp_path)
    assert open_folder(tmp_path).encode(["Ab é"])[0].ids == [2, 6, 8, 3]
    edit(tmp_path / "tokenizer_config.json", do_lower_case=False, strip_accents=False)
    assert open_folder(tmp_path).encode(["Ab é"])[0].ids == [2, 5, 7, 3]
