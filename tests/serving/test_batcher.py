"""Requests that wait are joined, and none suffers from another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from bertkit.data.records import Example
from bertkit.evaluation.answers import Chunk, Item, Record
from bertkit.serving.service import JOINED_ROWS, Batcher, Busy, FailedError, TooLateError


class Pretended:
    """Answers with the text of the row; stops at "stop" until it is let go, fails at "fail"."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.began, self.go = threading.Event(), threading.Event()

    def encode(self, items: Sequence[Item]) -> Chunk:
        return Chunk(items, [cast("Any", item) for item in items])

    def records(self, chunk: Chunk) -> list[Record]:
        texts = [cast("Example", item).texts[0] for item in chunk.items]
        self.sizes.append(len(texts))
        if "stop" in texts:
            self.began.set()
            assert self.go.wait(20)
        if "fail" in texts:
            raise RuntimeError("no such thing")
        return [{"text": text} for text in texts]


def rows(*texts: str) -> list[Example]:
    return [Example((text,), None, number, "x") for number, text in enumerate(texts, start=1)]


@pytest.fixture
def pretended() -> Pretended:
    return Pretended()


def while_busy(pretended: Pretended, batcher: Batcher, *asks: Callable[[], Any]) -> list[Any]:
    """Ask while a first request is being computed; return what came of it."""
    with ThreadPoolExecutor(len(asks) + 1) as pool:
        first = pool.submit(batcher.answer, rows("stop"), size=1, seconds=20)
        assert pretended.began.wait(20)
        others = [pool.submit(ask) for ask in asks]
        while batcher.waiting < len(asks) + 1:
            assert not any(other.done() for other in others)
        pretended.go.set()
        first.result()
        return [other.exception() or other.result() for other in others]


def test_what_waits_is_computed_together_and_comes_back_apart(pretended: Pretended) -> None:
    batcher = Batcher(cast("Any", pretended), most_waiting=1000)
    asks = [lambda i=i: batcher.answer(rows(f"{i}", f"{i}+"), size=2, seconds=20) for i in range(5)]
    found = while_busy(pretended, batcher, *asks)
    batcher.close()
    assert found == [[{"text": f"{i}"}, {"text": f"{i}+"}] for i in range(5)]
    assert pretended.sizes == [1, 10]


def test_a_block_has_its_bounds(pretended: Pretended) -> None:
    batcher = Batcher(cast("Any", pretended), most_waiting=1 << 20)
    many = ["row"] * (JOINED_ROWS // 2 + 1)
    asks = [lambda: batcher.answer(rows(*many), size=1, seconds=20)] * 2
    while_busy(pretended, batcher, *asks)
    batcher.close()
    assert pretended.sizes == [1, len(many), len(many)]


def test_who_fails_fails_alone(pretended: Pretended) -> None:
    said: list[BaseException] = []
    batcher = Batcher(cast("Any", pretended), most_waiting=1000, failed=said.append)
    asks = [lambda text=text: batcher.answer(rows(text), size=1, seconds=20) for text in ("well", "fail", "too")]
    well, failed, too = while_busy(pretended, batcher, *asks)
    batcher.close()
    assert (well, too) == ([{"text": "well"}], [{"text": "too"}])
    assert isinstance(failed, FailedError)
    assert len(said) == 1


def test_there_is_room_for_so_much(pretended: Pretended) -> None:
    batcher = Batcher(cast("Any", pretended), most_waiting=10)

    def too_much() -> list[Record]:
        with pytest.raises(Busy):
            batcher.answer(rows("b"), size=10, seconds=20)
        return batcher.answer(rows("c"), size=2, seconds=20)

    assert while_busy(pretended, batcher, too_much) == [[{"text": "c"}]]
    assert batcher.answer(rows("alone"), size=1000, seconds=20) == [{"text": "alone"}]
    batcher.close()


def test_a_late_answer_is_given_up(pretended: Pretended) -> None:
    batcher = Batcher(cast("Any", pretended), most_waiting=1000)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batcher.answer, rows("stop"), size=1, seconds=20)
        assert pretended.began.wait(20)
        with pytest.raises(TooLateError):
            batcher.answer(rows("late"), size=1, seconds=0.01)
        pretended.go.set()
        first.result()
    batcher.close()
    assert pretended.sizes == [1]
