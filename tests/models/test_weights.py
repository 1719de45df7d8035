"""Weights on disk are looked at before anything is built of them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bertkit.kinds import MisfitError
from bertkit.models.weights import check_config, check_finite, check_shapes, on_paper, read_shapes, read_weights


def head(entries: Any, room: int = 64) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * room


def entry(**changes: Any) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64], **changes}}


def test_names_and_shapes_are_read_off_the_head(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "b": torch.ones((), dtype=torch.int64)}, tmp_path / "w", {"format": "pt"})
    assert read_shapes(tmp_path / "w") == {"a": (2, 3), "b": ()}
    assert read_weights(tmp_path / "w")["a"].shape == (2, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has 0 bytes"),
        (struct.pack("<Q", 2**62) + b"{}", "a head of 4,611,686,018,427,387,904 bytes in a file of 10"),
        (struct.pack("<Q", 2) + b"{", "a head of 2 bytes"),
        (struct.pack("<Q", 1) + b"{", "its head is not JSON"),
        (head([1]), "its head is not a JSON object"),
        (head({"w": 1}), "describes its tensor w as 1"),
        (head(entry(dtype="C128")), "describes its tensor w"),
        (head(entry(shape=[True, 4])), "describes its tensor w"),
        (head(entry(shape=[-4, 4])), "describes its tensor w"),
        (head(entry(data_offsets=[0])), "which is not its size"),
        (head(entry(data_offsets=[0, 60])), "which is not its size"),
        (head(entry(shape=[2**40, 4], data_offsets=[0, 2**44])), "which is not its size"),
    ],
)
def test_a_head_that_does_not_describe_its_file_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(MisfitError) as caught:
        read_shapes(tmp_path / "w")
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_single_weight_that_is_no_number_is_found(kind: torch.dtype, wrong: float, tmp_path: Path) -> None:
    tensors = {"first": torch.ones(9, dtype=kind), "second.weight": torch.ones(30, 30, dtype=kind)}
    tensors["second.weight"][7, 7] = wrong
    save_file(tensors, tmp_path / "w")
    with pytest.raises(
        MisfitError, match=r"holds 1 weights that are not numbers \(NaN or infinity\), in second\.weight"
    ):
        read_weights(tmp_path / "w")


def test_large_weights_are_numbers_although_their_sum_is_none() -> None:
    check_finite(
        [
            ("half", torch.full((4000,), 6e4, dtype=torch.float16)),
            ("single", torch.full((9,), 3e38)),
            ("whole", torch.tensor([1, 2])),
            ("none", torch.zeros(0)),
        ]
    )
    with pytest.raises(MisfitError, match="in double"):  # no float32 has room for it
        check_finite([("double", torch.full((2,), 1e300, dtype=torch.float64))])


@pytest.mark.parametrize(
    "values",
    [
        {"num_hidden_layers": 10**12},
        {"n_layers": 5000},
        {"max_position_embeddings": 10**12},
        {"vocab_size": -(10**12)},
        {"num_labels": 10**7},
        {"text_config": {"attention_window": [64, 10**12]}},
        {"pad_token_id": -1},
    ],
)
def test_sizes_that_no_encoder_has_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(MisfitError, match=r" is -?\d"):
        check_config(values)


def test_usual_configs_pass() -> None:
    check_config({"num_hidden_layers": 48, "vocab_size": 250_002, "rope_theta": 10**9, "seed": 10**10, "x": True})


def test_tensors_are_compared_by_name_and_shape() -> None:
    with on_paper():
        wanted = {"w": tuple(torch.nn.Linear(10**9, 10**9).weight.shape)}  # no memory is asked for
    check_shapes({"w": (2,)}, {"w": (2,)})
    for stored, said in (
        ({"w": (3, 3)}, "holds w as 3 × 3, and by config.json and bertkit.json it is 1,000,000,000 × 1,000,000,000"),
        ({}, "lacks w,"),
        ({**wanted, "z": ()}, "holds z, which the model does not have"),
    ):
        with pytest.raises(MisfitError) as caught:
            check_shapes(wanted, stored)
        assert said in str(caught.value)
