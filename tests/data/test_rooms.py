"""The room `data/` stays flat: few floors of files, and none that knows findings."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import grimp

from bertkit.data import loading
from bertkit.tasks.registry import SHAPE_OF

FLOORS = 6
# Where a column, or a configuration on the hub, is called as a task is.
_NAMES_OF_COLUMNS = {
    *((name, '"ner"') for name in ("column_names.py", "tagged.py", "schemes.py", "catalog.py", "corpora.py")),
    *((name, '"relation"') for name in ("stretches.py", "corpora.py", "json_rows.py", "telling.py")),
    ("labelled.py", '"extractive"'),
}


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


def test_no_file_names_a_task() -> None:
    """Tasks are words that are handed in; a shape is known by what its rows hold."""
    words = {f'"{word}"' for word in SHAPE_OF if word != "choice"}  # `choice` is also the name of a column
    room = Path(loading.__file__).parent
    found = {
        f"{path.relative_to(room)}: {word}"
        for path in room.rglob("*.py")
        for word in words
        if word in path.read_text(encoding="utf-8") and (path.name, word) not in _NAMES_OF_COLUMNS
    }
    assert not found
