"""Prediction: bertkit's stream against transformers' pipeline at its best batch size, and against compiled engines.

Every contender opens the same folder and answers the same pairs; tokenizing is part of the work.
That folder has a plain head over the pooler, which all of them can run. Beside it stands bertkit with
the run that `train --model minilm` makes of pairs, aligned and blended with TF-IDF, which no peer can.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from bertkit.data.records import Example
from folders import MODELS, default_config, is_packaged, write_classifier
from inputs import Pairs, load_pairs, write_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Course, Estimate, alternate, equal_share, speed_ratios

BATCH_SIZES = (1, 8, 32)
DEFAULT = "bertkit, default run"
FITTED_ROWS = 300  # of the default run: its speed does not depend on them
WITHOUT_BFLOAT16 = "this processor does not multiply bfloat16; --bfloat16 measures it all the same"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1024, help="rows to predict (default: 1024)")
    parser.add_argument("--padded", type=int, default=10_000, help="rows whose padding is counted (default: 10000)")
    parser.add_argument("--trial", type=int, default=96, help="rows on which the pipeline's batch size is chosen")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder under a fitted head")
    parser.add_argument("--run", type=Path, help="predict with this run instead (train it with --pooling pooler)")
    parser.add_argument("--bfloat16", action="store_true", help="measure bfloat16 even where it is not native")
    parser.add_argument("--no-engines", action="store_true", help="leave OpenVINO and ONNX Runtime out")
    parser.add_argument(
        "--float32-engines", action="store_true", help="measure them in float32 even where bfloat16 is native"
    )
    parser.add_argument("--no-default-run", action="store_true", help="leave the default run of --model out")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare all contenders on the same rows."""
    from engines import bertkit_contender, multiplies_bfloat16, pipeline_contender

    pairs = load_pairs(options.data, options.rows)
    report = Report("predict", pairs.source, {"rows": len(pairs.examples), "trial": options.trial})
    with tempfile.TemporaryDirectory() as place:
        folder = options.run or Path(place) / "plain"
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
                pipeline_contender(folder, rows, best, "bfloat16", in_order=False),
            ]
        if not options.no_engines:
            contenders += _engines(folder, rows, _measured(precisions, options, report), report)
        if not options.no_default_run:
            contenders += _default_run(Path(place), pairs, precisions[-1], options, report)
        courses = alternate(contenders, options.repetitions, budget_s=options.budget)
        report.add("predict.padding", "padding of tokens", Estimate.exactly(_padding(folder, options)), "%")
    report.add_speeds(courses.values(), "rows/s")
    _compare(report, courses, best)
    return report


def _measured(precisions: Sequence[str], options: argparse.Namespace, report: Report) -> list[str]:
    """Return the precisions of compiled engines: float32 is what nobody chooses where bfloat16 is native."""
    if len(precisions) == 1 or options.float32_engines:
        return list(precisions)
    for key in ("openvino_float32", "onnxruntime_float32"):
        report.left_out[f"predict.{key}"] = "of use where bfloat16 is not native; --float32-engines measures it"
    return [precision for precision in precisions if precision != "float32"]


def _default_run(
    place: Path, pairs: Pairs, precision: str, options: argparse.Namespace, report: Report
) -> list[Contender]:
    """Train a run with the default options of the model, on few rows, and let bertkit answer with it."""
    from bertkit.training.run import train
    from engines import bertkit_contender

    few = Pairs(pairs.examples[:FITTED_ROWS], pairs.source)
    data, model = write_pairs(few, place / "few.tsv"), place / "encoder"
    named = options.model == "minilm" and is_packaged("minilm")
    if not named:
        write_classifier(model, few, options.model)
    run = place / "default"
    train(default_config(data, "minilm" if named else str(model), run))
    report.notes.append(f"default run: trained for an epoch on {len(few.examples)} rows, blended with TF-IDF")
    alone = bertkit_contender(run, pairs.examples, "float32", name=DEFAULT)
    if precision == "float32":
        return [alone]
    narrow = bertkit_contender(run, pairs.examples, precision, name=DEFAULT)
    equal = equal_share(narrow.take_turn().value, alone.take_turn().value)
    report.add("predict.default.labels_bfloat16", f"{DEFAULT}, equal labels", Estimate.exactly(100 * equal), "%")
    return [narrow]


def _padding(folder: Path, options: argparse.Namespace) -> float:
    """Return the share of tokens that are padding, in percent, when so many rows are predicted; nothing is computed."""
    from bertkit import bundle
    from bertkit.compute.device import Placement
    from bertkit.evaluation.predict import predict_stream

    run = bundle.load(folder)
    rows = itertools.islice(itertools.cycle(load_pairs(options.data).examples), options.padded)
    model = CountsPadding(len(run.task.settings.labels))
    stream = predict_stream(replace(run, model=cast("Any", model)), rows, Placement("cpu", "float32", 1))
    for _ in stream:
        pass
    return 100 * model.padding / model.places


class CountsPadding:
    """In the place of a model: counts the tokens of batches, and answers each row alike."""

    reads_arrays = False

    def __init__(self, labels: int) -> None:
        self.labels, self.places, self.padding = labels, 0, 0

    def __call__(self, input_ids: Any, attention_mask: Any = None, **_: Any) -> Any:
        """Return logits, (B, labels)."""
        self.places += input_ids.numel()
        self.padding += 0 if attention_mask is None else int((attention_mask == 0).sum())
        return input_ids.new_zeros((len(input_ids), self.labels)).float()

    def finish_row(self, parts: Sequence[Any]) -> Sequence[Any]:
        """Return a row's outputs as they are."""
        return parts


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
    if "float32" in precisions:
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
        for key in ("bfloat16", "both_bfloat16", "labels_bfloat16", "openvino_bfloat16"):
            report.left_out[f"predict.{key}"] = WITHOUT_BFLOAT16
            report.left_out[f"predict.default.{key}"] = WITHOUT_BFLOAT16
    else:
        report.add("predict.bfloat16", "bertkit bfloat16 / pipeline float32", speed_ratios(narrow, pipeline))
        reference = courses[f"pipeline, batch {best}, bfloat16, sorted"]
        report.add("predict.both_bfloat16", "bertkit bfloat16 / pipeline bfloat16", speed_ratios(narrow, reference))
        if (default := courses.get(f"{DEFAULT}, bfloat16")) is not None:
            what = f"{DEFAULT} bfloat16 / pipeline"
            report.add("predict.default.bfloat16", f"{what} float32", speed_ratios(default, pipeline))
            report.add("predict.default.both_bfloat16", f"{what} bfloat16", speed_ratios(default, reference))
            if (compiled := courses.get("OpenVINO, bfloat16")) is not None:
                ratio = speed_ratios(default, compiled)
                report.add("predict.default.openvino_bfloat16", f"{DEFAULT} bfloat16 / OpenVINO bfloat16", ratio)
        share = equal_share(narrow.value, ours.value)
        report.add("predict.labels_bfloat16", "labels, bfloat16 equal to float32", Estimate.exactly(100 * share), "%")
    if (default := courses.get(f"{DEFAULT}, float32")) is not None:
        report.add("predict.default.float32", f"{DEFAULT} float32 / pipeline", speed_ratios(default, pipeline))
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
