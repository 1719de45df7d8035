"""Frozen layers: not trained, nothing dropped out, not entered by the backward pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.errors import Interrupted, TokenizerError, UsageError
from bertkit.models.heads import SequenceModel
from bertkit.models.pretrained import ARCHITECTURES
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.models.table import FINE_TUNING
from bertkit.tasks.base import Scores
from bertkit.training.loop import (
    LoopState,
    StepFacts,
    build_learner,
    build_model,
    build_optimizer,
    freeze,
    layers_frozen,
    place_training,
    plan_of,
    train_steps,
)
from bertkit.training.prepare import prepare
from bertkit.training.recipe import resolve
from bertkit.training.run import Event, train
from tests.training.test_run import digest, small

OPTIONS = BuildOptions(
    vocab_size=60, pad_id=1, max_length=48, dropout=0.5, with_pooler=False, from_nothing=True, layers=3, hidden=32,
    heads=2,
)  # fmt: skip
ROWS = (
    "scratch", "bert", "electra", "roberta", "distilbert", "modernbert", "deberta-base", "deberta", "longformer",
    "ultrabert", "eurobert", "gte-multilingual-base",
)  # fmt: skip


def model_of(row: str, **changes: object) -> SequenceModel:
    spec = find_model(row)
    torch.manual_seed(0)
    encoder = load_target(spec.builder)(spec, replace(OPTIONS, **changes))
    return SequenceModel(encoder, 2, pooling="cls", dropout=0.5)


def loss_of(model: SequenceModel) -> torch.Tensor:
    ids = torch.arange(3, 3 + 2 * 16).view(2, 16)
    return model(ids, torch.ones_like(ids), torch.zeros_like(ids)).square().sum()


def test_every_architecture_is_tried() -> None:
    tried = {find_model(row).architecture for row in ROWS}
    assert tried == ARCHITECTURES.keys() - {"xlm-roberta"}  # built as roberta is


@pytest.mark.parametrize("row", ROWS)
def test_only_what_stands_above_the_frozen_layers_learns(row: str) -> None:
    model = model_of(row)
    freeze(model, 2, name=row)
    layers = list(model.encoder.layers)
    assert len(layers) == 3
    learning = {id(w) for part in (layers[2], model.classifier) for w in part.parameters()}
    rest = {name: w for name, w in model.named_parameters() if id(w) not in learning and "final_norm" not in name}
    assert not any(w.requires_grad for w in rest.values())
    assert all(w.requires_grad for w in model.parameters() if id(w) in learning)
    loss_of(model).backward()
    assert all(w.grad is None for w in rest.values())
    assert any(w.grad is not None and w.grad.any() for w in layers[2].parameters())
    held = {id(w) for group in build_optimizer(model, lr=1.0, weight_decay=0.0).param_groups for w in group["params"]}
    assert held == {id(w) for w in model.parameters() if w.requires_grad}


@pytest.mark.parametrize("row", ROWS)
def test_frozen_layers_drop_nothing_out_and_end_the_backward_pass(row: str) -> None:
    model = model_of(row)
    freeze(model, 2, name=row)
    seen: list[torch.Tensor] = []
    model.encoder.layers[1].register_forward_hook(
        lambda _, __, out: seen.append(out if torch.is_tensor(out) else out[0])
    )
    model.train()
    losses = [loss_of(model), loss_of(model)]
    assert torch.equal(*seen)
    assert not any(hidden.requires_grad for hidden in seen)
    assert losses[0] != losses[1]  # what is trained has its dropout
    modes = {name: part.training for name, part in model.encoder.layers[1].named_modules()}
    assert not any(modes.values())
    assert all(part.training for part in model.encoder.layers[2].modules())
    model.eval()
    assert not any(part.training for part in model.modules())


def test_nothing_is_frozen_unless_asked() -> None:
    model = model_of("scratch")
    freeze(model, 0, name="scratch")
    model.train()
    assert all(w.requires_grad for w in model.parameters())
    assert all(part.training for part in model.modules())


def test_all_layers_may_be_frozen_while_a_head_learns() -> None:
    model = model_of("scratch", with_pooler=True)
    freeze(model, 3, name="scratch")
    learning = {
        name.split(".")[0] + "." + name.split(".")[1] for name, w in model.named_parameters() if w.requires_grad
    }
    assert learning == {"classifier.weight", "classifier.bias", "encoder.pooler"}


def test_more_layers_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--freeze 4: must be at most 3, the number of layers of scratch"):
        freeze(model_of("scratch"), 4, name="scratch")


def test_nothing_left_to_train_is_refused() -> None:
    model = model_of("scratch")
    model.classifier = nn.Identity()  # as for matching, which has no head
    with pytest.raises(UsageError, match=r"--freeze 3: nothing of scratch is left to train; choose at most 2"):
        freeze(model, 3, name="scratch")


def test_one_layer_used_again_and_again_cannot_be_frozen(tmp_path: Path) -> None:
    from transformers import AlbertConfig, AlbertModel

    shape = {"hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    AlbertModel(AlbertConfig(vocab_size=60, intermediate_size=16, **shape)).save_pretrained(tmp_path / "albert")
    model = model_of(str(tmp_path / "albert"), from_nothing=False, layers=None, hidden=None, heads=None)
    with pytest.raises(UsageError, match="has no layers of its own to freeze"):
        freeze(model, 1, name="albert")


def test_a_model_may_freeze_by_default() -> None:
    spec = replace(find_model("kobert"), recipe=replace(FINE_TUNING, freeze=1, freeze_after=0.5))

    def asked(**given: object) -> tuple[int | None, float | None]:
        config = resolve(TrainConfig(model="kobert", **given), spec, is_pair=False, n_words=9)
        return config.freeze, config.freeze_after

    assert asked() == (1, 0.5)
    assert asked(freeze=0, freeze_after=1.0) == (0, 1.0)
    assert asked(init="random") == (0, 1.0)  # random weights are not worth keeping


# --- a whole run --------------------------------------------------------------------------


def test_a_run_keeps_frozen_weights_and_saves_them(pair_file: Path, tmp_path: Path) -> None:
    frozen = small(pair_file, tmp_path / "run", layers=2, freeze=1, epochs=2)
    train(replace(frozen, output=str(tmp_path / "none"), lr=1e-30, weight_decay=0.0))
    train(frozen)
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("none", "run"))
    assert before.keys() == after.keys()
    kept = {name for name in before if torch.equal(before[name], after[name])}
    expected = {n for n in before if n.startswith(("bert.embeddings.", "bert.encoder.layer.0."))}
    assert kept == expected
    assert json.loads((tmp_path / "run" / "bertkit.json").read_text())["config"]["freeze"] == 1


@pytest.mark.parametrize(
    ("share", "layers", "after", "frozen"),
    [
        (0.0, 6, 1.0, 0),
        (1.0, 6, 1.0, 0),
        (0.39, 6, 0.4, 0),
        (0.4, 6, 0.4, 1),
        (0.49, 6, 0.4, 1),
        (0.51, 6, 0.4, 2),
        (0.89, 6, 0.4, 5),
        (0.999, 6, 0.4, 5),
        (0.0, 2, 0.0, 1),
        (0.9, 1, 0.0, 0),
        (0.9, 0, 0.0, 0),
    ],
)
def test_layers_freeze_one_by_one_and_never_the_last(share: float, layers: int, after: float, frozen: int) -> None:
    assert layers_frozen(share, layers, after=after) == frozen


def test_layers_learn_until_they_are_frozen(pair_file: Path, tmp_path: Path) -> None:
    config = small(pair_file, tmp_path / "run", layers=3, freeze_after=0.5, epochs=2)
    prepared = prepare(config)
    learner = build_learner(prepared, build_model(prepared), place_training(prepared.config, width=32))
    layers = learner.bare_model.encoder.layers

    def sums() -> list[float]:
        return [sum(float(w.detach().double().sum()) for w in layer.parameters()) for layer in layers]

    before, learnt = sums(), []
    scores = Scores({"accuracy": 0.5, "loss": 1.0})
    plan = plan_of(prepared.config)
    for _ in train_steps(learner, prepared.rows, plan, LoopState(), lambda: scores):
        after = sums()
        learnt.append([old != new for old, new in zip(before, after, strict=True)])
        before = after
    total = len(learnt)
    assert total > 6
    for done, moved in enumerate(learnt[:-1]):  # in the last step the rate is 0
        frozen = layers_frozen(done / total, 3, after=0.5)
        assert moved == [layer >= frozen for layer in range(3)], done
    assert learnt[0] == [True, True, True]
    assert learnt[-2] == [False, False, True]


@pytest.mark.parametrize("frozen", [{"freeze": 1}, {"freeze_after": 0.3}, {"freeze_after": 0.3, "head_lr": 1e-2}])
def test_a_frozen_run_resumes_to_the_same_bytes(pair_file: Path, tmp_path: Path, frozen: dict[str, float]) -> None:
    whole = small(pair_file, tmp_path / "whole", layers=2, **frozen)
    train(whole)

    def stop(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == event.total_steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(replace(whole, output=str(tmp_path / "cut")), stop)
    resumed = train(TrainConfig(output=str(tmp_path / "cut"), resume=True))
    assert 0 < resumed.resumed_from_step < resumed.steps
    assert digest(tmp_path / "whole") == digest(tmp_path / "cut")


def test_what_is_frozen_is_said(pair_file: Path, tmp_path: Path) -> None:
    heard: list[Event] = []
    train(small(pair_file, tmp_path / "run", layers=2, freeze=1, epochs=1), heard.append)
    assert "the embeddings and the lowest 1 of 2 layers are frozen" in heard
    later: list[Event] = []
    train(small(pair_file, tmp_path / "later", layers=2, freeze_after=0.5, epochs=1), later.append)
    assert "after 50% of the steps layers are frozen one by one, the lowest first" in later


def test_the_command_line_refuses_in_one_sentence(pair_file: Path, tmp_path: Path) -> None:
    command = ["train", str(pair_file), "--output", str(tmp_path / "run"), "--layers", "1", "--hidden", "16"]
    result = CliRunner().invoke(app, [*command, "--freeze", "2", "--no-tensorboard"])
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines()[-1].startswith("bertkit: --freeze 2: must be at most 1, ")
    assert not (tmp_path / "run").exists()
    assert CliRunner().invoke(app, [*command, "--freeze", "-1"]).exit_code == 2


def test_a_tokenizer_with_segments_that_the_model_lacks_is_refused(pair_file: Path, tmp_path: Path) -> None:
    prepared = prepare(small(pair_file, tmp_path / "run", overlap_segments=False))
    xlnets = SimpleNamespace(
        vocab_size=prepared.tokenizer.vocab_size, pad_id=0, encode=lambda *_: [SimpleNamespace(type_ids=[0, 1, 2])]
    )
    with pytest.raises(TokenizerError, match="segment ids up to 2, and the model knows 2 from 0"):
        build_model(replace(prepared, tokenizer=xlnets))
