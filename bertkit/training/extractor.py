"""Where the candidates of the task matching come from: an extractive run, if training starts from one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bertkit import bundle
from bertkit.bundle import load_manifest
from bertkit.compute.device import choose_placement
from bertkit.config import TrainConfig
from bertkit.models.table import ModelSpec
from bertkit.run_folder import is_there
from bertkit.tasks.base import Task
from bertkit.tasks.candidates import Extractor
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tasks.matching import MatchingTask


def candidate_source(config: TrainConfig, spec: ModelSpec) -> str:
    """Return extractor where the model is an extractive run whose weights are gone on with, else textrank.

    Raises:
        RunError: the run is damaged or newer.
    """
    folder = Path(spec.name)
    is_run = spec.hub_id is None and is_there(folder)
    is_extractive = is_run and load_manifest(folder).settings.task == "extractive"
    return "extractor" if is_extractive and config.init != "random" else "textrank"


def lend_extractor(task: Task, config: TrainConfig, spec: ModelSpec, note: Callable[[str], None]) -> None:
    """Let the task matching score sentences with the extractive run that training starts from.

    Other tasks need nothing.

    Args:
        task: whose settings say where candidates come from.
        config: device and precision.
        spec: the run's folder.
        note: told where candidates come from.

    Raises:
        RunError: the run is damaged.
    """
    if not isinstance(task, MatchingTask):
        return
    if task.settings.candidates != "extractor":
        note("candidates come from TextRank's scores; --model RUN with an extractive run gives better ones")
        return
    run = bundle.load(Path(spec.name))
    placement = choose_placement(
        config.device, config.precision, threads=config.threads, width=run.model.encoder.hidden_size
    )
    run.model.to(placement.device)
    note(f"candidates come from the scores of {spec.name}, which stays part of the new run")
    task.borrow(Extractor(run.model, ExtractiveTask(task.settings, run.tokenizer), placement))  # type: ignore[arg-type]
