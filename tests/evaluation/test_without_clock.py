"""What makes prediction fast, held without a clock: imports, forward passes, padding, memory.

Imports of the commands that need no torch are held in `tests/cli/test_shell.py`, the padding
of MRPC's own rows in `tests/compute/test_batching.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path

import pytest
from torch import Tensor, nn

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.compute.batching import TOKEN_BUDGET, token_budget_batches
from bertkit.compute.device import Placement
from bertkit.config import TrainConfig
from bertkit.data.records import Example
from bertkit.evaluation import predict
from bertkit.evaluation.answers import forward
from bertkit.evaluation.predict import FIRST_CHUNK, GROWTH, LARGEST_CHUNK, predict_stream
from bertkit.tasks.base import EncodedRow
from bertkit.tasks.encoding import SLAB
from bertkit.tokenization.base import Encoding
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, train
from tests.compute.test_batching import mrpc_like
from tests.conftest import pair_rows
from tests.training.test_run import small

CPU = Placement("cpu", "float32", 1)
# What a prediction of labels has no use for; some take longer to import than torch.
UNUSED = (
    "datasets", "sklearn", "scipy", "accelerate", "matplotlib", "tensorboard", "pandas", "pyarrow", "kiwipiepy",
    "bertkit.documents", "bertkit.baselines.table",
)  # fmt: skip


@pytest.fixture(scope="module")
def loaded(trained_run: Path) -> Bundle:
    return bundle.load(trained_run)


@pytest.fixture
def passes(loaded: Bundle) -> Iterator[list[tuple[int, ...]]]:
    """The shapes, rows and tokens, of the batches that the encoder is given."""
    shapes: list[tuple[int, ...]] = []
    encoder = loaded.model.encoder
    assert isinstance(encoder, nn.Module)
    handle = encoder.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    yield shapes
    handle.remove()


def rows_of(lengths: Sequence[int]) -> list[EncodedRow]:
    return [EncodedRow.whole(Encoding([5] * length, [0] * length, length)) for length in lengths]


def examples(n: int) -> Iterator[Example]:
    """Tiny rows, made as they are drawn."""
    rows = pair_rows(200, seed=8)
    return (Example((rows[i % 200][0], rows[i % 200][1]), None, i + 1, "x") for i in range(n))


# --- imports ------------------------------------------------------------------------------


def test_a_prediction_imports_only_what_it_computes_with(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "row.jsonl").write_text('{"sentence1": "the cat sees music", "sentence2": "a dog likes music"}\n')
    code = (
        "import sys\n"
        f"sys.argv = ['bertkit', 'predict', {str(trained_run)!r}, {str(tmp_path / 'row.jsonl')!r}]\n"
        "from bertkit.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([m for m in {UNUSED!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '"label"' in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"


# --- forward passes -----------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 300, SLAB, SLAB + 1])
def test_there_are_no_more_forward_passes_than_the_budget_needs(
    n: int, loaded: Bundle, passes: list[tuple[int, ...]]
) -> None:
    lengths = mrpc_like(n)
    forward(loaded.model, loaded.task, rows_of(lengths), CPU)
    slabs = [lengths[start : start + SLAB] for start in range(0, n, SLAB)]
    assert len(passes) == sum(len(token_budget_batches(slab)) for slab in slabs)
    # Batches that would be padded much end sooner, which costs some passes more.
    assert len(passes) <= sum(ceil(1.1 * sum(slab) / TOKEN_BUDGET) + 12 for slab in slabs)
    assert sum(rows for rows, _ in passes) == n
    assert all(rows * tokens <= TOKEN_BUDGET for rows, tokens in passes)


@pytest.mark.parametrize("n", [1725, 2 * SLAB])  # the rows of MRPC's test split, and whole slabs
def test_little_of_what_is_computed_is_padding(n: int, loaded: Bundle, passes: list[tuple[int, ...]]) -> None:
    lengths = mrpc_like(n)
    forward(loaded.model, loaded.task, rows_of(lengths), CPU)
    computed = sum(rows * tokens for rows, tokens in passes)
    assert 0.95 < sum(lengths) / computed <= 1


def test_a_stream_soon_travels_in_full_batches(loaded: Bundle, passes: list[tuple[int, ...]]) -> None:
    answered = [len(records) for records in predict_stream(loaded, examples(7000), CPU)]
    growing = [FIRST_CHUNK * GROWTH**i for i in range(3)]
    assert answered == [*growing, LARGEST_CHUNK, 7000 - sum(growing) - LARGEST_CHUNK]
    at_least = ceil(sum(rows * tokens for rows, tokens in passes) / TOKEN_BUDGET)
    assert len(passes) <= at_least + 12 * len(answered)


def test_training_goes_forward_once_a_batch(pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bertkit.models.bert import BertModel

    honest: Callable[..., Tensor] = BertModel.forward
    calls: list[bool] = []

    def counting(self: BertModel, *arguments: Tensor, **named: Tensor) -> Tensor:
        calls.append(self.training)
        return honest(self, *arguments, **named)

    monkeypatch.setattr(BertModel, "forward", counting)
    steps: list[Event] = []
    config: TrainConfig = small(pair_file, tmp_path / "run", batch_size=8, accumulate=2, swap_pairs=True)
    train(config, steps.append)
    taken = [step for step in steps if isinstance(step, StepFacts)]
    rows = sum(step.rows for step in taken) // 2
    assert calls.count(True) == 2 * ceil(rows / 8)
    assert calls.count(False) == 2  # the validation rows fit one batch: after each epoch, and not again at the end


# --- memory -------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_rows(loaded: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "LARGEST_CHUNK", 64)  # so that few rows are many chunks

    def highest(n: int) -> int:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for records in predict_stream(loaded, examples(n), CPU):
            assert records
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start(1)
    try:
        few, many = highest(500), highest(5_000)
        if (many - few) / 4_500 >= 100:  # something was imported or filled for the first time meanwhile
            many = highest(5_000)
    finally:
        tracemalloc.stop()
    assert few > 50_000  # it is traced at all
    assert (many - few) / 4_500 < 100  # bytes a row; an answer has some 250, a row with its encoding more


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_does_not_grow_with_the_rows(loaded: Bundle) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    highest: list[int] = []
    for records in predict_stream(loaded, examples(30_000), CPU):
        assert records
        highest.append(resident())
    early, late = max(highest[:5]), max(highest[5:])  # the first 9,360 rows, and the rest
    assert late - early < 8_000_000  # the rows' hidden states would be 25 MB
