"""Continue training a run of our own encoders, for which transformers has no class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bertkit.errors import ModelError, UsageError
from bertkit.kinds import MisfitError, read_object
from bertkit.models.finding import check_folder, opening
from bertkit.models.registry import BuildOptions
from bertkit.models.scratch import rebuild
from bertkit.models.table import ModelSpec
from bertkit.models.weights import check_config, read_weights
from bertkit.run_folder import restored

if TYPE_CHECKING:
    from bertkit.models.bert import BertModel

__all__ = ["build", "rebuild"]


def build(spec: ModelSpec, options: BuildOptions) -> BertModel:
    """Open the encoder of a run with windows or global tokens; a pooler that it lacks starts anew.

    Raises:
        ModelError: the folder holds no such encoder, or only a part of its weights.
        UsageError: the task needs more segment ids than it has.
    """
    folder = Path(spec.name)
    check_folder(folder)
    with opening(spec.name, is_folder=True):
        values = restored(read_object(folder / "config.json"))
        check_config(values)
        values["hidden_dropout_prob"] = float(options.dropout)
        encoder = rebuild(values, with_pooler=options.with_pooler)
        stored = read_weights(folder / "model.safetensors")
        beginning = f"{encoder.prefix}."
        own = {name.removeprefix(beginning): w for name, w in stored.items() if name.startswith(beginning)}
        wanted = encoder.state_dict()
        if wrong := next((name for name in wanted if name in own and own[name].shape != wanted[name].shape), None):
            raise MisfitError(f"{wrong} is {tuple(own[wrong].shape)} in the weights, {tuple(wanted[wrong].shape)} here")
        encoder.load_state_dict({name: own[name] for name in wanted if name in own}, strict=False)
    missing = [name for name in wanted if name not in own and not name.startswith("pooler.")]
    if missing:
        raise ModelError(
            f"--model {spec.name}: its weights lack {len(missing)} tensors of the encoder, {missing[0]} first; "
            "copy the model again."
        )
    if options.type_vocab_size > max(2, encoder.segments):
        raise UsageError(
            f"--overlap-segments: {spec.name} knows {encoder.segments} segment ids; the option needs scratch."
        )
    encoder.source = spec.name
    return encoder
