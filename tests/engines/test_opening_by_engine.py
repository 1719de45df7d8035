"""--engine and --no-blend: what answers, what is said, and the one sentence where it cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.compute.device import Placement
from bertkit.data.records import Example
from bertkit.engines import graph, opening
from bertkit.evaluation.answers import forward

Runs = Callable[[str], Path]

pytestmark = pytest.mark.usefixtures("shared_cache")


def command(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), input=text)


def refused(done: Result, *parts: str, code: int = 3) -> None:
    """One sentence, nothing on standard output."""
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("bertkit: ")
    assert last.endswith(".")
    for part in parts:
        assert part in last, last


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "asked.tsv"
    rows = ["the cat sees music\ta dog likes music", "the shop finds some bread\tthe river", "a\tb " + "music " * 300]
    path.write_text("\n".join(["sentence1\tsentence2", *rows]) + "\n")
    return path


@pytest.fixture
def export(export_of: Runs) -> Path:
    return export_of("scratch")


@pytest.fixture
def copied(export: Path, tmp_path: Path) -> Path:
    shutil.copytree(export, tmp_path / "copy")
    return tmp_path / "copy"


def data_of(run: Path) -> Path:
    """The file that a run was trained on."""
    return run.with_name("classify.tsv")


def test_an_export_keeps_no_place_of_its_data(export: Path) -> None:
    refused(command("eval", export), "does not store where its data is", "name the data to score")


def without_clock(done: Result) -> dict[str, object]:
    figures: dict[str, object] = json.loads(done.stdout)
    return {name: value for name, value in figures.items() if name not in ("seconds", "rows_per_second")}


# --- what answers -------------------------------------------------------------------------


def test_the_engine_that_answers_is_said_in_one_line_and_torch_is_not(run_of: Runs, pairs: Path) -> None:
    usual = command("predict", run_of("scratch"), pairs, "--no-blend", "--precision", "float32")
    assert "answers are computed" not in usual.stderr
    for engine, name in (("onnx", "ONNX Runtime"), ("openvino", "OpenVINO")):
        done = command(
            "predict", run_of("scratch"), pairs, "--engine", engine, "--no-blend", "--precision", "float32"
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count(f"answers are computed by {name} ") == 1
        for one, other in zip(done.stdout.splitlines(), usual.stdout.splitlines(), strict=True):
            mine, others = json.loads(one), json.loads(other)
            assert mine.pop("score") == pytest.approx(others.pop("score"), abs=1e-5)
            assert mine == others


def test_an_export_is_read_as_a_run_is(run_of: Runs, export: Path, pairs: Path) -> None:
    asked = command("predict", export, pairs)
    assert "answers are computed by ONNX Runtime" in asked.stderr
    assert len(asked.stdout.splitlines()) == 3
    flags = (data_of(run_of("scratch")), "--precision", "float32")
    scored, alone = command("eval", export, *flags), command("eval", run_of("scratch"), "--no-blend", *flags)
    assert scored.exit_code == 0, scored.stderr
    mine, others = without_clock(scored), without_clock(alone)
    assert mine["metrics"] == pytest.approx(others["metrics"], abs=1e-5)
    assert mine["baselines"] == others["baselines"]
    tokens = [command("tokenize", "the cat", "--model", folder).stdout for folder in (export, run_of("scratch"))]
    assert tokens[0] == tokens[1]


def test_a_run_is_compared_with_its_export(run_of: Runs, export: Path) -> None:
    done = command("eval", run_of("scratch"), "--against", export, "--no-blend", "--precision", "float32")
    low, high = json.loads(done.stdout)["difference"][str(export)]["accuracy"]
    assert low == high == 0


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_without_the_blend_the_encoder_answers_alone(engine: str, run_of: Runs, pairs: Path) -> None:
    run = bundle.load(run_of("align"))
    assert run.manifest.blend
    blended, alone = (
        [json.loads(line) for line in command("predict", run_of("align"), pairs, *flags).stdout.splitlines()]
        for flags in (["--precision", "float32"], ["--no-blend", "--engine", engine, "--precision", "float32"])
    )
    rows = rows_in(pairs)
    own = forward(run.model, run.task, run.task.encode(rows), Placement("cpu", "float32", 1))
    assert [row["score"] for row in alone] == pytest.approx([max(output) for output in own], abs=1e-5)
    assert [row["score"] for row in alone] != pytest.approx([row["score"] for row in blended], abs=1e-3)


def rows_in(path: Path) -> list[Example]:
    lines = path.read_text().splitlines()[1:]
    return [Example(tuple(line.split("\t")), None, i, str(path)) for i, line in enumerate(lines, start=2)]


def test_a_blended_run_keeps_its_blend_with_an_engine(run_of: Runs, pairs: Path) -> None:
    own, others = (
        command("predict", run_of("align"), pairs, "--engine", engine, "--precision", "float32").stdout
        for engine in ("torch", "onnx")
    )
    scores = [[json.loads(line)["score"] for line in text.splitlines()] for text in (own, others)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_report_explains_the_answers_of_an_engine_and_of_the_encoder_alone(run_of: Runs, tmp_path: Path) -> None:
    pages = []
    for engine in ("torch", "openvino"):
        page = tmp_path / f"{engine}.html"
        flags = ("--no-blend", "--engine", engine, "--report", page)
        done = command("eval", run_of("align"), *flags)
        assert done.exit_code == 0, done.stderr
        pages.append(page.read_text())
    assert all("Leaving out" in page or "left out" in page for page in pages)


# --- bad input ----------------------------------------------------------------------------


def test_an_engine_that_is_none_is_wrong_usage(run_of: Runs, pairs: Path) -> None:
    refused(command("predict", run_of("scratch"), pairs, "--engine", "tensorrt"), "--engine tensorrt", code=2)
    refused(command("eval", run_of("scratch"), "--engine", "tensorrt"), "--engine tensorrt", code=2)


@pytest.mark.parametrize(("name", "reason"), [("longformer", "Longformer"), ("siamese", "--pooling siamese")])
def test_a_run_without_a_graph_is_refused(name: str, reason: str, run_of: Runs, pairs: Path) -> None:
    refused(command("predict", run_of(name), pairs, "--engine", "onnx"), "--engine onnx", reason)


def test_missing_packages_are_named(run_of: Runs, export: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (graph, opening):
        monkeypatch.setattr(module, "is_installed", lambda package: False)
    refused(command("predict", run_of("scratch"), pairs, "--engine", "onnx"), "pip install onnxruntime")
    refused(command("predict", run_of("scratch"), pairs, "--engine", "openvino"), "pip install openvino")
    refused(command("predict", export, pairs), "neither onnxruntime nor openvino")
    refused(command("export", run_of("scratch"), "--to", "onnx"), "onnx, onnxscript and onnxruntime")


def test_an_export_is_read_by_the_engine_that_is_there(
    export: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "is_installed", lambda package: package == "openvino")
    assert "computed by OpenVINO" in command("predict", export, pairs).stderr


def test_torch_does_not_open_a_graph(export: Path, pairs: Path) -> None:
    refused(command("predict", export, pairs, "--engine", "torch"), "--engine torch", "onnx or openvino")


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_engines_compute_on_the_cpu(engine: str, export: Path, pairs: Path) -> None:
    refused(command("predict", export, pairs, "--engine", engine, "--device", "cuda"), "--device cuda", "on the CPU")


def test_onnx_runtime_has_no_bfloat16(export: Path, pairs: Path) -> None:
    done = command("predict", export, pairs, "--engine", "onnx", "--precision", "bfloat16")
    refused(done, "--precision bfloat16", "float32")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_weights(path: Path) -> None:
    """A graph whose weights lie in a file of any name: of another's, perhaps."""
    import onnx

    graph = onnx.load(path)
    onnx.save(graph, path, save_as_external_data=True, location="weights.bin", size_threshold=0)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "another kind of file": lambda path: path.write_bytes(b"<html>not found</html>" * 100),
    "weights elsewhere": other_weights,
    "no facts": lambda path: path.with_name("onnx.json").unlink(),
    "facts of another kind": lambda path: path.with_name("onnx.json").write_text('{"hidden_size": "many"}'),
    "facts that do not fit": lambda path: path.with_name("onnx.json").write_text(
        '{"hidden_size": 32, "vocab_size": 3, "longest": 256, "precision": "float32"}'
    ),
}


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_export_is_one_sentence(
    damage: str, engine: str, run_of: Runs, copied: Path, pairs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    DAMAGE[damage](copied / "model.onnx")
    for words in (("predict", copied, pairs), ("eval", copied, data_of(run_of("scratch")))):
        done = command(*words, "--engine", engine)
        refused(done, str(copied), "damaged")
    assert capfd.readouterr() == ("", "")  # engines write to the descriptors themselves


def test_a_graph_of_another_run_is_refused(export_of: Runs, copied: Path, pairs: Path) -> None:
    shutil.copy(export_of("ner") / "model.onnx", copied / "model.onnx")
    refused(command("predict", copied, pairs), "where the task reads (1, 2)")


def test_a_row_longer_than_the_graph_takes_is_said(run_of: Runs, copied: Path, pairs: Path) -> None:
    facts = json.loads((copied / "onnx.json").read_text())
    (copied / "onnx.json").write_text(json.dumps({**facts, "longest": 20}))
    done = command("predict", copied, pairs)
    assert done.exit_code == 3
    assert "the encoder has 20 positions" in done.stderr


def test_other_commands_say_what_an_export_is_for(export: Path) -> None:
    refused(command("export", export, "--to", "transformers"), f"{export}: is an ONNX export")
    refused(command("train", "sample:paraphrase", "--model", export), str(export), "no weights")
