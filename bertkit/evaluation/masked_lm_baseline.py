"""The baseline of masked LM: every masked token is guessed by how frequent it is (unigram)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Example
from bertkit.evaluation.baseline_files import damaged, read_baseline_files, write_baseline_files
from bertkit.tasks.base import Task
from bertkit.tasks.encoding import joined_texts
from bertkit.tasks.masked_scores import MaskedOutput, is_pair

# Rows whose tokens are held at once.
_CHUNK = 1000


@dataclass(frozen=True)
class UnigramBaseline:
    """Log-probabilities of all token ids, (V), add-one smoothed, and the task that hides tokens."""

    task: Task
    logs: NDArray[np.float64]

    def predict(self, examples: Sequence[Example]) -> dict[str, list[MaskedOutput]]:
        """Judge the tokens that the task hides in each row; no pair is judged."""
        best = int(self.logs.argmax())
        answers = []
        for row in self.task.encode_scored(examples):
            tokens = [token for part in row.parts if not is_pair(part) for _, token in part.masked]
            pairs = [(self.logs[token], float(token == best)) for token in tokens]
            answers.append(MaskedOutput(np.asarray(pairs, np.float64).reshape(len(pairs), 2)))
        return {"unigram": answers}

    def save(self, directory: Path) -> None:
        """Write the baseline to a folder."""
        write_baseline_files(directory, {"task": "mlm"}, {"logs": self.logs})


def fit_unigram(task: Task, examples: Sequence[Example]) -> UnigramBaseline:
    """Count the tokens of training rows."""
    tokenizer, counts = task.tokenizer, Counter[int]()
    for start in range(0, len(examples), _CHUNK):
        texts = joined_texts((e.texts for e in examples[start : start + _CHUNK]), task.settings, tokenizer)
        for encoding in tokenizer.encode(texts):
            counts.update(encoding.ids)
    table = np.ones(tokenizer.vocab_size)
    for token, count in counts.items():
        table[token] += 0 if token in tokenizer.special_ids else count
    return UnigramBaseline(task, np.log(table / table.sum()))


def load_unigram(directory: Path, task: Task) -> UnigramBaseline:
    """Load what `save` wrote.

    Raises:
        RunError: a file is missing or damaged.
    """
    _, tensors = read_baseline_files(directory)
    logs = tensors.get("logs")
    if logs is None or logs.shape != (task.tokenizer.vocab_size,):
        raise damaged(directory)
    return UnigramBaseline(task, logs)
