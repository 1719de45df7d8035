"""What someone writes who answers pairs with OpenVINO and a tokenizer, and nothing of bertkit.

`python plain_openvino.py MODEL.xml TOKENIZER.json ROWS.tsv THREADS PRECISION` prints a label for each row.
Rows of like length go together, 32 at a time, padded to the longest. Making the model is not its work.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

ROWS_AT_ONCE = 32


def main(words: list[str]) -> int:
    """Answer the rows."""
    import numpy as np
    import openvino as ov
    from tokenizers import Tokenizer

    model, vocabulary, rows, threads, precision = words
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": int(threads),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = ov.Core().compile_model(model, "CPU", settings)
    names, output = [port.get_any_name() for port in compiled.inputs], compiled.output(0)
    tokenizer = Tokenizer.from_file(vocabulary)
    tokenizer.enable_truncation(512)
    tokenizer.no_padding()
    with Path(rows).open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    encoded = tokenizer.encode_batch([(row["sentence1"], row["sentence2"]) for row in table])
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
    labels = [0] * len(encoded)
    for start in range(0, len(order), ROWS_AT_ONCE):
        chosen = order[start : start + ROWS_AT_ONCE]
        shape = (len(chosen), max(len(encoded[i].ids) for i in chosen))
        batch = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        for place, i in enumerate(chosen):
            length = len(encoded[i].ids)
            batch["input_ids"][place, :length] = encoded[i].ids
            batch["attention_mask"][place, :length] = 1
            batch["token_type_ids"][place, :length] = encoded[i].type_ids
        best = compiled({name: batch[name] for name in names})[output].argmax(axis=1)
        for i, label in zip(chosen, best, strict=True):
            labels[i] = int(label)
    print("\n".join(map(str, labels)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
