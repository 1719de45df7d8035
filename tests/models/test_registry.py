"""The table of models: its names, and what a MODEL may be."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest

from bertkit.config import TASKS as TASK_WORDS
from bertkit.config import TrainConfig
from bertkit.errors import ModelError, UnknownNameError
from bertkit.models.heads import POOLINGS
from bertkit.models.pretrained import ARCHITECTURES
from bertkit.models.registry import find_model, load_target
from bertkit.models.table import FINE_TUNING, MODELS, RECIPES

ROOT = Path(__file__).parents[2]
TASK_NAMES = tuple(word for word in TASK_WORDS if word != "auto")
HEAVY = ("torch", "transformers", "datasets", "sklearn", "sentencepiece", "accelerate", "scipy", "pyarrow")
LIGHT_ROOMS = """
import sys
import bertkit.models.registry, bertkit.tasks.registry, bertkit.config, bertkit.data.catalog, bertkit.tokenization.vocab
from bertkit.models.registry import find_model
from bertkit.models.table import MODELS
assert find_model(MODELS[-1].name) is MODELS[-1]
print(*sys.modules)
"""


def test_the_table_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT_ROOMS], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "bertkit.models.registry" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_names_and_aliases_are_unique() -> None:
    names = Counter(name for spec in MODELS for name in (spec.name, *spec.aliases))
    assert [name for name, n in names.items() if n > 1] == []
    hub_ids = Counter(spec.hub_id for spec in MODELS if spec.hub_id)
    assert [hub_id for hub_id, n in hub_ids.items() if n > 1] == []


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_every_row_is_complete(spec) -> None:
    assert spec.summary
    assert spec.max_length >= 512
    assert (spec.hub_id is None) == (spec.is_scratch or spec.is_linear)
    module, _, function = spec.builder.partition(":")
    assert (ROOT / (module.replace(".", "/") + ".py")).is_file()
    assert function.isidentifier()
    assert spec.architecture in ARCHITECTURES or spec.is_linear


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_every_recipe_is_one_that_train_would_take(spec) -> None:
    known = {rule.name for rule in fields(TrainConfig)}
    recipe = spec.recipe
    for task, two_texts in product((*TASK_NAMES, "unknown"), (False, True)):
        values = recipe.options(task, two_texts=two_texts)
        assert values.keys() <= known
        taken = TrainConfig(**values)
        assert {name: getattr(taken, name) for name in values} == values
        of_task = {**recipe.by_task.get(task, {}), **(recipe.by_pair_task.get(task, {}) if two_texts else {})}
        assert taken.epochs == of_task.get("epochs", recipe.epochs)
    assert {*recipe.by_task, *recipe.by_pair_task} <= set(TASK_NAMES)
    assert spec.recipe.pooling in POOLINGS
    assert spec.recipe.pooling != "pooler" or spec.architecture == "bert"


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_a_row_is_found_by_name_alias_and_hub_id(spec) -> None:
    for name in (spec.name, *spec.aliases):
        assert find_model(name) is spec
    if spec.hub_id:
        assert find_model(f"hf:{spec.hub_id}") is spec
        assert find_model(spec.hub_id) is spec


def test_a_folder_wins_over_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_id = find_model("deberta").hub_id
    (tmp_path / hub_id).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert (find_model(hub_id).hub_id, find_model(hub_id).name) == (None, hub_id)
    assert find_model(f"hf:{hub_id}") is find_model("deberta")


def test_the_wanted_encoders_have_names() -> None:
    wanted = {
        "kobert": "monologg/kobert",
        "kobert-skt": "skt/kobert-base-v1",
        "deberta": "microsoft/deberta-v3-small",
        "deberta-base": "microsoft/deberta-base",
        "mdeberta": "microsoft/mdeberta-v3-base",
        "longformer": "allenai/longformer-base-4096",
        "minilm": "sentence-transformers/all-MiniLM-L6-v2",
    }
    assert {name: find_model(name).hub_id for name in wanted} == wanted
    assert find_model("longformer").max_length == 4096


def test_a_hub_id_that_the_table_lacks_is_a_hub_encoder() -> None:
    spec = find_model("hf:some-org/some-encoder")
    assert (spec.name, spec.hub_id, spec.is_scratch) == ("hf:some-org/some-encoder", "some-org/some-encoder", False)
    assert spec.architecture == ""


def test_a_folder_is_a_local_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_model(str(tmp_path))
    assert (spec.name, spec.hub_id, spec.is_scratch) == (str(tmp_path), None, False)
    (tmp_path / "encoder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("encoder").hub_id is None
    assert find_model("./encoder").name == "./encoder"


@pytest.mark.parametrize(
    ("config", "architecture", "max_length"),
    [
        ('{"model_type": "longformer", "max_position_embeddings": 4098, "pad_token_id": 1}', "longformer", 4096),
        ('{"model_type": "roberta", "max_position_embeddings": 130, "pad_token_id": 0}', "roberta", 129),
        ('{"model_type": "bert", "max_position_embeddings": 64}', "bert", 64),
        ('{"model_type": "modernbert", "max_position_embeddings": 8192}', "modernbert", 8192),
        ('{"model_type": "xlnet"}', "xlnet", 512),
        ('{"max_position_embeddings": "many"}', "", 512),
        ("[1]", "", 512),
        ("{", "", 512),
        (None, "", 512),
    ],
)
def test_a_folder_says_what_it_is(config: str | None, architecture: str, max_length: int, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    spec = find_model(str(tmp_path))
    assert (spec.architecture, spec.max_length) == (architecture, max_length)
    assert spec.recipe is RECIPES.get(architecture, FINE_TUNING)


def test_a_name_of_the_table_wins_over_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("scratch").is_scratch
    assert not find_model("./scratch").is_scratch


@pytest.mark.parametrize("name", ["some-org/some-encoder", "./nowhere", "/no/where", ".hidden"])
def test_a_path_to_nowhere_is_said_with_the_way_to_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match=r": no such folder; a model of the hub is written hf:org/name") as caught:
        find_model(name)
    assert str(caught.value).startswith(f"--model {name}: ")


@pytest.mark.parametrize(("typed", "meant"), [("brt", "bert"), ("Kobret", "kobert"), ("debertta", "deberta")])
def test_a_misspelt_name_is_mended(typed: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"unknown model '{typed}'.*did you mean '{meant}'\?.*bertkit models"):
        find_model(typed)


@pytest.mark.parametrize(("typed", "meant"), [("KoBERT", "kobert"), ("klue_roberta", "klue-roberta")])
def test_case_and_dashes_of_a_name_do_not_matter(typed: str, meant: str) -> None:
    assert find_model(typed) is find_model(meant)


def test_an_unknown_name_says_where_names_are_listed() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'gpt-17'.*`bertkit models` lists them\.$"):
        find_model("gpt-17")


def test_a_target_is_a_function() -> None:
    assert load_target("bertkit.models.registry:find_model") is find_model


def test_the_page_of_encoders_lists_every_row() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for spec in MODELS:
        if spec.is_linear:  # no encoder
            continue
        size = "" if spec.parameters is None else f"{spec.parameters} M"
        assert f"| `{spec.name}` | {spec.hub_id or ''} | {spec.language} | {size} | {spec.max_length:,} |" in page
