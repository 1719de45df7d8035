"""The `model_type` of a run's config.json: an architecture, or a sentence where transformers must not open the run.

transformers chooses its class by this word and prints it where it does not know it. A run that
it would answer otherwise than bertkit therefore carries a sentence there, and keeps its own
word under another key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODEL_TYPE, OWN_MODEL_TYPE = "model_type", "bertkit_model_type"


def with_sentence(config: Mapping[str, Any], sentence: str) -> dict[str, Any]:
    """Put a sentence in the place of a config's architecture, which is kept under a key of ours."""
    return {**config, MODEL_TYPE: sentence, OWN_MODEL_TYPE: config[MODEL_TYPE]}


def restored(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config.json with its architecture in its own place, whether a sentence stood there or not."""
    values = dict(config)
    if OWN_MODEL_TYPE in values:
        values[MODEL_TYPE] = values.pop(OWN_MODEL_TYPE)
    return values
