"""Messages and help in Korean: none lacks its translation, fields are carried over, JSON stays English."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.language import asked_language, speak, translated
from bertkit.language.catalogue import Catalogue, faults, filled, particle, read_po

ROOT = Path(__file__).resolve().parent.parent.parent


def translations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_translations", ROOT / "docs" / "translations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def korean() -> Iterator[None]:
    speak("ko")
    yield
    speak("en")


@pytest.fixture(autouse=True)
def english_afterwards() -> Iterator[None]:
    yield
    speak("en")


def run(*words: str, **variables: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words), env=variables, prog_name="bertkit")
    return result.exit_code, result.stdout, result.stderr


def test_every_sentence_of_the_source_has_its_translation() -> None:
    module = translations()
    entries = read_po(module.CATALOGUE.read_text(encoding="utf-8"))
    wanted = module.wanted()
    assert len(wanted) > 1000
    assert [each for each in wanted if not entries.get(each)] == [], "docs/translations.py --write, then translate"
    assert entries.keys() - wanted.keys() == set(), "python docs/translations.py --write"


def test_translations_have_the_fields_of_their_sentences() -> None:
    entries = read_po(translations().CATALOGUE.read_text(encoding="utf-8"))
    assert {english: fault for english, other in entries.items() if other and (fault := faults(english, other))} == {}


def test_a_new_sentence_would_be_missed() -> None:
    module = translations()
    kinds = module._kinds(tree := module.ast.parse("def f(x):\n    raise DataError(f'{x}: a new fault in {x!r}.')"))
    found = [(kinds.get(id(node)), text) for node, text in module.strings_of(tree)]
    assert found == [("error", "{0}: a new fault in {1}.")]
    assert faults("{0}: a fault", "오류") is not None


def test_every_error_is_translated_as_a_whole() -> None:
    """Not in parts: a sentence of the catalogue goes before the words that others of it are made of."""
    entries = read_po(translations().CATALOGUE.read_text(encoding="utf-8"))
    catalogue = Catalogue(entries)
    missed = []
    for english, (kind, _) in translations().messages().items():
        names = ["'abc'"] * 12
        wanted = filled(entries[english], names).removesuffix(".")
        # "is missing" is said of a key, and of nothing
        if (
            kind == "error"
            and "missing" not in english
            and wanted not in (catalogue.translated(f"bertkit: {filled(english, names)}"))
        ):
            missed.append(english)
    assert missed == []


def test_rows_of_one_fault_are_translated_with_their_lines_and_the_way_on() -> None:
    speak("ko")
    english = "bertkit: a.csv:2: label is empty (column 'label'); 2 rows have this fault (lines 2, 3). "
    english += "No row can be used; fix them, or name the right columns (--columns)."
    assert translated(english) == (
        "bertkit: a.csv:2: 레이블이 비어 있습니다(열 'label'); 2행에 같은 문제가 있습니다(2, 3번째 줄). "
        "쓸 수 있는 행이 없습니다. 행을 고치거나 맞는 열을 지정하세요(--columns)."
    )


def test_an_error_of_a_file_is_translated_behind_its_place() -> None:
    speak("ko")
    said = translated("bertkit: a.csv: no column 'x': the columns are 'text', 'label'; fix --columns.")
    assert said == "bertkit: a.csv: 'x' 열이 없습니다: 열: 'text', 'label'. --columns를 고치세요."


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LC_MESSAGES": "ko_KR", "LANG": "en_US.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "BERTKIT_LANG": "en"}, "en"),
        ({"BERTKIT_LANG": "ko"}, "ko"),
        ({"LANG": "kok_IN"}, "en"),
    ],
)
def test_the_environment_says_the_language(environment: dict[str, str], language: str) -> None:
    assert asked_language(["train"], environment) == language


def test_the_command_line_goes_before_the_environment() -> None:
    assert asked_language(["--lang", "en", "train"], {"LANG": "ko_KR.UTF-8"}) == "en"
    assert asked_language(["--lang=ko", "train"], {}) == "ko"
    assert asked_language(["train", "--lang", "ko"], {}) == "en"


@pytest.mark.usefixtures("korean")
@pytest.mark.parametrize(
    ("english", "other"),
    [
        ("bertkit: runs/x: no such run directory; `bertkit train` makes one.", "bertkit: runs/x: 학습 결과 폴더가"),
        ("warning: 12 of 100 rows are longer than 96 tokens and were cut", "경고: 100행 중 12행이 96토큰보다 길어"),
        ("bertkit: --lr 20.0: must be at most 10.", "bertkit: --lr 20.0: 10 이하여야 합니다."),
        ("bertkit: a: b.tsv:3: 1 field where 2 are expected.", "bertkit: a: b.tsv:3: 필드 2개가 있어야 하는데 1개"),
        ("1,234 of about 5,000 rows, 120 rows/s, about 30 s left", "약 5,000행 중 1,234행, 초당 120행, 약 30초 남음"),
        ("train: 12 rows have the same sentence on both sides.", "train: 12행의 두 문장이 같습니다."),
        (
            "the model is significantly worse than the TF-IDF baseline in accuracy (95 % CI of the difference: -0.2 to "
            "-0.1; 0.4 against 0.5), which --model tfidf trains by itself; see docs/troubleshooting.md#no-better",
            "모델이 TF-IDF 베이스라인(accuracy)보다 유의하게 나쁩니다",
        ),
        ("No such option: --learnin-rate. Did you mean --lr?", "없는 옵션입니다: --learnin-rate. --lr"),
    ],
)
def test_fields_are_carried_over(english: str, other: str) -> None:
    assert translated(english).startswith(other)


@pytest.mark.usefixtures("korean")
def test_words_of_users_stay_as_they_are() -> None:
    assert "'model'" in translated("bertkit: --positive 'model': no row has that label; there are 'error', 'tokens'.")
    assert translated("nobody has written this sentence before") == "nobody has written this sentence before"


@pytest.mark.parametrize(
    ("word", "name", "form"),
    [
        ("모델", "은", "은"),
        ("'파일'", "으로", "로"),
        ("토크나이저", "을", "를"),
        ("3", "이", "이"),
        ("2", "이", "가"),
        ("베이스라인(accuracy)", "과", "과"),
        ("GPU", "을", "를"),
        ("minilm", "은", "은"),
    ],
)
def test_particles_follow_the_final_sound(word: str, name: str, form: str) -> None:
    assert particle(word, name) == form


def test_a_catalogue_of_ones_own() -> None:
    own = Catalogue({"{0} eats {1}.": "{0:이} {1:을} 먹습니다.", "an apple": "사과"})
    assert own.translated("소 eats an apple.") == "소가 사과를 먹습니다."
    assert filled("{1}{0:-}", ["s", "줄"]) == "줄"


def test_help_comes_in_korean() -> None:
    code, said, _ = run("train", "--help", BERTKIT_LANG="ko")
    assert code == 0
    assert "사용법:" in said
    assert "그래디언트 누적: 한 스텝의 배치 수(기본값: 1)." in " ".join(said.replace("│", " ").split())
    assert "Training" not in said


def test_errors_come_in_korean_with_the_same_code() -> None:
    english, korean = run("--lang", "en", "predict", "nowhere"), run("--lang", "ko", "predict", "nowhere")
    assert english[0] == korean[0] == 3
    assert "no such run directory" in english[2]
    assert "학습 결과 폴더가 없습니다" in korean[2]


def test_a_wrong_language_is_refused() -> None:
    code, _, said = run("--lang", "xx", "models")
    assert code == 2
    assert "must be one of en, ko" in said


def test_json_is_english_in_every_language() -> None:
    answers = [
        run("--lang", each, "inspect-data", "sample:paraphrase", "--model", "scratch")[1] for each in ("en", "ko")
    ]
    assert json.loads(answers[0]) == json.loads(answers[1])


def test_english_loads_no_catalogue() -> None:
    program = "import sys; from bertkit.cli.app import app; print('bertkit.language.catalogue' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ}
    )
    assert done.stdout.strip() == "False"


def test_a_long_list_of_lines_is_no_sentence_and_takes_no_time() -> None:
    catalogue = Catalogue.read(ROOT / "bertkit" / "language" / "ko.po")
    listed = "rows.csv:" + ", ".join(map(str, range(2, 42)))
    began = time.process_time()
    assert catalogue.translated(listed) == listed
    assert time.process_time() - began < 2.0


@pytest.mark.usefixtures("korean")
@pytest.mark.parametrize(
    ("english", "other"),
    [
        (
            "train: left out, because they are not rows of the data: the line is blank (2); the line is blank (1).",
            "train: 데이터 행이 아니어서 제외했습니다: 빈 줄입니다 (2); ",
        ),
        ("left out: the line is blank (3), the first at a.csv:4", "제외: 빈 줄입니다 (3). "),
        ("Can be trained on. Worth checking: rare label.", "학습할 수 있습니다. 확인해 볼 것: rare label."),
        ("train: 3 rows have no label that can be used.", "train: 3행에 쓸 수 있는 레이블이 없습니다."),
        ("test: no row has a label that can be used.", "test: 쓸 수 있는 레이블이 있는 행이 없습니다."),
        (
            "train: 2 labels have fewer than 10 rows: 'a' (1), 'b' (2).",
            "train: 레이블 2개에 행이 10개보다 적습니다: 'a' (1), 'b' (2).",
        ),
        (
            "train: 9 labels have fewer than 10 entities: 'a' (1) and 4 more.",
            "train: 레이블 9개에 개체가 10개보다 적습니다: 'a' (1) 외 4개.",
        ),
    ],
)
def test_what_is_counted_is_translated_with_its_number(english: str, other: str) -> None:
    assert translated(english).startswith(other)
