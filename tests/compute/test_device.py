"""Which device and which arithmetic are chosen, and the sentences where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from bertkit.compute import device
from bertkit.compute.device import NARROW, Placement, autocast, check_device_word, choose_placement, seeded
from bertkit.errors import DeviceError, UsageError

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
no_mps = pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has MPS")


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def pretend_processor(monkeypatch: pytest.MonkeyPatch, *, amx: bool = False, avx512: bool = False) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, *, devices: int = 2, bfloat16: bool = True) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bfloat16)


# --- words --------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:11"])
def test_words_that_name_a_device(word: str) -> None:
    check_device_word(word)


@pytest.mark.parametrize(
    "word", ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:0:1", "cpu:0", "mps:0", " cpu"]
)
def test_words_that_name_none(word: str) -> None:
    for refuse in (check_device_word, choose_placement):
        with pytest.raises(UsageError) as caught:
            refuse(word)
        assert str(caught.value) == f"--device {word}: must be auto, cpu, mps, cuda or cuda:N."
        assert caught.value.exit_code == 2


# --- devices ------------------------------------------------------------------------------


@pytest.mark.usefixtures("cpu_only")
def test_auto_falls_back_to_the_cpu() -> None:
    assert choose_placement("auto").device == "cpu"


def test_auto_prefers_cuda_then_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        assert choose_placement("auto").device == "mps"
    pretend_cuda(monkeypatch)
    assert choose_placement("auto").device == "cuda"


@no_cuda
@pytest.mark.parametrize("word", ["cuda", "cuda:0"])
def test_cuda_that_is_not_there(word: str) -> None:
    with pytest.raises(
        DeviceError, match=rf"^--device {word}: no CUDA device was found here; use --device cpu or auto"
    ):
        choose_placement(word)


@no_mps
def test_mps_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match=r"^--device mps: no Apple GPU was found here; use --device cpu or auto\.$"):
        choose_placement("mps")


def test_a_cuda_number_beyond_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, devices=2)
    assert choose_placement("cuda:1").device == "cuda:1"
    with pytest.raises(DeviceError, match=r"^--device cuda:2: this machine's CUDA devices end at cuda:1\.$"):
        choose_placement("cuda:2")


def test_the_kind_is_the_device_without_its_number() -> None:
    assert Placement("cuda:3", "float32", 1).kind == "cuda"
    assert Placement("cpu", "float32", 1).kind == "cpu"


# --- precision ----------------------------------------------------------------------------


@pytest.mark.parametrize(("amx", "avx512"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize(
    ("width", "precision"),
    [(NARROW - 1, "float32"), (NARROW, "bfloat16"), (768, "bfloat16"), (None, "bfloat16")],
)
def test_a_cpu_with_bfloat16_units_uses_them_for_wide_models(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512: bool, width: int | None, precision: str
) -> None:
    pretend_processor(monkeypatch, amx=amx, avx512=avx512)
    assert choose_placement("cpu", width=width).precision == precision


def test_a_cpu_without_them_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_processor(monkeypatch)
    assert choose_placement("cpu", width=768).precision == "float32"


def test_a_torch_that_cannot_be_asked_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for question in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, question, raising=False)
    assert choose_placement("cpu", width=768).precision == "float32"


@pytest.mark.parametrize(("bfloat16", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_cuda_uses_bfloat16_where_it_is_native(monkeypatch: pytest.MonkeyPatch, bfloat16: bool, precision: str) -> None:
    pretend_cuda(monkeypatch, bfloat16=bfloat16)
    assert choose_placement("cuda", width=64).precision == precision


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    pretend_processor(monkeypatch, amx=precision == "float32")
    assert choose_placement("cpu", precision, width=768).precision == precision


def test_autocast_computes_in_the_precision() -> None:
    matrix = torch.ones(2, 2)
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with autocast(Placement("cpu", precision, 1)):
            assert (matrix @ matrix).dtype == dtype


# --- threads and randomness ---------------------------------------------------------------


def test_threads_are_set_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "usual_threads", lambda: 3)
    assert choose_placement("cpu", threads=1).threads == torch.get_num_threads() == 1
    torch.set_num_threads(2)
    assert choose_placement("cpu").threads == 2
    torch.set_num_threads(8)
    assert choose_placement("cpu").threads == torch.get_num_threads() == 3
    assert choose_placement("cpu", threads=5).threads == 5  # whoever says a number gets it


def test_seeding_repeats_and_leaves_the_state_outside() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    with seeded(7):
        first = torch.rand(3)
    with seeded(7):
        torch.testing.assert_close(torch.rand(3), first, atol=0, rtol=0)
    with seeded(8):
        assert not torch.equal(torch.rand(3), first)
    torch.testing.assert_close(torch.rand(3), wanted, atol=0, rtol=0)
