"""Encoded rows as bytes, and back: what a task makes of a row, whatever it is made of.

Numbers, texts, lists, arrays and bertkit's own records are written; nothing is executed when
they are read. (A pickle could be made to run anything.)
"""

from __future__ import annotations

import importlib
import struct
from array import array
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_SIZE, _INT, _FLOAT = struct.Struct("<I"), struct.Struct("<q"), struct.Struct("<d")
_CONSTANTS = {b"N": None, b"T": True, b"F": False}
# Lists of fewer numbers are not worth an array.
_FEW = 4


class Packer:
    """Writes values.

    Attributes:
        records: the classes of records that were met; whoever reads needs them in this order.
    """

    def __init__(self) -> None:
        self.records: list[str] = []
        self._numbers: dict[type, tuple[int, tuple[str, ...]]] = {}

    def pack(self, value: Any) -> bytes:
        """Return a value as bytes.

        Raises:
            TypeError: it holds what cannot be written.
        """
        out = bytearray()
        self._put(value, out)
        return bytes(out)

    def _put(self, value: Any, out: bytearray) -> None:
        match value:
            case None | bool():
                out += b"N" if value is None else b"T" if value else b"F"
            case int():
                out += b"i" + _INT.pack(value)
            case float():
                out += b"f" + _FLOAT.pack(value)
            case str():
                self._put_bytes(b"s", value.encode("utf-8", "surrogatepass"), out)
            case array() if value.typecode == "i":
                self._put_bytes(b"a", value.tobytes(), out)
            case np.ndarray():
                out += b"n"
                self._put((value.dtype.str, *value.shape), out)
                self._put_bytes(b"", value.tobytes(), out)
            case range():
                out += b"r" + b"".join(map(_INT.pack, (value.start, value.stop, value.step)))
            case list() if len(value) >= _FEW and all(type(item) is int for item in value):
                self._put_bytes(b"I", array("q", value).tobytes(), out)
            case list() | tuple():
                out += (b"l" if isinstance(value, list) else b"t") + _SIZE.pack(len(value))
                for item in value:
                    self._put(item, out)
            case _:
                self._put_record(value, out)

    @staticmethod
    def _put_bytes(tag: bytes, content: bytes, out: bytearray) -> None:
        out += tag + _SIZE.pack(len(content)) + content

    def _put_record(self, value: Any, out: bytearray) -> None:
        kind = type(value)
        if kind not in self._numbers:
            name = f"{kind.__module__}:{kind.__qualname__}"
            if not is_dataclass(kind) or not name.startswith("bertkit."):
                raise TypeError(f"a {name} is not written")
            self._numbers[kind] = (len(self.records), tuple(field.name for field in fields(kind) if field.init))
            self.records.append(name)
        number, names = self._numbers[kind]
        out += b"d" + _SIZE.pack(number)
        for name in names:
            self._put(getattr(value, name), out)


class Unpacker:
    """Reads what a `Packer` has written.

    Args:
        records: the packer's.
    """

    def __init__(self, records: list[str]) -> None:
        self._kinds = [_record(name) for name in records]

    def unpack(self, packed: bytes) -> Any:
        """Return the value."""
        return self._take(memoryview(packed), 0)[0]

    def _take(self, packed: memoryview, at: int) -> tuple[Any, int]:
        tag, at = bytes(packed[at : at + 1]), at + 1
        if tag in _CONSTANTS:
            return _CONSTANTS[tag], at
        if tag in (b"i", b"f"):
            form: struct.Struct = _INT if tag == b"i" else _FLOAT
            return form.unpack_from(packed, at)[0], at + form.size
        if tag == b"r":
            return range(*struct.unpack_from("<3q", packed, at)), at + 24
        if tag == b"n":
            (kind, *shape), at = self._take(packed, at)
            content, at = _content(packed, at)
            return np.frombuffer(content, kind).reshape(shape), at
        if tag == b"d":
            own, names = self._kinds[_SIZE.unpack_from(packed, at)[0]]
            return self._filled(own, names, packed, at + _SIZE.size)
        if tag in (b"l", b"t"):
            return self._items(list if tag == b"l" else tuple, packed, at)
        content, at = _content(packed, at)
        if tag == b"s":
            return content.decode("utf-8", "surrogatepass"), at
        found = array("q" if tag == b"I" else "i", content)
        return found.tolist() if tag == b"I" else found, at

    def _items(self, kind: Callable[[list[Any]], Any], packed: memoryview, at: int) -> tuple[Any, int]:
        items, (count,) = [], _SIZE.unpack_from(packed, at)
        at += _SIZE.size
        for _ in range(count):
            item, at = self._take(packed, at)
            items.append(item)
        return kind(items), at

    def _filled(self, kind: type, names: tuple[str, ...], packed: memoryview, at: int) -> tuple[Any, int]:
        values = {}
        for name in names:
            values[name], at = self._take(packed, at)
        return kind(**values), at


def _content(packed: memoryview, at: int) -> tuple[bytes, int]:
    (size,) = _SIZE.unpack_from(packed, at)
    at += _SIZE.size
    return bytes(packed[at : at + size]), at + size


def _record(name: str) -> tuple[type, tuple[str, ...]]:
    module, _, inner = name.partition(":")
    kind = getattr(importlib.import_module(module), inner) if module.startswith("bertkit.") else None
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise ValueError(f"{name} is no record of bertkit's")
    return kind, tuple(field.name for field in fields(kind) if field.init)
