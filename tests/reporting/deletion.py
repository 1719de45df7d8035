"""Do colours agree with deletion? Words are cut out of the texts, and `bertkit predict` is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.evaluation.run import EvalRequest, Scored, evaluate_run
from bertkit.reporting.attribution import Explainer, Explanation, PushedText

CHARACTERS = 1500
_FEWEST = 5  # shorter texts that can be had from a row of three words: fewer make no correlation


@dataclass(frozen=True)
class Agreement:
    """How many rows were coloured; the mean correlation; the share of right signs among the strong words."""

    rows: int
    correlation: float
    signs: float


def agreement(run: Path, *data: Path, rows: int) -> Agreement:
    """Compare the colours of the worst mistakes with what leaving out 1, 2 and 3 neighbouring words does.

    Args:
        run: classifies texts or pairs.
        data: rows with labels; none: the run's own.
        rows: how many mistakes are looked at.
    """
    kept: list[Scored] = []
    evaluate_run(EvalRequest(run, tuple(map(str, data))), show=kept.append)
    (scored,) = kept
    task, explainer = scored.run.task, Explainer(scored.run)
    correlations, signs = [], []
    for i, _ in task.mistakes(scored.examples, scored.outputs)[:rows]:
        example, output = scored.examples[i], scored.outputs[i]
        found = explainer.explain(example, output, characters=CHARACTERS)
        shorter, weights, single = _shorter_rows(found)
        if found.note or len(shorter) < _FEWEST:
            continue
        label = task.settings.labels[int(np.argmax(output))]
        scores = _asked(run, [example.texts, *shorter], task.settings.columns.inputs, label)
        falls = scores[0] - scores[1:]
        correlations.append(float(np.corrcoef(weights, falls)[0, 1]))
        strong = single & (np.abs(weights) >= 0.5 * np.abs(weights[single]).max())
        signs += list(np.sign(weights[strong]) == np.sign(falls[strong]))
    return Agreement(len(correlations), float(np.mean(correlations)), float(np.mean(signs)))


def _shorter_rows(found: Explanation) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """Return rows without 1 to 3 neighbouring words, the colours of these summed, and which lack one word only.

    Words are what white space parts, which is coarser than what is coloured.
    """
    shorter, weights, single = [], [], []
    texts = [text.text for text in found.texts]
    for i, text in enumerate(found.texts):
        words = text.text.split()
        colours = _colours(text, words)
        for n in (1, 2, 3):
            for at in range(len(words) - n + 1 if len(words) > n else 0):
                rest = " ".join(words[:at] + words[at + n :])
                shorter.append((*texts[:i], rest, *texts[i + 1 :]))
                weights.append(sum(colours[at : at + n]))
                single.append(n == 1)
    return shorter, np.array(weights), np.array(single)


def _colours(text: PushedText, words: Sequence[str]) -> list[float]:
    colours, at = [], 0
    for word in words:
        at = text.text.index(word, at)
        colours.append(sum(p.weight for p in text.pushes if at <= p.start < at + len(word)))
        at += len(word)
    return colours


def _asked(run: Path, rows: Sequence[Sequence[str]], columns: Sequence[str], label: str) -> np.ndarray:
    """Return the score that `bertkit predict` gives a label, row by row."""
    with TemporaryDirectory() as folder:
        given, answers = Path(folder, "rows.jsonl"), Path(folder, "answers.jsonl")
        lines = (json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        given.write_text("".join(lines), encoding="utf-8")
        done = CliRunner().invoke(app, ["predict", str(run), str(given), "--top-k", "99", "-o", str(answers)])
        assert done.exit_code == 0, done.output
        records = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    return np.array([next(top["score"] for top in r["top"] if top["label"] == label) for r in records])
