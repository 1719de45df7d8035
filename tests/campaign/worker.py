"""A process that runs cases: one number a line on standard input, one JSON line for each.

python -m tests.campaign.worker PART FOLDER_OF_RUNS
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from tests.campaign.parts import PARTS
from tests.campaign.runs import made_runs


def main() -> None:
    """Answer until nothing more is asked."""
    # Commands may write to standard output as they like: answers go elsewhere.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    part, runs = PARTS[sys.argv[1]], made_runs(Path(sys.argv[2]))
    for line in sys.stdin:
        outcome = part.case(int(line), runs)
        answers.write(json.dumps(asdict(outcome)) + "\n")
        answers.flush()
        if outcome.spent:
            os._exit(0)


if __name__ == "__main__":
    main()
