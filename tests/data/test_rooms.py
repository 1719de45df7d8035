"""The room `data/` stays flat: few floors of files, and none that knows findings."""

from __future__ import annotations

from functools import cache

import grimp

FLOORS = 6


def test_the_longest_chain_of_imports_has_few_files() -> None:
    graph = grimp.build_graph("bertkit")

    @cache
    def longest(module: str) -> tuple[str, ...]:
        below = [name for name in graph.find_modules_directly_imported_by(module) if name.startswith("bertkit.data")]
        return (module, *max(map(longest, below), key=len, default=()))

    chains = [longest(module) for module in graph.modules if module.startswith("bertkit.data.")]
    assert len(chains) > 20
    chain = max(chains, key=len)
    assert len(chain) <= FLOORS, " → ".join(chain)
