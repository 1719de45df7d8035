"""Prediction: bertkit's stream against transformers' pipeline at its best batch size, and against compiled engines.

Every contender opens the same folder and answers the same pairs; tokenizing is part of the work.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bertkit.data.records import Example
from folders import MODELS, write_classifier
from inputs import load_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Course, Estimate, alternate, equal_share, speed_ratios

BATCH_SIZES = (1, 8, 32)
WITHOUT_BFLOAT16 = "this processor does not multiply bfloat16; --bfloat16 measures it all the same"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=512, help="rows to predict (default: 512)")
    parser.add_argument("--trial", type=int, default=96, help="rows on which the pipeline's batch size is chosen")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder under a fitted head")
    parser.add_argument("--run", type=Path, help="predict with this run instead (train it with --pooling pooler)")
    parser.add_argument("--bfloat16", action="store_true", help="measure bfloat16 even where it is not native")
    parser.add_argument("--no-engines", action="store_true", help="leave OpenVINO and ONNX Runtime out")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare all contenders on the same rows."""
    from engines import bertkit_contender, multiplies_bfloat16, pipeline_contender

    pairs = load_pairs(options.data, options.rows)
    report = Report("predict", pairs.source, {"rows": len(pairs.examples), "trial": options.trial})
    with tempfile.TemporaryDirectory() as place:
        folder = options.run or Path(place)
        words = _checked_run(folder) if options.run else write_classifier(folder, pairs, options.model)
        report.notes.append(f"model: {words}")
        rows = pairs.examples
        best = _best_batch_size(folder, rows[: options.trial], report)
        contenders = [pipeline_contender(folder, rows, best, "float32"), bertkit_contender(folder, rows, "float32")]
        precisions = ["float32"]
        if options.bfloat16 or multiplies_bfloat16():
            precisions.append("bfloat16")
            contenders += [
                bertkit_contender(folder, rows, "bfloat16"),
                pipeline_contender(folder, rows, best, "bfloat16"),
            ]
        if not options.no_engines:
            contenders += _engines(folder, rows, precisions, report)
        courses = alternate(contenders, options.repetitions, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    _compare(report, courses, best)
    return report


def _checked_run(folder: Path) -> str:
    """Refuse a run whose head transformers has no class for, since the pipeline could not open it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Missing(f"--run {folder}: has no config.json that can be read ({error}).") from error
    (architecture,) = config.get("architectures") or ("",)
    if not architecture.endswith("ForSequenceClassification"):
        raise Missing(f"--run {folder}: transformers has no class for its head; train with --pooling pooler.")
    return f"{folder.name}, a {architecture}"


def _best_batch_size(folder: Path, rows: Sequence[Example], report: Report) -> int:
    """Try the pipeline with batches of several sizes, and return the fastest."""
    from engines import pipeline_contender

    trials = alternate([pipeline_contender(folder, rows, size, "float32") for size in BATCH_SIZES], 2)
    speeds = dict(zip(BATCH_SIZES, (course.speed.median for course in trials.values()), strict=True))
    shown = ", ".join(f"{size}: {speed:.0f} rows/s" for size, speed in speeds.items())
    report.notes.append(f"the pipeline's batch size was chosen on {len(rows)} rows ({shown})")
    return max(speeds, key=speeds.__getitem__)


def _engines(folder: Path, rows: Sequence[Example], precisions: Sequence[str], report: Report) -> list[Contender]:
    """Return the compiled engines that are installed, and note those that are not."""
    from engines import onnxruntime_contender, openvino_contender

    builders: list[tuple[str, str, Callable[[], Contender]]] = [
        (f"openvino_{precision}", "OpenVINO", lambda precision=precision: openvino_contender(folder, rows, precision))  # type: ignore[misc]
        for precision in precisions
    ]
    builders.append(("onnxruntime_float32", "ONNX Runtime", lambda: onnxruntime_contender(folder, rows)))
    found = []
    for key, name, build in builders:
        try:
            found.append(build())
        except ImportError as error:
            report.left_out[f"predict.{key}"] = f"{name} is not installed: pip install '.[bench]' ({error})"
    return found


def _compare(report: Report, courses: dict[str, Course], best: int) -> None:
    pipeline, ours = courses[f"pipeline, batch {best}, float32"], courses["bertkit, float32"]
    report.add("predict.float32", "bertkit float32 / pipeline", speed_ratios(ours, pipeline))
    share = equal_share(ours.value, pipeline.value)
    report.add("predict.labels_float32", "labels equal to the pipeline's", Estimate.exactly(100 * share), "%")
    narrow = courses.get("bertkit, bfloat16")
    if narrow is None:
        for key in ("bfloat16", "labels_bfloat16", "openvino_bfloat16"):
            report.left_out[f"predict.{key}"] = WITHOUT_BFLOAT16
    else:
        report.add("predict.bfloat16", "bertkit bfloat16 / pipeline float32", speed_ratios(narrow, pipeline))
        reference = courses[f"pipeline, batch {best}, bfloat16"]
        report.add("predict.both_bfloat16", "bertkit bfloat16 / pipeline bfloat16", speed_ratios(narrow, reference))
        share = equal_share(narrow.value, ours.value)
        report.add("predict.labels_bfloat16", "labels, bfloat16 equal to float32", Estimate.exactly(100 * share), "%")
    for engine, name in (("openvino", "OpenVINO"), ("onnxruntime", "ONNX Runtime")):
        for mine in (ours, narrow):
            precision = "float32" if mine is ours else "bfloat16"
            course = courses.get(f"{name}, {precision}")
            if mine is not None and course is not None:
                what = f"bertkit {precision} / {name} {precision}"
                share = equal_share(course.value, ours.value)
                report.notes.append(f"labels of {name}, {precision}, equal to bertkit's in float32: {share:.2%}")
                report.add(f"predict.{engine}_{precision}", what, speed_ratios(mine, course))


if __name__ == "__main__":
    sys.exit(main())
