"""Text for people: unsafe characters escaped, durations in words, and links to the documentation."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any

# --- Text of strangers, made harmless: for terminals, pages, sentences and JSON -------------------
#
# Labels, column names, file names and rows come from files that anybody may have written.
# Shown as they are, their control characters steer a terminal (its title, its colours, what is
# hidden), and bidirectional ones turn the reading order of what stands beside them.

# C0, DEL, C1, marks and embeddings that turn the direction of reading, separators of lines
# and paragraphs, and halves of surrogate pairs, which no encoding can write.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Most characters of a row, a name or a label that a sentence quotes.
QUOTED = 80
# Most characters of a list of names, and of each of them.
LISTED, LISTED_NAME = 130, 30
# Most characters of a whole sentence, and of a word in it; what a library says may be any length.
SENTENCE = 1000
WORD = 300
_LONG_WORD = re.compile(rf"\S{{{WORD + 1},}}")


# What keeps standard input, so that it can be read again: a file that is gone when the command ends.
STDIN_NAME, STDIN = "-", "<stdin>"
_keeping: list[str] = []


def keeps_stdin(path: str) -> None:
    """Hear in which file standard input is kept; it is never named to anybody, and never stored."""
    _keeping.append(path)


def as_typed(name: str) -> str:
    """Return the name of data as it was typed: - for what keeps standard input."""
    return STDIN_NAME if name in _keeping else name


def stdin_is_kept() -> bool:
    """Tell whether what the command reads came on standard input."""
    return bool(_keeping)


def is_kept_stdin(name: str) -> bool:
    """Tell whether a file is the one that keeps standard input."""
    return name in _keeping


def as_shown(text: str) -> str:
    """Name standard input in a text where that names the file that keeps it."""
    for path in _keeping:
        text = text.replace(path, STDIN)
    return text


def visible(text: str, *, keep: str = "") -> str:
    r"""Write characters that cannot be seen, or that steer a terminal, as escapes.

    Args:
        text: somebody's.
        keep: characters that stay, as line ends do where lines are shown as lines.

    >>> visible("\x1b[31mred\u202e")
    '\\x1b[31mred\\u202e'
    """
    text = as_shown(text)
    if not keep:
        return _UNSEEN.sub(_escape, text)
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _escape(found), text)


def shortened(text: str, most: int = QUOTED) -> str:
    """Cut a text in the middle so that it has at most `most` characters, an ellipsis included."""
    if len(text) <= most:
        return text
    head = max(1, (most - 1) * 2 // 3)
    tail = most - 1 - head
    return f"{text[:head]}…{text[len(text) - tail :] if tail else ''}"


def brief(text: object, most: int = QUOTED) -> str:
    """Show somebody's word in a sentence: escaped, and at most `most` characters long."""
    # Shortened twice: an escape is up to six characters for one, and a text may have millions.
    return shortened(visible(shortened(str(text), most)), most)


def quoted(text: object, most: int = QUOTED) -> str:
    r"""Quote somebody's text in a sentence: `brief`, in quotation marks.

    >>> quoted("po\ns")
    "'po\\ns'"
    """
    return f"'{brief(text, most)}'"


def listed(names: Collection[str], most: int = LISTED, *, joint: str = ", ", quotes: bool = True) -> str:
    """Write names in a row, as many as fit into about `most` characters, and say how many more there are.

    >>> listed(["text", "label"])
    "'text', 'label'"
    """
    shown: list[str] = []
    for name in names:
        word = quoted(name, LISTED_NAME)
        word = word if quotes else word[1:-1]
        if shown and sum(map(len, shown)) + len(word) > most:
            break
        shown.append(word)
    more = len(names) - len(shown)
    return joint.join(shown) + (f", … and {more:,} more" if more else "")


def sentence(text: str) -> str:
    """Return what is said to a user: one line, nothing in it unseen, of bounded length.

    What has no gap is not prose of ours: a path or a name, which is cut before all that is
    said of it would have to be.
    """
    return shortened(_LONG_WORD.sub(lambda word: shortened(word[0], WORD), visible(text)), SENTENCE)


def shell_words(words: Iterable[str]) -> str:
    r"""Write a command so that a shell reads exactly these words, and nothing in it is unseen.

    >>> shell_words(["train", "my rows.tsv", "a\nb"])
    "train 'my rows.tsv' $'a\\nb'"
    """
    import shlex

    return " ".join(shlex.quote(word) if visible(word) == word else _ansi_quoted(word) for word in words)


def _ansi_quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_UNSEEN.sub(_shell_escape, escaped)}'"


def to_json(values: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Write values as JSON that every reader takes, one line unless `indent` is given.

    Numbers that are not finite become null, for JSON has no word for them; characters that
    would steer a terminal, and halves of surrogate pairs, are written as escapes, which read
    back as the same characters.

    Args:
        values: dicts, lists, texts, numbers.
        indent: spaces a level; None: one line.
        ascii_only: whether all that is not ASCII becomes an escape.
    """
    encoder = _encoder(ascii_only, indent)
    try:
        text = encoder.encode(values)
    except ValueError:
        text = encoder.encode(_finite(values))
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSEEN.sub(_json_escape, text)


@cache
def _encoder(ascii_only: bool, indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, indent=indent)


def _finite(values: Any) -> Any:
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if isinstance(values, Mapping):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return values


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _shell_escape(found: re.Match[str]) -> str:
    """Write a character as bash's $'…' reads it; a byte that is not text is the byte it was."""
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return _SHORT.get(found[0]) or (f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}")


def _json_escape(found: re.Match[str]) -> str:
    # Line ends that parted an indented text are not part of a value.
    return found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}"


# --- Where the documents say more of a warning: the page for models that are bad, and its sections

PAGE = "docs/troubleshooting.md"
SECTIONS = (
    "no-better",
    "one-answer",
    "by-heart",
    "uneven",
    "labels",
    "cut",
    "tokenizer",
    "inflated",
    "not-finite",
    "rows",
    "elsewhere",
    "summaries",
)
"""The anchors of the page, in its order; they are the same in every language."""


def see(section: str) -> str:
    """Point to a section.

    >>> see("one-answer")
    'see docs/troubleshooting.md#one-answer'
    """
    return f"see {PAGE}#{section}"


# --- How far work has come, told by whoever does it and shown by whoever talks to people ----------

Progress = Callable[[float, float | None], None]
"""Is told how much has been done, and how much there is in all: counted (an int) or estimated; None: not known."""


def unheard(done: float, total: float | None) -> None:
    """Tell nobody."""


def span(seconds: float) -> str:
    """Say how long something takes, as people do: 40 s, 3 min, 2 h 5 min."""
    if seconds < 99.5:
        return f"{max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"
