"""Texts that spell special tokens of encoders, which other tools take for what they are called."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Finding, Tally, counted

_USUAL = (
    r"\[(?:CLS|SEP|PAD|MASK|UNK|BOS|EOS)\]|</?s>|<(?:pad|unk|mask|cls|sep|bos|eos|(?:start|end)_of_turn)>"
    r"|<\|[\w-]+\|>"
)


class SpecialTokens:
    """Counts the rows of each split that spell a special token.

    Args:
        task: of "mlm", whose texts may hold masks to be filled, masks are not counted.
        control: names of the model's own; those of other encoders count too.
        mask: the model's mask, one of these.
    """

    def __init__(self, task: str, control: Sequence[str] = (), mask: str | None = None) -> None:
        self._but = ("[MASK]", "<mask>", mask) if task == "mlm" else ()
        own = sorted((name for name in control if len(name) > 1), key=len, reverse=True)
        self._spelt = re.compile("|".join([*map(re.escape, own), _USUAL]))
        self._openings = {"[", "<", *(name[0] for name in own)}
        self._tallies: dict[str, Tally] = defaultdict(Tally)

    def see(self, chunk: Chunk) -> None:
        """Look at some rows."""
        whole = "\n".join([text for row in chunk.rows for text in row.all_texts])
        if not any(opening in whole for opening in self._openings) or not self._spells(whole):
            return
        for row in chunk.rows:
            if any(map(self._spells, row.all_texts)):
                self._tallies[chunk.split].add(row)

    def _spells(self, text: str) -> bool:
        return any(found[0] not in self._but for found in self._spelt.finditer(text))

    def findings(self) -> Iterator[Finding]:
        """Report each split."""
        for split, tally in self._tallies.items():
            message = (
                f"{split}: {counted(tally.count, 'row', 'spell')} special tokens of encoders ([SEP], <s>); they are "
                "read as text here, and other tools end a text at them: remove them unless they are meant."
            )
            yield Finding("special_token", "info", tally.count, message, tuple(tally.places))
