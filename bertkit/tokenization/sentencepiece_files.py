"""SentencePiece models as fast tokenizers: same pieces, and offsets into the user's text.

Kudo & Richardson 2018. Only unigram models are read (Kudo 2018); those are what KoBERT and
DeBERTa v2 and v3 have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from tokenizers.normalizers import Normalizer

from bertkit.errors import TokenizerError
from bertkit.kinds import MisfitError, reading
from bertkit.plain import quoted
from bertkit.tokenization.base import SpecialTokens
from bertkit.tokenization.checked import check_character_map
from bertkit.tokenization.loading import sound_file
from bertkit.tokenization.model_proto import CONTROL, UNIGRAM, USER_DEFINED, ModelProto, read_model_proto
from bertkit.tokenization.single_precision import twin_score

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
        TokenizerError: the file is no SentencePiece model, is damaged, or not a unigram model.
        PlaceError: the right to read it is missing.
    """
    with sound_file(path):
        with reading(path):
            content = path.read_bytes()
        model = read_model_proto(content)
        if not model.pieces:
            raise MisfitError("is no SentencePiece model (it has no pieces)")
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
        raise MisfitError(f"gives the piece {quoted(strange.piece)} a score that is no number")
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
