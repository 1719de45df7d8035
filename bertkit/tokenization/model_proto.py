"""A SentencePiece model file, read without the message class that `sentencepiece` brings.

That class is generated for one version of protobuf and refuses all earlier ones, which other
packages may need. The file is a plain protobuf message (the fields are those of
sentencepiece_model.proto): fields one after the other, each with its number, its kind and its
content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from bertkit.kinds import MisfitError

# Kinds of content: a whole number, eight bytes, a length and so many bytes, four bytes.
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
# trainer_spec.model_type and pieces.type
UNIGRAM, NORMAL, CONTROL, USER_DEFINED = 1, 1, 3, 4

Field = tuple[int, int | bytes]


@dataclass(frozen=True)
class Piece:
    """An entry of the vocabulary; its id is its place."""

    piece: str = ""
    score: float = 0.0
    type: int = NORMAL


@dataclass(frozen=True)
class ModelProto:
    """What a tokenizer is built of; values that a file leaves out are the format's own."""

    pieces: tuple[Piece, ...]
    model_type: int = UNIGRAM
    unk_id: int = 0
    byte_fallback: bool = False
    normalization: str = ""
    character_map: bytes = b""
    has_prefix: bool = True
    collapses_spaces: bool = True


def read_model_proto(content: bytes) -> ModelProto:
    """Read a model.

    Raises:
        MisfitError: it is no such message, or is damaged.
    """
    parts: dict[int, list[bytes]] = {1: [], 2: [], 3: []}
    for number, value in _fields(content):
        if number in parts:
            parts[number].append(_bytes(value))
    # Of a message that is there twice, the fields of the later one win.
    trainer, normalizer = (dict(_fields(b"".join(parts[number]))) for number in (2, 3))
    return ModelProto(
        pieces=tuple(map(_piece, parts[1])),
        model_type=_number(trainer.get(3, UNIGRAM)),
        unk_id=_number(trainer.get(40, 0)),
        byte_fallback=bool(_number(trainer.get(35, 0))),
        normalization=_text(normalizer.get(1, b"")),
        character_map=_bytes(normalizer.get(2, b"")),
        has_prefix=bool(_number(normalizer.get(3, 1))),
        collapses_spaces=bool(_number(normalizer.get(4, 1))),
    )


def _piece(content: bytes) -> Piece:
    values = dict(_fields(content))
    score = struct.unpack("<f", raw)[0] if len(raw := _bytes(values.get(2, bytes(4)))) == 4 else None
    if score is None:
        raise MisfitError("is no SentencePiece model (a score that is no number)")
    return Piece(_text(values.get(1, b"")), score, _number(values.get(3, NORMAL)))


def _fields(content: bytes) -> Iterator[Field]:
    """Yield the fields of a message with their numbers; those of fixed size as their bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if not number:
            raise MisfitError("is no SentencePiece model (a field without a number)")
        if kind == _NUMBER:
            value, place = _varint(content, place)
            yield number, value
            continue
        if kind not in (_EIGHT, _BYTES, _FOUR):
            raise MisfitError(f"is no SentencePiece model (a field of the kind {kind})")
        length = {_EIGHT: 8, _FOUR: 4}.get(kind)
        if length is None:
            length, place = _varint(content, place)
        if length > len(content) - place:
            raise MisfitError(
                f"is no SentencePiece model (a field of {length:,} bytes, and {len(content) - place:,} are left)"
            )
        yield number, content[place : place + length]
        place += length


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return a number that is stored seven bits a byte, the lowest first, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            raise MisfitError("is no SentencePiece model (it ends within a number)")
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise MisfitError("is no SentencePiece model (a number that does not end)")


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise MisfitError("is no SentencePiece model (a number where a text should be)")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MisfitError("is no SentencePiece model (a text that is not UTF-8)") from error


def _number(value: int | bytes) -> int:
    """Return a whole number; negative ones are stored as if they were of 64 bits."""
    if not isinstance(value, int):
        raise MisfitError("is no SentencePiece model (a text where a number should be)")
    return value - 2**64 if value >= 2**63 else value
