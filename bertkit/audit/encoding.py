"""Characters that show a text went through the wrong encoding, or that nobody can see."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Finding, Tally, counted

# What the bytes 0x80 to 0xBF become when they are read as Latin-1 or as Windows-1252.
_CONTINUATION = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
# Without what may well follow a capital letter in print: quotes, dashes, dots, a closing »
_UNLIKELY_AFTER_LETTER = "\x80-\xa0¡-º¼-¿€‚ƒ„†‡ˆ‰Š‹ŒŽ•˜™šœžŸ"
_UTF8_AS_LATIN = re.compile(
    f"[ÂÃ][{_UNLIKELY_AFTER_LETTER}]"  # Ã© for é, Â° for °
    f"|â€[{_CONTINUATION}]"  # â€™ for ’
    f"|(?:[á-ï][{_CONTINUATION}]{{2}}){{2}}"  # ì•ˆë…• for 안녕
    f"|ðŸ[{_CONTINUATION}]{{2}}"  # an emoji
    "|ï»¿|ï¿½"  # a byte order mark, a replacement character
)
_CP949_AS_LATIN = re.compile("(?:[°-È][¡-þ]){2,}")  # ¾È³ç for 안녕
_FOREIGN_RUN = re.compile("[^\x00-\x7f]+")
_HANJA = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")

_JAMO = re.compile("[ᄀ-ᇿꥠ-ꥼힰ-ퟻ]")
_PARTS = re.compile(f"{_JAMO.pattern}|[A-Za-z][̀-ͯ]")

# A text without any of these has no fault: one look instead of seven.
_SUSPICIOUS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad°-Èà-ïð̀-ͯᄀ-ᇿ\u200b-\u200f\u202a-\u202e\u2060-\u2069"
    "\u4e00-\u9fff\uf900-\ufaff\ufeff\ufffd\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of broken character: how it is found, and what the rows hold."""

    kind: str
    occurs: Callable[[str], object]
    message: str


def _is_mojibake(text: str) -> bool:
    if _UTF8_AS_LATIN.search(text):
        return True
    if any(_is_cp949(match.group()) for match in _CP949_AS_LATIN.finditer(text)):
        return True
    return _HANJA.search(text) is not None and any(map(_was_utf8, _FOREIGN_RUN.findall(text)))


def _is_cp949(run: str) -> bool:
    """Tell Korean read as Latin-1 from a row of degree signs or dots."""
    hangul = run.encode("latin-1").decode("cp949", "replace")
    return len(set(hangul)) > 1 and all("가" <= char <= "힣" for char in hangul)


def _was_utf8(run: str) -> bool:
    """Tell UTF-8 Korean read as CP949 (안녕 as �븞�뀞) from Hangul beside Hanja.

    Turned back into bytes it is UTF-8 for Hangul nearly throughout, which CP949's own
    Hangul never is.
    """
    if "占쏙옙" in run:  # the replacement character, twice
        return True
    raw = run.encode("cp949", "ignore")
    hangul = sum("가" <= char <= "힣" for char in raw.decode("utf-8", "ignore"))
    return hangul >= 2 and 3 * hangul >= 0.6 * len(raw)


def _is_decomposed(text: str) -> bool:
    """Tell whether composing a text would change it."""
    return _PARTS.search(text) is not None and unicodedata.normalize("NFC", text) != text


def _has_lone_jamo(text: str) -> bool:
    """Tell letters of Hangul that belong to no syllable, and stay where the text is composed."""
    return _JAMO.search(text) is not None and _JAMO.search(unicodedata.normalize("NFC", text)) is not None


FAULTS = (
    Fault(
        "replacement_character",
        re.compile("[\ufffd\ud800-\udfff]").search,
        "characters that were lost in decoding (U+FFFD or half a surrogate pair); read the source again in its "
        "own encoding.",
    ),
    Fault(
        "mojibake",
        _is_mojibake,
        "text decoded with the wrong encoding (such as Ã© for é, or Korean as Latin letters or Hanja); decode "
        "the source again.",
    ),
    Fault(
        "decomposed_characters",
        _is_decomposed,
        "decomposed characters (NFD, as macOS writes file names: Hangul in single letters); normalise to NFC.",
    ),
    Fault(
        "lone_jamo",
        _has_lone_jamo,
        "lone letters of Hangul (U+1100 to U+11FF, as NFKC leaves of ㅋㅋ and ㅠㅠ); people type U+3131 to U+318E, "
        "which are other characters: write them so.",
    ),
    Fault(
        "control_character",
        re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]").search,
        "control characters; remove them.",
    ),
    Fault(
        "invisible_character",
        # a joiner between emoji and a non-joiner in Arabic script are spelling
        re.compile(
            "[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069]"
            "|(?<![\u0600-\u06ff\u0900-\u0dff])\u200c"
            "|(?<![\u0600-\u06ff\u0900-\u0dff\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d"
        ).search,
        "characters that cannot be seen (zero-width space, soft hyphen, direction marks); remove them.",
    ),
    Fault(
        "byte_order_mark",
        re.compile("\ufeff").search,
        "a byte order mark inside the text; files were joined, save them without one.",
    ),
)


class Encoding:
    """Counts the rows of each split that have each fault."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)

    def see(self, chunk: Chunk) -> None:
        """Look at some rows."""
        if not is_suspicious("".join([text for row in chunk.rows for text in row.all_texts])):
            return
        for row in chunk.rows:
            suspects = [text for text in row.all_texts if is_suspicious(text)]
            if suspects:
                for fault in FAULTS:
                    if any(map(fault.occurs, suspects)):
                        self._tallies[chunk.split, fault.kind].add(row)

    def findings(self) -> Iterator[Finding]:
        """Report each fault of each split."""
        messages = {fault.kind: fault.message for fault in FAULTS}
        for (split, kind), tally in self._tallies.items():
            message = f"{split}: {counted(tally.count, 'row', 'hold')} {messages[kind]}"
            yield Finding(kind, "warning", tally.count, message, tuple(tally.places))


def is_suspicious(text: str) -> bool:
    """Tell quickly whether a text may have a fault."""
    if text.isascii() and text.isprintable():
        return False
    return _SUSPICIOUS.search(text) is not None
