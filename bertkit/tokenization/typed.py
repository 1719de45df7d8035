"""Control tokens that people type: `[SEP]` in a review is five characters, not the end of a side.

The library reads them as control tokens unless it is told not to, and a vocabulary may hold
their names as pieces, which a text then matches all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tokenizers import AddedToken, normalizers
from tokenizers import Tokenizer as Backend

# Goes for the first character of a name that is not to be matched: it is in every vocabulary,
# and the text stays as long as it was.
STAND_IN = "("


def as_text(backend: Backend, names: Sequence[str]) -> tuple[str, ...]:
    """Let a tokenizer read control tokens in a text as text; it is changed.

    Args:
        backend: of the library.
        names: control tokens that it may not know as such: files of some models leave them unmarked,
            or have them found in cleaned text, where small letters spell them too.

    Returns:
        All its control tokens, those with a name first.
    """
    added = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    control = tuple(dict.fromkeys([*names, *(name for name, token in added.items() if token.special)]))
    for name in control:
        token = added.get(name)
        if backend.token_to_id(name) is not None and (token is None or not token.special or token.normalized):
            left, right = (token is not None and token.lstrip), (token is not None and token.rstrip)
            backend.add_special_tokens([AddedToken(name, lstrip=left, rstrip=right, normalized=False, special=True)])
    backend.encode_special_tokens = True
    if respelt := [normalizers.Replace(name, _respelt(name)) for name in control if _is_matched(backend, name)]:
        # Last, so that characters that become those of a name are caught too.
        own = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([*own, *respelt])
    return control


def _is_matched(backend: Backend, name: str) -> bool:
    """Tell whether a text that spells a control token gives it all the same, as a piece of the vocabulary."""
    token_id = backend.token_to_id(name)
    spelt, respelt = (backend.encode(text, add_special_tokens=False).ids for text in (name, _respelt(name)))
    return token_id in spelt and token_id not in respelt  # in both: it is what unknown characters give


class Speller:
    """Respells control tokens in texts so that they are not matched; places stay.

    Args:
        names: the control tokens.
    """

    def __init__(self, names: Sequence[str]) -> None:
        # The longest first: one name may begin another.
        ordered = sorted((name for name in names if name), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str, *, but: Sequence[str] = ()) -> str:
        """Return the text with each name but some begun by another character."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: found[0] if found[0] in but else _respelt(found[0]), text)


def _respelt(name: str) -> str:
    return STAND_IN + name[1:]
