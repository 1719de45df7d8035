"""Texts that spell special tokens of encoders, which other tools take for what they are called."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Finding, Tally, counted

_SPELT = re.compile(r"\[(?:CLS|SEP|PAD|MASK|UNK)\]|</?s>|<(?:pad|unk|mask|cls|sep|bos|eos)>|<\|[a-z_]+\|>")


class SpecialTokens:
    """Counts the rows of each split that spell a special token.

    Args:
        task: of "mlm", whose texts may hold masks to be filled, masks are not counted.
    """

    def __init__(self, task: str) -> None:
        self._but = ("[MASK]", "<mask>") if task == "mlm" else ()
        self._tallies: dict[str, Tally] = defaultdict(Tally)

    def see(self, chunk: Chunk) -> None:
        """Look at some rows."""
        whole = "\n".join([text for row in chunk.rows for text in row.all_texts])
        if not any(opening in whole for opening in ("[", "<")) or not self._spells(whole):
            return
        for row in chunk.rows:
            if any(map(self._spells, row.all_texts)):
                self._tallies[chunk.split].add(row)

    def _spells(self, text: str) -> bool:
        return any(found[0] not in self._but for found in _SPELT.finditer(text))

    def findings(self) -> Iterator[Finding]:
        """Report each split."""
        for split, tally in self._tallies.items():
            message = (
                f"{split}: {counted(tally.count, 'row', 'spell')} special tokens of encoders ([SEP], <s>); they are "
                "read as text here, and other tools end a text at them: remove them unless they are meant."
            )
            yield Finding("special_token", "info", tally.count, message, tuple(tally.places))
