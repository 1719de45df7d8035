from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from bertkit import hub
from bertkit.errors import HubError, ModelError
from tests.stand_in_hub import StandInHub, black_hole, refused, run_client

NOWHERE = "http://no-such-host.invalid"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    """Give each test a cache of its own, no proxy, no verdict of an earlier test."""
    for name in (*hub.OFFLINE_VARIABLES, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, "")
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    monkeypatch.setattr(hub, "_reachable", {})


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    with StandInHub(tmp_path / "hub") as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def cache_model(home: Path, repo_id: str, *files: str) -> Path:
    repo = home / "hub" / f"models--{repo_id.replace('/', '--')}"
    snapshot = repo / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("c0ffee")
    for name in files:
        (snapshot / name).write_text("{}")
    return repo


def cache_dataset(home: Path, folder: str) -> Path:
    cached = home / "datasets" / folder
    cached.mkdir(parents=True)
    (cached / "dataset_info.json").write_text("{}")
    (cached / "part-train.arrow").write_text("")
    return cached


def test_the_endpoint_is_the_public_hub_unless_the_environment_names_another(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT")
    assert hub.endpoint() == "https://huggingface.co"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub.endpoint() == "https://mirror.example"


@pytest.mark.parametrize("variable", hub.OFFLINE_VARIABLES)
@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("ON", True), ("0", False), ("", False)])
def test_each_offline_variable_of_the_libraries_counts(monkeypatch, variable, value, offline):
    monkeypatch.setenv(variable, value)
    assert hub.is_offline() is offline


class TestReachable:
    def test_one_request_for_the_whole_process(self, stand_in):
        assert hub.is_reachable()
        assert hub.is_reachable()
        assert stand_in.requests == ["HEAD /"]

    @pytest.mark.parametrize(
        ("status", "reachable"), [(301, True), (404, True), (500, True), (407, False), (503, False)]
    )
    def test_any_answer_counts_but_a_proxy_that_gives_up(self, stand_in, status, reachable):
        stand_in.failing = status
        assert hub.is_reachable() is reachable

    @pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
    def test_the_proxy_of_the_environment_is_used(self, stand_in, monkeypatch, variable):
        monkeypatch.setenv(variable, stand_in.url)
        monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
        assert hub.is_reachable()
        assert stand_in.requests == [f"HEAD {NOWHERE}/"]

    @pytest.mark.parametrize(("no_proxy", "reachable"), [("127.0.0.1", True), ("example.org", False)])
    def test_no_proxy_is_heeded(self, stand_in, monkeypatch, no_proxy, reachable):
        monkeypatch.setenv("http_proxy", refused())
        monkeypatch.setenv("no_proxy", no_proxy)
        assert hub.is_reachable() is reachable

    def test_what_is_no_address_is_not_reachable(self, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", "huggingface.co")
        assert not hub.is_reachable()


class TestRequire:
    @pytest.mark.parametrize("server", ["refused", "black hole", "no such host"])
    def test_an_unreachable_hub_ends_in_a_sentence_soon(self, monkeypatch, server):
        with black_hole() as silent:
            url = {"refused": refused(), "black hole": silent, "no such host": NOWHERE}[server]
            monkeypatch.setenv("HF_ENDPOINT", url)
            start = time.monotonic()
            with pytest.raises(HubError) as caught:
                hub.require(
                    "nyu-mll/glue",
                    "dataset",
                    config="mrpc",
                    ways_on=[
                        "give a local copy with --data-dir DIR",
                        "try the bundled sample: sample:paraphrase",
                    ],
                )
            assert time.monotonic() - start < 4
        assert str(caught.value).startswith(f"the hub {url} could not be reached within 2 seconds, and the data set ")
        assert "'nyu-mll/glue' (config 'mrpc')" in str(caught.value)
        assert str(caught.value).endswith(
            "give a local copy with --data-dir DIR, or try the bundled sample: sample:paraphrase."
        )

    def test_a_reachable_hub_is_enough(self, stand_in):
        hub.require("org/name", "model", ways_on=[])
        assert not hub.is_offline()

    def test_offline_nothing_is_asked(self, stand_in, monkeypatch):
        monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
        with pytest.raises(
            HubError, match="is not asked because TRANSFORMERS_OFFLINE is set, and the model 'org/name'"
        ):
            hub.require("org/name", "model", ways_on=["copy the cache"])
        assert stand_in.requests == []

    def test_a_cached_copy_switches_the_process_to_offline(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HF_ENDPOINT", refused())
        cache_model(tmp_path / "home", "org/name", "config.json", "model.safetensors")
        hub.require("org/name", "model", ways_on=[])
        assert [os.environ[name] for name in hub.OFFLINE_VARIABLES] == ["1", "1", "1"]
        with pytest.raises(HubError, match="could not be reached"):  # still the reason for the next one
            hub.require("org/other", "model", ways_on=[])

    def test_libraries_that_read_the_environment_already_are_told(self, monkeypatch, tmp_path):
        constants = ModuleType("huggingface_hub.constants")
        config = ModuleType("datasets.config")
        for module in (constants, config):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setenv("HF_ENDPOINT", refused())
        cache_dataset(tmp_path / "home", "org___name/default/0.0.0/abc")
        hub.require("org/name", "dataset", ways_on=[])
        assert vars(constants)["HF_HUB_OFFLINE"] is True
        assert vars(config)["HF_HUB_OFFLINE"] is True


class TestCache:
    @pytest.mark.parametrize(
        ("files", "as_model", "as_tokenizer"),
        [
            (["config.json", "model.safetensors"], True, False),
            (["config.json", "pytorch_model.bin", "vocab.txt"], True, True),
            (["config.json", "model.safetensors.index.json"], False, False),
            (["config.json", "tokenizer.json"], False, True),
            (["model.safetensors"], False, False),
            (["config.json", "tokenizer_78b3253a26.model"], False, True),
        ],
    )
    def test_a_model_needs_weights_and_a_tokenizer_a_vocabulary(self, tmp_path, files, as_model, as_tokenizer):
        cache_model(tmp_path / "home", "org/name", *files)
        assert hub.is_cached("org/name", "model") is as_model
        assert hub.is_cached("org/name", "tokenizer") is as_tokenizer
        assert not hub.is_cached("org/other", "model")

    def test_a_download_that_broke_off_is_not_cached(self, tmp_path):
        repo = cache_model(tmp_path / "home", "org/name", "config.json")
        (repo / "snapshots" / "c0ffee" / "model.safetensors").symlink_to(repo / "blobs" / "missing")
        assert not hub.is_cached("org/name", "model")

    def test_only_the_snapshot_of_main_counts(self, tmp_path):
        repo = cache_model(tmp_path / "home", "org/name", "config.json", "model.safetensors")
        (repo / "refs" / "main").write_text("f00d")
        assert not hub.is_cached("org/name", "model")

    @pytest.mark.parametrize(
        ("folder", "config", "cached"),
        [
            ("org___kor_nli/multi/0.0.0/abc", "multi", True),
            ("org___kor_nli/multi/0.0.0/abc", None, True),
            ("org___kor_nli/multi/0.0.0/abc", "other", False),
            ("org___kor_nli/multi/0.0.0/abc.incomplete", "multi", False),
            ("kor_nli/multi/0.0.0/abc", "multi", False),
        ],
    )
    def test_a_data_set_by_its_config(self, tmp_path, folder, config, cached):
        cache_dataset(tmp_path / "home", folder)
        assert hub.is_cached("org/KorNLI", "dataset", config) is cached

    def test_the_variables_that_move_the_cache_are_heeded(self, tmp_path, monkeypatch):
        cache_model(tmp_path / "xdg" / "huggingface", "org/name", "config.json", "model.safetensors")
        cache_dataset(tmp_path / "elsewhere", "org___name/default/0.0.0/abc")
        monkeypatch.delenv("HF_HOME")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert hub.is_cached("org/name", "model")
        assert not hub.is_cached("org/name", "dataset")
        monkeypatch.setenv("ELSEWHERE", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("HF_DATASETS_CACHE", "$ELSEWHERE/datasets")
        assert hub.is_cached("org/name", "dataset")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
        assert not hub.is_cached("org/name", "model")


class TestHubErrors:
    def test_what_the_user_can_mend_becomes_a_sentence(self):
        error = ConnectionError("reset")
        with (
            pytest.raises(HubError, match=f"the network to {NOWHERE} failed while the model 'org/name'") as caught,
            hub.hub_errors("org/name", "model"),
        ):
            raise error
        assert caught.value.__cause__ is error

    def test_offline_the_network_is_not_blamed(self, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with (
            pytest.raises(HubError, match="not completely in the cache"),
            hub.hub_errors("org/name", "model"),
        ):
            raise ConnectionError

    @pytest.mark.parametrize("error", [KeyError("x"), ValueError("available: 3"), HubError("x"), ModelError("x")])
    def test_other_errors_pass_unchanged(self, error):
        error.__cause__ = ConnectionError() if isinstance(error, ModelError) else None
        with pytest.raises(type(error)) as caught, hub.hub_errors("org/name", "model"):
            raise error
        assert caught.value is error

    def test_the_retries_of_the_client_are_not_shown(self):
        client = logging.getLogger("huggingface_hub.utils._http")
        with hub.hub_errors("org/name", "model"):
            assert not client.isEnabledFor(logging.WARNING)
        assert client.isEnabledFor(logging.WARNING)


CLIENT = """
import json
from bertkit import hub
from bertkit.errors import HubError
from huggingface_hub import HfApi, HfFileSystem
from transformers import AutoConfig, AutoModel, AutoTokenizer

said = {}

def say(name, call):
    try:
        with hub.hub_errors(name, "model"):
            said[name] = call(name)
    except HubError as error:
        said[name] = str(error)

def load(name):
    hub.require(name, "model", ways_on=[])
    ids = AutoTokenizer.from_pretrained(name)("a b")["input_ids"]
    return [ids, AutoModel.from_pretrained(name).embeddings.word_embeddings.weight[1].tolist()]

say("org/tiny", load)
"""
ONLINE = """
say("org/missing", AutoConfig.from_pretrained)
say("org/secret", AutoConfig.from_pretrained)
say("org/no-weights", AutoModel.from_pretrained)
say("not an id", AutoConfig.from_pretrained)
said["paths"] = [entry.path for entry in HfApi().get_paths_info("org/tiny", ["config.json", "no.json"])]
with HfFileSystem().open("org/tiny/config.json", block_size=4) as file:
    file.seek(2)
    said["range"] = file.read(5).decode()
print(json.dumps(said))
"""
LATER = """
say("org/missing", AutoTokenizer.from_pretrained)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory) -> Path:
    """A random BERT with a three-word vocabulary, as transformers saves it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    config = BertConfig(vocab_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertModel(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(folder)
    return folder


def test_real_clients_load_a_model_then_load_it_again_without_the_hub(tiny_model, tmp_path):
    from safetensors.numpy import load_file

    weights = load_file(tiny_model / "model.safetensors")["embeddings.word_embeddings.weight"]
    config = (tiny_model / "config.json").read_text()
    (tmp_path / "no-weights").mkdir()
    (tmp_path / "no-weights" / "config.json").write_text(config)
    with StandInHub(tmp_path / "hub") as running:
        running.add_model("org/tiny", tiny_model)
        running.add_model("org/secret", tiny_model, gated=True)
        running.add_model("org/no-weights", tmp_path / "no-weights")
        url = running.url
        online = run_client(CLIENT + ONLINE, url, tmp_path / "home")
    later = run_client(CLIENT + LATER, url, tmp_path / "home")

    said = online.answer
    assert said["org/tiny"] == later.answer["org/tiny"] == [[1, 2], pytest.approx(weights[1].tolist())]
    assert said["org/missing"].startswith(f"there is no model 'org/missing' on {url}, or it is private")
    assert said["org/secret"].startswith(f"the model 'org/secret' is gated: ask for access at {url}/org/secret")
    assert said["org/no-weights"].startswith("the model 'org/no-weights' could not be opened: ")
    assert "model.safetensors" in said["org/no-weights"]
    assert "written organisation/name" in said["not an id"]
    assert (said["paths"], said["range"]) == (["config.json"], config[2:7])
    assert later.answer["org/missing"].startswith("the model 'org/missing' is not completely in the cache")
    assert (online.stderr, later.stderr) == ("", "")


def test_importing_the_hub_imports_no_library():
    code = "import sys, json, bertkit.hub; print(json.dumps(sorted(sys.modules)))"
    loaded = run_client(code, NOWHERE, Path(sys.prefix)).answer
    assert not {"huggingface_hub", "datasets", "transformers", "urllib.request"} & set(loaded)


def test_on_a_terminal_the_bar_of_weights_on_disk_is_off_and_that_of_downloads_stays(monkeypatch):
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as loading

    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS")
    monkeypatch.setattr(sys.modules["huggingface_hub.utils.tqdm"], "HF_HUB_DISABLE_PROGRESS_BARS", None)
    monkeypatch.setattr(hub.sys.stderr, "isatty", lambda: True, raising=False)
    were_off = are_progress_bars_disabled()
    enable_progress_bars()
    loading.enable_progress_bar()
    try:
        with hub.hub_errors("a/b", "model"):
            assert not loading.is_progress_bar_enabled()
            assert not are_progress_bars_disabled()
    finally:
        if were_off:
            disable_progress_bars()
