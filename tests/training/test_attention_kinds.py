"""`train --attention`: each kind through training, resuming, predicting, exporting and a second training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from bertkit import bundle
from bertkit.config import TrainConfig, from_mapping
from bertkit.errors import Interrupted, RunError, UsageError
from bertkit.export.run import ExportRequest, export_run
from bertkit.models.longformer import LongformerModel
from bertkit.training.run import train
from tests.conftest import write_tsv
from tests.training.small_runs import data_file, learnt, request, resume, stopped_at

KINDS: dict[str, dict[str, object]] = {
    "window": {"window": 4},
    "dilated": {"window": 4, "dilation": 3},
    "global": {"window": 4, "global_tokens": "columns"},
    "disentangled": {"distances": 5},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumes_to_the_same_bytes_and_goes_on_into_another_task(kind: str, tmp_path: Path) -> None:
    data = data_file(tmp_path)
    asked = request(data, tmp_path / "whole", attention=kind, layers=2, **KINDS[kind])
    train(asked)
    with pytest.raises(Interrupted):
        train(replace(asked, output=str(tmp_path / "parts")), stopped_at(3))
    resume(tmp_path / "parts")
    assert learnt(tmp_path / "whole") == learnt(tmp_path / "parts")
    stored = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert stored["bertkit_attention"] == kind
    words = [(f"good thing {i}", f"{'good' if i % 2 else 'bad'} thing", str(i % 2)) for i in range(40)]
    pairs = write_tsv(tmp_path / "pairs.tsv", words, ("sentence1", "sentence2", "label"))
    train(
        TrainConfig(
            data=(str(pairs),), model=str(tmp_path / "whole"), output=str(tmp_path / "next"), epochs=1, threads=1
        )
    )
    first, second = bundle.load(tmp_path / "whole"), bundle.load(tmp_path / "next")
    before, after = first.model.encoder.layers[0], second.model.encoder.layers[0]
    assert torch.dist(next(before.parameters()), next(after.parameters())) < 1
    if kind in ("window", "dilated", "global"):
        assert isinstance(second.model.encoder, LongformerModel)
        assert second.model.encoder.config.attention_window == 4


@pytest.mark.parametrize(("kind", "more"), [("global", {}), ("disentangled", {"buckets": 4}), ("full", {})])
def test_what_transformers_can_express_it_opens_and_answers_alike(
    kind: str, more: dict[str, object], tmp_path: Path
) -> None:
    asked = request(data_file(tmp_path), tmp_path / "run", attention=kind, layers=2, **more)
    train(asked)
    exported = export_run(ExportRequest(tmp_path / "run", "transformers", tmp_path / "out"))
    assert exported.max_difference < 1e-4
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    names = {"global": "Longformer", "disentangled": "DebertaV2", "full": "Bert"}
    assert type(model).__name__ == f"{names[kind]}ForSequenceClassification"
    assert bundle.load(tmp_path / "out").task.settings.labels == ("neg", "pos")


def test_entities_with_global_tokens_are_not_opened_as_if_there_were_none(tmp_path: Path) -> None:
    rows = [f"Anna B-PER\nwent O\nto O\nLeeds B-LOC\nin O\n{1900 + i} O\n" for i in range(40)]
    (tmp_path / "data.conll").write_text("\n".join(rows))
    train(request(tmp_path / "data.conll", tmp_path / "run", attention="global", window=4, epochs=1))
    with pytest.raises(RunError, match="no class for windows without global tokens"):
        export_run(ExportRequest(tmp_path / "run", "transformers", tmp_path / "out"))


@pytest.mark.parametrize("kind", ["window", "dilated"])
def test_what_transformers_has_not_says_so(kind: str, tmp_path: Path) -> None:
    train(request(data_file(tmp_path), tmp_path / "run", attention=kind))
    with pytest.raises(RunError, match=r"no class for windows without global tokens.*--attention full, disentangled"):
        export_run(ExportRequest(tmp_path / "run", "transformers", tmp_path / "out"))
    with pytest.raises(ValueError, match="a run of bertkit"):
        transformers.AutoModel.from_pretrained(tmp_path / "run")


def test_windows_read_rows_longer_than_bert_can(tmp_path: Path) -> None:
    rows = [(" ".join(["good" if i % 2 else "bad"] * 700) + f" {i}", "pos" if i % 2 else "neg") for i in range(12)]
    data = write_tsv(tmp_path / "long.tsv", rows, ("text", "label"))
    train(request(data, tmp_path / "run", attention="window", window=4, max_length=900, epochs=1))
    assert bundle.load(tmp_path / "run").task.settings.max_length == 900
    with pytest.raises(UsageError, match="--max-length 900: scratch reads at most 512 tokens"):
        train(request(data, tmp_path / "other", max_length=900))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"attention": "window", "model": "bert"}, "--attention window: bert has its own"),
        ({"window": 8}, "--window: is for --attention window or --attention dilated or --attention global"),
        ({"attention": "full", "window": 8}, "--window: is for"),
        ({"attention": "window", "dilation": 2}, "--dilation: is for --attention dilated"),
        ({"attention": "window", "global": "first"}, "--global: is for --attention global"),
        ({"attention": "global", "distances": 3}, "--distances: is for --attention disentangled"),
        ({"attention": "window", "window": 7}, "--window 7: is half on either side of a token; choose an even number"),
        ({"attention": "global", "global": "question"}, "--global question: needs rows of two texts"),
        ({"attention": "sparse"}, "--attention sparse: must be one of full, window, dilated, global, disentangled"),
    ],
)
def test_what_does_not_go_together_is_refused(values: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        train(
            from_mapping(
                values,
                source="x",
                base=request(
                    data_file(tmp_path), tmp_path / "run", layers=None, hidden=None, heads=None, vocab_size=None
                ),
            )
        )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"attention_window": 3}, "attention_window is 3 and should be even"),
        ({"global_tokens": "all"}, 'global_tokens is "all"'),
        ({"bertkit_attention": "sparse"}, 'bertkit_attention is "sparse" and should be one of'),
        ({"dilation": 0}, "dilation is 0 and should be at least 1"),
    ],
)
def test_a_damaged_config_is_said(change: dict[str, object], sentence: str, tmp_path: Path) -> None:
    train(request(data_file(tmp_path), tmp_path / "run", attention="global", epochs=1))
    path = tmp_path / "run" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match=sentence):
        bundle.load(tmp_path / "run")
