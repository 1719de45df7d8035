"""Runs whose vocabulary was trimmed: small, whole, and honest about what they lack."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bertkit import bundle
from bertkit.config import TrainConfig
from bertkit.errors import Interrupted, RunError, UsageError
from bertkit.evaluation.predict import PredictRequest, predict
from bertkit.export.run import ExportRequest, export_run
from bertkit.models import finding
from bertkit.tokenization import trimming
from bertkit.tokenization.trimming import DROPPED_FILE
from bertkit.training.run import train
from tests import small_four_bits as small
from tests.training import small_runs

POSITIVE, NEGATIVE = ("재미", "최고", "감동", "좋은"), ("지루", "최악", "별로", "나쁜")
NOUNS = ("영화", "배우", "감독", "음악", "장면")
NEVER_SEEN = "뮤지컬"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Korean table, and a tiny model under the name of the real one."""
    folder = tmp_path / "tiny_multilingual"
    folder.mkdir()
    (folder / "__init__.py").touch()
    small.write(folder / "tiny.bin", (*POSITIVE, *NEGATIVE, *NOUNS, NEVER_SEEN))
    digest = hashlib.sha256((folder / "tiny.bin").read_bytes()).hexdigest()
    package = finding.Package("tiny", "tiny_multilingual", "tiny.bin", digest, is_packed=True, statement="It is tiny.")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(finding, "PACKAGES", {"intfloat/multilingual-e5-small": package})
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trimming.trim, "__kwdefaults__", {"most": 0})
    rows = [
        (f"{noun} {word}", label)
        for words, label in ((POSITIVE, "1"), (NEGATIVE, "0"))
        for word in words
        for noun in NOUNS
    ]
    table = tmp_path / "rows.tsv"
    table.write_text("text\tlabel\n" + "".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    return table


def config(data: Path, run: Path) -> TrainConfig:
    return TrainConfig(
        data=(str(data),), model="multilingual-e5-small", output=str(run), epochs=2, batch_size=8, threads=1,
        tensorboard=False,
    )  # fmt: skip


def test_a_run_keeps_what_its_rows_need_and_counts_what_it_lacks(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[object] = []
    train(config(data, tmp_path / "run"), heard.append)
    assert any("pieces" in str(said) and "--no-trim-vocab" in str(said) for said in heard)
    run = bundle.load(tmp_path / "run")
    assert (
        run.model.encoder.vocab_size
        == run.tokenizer.vocab_size
        < len(small.vocabulary((*POSITIVE, *NEGATIVE, *NOUNS, NEVER_SEEN)))
    )
    assert run.manifest.config["trim_vocab"] is True
    assert run.manifest.config["freeze"] == 1
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "It is tiny." in card
    assert "1 dropped" in card
    lines = tmp_path / "lines.txt"
    lines.write_text(f"영화 재미\n{NEVER_SEEN} 재미\n", encoding="utf-8")
    notes: list[str] = []
    done = predict(PredictRequest(tmp_path / "run", str(lines)), output=tmp_path / "out.jsonl", note=notes.append)
    assert "1 of 2 rows need a piece" in notes[-1]
    done.raise_for_status(strict=True)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["n_tokens"] for record in records] == [4, 7]  # <s>, ▁ and three letters, a word, </s>


def test_a_damaged_list_of_dropped_pieces_is_a_damaged_run(data: Path, tmp_path: Path) -> None:
    train(replace(config(data, tmp_path / "run"), epochs=1))
    (tmp_path / "run" / DROPPED_FILE).write_bytes(b"nothing")
    with pytest.raises(RunError, match=rf"{DROPPED_FILE}: holds no pieces .*the run is damaged"):
        predict(PredictRequest(tmp_path / "run", str(data)), output=tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_without_trimming_the_answers_are_the_same(data: Path, tmp_path: Path) -> None:
    trimmed = train(config(data, tmp_path / "trimmed"))
    whole = train(replace(config(data, tmp_path / "whole"), trim_vocab=False))
    assert not (tmp_path / "whole" / DROPPED_FILE).exists()
    assert "dropped" not in (tmp_path / "whole" / "README.md").read_text(encoding="utf-8")
    assert trimmed.metrics == pytest.approx(whole.metrics, abs=1e-6)


def test_a_stopped_training_goes_on_with_the_same_bytes(data: Path, tmp_path: Path) -> None:
    asked = config(data, tmp_path / "run")
    train(asked)
    wanted = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.suffix == ".safetensors"}
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        train(replace(asked, output=str(tmp_path / "again")), small_runs.stopped_at(6))
    small_runs.resume(tmp_path / "again")
    found = {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir() if p.suffix == ".safetensors"}
    assert found == wanted
    assert DROPPED_FILE in wanted


def test_it_goes_where_a_vocabulary_comes_with_the_model(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--trim-vocab: a model that is trained from scratch"):
        train(replace(config(data, tmp_path / "run"), model="scratch", trim_vocab=True))


def test_hidden_words_are_learnt_over_the_trimmed_vocabulary(data: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text(
        "".join(f"{line.split(chr(9))[0]}\n" for line in data.read_text(encoding="utf-8").splitlines()[1:]),
        encoding="utf-8",
    )
    train(replace(config(lines, tmp_path / "run"), task="mlm", epochs=1))
    run = bundle.load(tmp_path / "run")
    assert run.tokenizer.mask_id == run.tokenizer.vocab_size - 1


def test_an_export_has_the_trimmed_vocabulary(data: Path, tmp_path: Path) -> None:
    train(replace(config(data, tmp_path / "run"), portable=True))
    exported = export_run(ExportRequest(tmp_path / "run", "transformers"))
    assert exported.max_difference < 1e-5
    folder = Path(exported.output)
    assert (folder / DROPPED_FILE).read_bytes() == (tmp_path / "run" / DROPPED_FILE).read_bytes()
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == bundle.load(folder).tokenizer.vocab_size


def test_what_a_run_lacked_a_run_that_goes_on_from_it_lacks_too(data: Path, tmp_path: Path) -> None:
    train(replace(config(data, tmp_path / "run"), epochs=1))
    goes_on = replace(config(data, tmp_path / "on"), model=str(tmp_path / "run"), epochs=1)
    train(goes_on)
    assert (tmp_path / "on" / DROPPED_FILE).read_bytes() == (tmp_path / "run" / DROPPED_FILE).read_bytes()
    assert "1 dropped" in (tmp_path / "on" / "README.md").read_text(encoding="utf-8")
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{NEVER_SEEN} 재미\n", encoding="utf-8")
    notes: list[str] = []
    predict(PredictRequest(tmp_path / "on", str(lines)), output=tmp_path / "out.jsonl", note=notes.append)
    assert "1 of 1 row" in notes[-1]
