"""What a process knows of the others, and what it does where there are none."""

from __future__ import annotations

import io
import sys
import threading

import pytest
import torch
import typer
from torch.distributed import HashStore
from typer.testing import CliRunner

from bertkit.cli import streams
from bertkit.cli.app import app
from bertkit.compute import device
from bertkit.compute.device import choose_placement
from bertkit.compute.processes import ALONE, World, joined, this_world, unsharded
from bertkit.errors import DeviceError, ProcessLostError


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> World:
    """This process is the second of four, two on each machine."""
    for name, value in {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    return this_world()


def test_a_launcher_says_which_process_this_is(second: World) -> None:
    assert (second.rank, second.size, second.local_rank, second.is_main) == (1, 4, 1, False)


@pytest.mark.parametrize(
    "environment", [{}, {"RANK": "0", "WORLD_SIZE": "1"}, {"RANK": "3", "WORLD_SIZE": "2"}, {"RANK": "x"}]
)
def test_anything_else_is_a_process_alone(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert this_world() == ALONE


def test_alone_every_call_is_the_identity() -> None:
    with joined() as world:
        assert world == ALONE
        assert world.shard([1, 2, 3]) == [1, 2, 3]
        assert world.add_up([1.5, 2]) == [1.5, 2]
        assert [world.any(True), world.any(False)] == [True, False]
        assert world.broadcast(lambda: "made") == "made"
        assert world.gather("mine") == ["mine"]
        assert list(world.scatter([[1, 2], [3]])) == [[1, 2], [3]]
        world.leave()
        assert world.end_first(3) is None


@pytest.mark.parametrize("n", [0, 1, 2, 7, 12])
def test_what_was_sharded_can_be_put_together_again(n: int) -> None:
    things = list(range(n))
    shares = [World(rank, 5).shard(things) for rank in range(5)]
    assert unsharded(shares) == things
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_first_process_to_end_speaks_and_the_rest_take_its_code() -> None:
    store = HashStore()
    worlds = [World(rank, 3, _store=store) for rank in range(3)]  # type: ignore[arg-type]
    found: dict[int, int | None] = {}
    threads = [threading.Thread(target=lambda w=w: found.update({w.rank: w.end_first(3)})) for w in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found.values(), key=str) == [3, 3, None]
    assert World(1, 3, _store=store).end_first(130) == 3  # type: ignore[arg-type]


def test_a_lost_process_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("[/src/gloo/transport/tcp/pair.cc:537] Connection closed by peer [127.0.0.1]:5\nmore")

    monkeypatch.setattr(torch.distributed, "all_reduce", broken)
    with pytest.raises(ProcessLostError, match="closed by peer") as caught:
        World(0, 2).any(False)
    assert "\n" not in str(caught.value)
    assert "pair.cc" not in str(caught.value)


def test_processes_that_cannot_meet_say_so(second: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ProcessLostError, match="torchrun"), joined():
        pass
    assert this_world() == second


def test_each_process_takes_the_gpu_of_its_place(second: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(device, "_multiplies_bfloat16", lambda _: True)
    assert choose_placement("auto").device == choose_placement("cuda").device == "cuda:1"
    assert choose_placement("cpu").device == "cpu"
    with pytest.raises(DeviceError, match="takes a GPU of its own"):
        choose_placement("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match="process 2 of this machine has no GPU"):
        choose_placement("auto")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_placement("auto").device == "cpu"


def test_only_the_first_process_speaks(second: World, monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with streams.one_voice():
        typer.echo("a result")
        typer.echo("progress", err=True)
    monkeypatch.delenv("RANK")
    with streams.one_voice():
        typer.echo("mine")
    assert (out.getvalue(), err.getvalue()) == ("mine\n", "")


def test_the_others_leave_commands_that_nobody_shares(second: World) -> None:
    done = CliRunner().invoke(app, ["models"])
    assert (done.exit_code, done.output) == (0, "")
