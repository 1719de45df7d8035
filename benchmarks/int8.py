"""Eight bits: an export of `export --int8` in ONNX Runtime and in OpenVINO against the same run in bertkit.

All answer the same pairs by bertkit's own stream, so that only the engine and its arithmetic differ.
Against bfloat16 where the processor has tiles (AMX), against float32 where it has not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bertkit.processor import has_tiles, multiplies_bytes, units
from folders import MODELS, write_classifier
from inputs import load_pairs, write_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Course, Estimate, alternate, equal_share, speed_ratios

ENGINES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
WITHOUT_TILES = "this processor has no tiles (AMX): see the line against float32"
WITH_TILES = "this processor has tiles (AMX): see the line against bfloat16"
WITHOUT_UNITS = "this processor multiplies no bytes (VNNI, AVX2)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=512, help="rows to predict (default: 512)")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder under a fitted head")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare the engines on the same rows."""
    from engines import bertkit_contender

    pairs = load_pairs(options.data, options.rows)
    report = Report("int8", pairs.source, {"rows": len(pairs.examples), "model": options.model})
    usual, other = ("bfloat16", "float32") if has_tiles() else ("float32", "bfloat16")
    for engine in ENGINES:
        report.left_out[f"int8.{other}.{engine}"] = WITH_TILES if has_tiles() else WITHOUT_TILES
    if not (multiplies_bytes() or "avx2" in units()):
        report.left_out |= {f"int8.{usual}.{engine}": WITHOUT_UNITS for engine in ENGINES}
        return report
    with tempfile.TemporaryDirectory() as place:
        folder, small = Path(place) / "plain", Path(place) / "int8"
        report.notes.append(f"model: {write_classifier(folder, pairs, options.model)}")
        _export(folder, small, write_pairs(pairs, Path(place) / "rows.tsv"), report)
        reference = bertkit_contender(folder, pairs.examples, usual)
        contenders = [reference, *_contenders(small, pairs.examples, usual, report)]
        exact = bertkit_contender(folder, pairs.examples, "float32").take_turn().value
        courses = alternate(contenders, options.repetitions, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    _compare(report, courses, courses[reference.name], usual, exact)
    return report


def _export(run: Path, folder: Path, data: Path, report: Report) -> None:
    """Make the export, on labelled rows; its cost is printed by the command and noted here."""
    from bertkit.errors import MissingPackageError
    from bertkit.export.run import ExportRequest, export_run

    try:
        export_run(ExportRequest(run, "onnx", folder, True, (str(data),)), report.notes.append)
    except MissingPackageError as error:
        raise Missing(f"{error} (pip install '.[bench]')") from error


def _contenders(folder: Path, rows: Sequence[object], usual: str, report: Report) -> list[Contender]:
    from bertkit.errors import MissingPackageError
    from engines import bertkit_contender

    found = []
    for engine in ENGINES:
        try:
            found.append(bertkit_contender(folder, rows, "auto", engine=engine, name=f"int8 by {engine}"))  # type: ignore[arg-type]
        except MissingPackageError as error:
            report.left_out |= {f"int8.{usual}.{engine}": f"{error}", f"int8.labels.{engine}": f"{error}"}
    return found


def _compare(report: Report, courses: dict[str, Course], reference: Course, usual: str, exact: Sequence[str]) -> None:
    for engine, name in ENGINES.items():
        course = courses.get(f"int8 by {engine}, auto")
        if course is not None:
            what = f"int8 by {name} / bertkit {usual}"
            report.add(f"int8.{usual}.{engine}", what, speed_ratios(course, reference))
            equal = 100 * equal_share(course.value, exact)
            report.add(
                f"int8.labels.{engine}", f"int8 by {name}, labels equal to float32", Estimate.exactly(equal), "%"
            )


if __name__ == "__main__":
    sys.exit(main())
