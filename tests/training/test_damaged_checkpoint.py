"""Checkpoints that are damaged or strange: --resume says so in one sentence and leaves them as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from bertkit.errors import Interrupted, RunError
from bertkit.training.run import train
from tests.training.small_runs import content, data_file, request, resume, stopped_at

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was interrupted after its fourth step."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Interrupted):
        train(request(data_file(folder), folder / "run"), stopped_at(4))
    return folder / "run"


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    shutil.copytree(stopped, tmp_path / "run")
    return tmp_path / "run"


def newest(run: Path) -> Path:
    return max((run / "checkpoints").glob("step-*"))


def refused(run: Path, said: str) -> None:
    before = {name: held for name, held in content(run).items() if name.startswith("checkpoints")}
    with pytest.raises(RunError) as caught:
        resume(run)
    assert said in str(caught.value)
    assert str(run) in str(caught.value)
    assert {name: held for name, held in content(run).items() if name.startswith("checkpoints")} == before


def test_what_is_whole_goes_on(run: Path) -> None:
    resume(run)
    assert (run / "bertkit.json").is_file()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(config=[]), "setup.json: config is [] and should be an object"),
        (lambda v: v["config"].update(layers="many"), "setup.json: config: --layers takes a whole number"),
        (lambda v: v["config"].update(warp=1), "setup.json: config: no option is called 'warp'"),
        (lambda v: v.update(fingerprint=None), "setup.json: fingerprint is null and should be text"),
        (lambda v: v.update(placement={}), "setup.json: placement.device is missing"),
        (lambda v: v["placement"].update(threads=10**12), "setup.json: threads is 1000000000000"),
        (lambda v: v.update(processes="2"), 'setup.json: processes is "2" and should be a whole number'),
    ],
)
def test_what_was_stored_at_the_start_is_checked(run: Path, change: Change, said: str) -> None:
    path = run / "checkpoints" / "setup" / "setup.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    refused(run, said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(step="4"), 'state.json.step is "4" and should be a whole number'),
        (lambda v: v.update(epoch=-1), "state.json counts below 0"),
        (lambda v: v.update(step_in_epoch=10**12), "state.json does not belong to this training"),
        (lambda v: v.update(speed=1), "state.json.speed is a key that this bertkit does not know"),
    ],
)
def test_where_the_loop_stood_is_checked(run: Path, change: Change, said: str) -> None:
    path = newest(run) / "state.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    refused(run, said)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
def test_weights_that_are_no_numbers_are_refused(run: Path, name: str) -> None:
    path = newest(run) / name
    tensors = load_file(path)
    last = max(name for name, tensor in tensors.items() if tensor.dim() == 2)
    tensors[last][0, 0] = float("nan")
    save_file(tensors, path)
    refused(run, f"{name}: holds 1 weights that are not numbers (NaN or infinity), in {last}")


@pytest.mark.parametrize("lost", [False, True])
def test_an_optimizer_of_other_weights_is_refused(run: Path, lost: bool) -> None:
    path = newest(run) / "optimizer.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("exp_avg"))
    tensor = tensors.pop(name)
    save_file(tensors if lost else {**tensors, name: tensor[:1].contiguous()}, path)
    refused(run, "lacks a part of the state" if lost else f"holds {name} of")
