"""SentencePiece models as fast tokenizers: same pieces, and offsets into the user's text."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from tokenizers.normalizers import Normalizer

from bertkit.errors import TokenizerError
from bertkit.kinds import MisfitError, reading
from bertkit.plain import quoted
from bertkit.tokenization.base import SpecialTokens
from bertkit.tokenization.loading import check_character_map, sound_file

# --- A SentencePiece model file, read without the message class that `sentencepiece` brings -------
#
# That class is generated for one version of protobuf and refuses all earlier ones, which other
# packages may need. The file is a plain protobuf message (the fields are those of
# sentencepiece_model.proto): fields one after the other, each with its number, its kind and its
# content.

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
        MisfitError: it is not such a message, or is damaged.
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
        raise MisfitError("is not a SentencePiece model (a score that is not a number)")
    return Piece(_text(values.get(1, b"")), score, _number(values.get(3, NORMAL)))


def _fields(content: bytes) -> Iterator[Field]:
    """Yield the fields of a message with their numbers; those of fixed size as their bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if not number:
            raise MisfitError("is not a SentencePiece model (a field without a number)")
        if kind == _NUMBER:
            value, place = _varint(content, place)
            yield number, value
            continue
        if kind not in (_EIGHT, _BYTES, _FOUR):
            raise MisfitError(f"is not a SentencePiece model (a field of the kind {kind})")
        length = {_EIGHT: 8, _FOUR: 4}.get(kind)
        if length is None:
            length, place = _varint(content, place)
        if length > len(content) - place:
            raise MisfitError(
                f"is not a SentencePiece model (a field of {length:,} bytes, and {len(content) - place:,} are left)"
            )
        yield number, content[place : place + length]
        place += length


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return a number that is stored seven bits a byte, the lowest first, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            raise MisfitError("is not a SentencePiece model (it ends within a number)")
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise MisfitError("is not a SentencePiece model (a number that does not end)")


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise MisfitError("is not a SentencePiece model (a number where a text should be)")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MisfitError("is not a SentencePiece model (a text that is not UTF-8)") from error


def _number(value: int | bytes) -> int:
    """Return a whole number; negative ones are stored as if they were of 64 bits."""
    if not isinstance(value, int):
        raise MisfitError("is not a SentencePiece model (a text where a number should be)")
    return value - 2**64 if value >= 2**63 else value


# --- Scores with which the Rust library breaks ties as SentencePiece does -------------------------
#
# A run such as "...." can be cut into "." and "..." in two orders whose scores are equal, and
# rounding decides which one wins. SentencePiece adds up in single precision, the Rust library in
# double, and they part on two in a thousand of the film reviews of NSMC.
#
# A double has 29 bits more than a single. So each score a becomes a + a·2⁻²⁹. The first term adds
# up exactly, as in double. The second is cut off where the double ends, and that is 29 bits below
# the end of a single of the same size: it is rounded at every step as SentencePiece's own sum is,
# and where the first terms are equal it decides as that sum does.

SHIFT = 2.0**-29
# So little that it changes the order of no two sums that differ in single precision.
STEP = 2.0**-27


def twin_score(score: float) -> float:
    """Return a double whose sums tie and break as those of `score` do in single precision.

    The double is one that tokenizer.json gives back bit by bit.

    Args:
        score: a number of single precision, such as the score of a SentencePiece piece.
    """
    twin = score + score * SHIFT
    while not _survives(twin):
        twin -= STEP
    return twin


def _survives(value: float) -> bool:
    """Tell whether the Rust library reads a number as it wrote it.

    Its JSON parser divides the digits by a power of ten, and where there are 17 digits the
    result may be one bit off.
    """
    digits = repr(abs(value))
    if "e" in digits:
        return True
    whole, _, fraction = digits.partition(".")
    return float(int(whole + fraction)) / 10.0 ** len(fraction) == abs(value)


# --- SentencePiece models as fast tokenizers: same pieces, and offsets into the user's text -------
#
# Kudo & Richardson 2018. Only unigram models are read (Kudo 2018); those are what KoBERT and
# DeBERTa v2 and v3 have.

SPACE = "▁"
# a code point that no text has
_STAND_IN = "\ufdd0"


@dataclass(frozen=True)
class SentencePieceFile:
    """What a .model file holds.

    `scores` are the pieces in id order with their log probabilities; `whole` are pieces that
    are found before anything else is cut; `character_map` is SentencePiece's own form of a
    normalization, empty where there is none, and `is_nfkc` tells whether it is a kind of NFKC.
    """

    scores: tuple[tuple[str, float], ...]
    control: frozenset[str]
    whole: tuple[str, ...]
    unk_id: int
    byte_fallback: bool
    character_map: bytes
    is_nfkc: bool
    collapses_spaces: bool
    has_prefix: bool

    def normalizers(self) -> list[Normalizer]:
        """Return its normalization, as steps that keep track of where each character was."""
        # The library looks characters up one by one, and SentencePiece also several at once
        # (decomposed Hangul, letters typed one by one). Composed first, they are one.
        steps: list[Normalizer] = [*_nfkc()] if self.is_nfkc else [normalizers.NFC()]
        if self.character_map:
            steps.append(normalizers.Precompiled(self.character_map))
        if self.collapses_spaces:
            steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Replace(Regex(r"\A | \z"), "")]
        return steps

    def backend(self, vocabulary: Sequence[tuple[str, float]], unk_id: int, before: Sequence[Normalizer]) -> Backend:
        """Build the fast tokenizer, without special tokens.

        Args:
            vocabulary: pieces in id order, with their scores.
            unk_id: id of what no piece covers.
            before: steps of normalization that come before the model's own.
        """
        scores = [(piece, twin_score(score)) for piece, score in vocabulary]
        backend = Backend(models.Unigram(scores, unk_id=unk_id, byte_fallback=self.byte_fallback))
        backend.normalizer = normalizers.Sequence([*before, *self.normalizers()])
        scheme = "always" if self.has_prefix else "never"
        # Not split into words: which of two equal cuts wins depends on all that stands before.
        backend.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme=scheme, split=False)
        back = decoders.Metaspace(SPACE, prepend_scheme=scheme)
        backend.decoder = decoders.Sequence([decoders.ByteFallback(), back]) if self.byte_fallback else back
        return backend


def read_sentencepiece(path: Path) -> SentencePieceFile:
    """Read a .model file.

    Raises:
        TokenizerError: the file is not a SentencePiece model, is damaged, or not a unigram model.
        PlaceError: the right to read it is missing.
    """
    with sound_file(path):
        with reading(path):
            content = path.read_bytes()
        model = read_model_proto(content)
        if not model.pieces:
            raise MisfitError("is not a SentencePiece model (it has no pieces)")
        if model.model_type == UNIGRAM:
            return _checked(model)
    raise TokenizerError(f"{path}: is not a unigram model; give a folder with a tokenizer.json with --tokenizer.")


def _checked(model: ModelProto) -> SentencePieceFile:
    """Take over what a model says, once its parts go together."""
    unknown = model.unk_id
    if not 0 <= unknown < len(model.pieces):
        raise MisfitError(f"has {len(model.pieces):,} pieces, and the unknown one is said to be number {unknown:,}")
    strange = next((piece for piece in model.pieces if not math.isfinite(piece.score)), None)
    if strange is not None:
        raise MisfitError(f"gives the piece {quoted(strange.piece)} a score that is not a number")
    if model.character_map:
        check_character_map(model.character_map)
    return SentencePieceFile(
        scores=tuple((piece.piece, piece.score) for piece in model.pieces),
        control=frozenset(piece.piece for piece in model.pieces if piece.type == CONTROL),
        whole=tuple(piece.piece for piece in model.pieces if piece.type == USER_DEFINED),
        unk_id=unknown,
        byte_fallback=model.byte_fallback,
        character_map=model.character_map,
        is_nfkc="nfkc" in model.normalization,
        collapses_spaces=model.collapses_spaces,
        has_prefix=model.has_prefix,
    )


def _nfkc() -> list[Normalizer]:
    """Return NFKC as SentencePiece knows it, which leaves the wide tilde alone."""
    kept = "\N{FULLWIDTH TILDE}"
    return [normalizers.Replace(kept, _STAND_IN), normalizers.NFKC(), normalizers.Replace(_STAND_IN, kept)]


def add_special_tokens(backend: Backend, special: SpecialTokens) -> None:
    """Let special tokens be found in a text before anything else, and frame texts with them."""
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special.present])
    frame(backend, special)


def frame(backend: Backend, special: SpecialTokens) -> None:
    """Make rows [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with segment 1 from B on."""
    cls, sep = str(special.cls), str(special.sep)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, backend.token_to_id(token)) for token in (cls, sep)],
    )
