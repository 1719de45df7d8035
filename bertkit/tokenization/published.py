"""Tokenizers of published models, made of their files: DeBERTa, KoBERT, XLM-R."""

from __future__ import annotations

import struct
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from tokenizers.normalizers import Normalizer

from bertkit.errors import TokenizerError
from bertkit.files import is_file
from bertkit.kinds import MisfitError, read_object, reading, value_of
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.loading import check_opened, library_faults, read_json, sound_file
from bertkit.tokenization.sentencepiece import SPACE, SentencePieceFile, add_special_tokens, read_sentencepiece

# --- The tokenizer of DeBERTa v2 and v3 (He et al. 2021, 2023), from its SentencePiece model ------
#
# transformers 5 leaves the model's character map out, so that full-width letters and ligatures
# become [UNK]. Here it is part of the tokenizer's own normalizer.

DEBERTA_FILE = "spm.model"


def open_deberta(folder: Path, config: dict[str, Any], max_length: int) -> Tokenizer:
    """Build the tokenizer from spm.model.

    Ids are those of the SentencePiece model; a special token that is not a piece of it ([MASK])
    comes after the last piece.

    Args:
        folder: holds spm.model.
        config: what tokenizer_config.json holds; `do_lower_case` and `split_by_punct` count.
        max_length: tokens the model can read.

    Raises:
        TokenizerError: spm.model is damaged or no unigram model.
    """
    model = read_sentencepiece(folder / DEBERTA_FILE)
    with sound_file(folder / "tokenizer_config.json"):
        lowers, splits = (value_of(bool | None, config.get(key), key) for key in ("do_lower_case", "split_by_punct"))
    special = SpecialTokens(unk=model.scores[model.unk_id][0])
    with sound_file(folder / DEBERTA_FILE), library_faults():
        backend = model.backend(model.scores, model.unk_id, [normalizers.Lowercase()] if lowers else [])
        if splits:
            backend.pre_tokenizer = pre_tokenizers.Sequence(
                [pre_tokenizers.Punctuation(behavior="isolated"), backend.pre_tokenizer]
            )
        backend.add_tokens([AddedToken(piece, normalized=False) for piece in model.whole])
        add_special_tokens(backend, special)
        tokenizer = Tokenizer(backend, special, max_length)
        check_opened(backend)
    return tokenizer


def fix_characters(backend: Backend) -> None:
    """Give a tokenizer.json that transformers 5 wrote its compatibility characters back."""
    stored = backend.normalizer
    kept = b"" if stored is None else stored.__getstate__()
    if b"Precompiled" in kept or b"NFKC" in kept or not isinstance(backend.model, models.Unigram):
        return
    first = normalizers.NFKC()
    backend.normalizer = first if stored is None else normalizers.Sequence([first, stored])


# --- KoBERT's tokenizer, from its SentencePiece model and its vocabulary, without remote code -----
#
# KoBERT's ids are the lines of vocab.txt, not the ids of the SentencePiece model, and what its
# publishers give to join the two is Python code that transformers 5 runs only on trust. Without
# it, transformers takes vocab.txt for WordPiece and turns nearly all of a Korean text into
# [UNK], in silence. Steps and ids follow KoBertTokenizer of monologg/KoBERT-Transformers.

# The first is monologg's (and SKT's first) file, the second that of skt/kobert-base-v1.
KOBERT_FILE, MERGED_MODEL_FILE = "tokenizer_78b3253a26.model", "spiece.model"
# The second is SKT's first form of it.
VOCABULARY_FILES = ("vocab.txt", "kobertvocab_f38b8a4d6d.json")
KOBERT_FILES = (KOBERT_FILE, MERGED_MODEL_FILE, VOCABULARY_FILES[0])
MAX_LENGTH = 512
_VOCAB_SIZE, _PAD_ID = 8002, 1


def is_kobert(folder: Path) -> bool:
    """Tell whether a folder is of KoBERT's shape, complete or not.

    Its own files come before a tokenizer.json beside them: that is most likely what
    transformers made of vocab.txt.
    """
    config = read_json(folder / "config.json")
    if is_file(folder / KOBERT_FILE):
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
    for name in (KOBERT_FILE, MERGED_MODEL_FILE):
        if is_file(folder / name):
            return folder / name
    raise TokenizerError(
        f"{folder}: is of KoBERT's shape and lacks its SentencePiece model; "
        f"copy {KOBERT_FILE} (monologg/kobert) or {MERGED_MODEL_FILE} (skt/kobert-base-v1) there."
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
            f"({len(alone):,} pieces are only in one of the two); copy both from one place."
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
            raise MisfitError(f"is not text ({error})") from error
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


# --- A map of characters in SentencePiece's own form, which the Rust library reads as `Precompiled`
#
# The form is a table of steps, a double array (Aoe 1989, "An Efficient Digital Search Algorithm by
# Using a Double-Array Structure"; the layout of its 32-bit units is that of Yata's darts-clone,
# which SentencePiece uses), and behind it the texts that its ways lead to, each ended by a zero
# byte. The table goes from byte to byte of a key's UTF-8.

# The parts of a unit: which byte led here, whether a key ends here, where the next steps are.
_ENDS, _VALUE, _STEPS = 1 << 8, 1 << 31, 10
# Steps of a place differ in their last byte only, so the table is made in blocks of that size.
_BLOCK = 256
# Free places further back are seldom of use, and looked at in vain for every step.
_SEARCHED = 4 * _BLOCK
_MOST = 2**21  # places that a unit can name without the coarser form of large tables


@dataclass
class _Node:
    """A place of the way: the next steps by byte, and the text of the key that ends here, if one does."""

    steps: dict[int, _Node] = field(default_factory=dict)
    text: str | None = None


def pack_character_map(mapping: Mapping[str, str]) -> bytes:
    """Write a map of characters as SentencePiece does.

    Args:
        mapping: what each key, one character or several, becomes; the zero character is in none.

    Returns:
        The length of the table in bytes (32 bits, little-endian), the table, the texts.

    Raises:
        ValueError: a key is empty or holds the zero character, or the table would be too large.
    """
    if any(not key or "\0" in key + text for key, text in mapping.items()):
        raise ValueError("a key of a map of characters is empty, or a text of it holds the zero character")
    texts, places = bytearray(), dict[str, int]()
    for text in sorted(set(mapping.values())):
        places[text] = len(texts)
        texts += text.encode("utf-8") + b"\0"
    table = _Table()
    table.lay(_tree(mapping), places)
    units = array("I", table.units)
    if table.largest >= _MOST:
        raise ValueError("a map of characters is too large for its table")
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(texts)


def _tree(mapping: Mapping[str, str]) -> _Node:
    root = _Node()
    for key, text in mapping.items():
        node = root
        for byte in key.encode("utf-8"):
            node = node.steps.setdefault(byte, _Node())
        node.text = text
    return root


class _Table:
    """Finds room for the steps of each place: the place of a step is the base of its origin XOR its byte."""

    def __init__(self) -> None:
        self.units = [0] * _BLOCK
        self._taken = bytearray(_BLOCK)
        self._bases = set[int]()
        self._first = 1
        self.largest = 0

    def lay(self, root: _Node, places: Mapping[str, int]) -> None:
        """Lay out a tree; the place of its root is 0."""
        self._taken[0] = 1
        waiting = [(root, 0)]
        while waiting:
            node, place = waiting.pop()
            bytes_ = [*([0] if node.text is not None else []), *sorted(node.steps)]
            base = self._room(bytes_)
            self.largest = max(self.largest, base ^ place)
            self.units[place] |= (base ^ place) << _STEPS | (_ENDS if node.text is not None else 0)
            if node.text is not None:
                self.units[base] = _VALUE | places[node.text]
            for byte, step in node.steps.items():
                self.units[base ^ byte] = byte
                waiting.append((step, base ^ byte))

    def _room(self, steps: list[int]) -> int:
        """Take the lowest base at which every step has a free place."""
        base = next(base for base in self._candidates(steps[0]) if self._fits(base, steps))
        self._bases.add(base)
        for byte in steps:
            self._taken[base ^ byte] = 1
        while self._taken[self._first]:
            self._first += 1
            self._grow(self._first)
        return base

    def _candidates(self, first: int) -> Iterator[int]:
        place = max(self._first, len(self.units) - _SEARCHED)
        while True:
            self._grow(place)
            if not self._taken[place]:
                yield place ^ first
            place += 1

    def _fits(self, base: int, steps: list[int]) -> bool:
        self._grow(base | (_BLOCK - 1))
        # One base for each origin: else a step of one could be taken for a step of the other.
        return base not in self._bases and not any(self._taken[base ^ byte] for byte in steps)

    def _grow(self, place: int) -> None:
        while place >= len(self.units):
            self.units += [0] * _BLOCK
            self._taken += bytes(_BLOCK)


# --- The tokenizer of XLM-R (Conneau et al. 2020), built from its pieces, scores and map of characters
#
# The result is, id by id, that of the tokenizer.json that its publishers give
# (benchmarks/multilingual.py measures it), with one difference: what is decomposed is composed
# first. SentencePiece's own map does so too; the Rust library looks characters up one by one, and
# leaves decomposed Hangul in letters and takes the second of two marks from a letter.

# Points and vowels of Hebrew and Arabic: composition would change their order, and pieces have the
# order that people type. Code points that no text has take their place meanwhile.
_FIRST_CLASS, _LAST_CLASS = 10, 35
_FIRST_STAND_IN, _LAST_STAND_IN = 0xFDD0, 0xFDEF
SPECIAL = SpecialTokens(unk="<unk>", pad="<pad>", cls="<s>", sep="</s>", mask="<mask>")


def build_xlm_roberta(
    pieces: Sequence[str], scores: Sequence[float], characters: Mapping[str, str], max_length: int
) -> Tokenizer:
    """Build the tokenizer; pairs are `<s> A </s></s> B </s>`.

    Args:
        pieces: in the order of the ids, the special tokens among them.
        scores: log probabilities of the pieces.
        characters: what single characters become before a text is cut.
        max_length: tokens the model can read.

    Raises:
        MisfitError: a special token is missing, or the library refuses the pieces.
    """
    with library_faults():
        unigram = models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=list(pieces).index("<unk>"))
        backend = Backend(unigram)
        backend.normalizer = normalizers.Sequence(_normalization(characters))
        backend.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always", split=True)
        backend.decoder = decoders.Metaspace(SPACE, prepend_scheme="always", split=True)
        special = [AddedToken(token, normalized=False, special=True) for token in SPECIAL.present]
        backend.add_special_tokens(special)
        backend.post_processor = processors.TemplateProcessing(
            single="<s>:0 $A:0 </s>:0",
            pair="<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0",
            special_tokens=[(token, backend.token_to_id(token)) for token in ("<s>", "</s>")],
        )
        tokenizer = Tokenizer(backend, SPECIAL, max_length)
        check_opened(backend)
    return tokenizer


def _normalization(characters: Mapping[str, str]) -> list[Normalizer]:
    """Return the steps: compose, replace characters, fold blanks."""
    marks = [chr(i) for i in range(0x590, 0x10000) if _FIRST_CLASS <= unicodedata.combining(chr(i)) <= _LAST_CLASS]
    # A Python of a later Unicode may know more; those are then reordered.
    stand_ins = {mark: chr(i) for i, mark in zip(range(_FIRST_STAND_IN, _LAST_STAND_IN + 1), marks, strict=False)}
    back = {stand_in: characters.get(mark, mark) for mark, stand_in in stand_ins.items()}
    return [
        normalizers.Precompiled(pack_character_map(stand_ins)),
        normalizers.NFC(),
        normalizers.Precompiled(pack_character_map({**characters, **back})),
        normalizers.Replace(Regex(" {2,}"), " "),
    ]
