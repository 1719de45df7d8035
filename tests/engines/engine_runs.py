"""Trainings of a second whose answers differ from row to row."""

from __future__ import annotations

import json
import random
from pathlib import Path

import safetensors.torch

from bertkit.config import TrainConfig
from bertkit.training.run import train
from tests.conftest import OBJECTS, SUBJECTS, VERBS, pair_rows, write_tsv

Made = dict[str, Path]
LONGEST = 256


def make_run(folder: Path, name: str) -> Path:
    """Train a model on pairs, or scratch on the task of that name, and make its weights larger."""
    task, model, more = _KINDS[name]
    output = folder / name
    train(
        TrainConfig(
            data=(str(_data(folder, task)),), task=task, model=model, output=str(output), layers=1, hidden=32, heads=2,
            epochs=1, batch_size=16, vocab_size=150, max_length=LONGEST, threads=1, tensorboard=False,
            init=None if model == "scratch" else "random", **more,  # type: ignore[arg-type]
        )
    )  # fmt: skip
    strengthen(output)
    return output


_PLAIN = {"overlap_segments": False}
_KINDS: dict[str, tuple[str, str, dict[str, object]]] = {
    "scratch": ("classify", "scratch", {**_PLAIN, "pooling": "pooler"}),
    "align": ("classify", "scratch", {**_PLAIN, "pooling": "align", "blend": True}),
    "overlap": ("classify", "scratch", {"overlap_segments": True}),
    "deberta": ("classify", "deberta", {"pooling": "cls"}),
    "modernbert": ("classify", "modernbert", {"pooling": "mean"}),
    "longformer": ("classify", "longformer", {"pooling": "cls"}),
    "siamese": ("classify", "scratch", {**_PLAIN, "pooling": "siamese"}),
    "no stop words": ("classify", "scratch", {**_PLAIN, "leave_out": "stop-words"}),
    "regression": ("regression", "scratch", {}),
    "ner": ("ner", "scratch", {}),
    "choice": ("choice", "scratch", {}),
    "mlm": ("mlm", "scratch", {"sentence_pairs": "nsp"}),
}


def strengthen(run: Path, times: float = 3.0) -> None:
    """Multiply the matrices of a run: what a training of a second learns moves its answers too little."""
    path = run / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    larger = {name: weight * times if weight.ndim > 1 else weight for name, weight in weights.items()}
    safetensors.torch.save_file(larger, path, metadata={"format": "pt"})


def _data(folder: Path, task: str) -> Path:
    rng = random.Random(1)
    path = folder / f"{task}.{'tsv' if task in ('classify', 'regression') else 'jsonl' if task == 'ner' else 'txt'}"
    if task == "classify":
        return write_tsv(path, pair_rows(80), ("sentence1", "sentence2", "label"))
    if task == "regression":
        rows = [(f"{s} {v} music", f"{len(s) + rng.random():.2f}") for s in SUBJECTS for v in VERBS]
        return write_tsv(path, rows, ("text", "score"))
    if task == "ner":
        texts = [(f"{s} {v} {o}", [[0, len(s), "WHO"]]) for s in SUBJECTS for v in VERBS for o in OBJECTS[:2]]
        path.write_text("".join(json.dumps({"text": t, "entities": e}) + "\n" for t, e in texts))
        return path
    if task == "choice":
        path = path.with_suffix(".csv")
        rows = [(f"who {v}?,{','.join(rng.sample(SUBJECTS, 3))},{rng.choice('ABC')}",) for v in VERBS for _ in range(8)]
        path.write_text("prompt,A,B,C,answer\n" + "\n".join(row for (row,) in rows) + "\n")
        return path
    path.write_text("\n".join(f"{s} {v} {o}." for s in SUBJECTS for v in VERBS for o in OBJECTS[:3]) + "\n")
    return path
