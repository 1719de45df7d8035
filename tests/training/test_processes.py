"""Training in several processes: the weights of one, whatever dies and whoever goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
import torch
from safetensors.torch import load_file

from bertkit import bundle
from bertkit.compute import device
from bertkit.compute.device import Placement
from bertkit.compute.processes import ALONE, World, interrupts
from bertkit.config import TrainConfig
from bertkit.errors import DeviceError, RunError
from bertkit.tasks.base import TrainingOptions
from bertkit.training import checkpoint
from bertkit.training.checkpoint import Checkpoints, request_to_store
from bertkit.training.loop import Learner, _backward, _noise
from bertkit.training.place import after_restart
from bertkit.training.run import train
from tests.conftest import pair_rows, write_tsv
from tests.two_processes import ENVIRONMENT, TIMEOUT_S, launched, sentences, torchrun

# 161 training rows in batches of 16: the last batch is one row, and one process has none of it.
ROWS, FLAGS = 179, {"layers": 1, "hidden": 32, "epochs": 10, "patience": 10, "batch_size": 16, "vocab_size": 200}
QUIET = {"dropout": 0.0, "token_masking": 0.0}


@dataclass(frozen=True)
class Runs:
    """One training, done in one process and in two."""

    data: Path
    alone: Path
    together: Path
    said: subprocess.CompletedProcess[str]


def arguments(data: Path, output: Path, *more: str) -> list[str]:
    values = {**FLAGS, **QUIET, "lr": 3e-3, "average": 2, "threads": 1}
    flags = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ["train", str(data), *flags, "--no-swap-pairs", "--output", str(output), "--format", "json", *more]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("processes")
    data = write_tsv(folder / "pairs.tsv", pair_rows(ROWS), ("sentence1", "sentence2", "label"))
    alone, together = folder / "alone", folder / "together"
    config = TrainConfig(
        data=(str(data),), output=str(alone), lr=3e-3, average=2, swap_pairs=False, threads=1, device="cpu",
        tensorboard=False,
        **FLAGS, **QUIET,
    )  # fmt: skip
    train(config)
    return Runs(data, alone, together, torchrun(*arguments(data, together, "--tensorboard")))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def test_two_processes_learn_what_one_learns(runs: Runs) -> None:
    assert runs.said.returncode == 0, runs.said.stderr
    one, two = weights(runs.alone), weights(runs.together)
    # A key's bias moves all scores of a query alike: it has no gradient but the rounding.
    for name, tensor in ((name, tensor) for name, tensor in one.items() if not name.endswith("key.bias")):
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")
    trained = bundle.load_manifest(runs.alone).training, bundle.load_manifest(runs.together).training
    assert trained[0]["best_step"] == trained[1]["best_step"]
    assert trained[0]["metrics"] == pytest.approx(trained[1]["metrics"], abs=1e-5)
    # One voice: the result once, and each line of progress once.
    assert len(runs.said.stdout.splitlines()) == 1
    lines = runs.said.stderr.splitlines()
    assert sum(line.startswith("epoch 1,") for line in lines) == 1
    assert sum("2 processes" in line for line in lines) == 1
    # events.out.tfevents.<time>.<host>.<process>.<number>: one process wrote curves, the gallery has its own name
    curves = [path.name for path in (runs.together / "events").glob("events*") if path.suffix[1:].isdecimal()]
    assert len({name.split(".")[-2] for name in curves}) == 1


def test_a_killed_process_ends_all_and_the_run_goes_on_exactly(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with launched(*arguments(runs.data, run, "--no-tensorboard")) as launcher:
        wait_for(lambda: any(run.glob("checkpoints/step-*")), launcher)
        os.kill(process_of(launcher, rank=1), signal.SIGKILL)
        out, err = launcher.communicate(timeout=TIMEOUT_S)
    assert launcher.returncode != 0
    assert out == ""
    found = sentences(err)
    assert len(found) == 1, err
    (sentence,) = found
    assert "another of the 2 processes has ended" in sentence
    assert "Traceback" not in err.split(sentence)[0]
    resumed = torchrun(*arguments(runs.data, run, "--no-tensorboard", "--resume"))
    assert resumed.returncode == 0, resumed.stderr
    assert bundle.load_manifest(run).training["resumed_from_step"] > 0
    for name, tensor in weights(runs.together).items():
        assert torch.equal(weights(run)[name], tensor), name


@pytest.mark.slow
def test_a_process_that_dies_in_the_middle_of_a_checkpoint_leaves_whole_ones(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with launched(*arguments(runs.data, run, "--no-tensorboard")) as launcher:
        wait_for(lambda: any(run.glob("checkpoints/step-*")), launcher)
        kill_while_writing(launcher, run / "checkpoints")
        _, err = launcher.communicate(timeout=TIMEOUT_S)
    assert launcher.returncode != 0
    assert "another of the 2 processes has ended" in err
    assert list((run / "checkpoints").glob(".step-*")), "it was not in the middle"
    one = [sys.executable, "-m", "bertkit", *arguments(runs.data, run, "--no-tensorboard", "--resume")]
    resumed = subprocess.run(one, capture_output=True, text=True, env=ENVIRONMENT, timeout=TIMEOUT_S, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert sum("began with 2 processes and goes on with 1: the batches stay" in s for s in resumed.stderr.splitlines())
    assert bundle.load_manifest(run).training["resumed_from_step"] > 0
    for name, tensor in weights(runs.together).items():
        if not name.endswith("key.bias"):
            torch.testing.assert_close(weights(run)[name], tensor, rtol=0, atol=2e-5, msg=lambda t, name=name: name + t)
    assert not (run / "checkpoints").exists()


def kill_while_writing(launcher: subprocess.Popen[str], checkpoints: Path) -> None:
    """Kill the first process while it writes a checkpoint, which it does for some milliseconds now and then."""
    process = psutil.Process(process_of(launcher, rank=0))
    until = time.monotonic() + TIMEOUT_S
    while True:
        assert time.monotonic() < until
        assert launcher.poll() is None, launcher.communicate()[1]
        if any(name.startswith(".step-") for name in os.listdir(checkpoints)):  # noqa: PTH208 - it must be quick
            process.suspend()
            if any(checkpoints.glob(".step-*")):
                process.kill()
                return
            process.resume()


@pytest.mark.slow
def test_processes_that_are_started_again_go_on_by_themselves(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with launched(*arguments(runs.data, run, "--no-tensorboard"), options=("--max-restarts", "1")) as launcher:
        wait_for(lambda: any(run.glob("checkpoints/step-*")), launcher)
        os.kill(process_of(launcher, rank=1), signal.SIGKILL)
        out, err = launcher.communicate(timeout=TIMEOUT_S)
    assert launcher.returncode == 0, err
    assert f"has started the processes again; {run} continues from its last checkpoint" in err
    assert len(out.splitlines()) == 1
    assert bundle.load_manifest(run).training["resumed_from_step"] > 0
    for name, tensor in weights(runs.together).items():
        assert torch.equal(weights(run)[name], tensor), name


def wait_for(condition: Callable[[], bool], launcher: subprocess.Popen[str]) -> None:
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < until
        assert launcher.poll() is None, launcher.communicate()[1]
        time.sleep(0.02)


def process_of(launcher: subprocess.Popen[str], *, rank: int) -> int:
    children = psutil.Process(launcher.pid).children(recursive=True)
    return next(child.pid for child in children if child.environ().get("RANK") == str(rank))


# What follows needs no second process.


@dataclass(frozen=True)
class Pretended(World):
    """One of several processes that keeps what it would have told the others."""

    told: list[Any] = field(default_factory=list)

    def sum_gradients(self, weights: Iterable[torch.nn.Parameter], figures: Sequence[float]) -> list[float]:
        return list(figures)

    def gather(self, thing: Any) -> list[Any]:
        return [thing, *self.told]


class Line:
    """A task whose rows are numbers, and whose model multiplies them."""

    def training_batch(self, rows: Sequence[float], options: TrainingOptions, rng: Any) -> Any:
        values = torch.tensor([[row] for row in rows])
        batch = SimpleNamespace(inputs={"input": values}, tokens=len(rows))
        batch.to = lambda device: batch
        return batch

    def losses(self, logits: torch.Tensor, batch: Any, options: TrainingOptions) -> torch.Tensor:
        return logits.square().sum(dim=1)


def gradient(parts: list[list[float]], *, rank: int, size: int) -> tuple[torch.Tensor | None, float]:
    """Return what one process adds to a step's gradient, and to its loss."""
    from accelerate import Accelerator

    model = torch.nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [2.0]]))
    world = Pretended(rank, size)
    options = TrainingOptions()
    learner = Learner(model, cast("Any", None), cast("Any", Line()), options, Accelerator(cpu=True), world)
    n_rows = sum(len(part) for part in parts)
    loss, *_ = _backward(learner, cast("Any", parts), n_rows, _noise(1, 1, rank))
    return model.weight.grad, loss


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_step_is_the_mean_over_rows_and_not_over_processes(size: int) -> None:
    parts = [[1.0, 2.0, 3.0], [4.0]]  # accumulated; the second is too small for all
    whole, loss = gradient(parts, rank=0, size=1)
    shares = [gradient(parts, rank=rank, size=size) for rank in range(size)]
    assert whole is not None
    torch.testing.assert_close(sum(g for g, _ in shares if g is not None), whole)
    assert sum(share for _, share in shares) == pytest.approx(loss)
    if size == 5:
        assert shares[4][0] is None  # no rows, no backward pass


def test_processes_draw_their_own_noise_and_one_process_what_it_always_drew() -> None:
    drawn = []
    for rank in (0, 1, 0):
        rng = _noise(3, 7, rank)
        drawn.append((rng.random(), float(torch.rand(()))))
    assert drawn[0] == drawn[2] != drawn[1]


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What this machine would give, whatever it is."""
    found = {"device": "cuda:0", "precision": "bfloat16", "threads": 1}

    def place(config: TrainConfig, *, width: int | None, threads: int | None = None) -> Placement:
        return Placement(**{**found, "threads": threads or found["threads"]})

    monkeypatch.setattr(checkpoint, "place_training", place)
    return found


def began(processes: int, **changes: Any) -> dict[str, Any]:
    return {"processes": processes, "placement": {"device": "cuda:0", "precision": "bfloat16", "threads": 4, **changes}}


def test_a_run_may_go_on_in_another_number_of_processes(placed: dict[str, Any]) -> None:
    two = World(1, 2, 1)
    placed["device"] = "cuda:1"
    assert checkpoint.resumed_placement(TrainConfig(), began(2), two) == Placement("cuda:1", "bfloat16", 4)
    assert checkpoint.resumed_placement(TrainConfig(), began(1, device="cuda"), two).threads == 1
    placed["device"] = "cuda"
    assert checkpoint.resumed_placement(TrainConfig(), began(2), ALONE) == Placement("cuda", "bfloat16", 1)
    with pytest.raises(DeviceError, match="continue it where it began"):
        checkpoint.resumed_placement(TrainConfig(), began(1), ALONE)  # cuda is not cuda:0 to a process alone
    with pytest.raises(DeviceError, match="float32"):
        checkpoint.resumed_placement(TrainConfig(), began(2, precision="float32"), two)


@pytest.mark.parametrize(
    ("cores", "local", "said", "expected"),
    [(8, "2", "1", "OMP_NUM_THREADS=4"), (4, "2", "1", "OMP_NUM_THREADS=2"), (2, "2", "1", None), (8, "2", "2", None),
     (8, "2", None, None)],
)  # fmt: skip
def test_cores_that_lie_idle_are_named(
    monkeypatch: pytest.MonkeyPatch, cores: int, local: str, said: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(device, "usable_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    found = device.threads_note(Placement("cpu", "float32", 1), World(0, 4))
    assert (found is None) if expected is None else (found is not None and expected in found)
    assert device.threads_note(Placement("cuda:0", "float32", 1), World(0, 4)) is None
    assert device.threads_note(Placement("cpu", "float32", 1), ALONE) is None


def test_after_a_restart_the_same_request_is_gone_on_with_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(data=("rows.tsv",), model="scratch")
    other = replace(config, seed=7)
    for name, asked in (("", config), ("-2", other), ("-3", config), ("-4", other)):
        request = Path(f"runs/rows.tsv-scratch{name}/checkpoints/request.json")
        request.parent.mkdir(parents=True)
        request.write_text(json.dumps(request_to_store(asked), default=str))
    assert after_restart(config) == config
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert after_restart(config) == replace(config, output="runs/rows.tsv-scratch-3", resume=True)
    named = replace(config, output="runs/rows.tsv-scratch", force=True)
    assert after_restart(named) == replace(named, resume=True)
    strange = replace(config, seed=8)
    assert after_restart(strange) == strange


def test_a_process_that_read_other_data_is_named(tokenizer: Any) -> None:
    prepared = SimpleNamespace(
        dataset=SimpleNamespace(fingerprint="a"), tokenizer=tokenizer, config=SimpleNamespace(saved=dict)
    )
    placement = Placement("cpu", "float32", 1)
    world = Pretended(0, 3)
    checkpoint.check_alike(world, cast("Any", prepared), placement)
    checkpoint.check_alike(ALONE, cast("Any", prepared), placement)
    (mine,) = world.gather(captured(world, prepared, placement))
    world.told.extend([mine, {**mine, "data": "b"}])
    with pytest.raises(RunError, match="process 2 of 3 has other data than process 0"):
        checkpoint.check_alike(world, cast("Any", prepared), placement)


def captured(world: Pretended, prepared: Any, placement: Placement) -> dict[str, str]:
    """Return what a process says of itself."""
    said: list[dict[str, str]] = []

    class Listening(Pretended):
        def gather(self, thing: Any) -> list[Any]:
            said.append(thing)
            return [thing]

    checkpoint.check_alike(Listening(world.rank, world.size), prepared, placement)
    return said[0]


def test_only_the_first_process_writes_checkpoints(tmp_path: Path) -> None:
    follower = Checkpoints(tmp_path, World(1, 2))
    model = torch.nn.Linear(2, 2)
    follower.save_setup({}, lambda folder: None)
    follower.save_weights("best-000001", model.state_dict())
    assert list(tmp_path.iterdir()) == []
    assert replace(follower, world=ALONE).newest() is None


def test_a_signal_that_a_launcher_repeats_is_one_signal() -> None:
    with interrupts(persist=True) as interrupted:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            signal.raise_signal(number)
        assert interrupted.is_set()
