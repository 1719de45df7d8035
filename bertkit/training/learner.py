"""Build what learns: model, optimizer and device, as a request says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertkit.bundle import encoder_class_of
from bertkit.compute.device import Placement, choose_placement
from bertkit.compute.processes import ALONE, World
from bertkit.config import TrainConfig
from bertkit.errors import TokenizerError, UsageError
from bertkit.models.registry import BuildOptions, load_target
from bertkit.tasks.published import why_not_expressed
from bertkit.tasks.relation import RelationTask
from bertkit.tokenization.segments import OVERLAP_SEGMENTS
from bertkit.training.freezing import freeze
from bertkit.training.loop import Learner, Plan
from bertkit.training.optim import build_optimizer
from bertkit.training.prepare import Prepared

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel


def place_training(config: TrainConfig, *, width: int | None = None, threads: int | None = None) -> Placement:
    """Choose device and precision for a request.

    Args:
        config: the request.
        width: hidden size of the encoder; None where it is not built yet, and the answer is
            of use for the device only.
        threads: override the request's own.
    """
    return choose_placement(config.device, config.precision, threads=threads or config.threads, width=width)


def build_model(prepared: Prepared) -> TaskModel:
    """Make the model, on the CPU; the weights follow from --seed.

    Raises:
        UsageError: --portable, and transformers has no class for such a model.
        TokenizerError: the tokenizer has more ids than the model.
    """
    import torch

    from bertkit.models.dropout import use_quick_dropout
    from bertkit.models.embedding import use_lasting_embeddings
    from bertkit.models.markers import add_rows
    from bertkit.models.trimming import keep_rows

    config, tokenizer = prepared.config, prepared.tokenizer
    torch.manual_seed(config.seed)
    encoder = load_target(prepared.spec.builder)(prepared.spec, _build_options(prepared))
    if prepared.trimmed is not None:
        keep_rows(encoder, prepared.trimmed.rows, name=prepared.spec.name)
    if isinstance(prepared.task, RelationTask):
        add_rows(encoder, prepared.task.markers_like, prepared.task.marker_ids)
    model = prepared.task.build_model(encoder, dropout=float(config.dropout or 0.0))
    if config.portable:
        reason = why_not_expressed(prepared.task.settings, encoder_class_of(model))
        if reason is not None:
            raise UsageError(f"--portable: {reason}.")
    use_quick_dropout(model)
    use_lasting_embeddings(model)
    freeze(model, config.freeze or 0, name=prepared.spec.name)
    if tokenizer.vocab_size > encoder.vocab_size:
        raise TokenizerError(
            f"the tokenizer has {tokenizer.vocab_size:,} ids and the model {encoder.vocab_size:,}; "
            "they do not belong together, choose another --tokenizer."
        )
    return model


def build_learner(prepared: Prepared, model: TaskModel, placement: Placement, world: World = ALONE) -> Learner:
    """Put a model on its device and make the optimizer; of several processes all get the weights of the first."""
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    config = prepared.config
    mixed = "bf16" if placement.precision == "bfloat16" else "no"
    if placement.device.startswith("cuda:"):
        torch.cuda.set_device(placement.device)  # a process alone: what Accelerate takes for "the GPU"
    # Accelerate keeps device and precision of a process's first training, and refuses others.
    AcceleratorState._reset_state(reset_partial_state=world.size == 1)
    accelerator = Accelerator(cpu=placement.device == "cpu", mixed_precision=mixed)
    if config.compile:
        model.compile(dynamic=True)
    optimizer = build_optimizer(
        model, lr=float(config.lr or 0.0), weight_decay=float(config.weight_decay or 0.0), head_lr=config.head_lr
    )
    if world.size > 1:
        model.load_state_dict(world.tensors_from_main(model.state_dict))
    # Without Accelerate's wrapper for several processes: see `World.sum_gradients`.
    model = accelerator.prepare_model(model, evaluation_mode=True)
    optimizer = accelerator.prepare_optimizer(optimizer)
    return Learner(model, optimizer, prepared.task, prepared.options, accelerator, world)


def _build_options(prepared: Prepared) -> BuildOptions:
    config = prepared.config
    return BuildOptions(
        vocab_size=prepared.tokenizer.vocab_size,
        pad_id=prepared.tokenizer.pad_id,
        type_vocab_size=OVERLAP_SEGMENTS if config.overlap_segments else 2,
        max_length=prepared.task.settings.max_length,
        dropout=float(config.dropout or 0.0),
        with_pooler=config.pooling == "pooler",
        from_nothing=config.init == "random",
        more_positions=prepared.task.settings.max_length > prepared.spec.max_length,
        size=config.size,
        layers=config.layers,
        hidden=config.hidden,
        heads=config.heads,
        attention=config.attention or "full",
        window=config.window,
        dilation=config.dilation,
        global_tokens=config.global_tokens,
        distances=config.distances,
        buckets=config.buckets,
        sep_id=prepared.tokenizer.id_of(prepared.tokenizer.special.sep, "separator") if config.window else 0,
    )


def plan_of(config: TrainConfig) -> Plan:
    """Return how long and how fast a resolved request learns."""
    return Plan(
        epochs=int(config.epochs or 1),
        batch_size=int(config.batch_size or 32),
        accumulate=config.accumulate,
        lr=float(config.lr or 0.0),
        warmup=config.warmup,
        schedule=config.schedule,
        clip=config.clip,
        patience=int(config.patience or 1),
        seed=config.seed,
        freeze=config.freeze or 0,
        freeze_after=1.0 if config.freeze_after is None else config.freeze_after,
    )
