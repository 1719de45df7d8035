"""tokenizer.json, damaged where its ids, its tokens and its template are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.campaign.strange import Change

FILE = "tokenizer.json"
# Keys that a tokenizer may do without, or may have in other forms.
_PARTS = ("model", "added_tokens", "post_processor", "normalizer", "pre_tokenizer", "decoder", "version")
_STRANGE: tuple[Any, ...] = (None, True, -1, 1.5, "x", [], {}, [["a"]], {"a": 1})


def vocabulary_changes() -> Iterator[Change]:
    """Damage of a WordPiece tokenizer."""
    for part in _PARTS:
        yield _change(f"{part} gone", lambda all_, p=part: all_.pop(p))
        for value in _STRANGE:
            yield _change(f"{part} = {json.dumps(value)}", lambda all_, p=part, v=value: all_.update({p: v}))
    for value in _STRANGE:
        yield _change(f"vocab = {json.dumps(value)}", lambda all_, v=value: all_["model"].update(vocab=v))
    for name, identifier in (("huge", 10**12), ("negative", -1), ("broken", 1.5), ("a text", "7"), ("null", None)):
        yield _change(f"an id is {name}", lambda all_, i=identifier: all_["model"]["vocab"].update(the=i), refused=True)
    yield _change("two tokens of one id", lambda all_: all_["model"]["vocab"].update({"the": 9}), refused=True)
    yield _change("an id beyond the model", lambda all_: all_["model"]["vocab"].update({"the": 5000}))
    yield _change("an id is missing", lambda all_: all_["model"]["vocab"].pop("the", None))
    for token in ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"):
        yield _change(f"{token} is not a word", lambda all_, t=token: all_["model"]["vocab"].pop(t))
        yield _change(f"{token} is another word", lambda all_, t=token: _renamed(all_["model"]["vocab"], t))
    for ids in ([], [10**6], [-1], ["2"], None):
        yield _change(f"the template's ids {ids}", lambda all_, i=ids: _template(all_).update(ids=i))
    for tokens in ([], ["[NONE]"], [1], None):
        yield _change(f"the template's tokens {tokens}", lambda all_, t=tokens: _template(all_).update(tokens=t))
    yield _change("the template names no token", lambda all_: all_["post_processor"].update(special_tokens={}))
    for key, value in (("id", 10**6), ("id", -1), ("id", "0"), ("content", ""), ("content", 5), ("content", "the")):
        yield _change(
            f"an added token's {key} = {value}", lambda all_, k=key, v=value: all_["added_tokens"][0].update({k: v})
        )


def _renamed(vocabulary: dict[str, Any], token: str) -> None:
    vocabulary[token.lower() + "2"] = vocabulary.pop(token)


def _template(values: Any) -> dict[str, Any]:
    found: dict[str, Any] = values["post_processor"]["special_tokens"]["[CLS]"]
    return found


def _change(name: str, apply: Callable[[Any], object], *, refused: bool = False) -> Change:
    def change(raw: bytes) -> bytes:
        values = json.loads(raw)
        apply(values)
        return json.dumps(values, ensure_ascii=False).encode()

    return Change(FILE, name, change, refused)
