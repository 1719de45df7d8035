"""`predict --listen`: rows a second of requests of 100 rows over HTTP, beside the stream of `predict` in one process.

The server is a process of its own and answers one client, then eight at a time, on loopback;
reading JSON, tokenizing and writing answers are part of the work on both sides. The start, which
a server saves its clients, is not.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from bertkit import bundle
from bertkit.compute.device import choose_placement
from bertkit.data.formats.json_rows import read_json_lines
from bertkit.data.formats.lines import Lines
from bertkit.evaluation.inputs import json_examples
from bertkit.evaluation.predict import predict_stream
from bertkit.plain import to_json
from folders import MODELS, write_classifier
from inputs import load_pairs
from options import run_script, script_parser
from report import Report
from sidebyside import Contender, Estimate, alternate, clocked, speed_ratios

CLIENTS = 8
_HEADERS = {"Content-Type": "application/x-ndjson"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1600, help="rows to predict (default: 1600)")
    parser.add_argument("--request", type=int, default=100, help="rows of a request (default: 100)")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder under a fitted head")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Let the stream, one client and eight clients take turns."""
    pairs = load_pairs(options.data, options.rows)
    report = Report("serve", pairs.source, {"rows": len(pairs.examples), "request": options.request})
    with tempfile.TemporaryDirectory() as place:
        report.notes.append(f"model: {write_classifier(Path(place), pairs, options.model)}")
        settings = bundle.load_manifest(Path(place)).settings
        lines = [to_json(dict(zip(settings.columns.inputs, row.texts, strict=True))) + "\n" for row in pairs.examples]
        bodies = [
            "".join(lines[start : start + options.request]).encode() for start in range(0, len(lines), options.request)
        ]
        with _served(Path(place), options.threads) as port:
            courses = alternate(
                [
                    _stream(Path(place), "".join(lines).encode(), len(lines)),
                    *(_clients(number, port, bodies, len(lines)) for number in (1, CLIENTS)),
                ],
                options.repetitions,
                budget_s=options.budget,
            )
    report.add_speeds(courses.values(), "rows/s")
    alone = courses["predict"]
    for number in (1, CLIENTS):
        course = courses[_name(number)]
        report.add(f"serve.clients_{number}", f"{_name(number)} / predict", speed_ratios(course, alone))
        equal = sum(mine == reference for mine, reference in zip(course.value, alone.value, strict=True)) / len(lines)
        report.add(f"serve.labels_{number}", f"{_name(number)}, equal labels", Estimate.exactly(100 * equal), "%")
    return report


def _name(clients: int) -> str:
    return f"{clients} client{'s' * (clients > 1)}"


def _stream(folder: Path, body: bytes, rows: int) -> Contender:
    """Read the rows, answer them and write the records, as `predict` does with a file."""
    run = bundle.load(folder)
    placement = choose_placement("cpu", "auto", width=run.model.encoder.hidden_size)

    def predict() -> list[str]:
        physical = read_json_lines(Lines(cast("Any", io.BytesIO(body)), "rows"), keep_blank=True)
        chunks = predict_stream(run, json_examples(physical, "rows", run.task.settings), placement)
        written = "".join(to_json(record) + "\n" for records in chunks for record in records)
        return [json.loads(line)["label"] for line in written.splitlines()]

    return clocked("predict", predict, rows)


def _clients(number: int, port: int, bodies: Sequence[bytes], rows: int) -> Contender:
    """Ask with so many clients, each the next request when its last is answered."""

    def ask(first: int) -> dict[int, list[str]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        found = {}
        for place in range(first, len(bodies), number):
            connection.request("POST", "/predict", bodies[place], _HEADERS)
            content = connection.getresponse().read()
            found[place] = [json.loads(line)["label"] for line in content.splitlines()]
        connection.close()
        return found

    def work() -> list[str]:
        with ThreadPoolExecutor(number) as pool:
            parts = [part for found in pool.map(ask, range(number)) for part in found.items()]
        return [label for _, labels in sorted(parts) for label in labels]

    return clocked(_name(number), work, rows)


@contextmanager
def _served(folder: Path, threads: int | None) -> Iterator[int]:
    """Start a server that computes as the stream does; give its port."""
    environment = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "bertkit", "predict", str(folder), "--listen", "127.0.0.1:0"]
    command += ["--engine", "torch", "--device", "cpu", "--quiet"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield int(json.loads(process.stdout.readline())["listening"].rpartition(":")[2])
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
