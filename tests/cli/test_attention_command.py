"""`bertkit attention`: on a terminal, as JSON, as a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from bertkit.training.run import train
from tests.training.small_runs import data_file, request

TEXT, PAIR = "the cat sees a red ball", "a dog likes the red ball"


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, ["attention", *words])


def as_json(*words: str) -> dict[str, Any]:
    result = ask(*words, "--format", "json")
    assert result.exit_code == 0, result.stderr
    values: dict[str, Any] = json.loads(result.stdout)
    return values


@pytest.fixture(scope="module")
def disentangled(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs")
    train(request(data_file(folder), folder / "run", attention="disentangled", distances=4, epochs=1, layers=2))
    return str(folder / "run")


class Reader(HTMLParser):
    """Counts elements and keeps scripts, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script":
            self.scripts.append(data)


def test_json_has_every_weight(trained_run: Path) -> None:
    found = as_json(str(trained_run), TEXT, "--pair", PAIR)
    length = len(found["tokens"])
    assert found["tokens"][0] == "[CLS]"
    assert found["tokens"].count("[SEP]") == 2
    for layer in found["layers"]:
        for head in layer["heads"]:
            weights = np.array(head["weights"])
            assert weights.shape == (length, length)
            np.testing.assert_allclose(weights.sum(1), 1, atol=1e-4)
            assert 0 <= head["entropy"] <= np.log2(length)
            assert 0 <= head["distance"] < length


def test_a_pair_is_read_with_its_overlap_segments(trained_run: Path) -> None:
    """The weights are those of the segments that the run reads: another second text changes those of the first."""
    one, other = (as_json(str(trained_run), TEXT, "--pair", pair) for pair in (PAIR, "our teacher paints some bread"))
    first = np.array(one["layers"][0]["heads"][0]["weights"])[:8, 0]
    second = np.array(other["layers"][0]["heads"][0]["weights"])[:8, 0]
    assert np.abs(first - second).max() > 1e-6


def test_a_table_has_the_strongest_links(trained_run: Path) -> None:
    result = ask(str(trained_run), TEXT, "--format", "table")
    assert result.exit_code == 0
    assert "layer 1, " in result.stdout
    assert re.search(r"\[CLS\] +\S+ 0\.\d\d", result.stdout)
    assert "entropy" in result.stdout


def test_layer_and_head_are_chosen_and_counted_from_one(disentangled: str) -> None:
    found = as_json(disentangled, "good thing 1", "--layer", "2", "--head", "1")
    assert [(layer["layer"], [head["head"] for head in layer["heads"]]) for layer in found["layers"]] == [(2, [1])]
    assert set(found["layers"][0]["heads"][0]["parts"]) == {
        "content to content", "content to position", "position to content",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence", "code"),
    [
        (("--layer", "3"), "--layer 3: the model has 2 layers, counted from 1.", 2),
        (("--head", "0"), "--head 0: the model has 2 heads, counted from 1.", 2),
    ],
)
def test_what_is_not_there_is_said(disentangled: str, words: tuple[str, ...], sentence: str, code: int) -> None:
    result = ask(disentangled, "good thing", *words)
    assert result.exit_code == code
    assert sentence in result.stderr


def test_an_empty_text_and_a_model_that_is_none(disentangled: str) -> None:
    assert "TEXT: is empty" in ask(disentangled, " ").stderr
    assert "scratch has no vocabulary before it is trained" in ask("scratch", "a").stderr
    assert "unknown model 'nobody'" in ask("nobody", "a").stderr


def test_too_many_weights_are_refused_before_they_are_written(
    disentangled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertkit.reporting.attention.MOST_WEIGHTS", 100)
    result = ask(disentangled, "good thing 1")
    assert result.exit_code == 2
    assert "can be looked at; choose a --layer, a --head, or a shorter text." in result.stderr


def test_the_page_is_whole_and_asks_nobody(disentangled: str, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    assert ask(disentangled, "good <b>thing</b> 1", "--report", str(path), "--format", "json").exit_code == 0
    page = path.read_text()
    reader = Reader(page)
    assert not re.findall(r"(?:src|href)=", page)
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    policy = next(value for name, value in reader.attributes if name == "content" and value and "default-src" in value)
    assert "default-src 'none'" in policy
    (code,) = [script for script in reader.scripts if "use strict" in script]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert {"select", "button", "svg", "canvas", "noscript", "table"} <= set(reader.tags)
    assert "prefers-color-scheme: dark" in page
    assert 'id="part"' in page


def test_the_page_holds_what_json_says(disentangled: str, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    found = as_json(disentangled, "good thing 1", "--report", str(path))
    (data,) = [json.loads(s) for s in Reader(path.read_text()).scripts if s.startswith("{")]
    assert data["tokens"] == found["tokens"]
    length = len(found["tokens"])
    for layer, expected in zip(data["layers"], found["layers"], strict=True):
        for head, own in zip(layer["heads"], expected["heads"], strict=True):
            weights = np.frombuffer(base64.b64decode(head["w"]), "<u2").reshape(length, length) / 65535
            np.testing.assert_allclose(weights, own["weights"], atol=1e-4)
            parts = [np.frombuffer(base64.b64decode(part), "<f4").reshape(length, length) for part in head["p"]]
            np.testing.assert_allclose(parts, list(own["parts"].values()), atol=1e-4)


def test_the_pattern_of_a_window_is_on_the_page(tmp_path: Path) -> None:
    train(request(data_file(tmp_path), tmp_path / "run", attention="window", window=2, epochs=1))
    found = as_json(str(tmp_path / "run"), "good thing 1 good thing 2", "--report", str(tmp_path / "a.html"))
    allowed = np.array(found["layers"][0]["heads"][0]["allowed"])
    assert (np.abs(np.subtract.outer(*2 * [np.arange(len(allowed))])) <= 1).astype(int).tolist() == allowed.tolist()
    (data,) = [json.loads(s) for s in Reader((tmp_path / "a.html").read_text()).scripts if s.startswith("{")]
    bits = np.unpackbits(np.frombuffer(base64.b64decode(data["layers"][0]["heads"][0]["a"]), np.uint8))
    assert bits[: allowed.size].tolist() == allowed.flatten().tolist()


def test_a_page_is_not_written_over(disentangled: str, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("mine")
    assert ask(disentangled, "good", "--report", str(path)).exit_code == 3
    assert path.read_text() == "mine"
    assert ask(disentangled, "good", "--report", str(path), "--force", "--format", "json").exit_code == 0


def test_texts_that_a_run_reads_apart(tmp_path: Path) -> None:
    rows = "sentence1\tsentence2\tlabel\n" + "".join(f"good {i}\tbad thing {i}\t{i % 2}\n" for i in range(40))
    (tmp_path / "pairs.tsv").write_text(rows)
    train(request(tmp_path / "pairs.tsv", tmp_path / "run", pooling="siamese", epochs=1))
    assert "reads its two texts apart" in ask(str(tmp_path / "run"), "good", "--pair", "bad").stderr
    assert as_json(str(tmp_path / "run"), "good thing")["tokens"]


def test_a_dash_is_standard_input(disentangled: str) -> None:
    piped = CliRunner().invoke(app, ["attention", disentangled, "-", "--format", "json"], input=f"{TEXT}\n")
    assert json.loads(piped.stdout) == as_json(disentangled, TEXT)
    assert "lines" not in piped.stderr
    several = CliRunner().invoke(app, ["attention", disentangled, "-", "--format", "json"], input=f"{TEXT}\n\n{PAIR}\n")
    assert json.loads(several.stdout)["tokens"] == as_json(disentangled, f"{TEXT}\n\n{PAIR}")["tokens"]
    assert "<stdin>: its 2 lines are read as one text" in several.stderr
    empty = CliRunner().invoke(app, ["attention", disentangled, "-"], input="")
    assert (empty.exit_code, "standard input holds no text" in empty.stderr) == (2, True)


def test_the_page_that_was_written_is_named(disentangled: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert f"report: {page}" in ask(disentangled, TEXT, "--report", str(page)).stderr.splitlines()
