#!/usr/bin/env bash
# Train on the bundled sentence pairs, look at the mistakes, predict in a pipe.
set -euo pipefail
run="${1:-runs/paraphrase}"

bertkit train sample:paraphrase --model scratch --epochs "${EPOCHS:-8}" --output "$run" --format table
bertkit eval "$run" --errors "$run-errors.jsonl" --format table
head -2 "$run-errors.jsonl"
printf 'sentence1\tsentence2\nThe shop opens at nine.\tThe store opens at 9 a.m.\n' \
  | bertkit predict "$run" - --input-format tsv --top-k 2
