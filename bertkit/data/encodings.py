"""UTF-8 or CP949: told from the bytes, and said where a line is neither of what was expected."""

from __future__ import annotations

from collections.abc import Sequence

BOM = b"\xef\xbb\xbf"


def sniff_encoding(sample: bytes) -> str:
    """Decide between UTF-8 and CP949 by the lines that tell them apart.

    UTF-8 keeps a file in which most such lines are valid, so that a single broken line is
    an error of that line. CP949 must decode all of them, and into Hangul: other 8-bit
    encodings decode by accident, but into rare Hanja and symbols.
    """
    telling = [line for line in sample.removeprefix(BOM).split(b"\n")[:-1] if not line.isascii()]
    if not telling:
        telling = [] if sample.isascii() else [sample.removeprefix(BOM)]
    valid = sum(_decodes(line, "utf-8") for line in telling)
    return "cp949" if 2 * valid < len(telling) and _is_korean(telling) else "utf-8"


def decoding_fault(line: bytes, error: UnicodeDecodeError, encoding: str) -> str:
    """Say as a clause why a line is no text, and what turns it into one where that can be told.

    Args:
        line: the line, without those around it.
        error: what decoding it raised.
        encoding: the encoding that was expected.
    """
    fault = f"not valid {encoding.upper()}: byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
    if encoding == "utf-8" and _is_korean([line]):
        return f"{fault}; it looks like CP949, which `iconv -f cp949 -t utf-8` converts"
    return fault


def _is_korean(lines: Sequence[bytes]) -> bool:
    """Tell whether lines are CP949, and mostly Hangul where they are not ASCII."""
    if not all(_decodes(line, "cp949") for line in lines):
        return False
    foreign = [char for line in lines for char in line.decode("cp949") if not char.isascii()]
    hangul = sum("가" <= char <= "힣" or "ㄱ" <= char <= "ㆎ" for char in foreign)
    return 2 * hangul > len(foreign)


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
