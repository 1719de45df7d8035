"""KoBERT's tokenizer, from its SentencePiece model and its vocabulary, without remote code.

KoBERT's ids are the lines of vocab.txt, not the ids of the SentencePiece model, and what its
publishers give to join the two is Python code that transformers 5 runs only on trust. Without
it, transformers takes vocab.txt for WordPiece and turns nearly all of a Korean text into
[UNK], in silence. Steps and ids follow KoBertTokenizer of monologg/KoBERT-Transformers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Regex, normalizers
from tokenizers.normalizers import Normalizer

from bertkit.errors import TokenizerError
from bertkit.files import is_file
from bertkit.kinds import MisfitError, read_object, reading, value_of
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.checked import check_opened, library_faults
from bertkit.tokenization.loading import sound_file
from bertkit.tokenization.sentencepiece_files import SPACE, SentencePieceFile, add_special_tokens, read_sentencepiece
from bertkit.tokenization.stored import read_json

# The first is monologg's (and SKT's first) file, the second that of skt/kobert-base-v1.
MODEL_FILE, MERGED_MODEL_FILE = "tokenizer_78b3253a26.model", "spiece.model"
# The second is SKT's first form of it.
VOCABULARY_FILES = ("vocab.txt", "kobertvocab_f38b8a4d6d.json")
KOBERT_FILES = (MODEL_FILE, MERGED_MODEL_FILE, VOCABULARY_FILES[0])
MAX_LENGTH = 512
_VOCAB_SIZE, _PAD_ID = 8002, 1


def is_kobert(folder: Path) -> bool:
    """Tell whether a folder is of KoBERT's shape, complete or not.

    Its own files come before a tokenizer.json beside them: that is most likely what
    transformers made of vocab.txt.
    """
    config = read_json(folder / "config.json")
    if is_file(folder / MODEL_FILE):
        return True
    merged = folder / MERGED_MODEL_FILE
    if is_file(merged) and config.get("model_type") in ("bert", "distilbert"):
        return has_kobert_shape(config) or _is_merged(merged)
    if is_file(folder / "tokenizer.json"):
        return False
    words = folder / VOCABULARY_FILES[0]
    return _has_pieces(words) if is_file(words) else has_kobert_shape(config)


def has_kobert_shape(config: dict[str, Any]) -> bool:
    """Tell whether a config.json is that of a KoBERT."""
    return config.get("vocab_size") == _VOCAB_SIZE and config.get("pad_token_id") == _PAD_ID


def _is_merged(path: Path) -> bool:
    """Tell whether a model file names BERT's special tokens; those of other encoders have other names for some."""
    with reading(path):
        content = path.read_bytes()
    return all(token.encode() in content for token in SpecialTokens().present)


def open_kobert(folder: Path) -> Tokenizer:
    """Build KoBERT's tokenizer.

    It returns KoBERT's ids, segment ids 0 and 1, and offsets into the text as it was given.

    Args:
        folder: holds tokenizer_78b3253a26.model and vocab.txt, or the spiece.model of
            skt/kobert-base-v1.

    Raises:
        TokenizerError: a file is missing, or the two do not belong together.
    """
    model = read_sentencepiece(_model_path(folder))
    tokens = _tokens(folder, model)
    special = SpecialTokens()
    missing = [token for token in special.present if token not in tokens]
    if missing:
        raise TokenizerError(f"{folder}: KoBERT's vocabulary has no {missing[0]} here; copy its files again.")
    scores = dict(model.scores)
    vocabulary = [(token, 0.0 if token in special.present else scores[token]) for token in tokens]
    with sound_file(folder), library_faults():
        backend = model.backend(vocabulary, tokens.index("[UNK]"), _cleaning())
        add_special_tokens(backend, special)
        tokenizer = Tokenizer(backend, special, MAX_LENGTH)
        check_opened(backend)
    return tokenizer


def _model_path(folder: Path) -> Path:
    for name in (MODEL_FILE, MERGED_MODEL_FILE):
        if is_file(folder / name):
            return folder / name
    raise TokenizerError(
        f"{folder}: is of KoBERT's shape and lacks its SentencePiece model; "
        f"copy {MODEL_FILE} (monologg/kobert) or {MERGED_MODEL_FILE} (skt/kobert-base-v1) there."
    )


def _tokens(folder: Path, model: SentencePieceFile) -> list[str]:
    """Return the vocabulary in id order; a model that was merged with it says it itself."""
    pieces = [piece for piece, _ in model.scores]
    if "[CLS]" in pieces:
        return pieces
    path = next((path for name in VOCABULARY_FILES if is_file(path := folder / name)), None)
    if path is None:
        raise TokenizerError(
            f"{folder}: has KoBERT's SentencePiece model and no {VOCABULARY_FILES[0]}, which gives the ids; copy it."
        )
    tokens = _read_vocabulary(path)
    listed = set(tokens) - set(SpecialTokens().present)
    alone = listed ^ (set(pieces) - model.control - {pieces[model.unk_id]})
    if alone or len(tokens) != len(set(tokens)):
        raise TokenizerError(
            f"{path}: does not belong to the SentencePiece model beside it "
            f"({len(alone):,} pieces stand in one of the two only); copy both from one place."
        )
    return tokens


def _read_vocabulary(path: Path) -> list[str]:
    with sound_file(path):
        if path.suffix == ".json":
            listed: list[str] = value_of(list[str], read_object(path).get("idx_to_token"), "idx_to_token")
            return listed
        with reading(path):
            content = path.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MisfitError(f"is no text ({error})") from error
    # Not splitlines(): it would also cut at separators that are characters of a piece.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _cleaning() -> list[Normalizer]:
    """Return what KoBertTokenizer does to a text before SentencePiece sees it."""
    return [
        # all that is white space to Python; SentencePiece would drop some of it
        normalizers.Replace(Regex(r"[^\S ]|[\x1c-\x1f]"), " "),
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
        normalizers.NFKD(),
        # Not StripAccents(): it would drop the vowel signs of Indian scripts, too.
        normalizers.Replace(Regex(_combining()), ""),
    ]


@cache
def _combining() -> str:
    """Return the class of the characters that `unicodedata` calls combining."""
    ranges: list[list[int]] = []
    for code in range(0x300, 0x20000):
        if unicodedata.combining(chr(code)):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "[" + "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in ranges) + "]"


def _has_pieces(path: Path) -> bool:
    """Tell whether a vocab.txt lists SentencePiece's pieces; WordPiece's go on with ##."""
    with sound_file(path), reading(path):
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return _starts(lines, SPACE) and not _starts(lines, "##")


def _starts(lines: Iterable[str], mark: str) -> bool:
    return any(line.startswith(mark) and len(line.strip()) > len(mark) for line in lines)
