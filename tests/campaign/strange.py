"""Files of a run, each changed in one place: a field gone or of another kind, a tensor hurt, bytes lost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GONE = object()
# What stands where something else should. None of it is large: a number is only said to be.
VALUES: tuple[Any, ...] = (
    _GONE, None, True, -1, 0, 1.5, 10**12, "", "x", "\x1b[31mred", [], {}, [["a"]], {"a": 1}, [None], 1e-40,
)  # fmt: skip
# What stands where a field is only told of, never computed with.
FEW: tuple[Any, ...] = (_GONE, None, "x", [["a"]])
# Of a list or a long object only the first entries are changed, for the others are like them.
_ENTRIES_LOOKED_AT = 2


@dataclass(frozen=True)
class Change:
    """One damage: the file it is done to, its name, and the new bytes (None: the file is gone).

    `refused` tells whether no command that reads the file may go on.
    """

    file: str
    name: str
    apply: Callable[[bytes], bytes | None]
    refused: bool = False


def file_changes(file: str) -> Iterator[Change]:
    """Damage that any file can have."""
    yield Change(file, "gone", lambda _: None)
    yield Change(file, "empty", lambda _: b"", refused=True)
    yield Change(file, "half", lambda raw: raw[: len(raw) // 2], refused=True)
    yield Change(file, "last byte lost", lambda raw: raw.rstrip()[:-1], refused=True)
    yield Change(file, "random bytes", lambda raw: random.Random(file).randbytes(200), refused=True)


def json_changes(file: str, raw: bytes, told: Sequence[str] = ()) -> Iterator[Change]:
    """Damage of a JSON file, field by field; `told` names the parts that nothing is computed with."""
    for other in (b"[]", b"null", b'"x"', b"[" * 100000, b'{"a": NaN}'):
        yield Change(file, f"all of it {other[:10]!r}", lambda _, other=other: other)
    for path in list(_paths(json.loads(raw))):
        for value in FEW if path[0] in told else VALUES:
            shown = "gone" if value is _GONE else json.dumps(value)
            yield Change(file, f"{'.'.join(map(str, path))} = {shown}", _with(path, value))


def _with(path: tuple[Any, ...], value: Any) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        values = json.loads(raw)
        inner = values
        for key in path[:-1]:
            inner = inner[key]
        if value is _GONE:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        return json.dumps(values, ensure_ascii=False).encode()

    return change


def _paths(values: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(values, dict):
        keys: list[Any] = list(values) if len(values) < 60 else list(values)[:_ENTRIES_LOOKED_AT]
    elif isinstance(values, list):
        keys = list(range(min(len(values), _ENTRIES_LOOKED_AT)))
    else:
        return
    for key in keys:
        yield (*above, key)
        yield from _paths(values[key], (*above, key))


def tensor_changes(file: str, path: Path, most: int) -> Iterator[Change]:
    """Damage of a safetensors file, tensor by tensor; of some of them where there are more than `most`."""
    from safetensors.numpy import load

    tensors = sorted(load(path.read_bytes()).items())
    for name, tensor in tensors[:: max(1, -(-len(tensors) // most))]:
        yield Change(file, f"{name} gone", _tensors(lambda all_, n=name: all_.pop(n)), refused=True)
        yield Change(file, f"{name} renamed", _tensors(lambda all_, n=name: all_.update({f"{n}2": all_.pop(n)})), True)
        if tensor.dtype.kind == "f" and tensor.size:
            for value in (float("nan"), float("inf"), float("-inf")):
                yield Change(file, f"{name} holds {value}", _tensors(_holding(name, value)), refused=True)
        if tensor.ndim > 1:
            yield Change(
                file, f"{name} flat", _tensors(lambda all_, n=name: all_.update({n: all_[n].reshape(-1)})), True
            )
        yield Change(file, f"{name} one longer", _tensors(_longer(name)), refused=True)
        yield Change(file, f"{name} of whole numbers", _tensors(_whole(name)))
    for said in (2**20, 2**30, 2**40):
        yield Change(file, f"a header of {said} bytes", lambda raw, n=said: n.to_bytes(8, "little") + raw[8:], True)


def _tensors(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        import numpy as np
        from safetensors.numpy import load, save

        tensors = {name: tensor.copy() for name, tensor in load(raw).items()}
        change(tensors)
        tensors = {name: np.asarray(tensor) for name, tensor in tensors.items()}  # no scalars
        return bytes(save(tensors, metadata={"format": "pt"}))

    return changed


def _holding(name: str, value: float) -> Callable[[dict[str, Any]], object]:
    def change(tensors: dict[str, Any]) -> None:
        tensors[name].reshape(-1)[-1] = value

    return change


def _longer(name: str) -> Callable[[dict[str, Any]], object]:
    def change(tensors: dict[str, Any]) -> None:
        import numpy as np

        tensor = tensors[name].reshape(tensors[name].shape or (1,))
        tensors[name] = np.concatenate([tensor, tensor[:1]]) if len(tensor) else np.zeros(1, tensor.dtype)

    return change


def _whole(name: str) -> Callable[[dict[str, Any]], object]:
    def change(tensors: dict[str, Any]) -> None:
        import numpy as np

        tensors[name] = np.nan_to_num(tensors[name]).astype(np.int64)

    return change
