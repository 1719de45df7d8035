"""bertkit from Python: the same functions the command line calls."""

from __future__ import annotations

import sys
from pathlib import Path

from bertkit import bundle
from bertkit.compute.device import choose_placement
from bertkit.config import TrainConfig
from bertkit.data.records import Example
from bertkit.evaluation.predict import predict_stream
from bertkit.evaluation.run import EvalRequest, evaluate_run
from bertkit.training.run import train


def main(output: str) -> None:
    """Train, evaluate and predict."""
    result = train(TrainConfig(data=("sample:paraphrase",), model="scratch", output=output, epochs=1), print)
    print(f"validation: {result.metrics['accuracy']:.3f}")

    evaluation = evaluate_run(EvalRequest(Path(output)))
    print(f"test: {evaluation.metrics['accuracy']:.3f}, interval {evaluation.intervals['accuracy']}")

    run = bundle.load(Path(output))
    pair = Example(("The shop opens at nine.", "The store opens at 9 a.m."), label=None, line=1, source="here")
    for records in predict_stream(run, [pair], choose_placement("cpu"), top_k=2):
        print(records)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "runs/library")
