#!/usr/bin/env bash
# The first hour in two minutes: BERT from scratch, a pretrained encoder, answers from a pipe. `make demo` calls it.
set -euo pipefail
runs="${1:-runs/demo}"

echo "== 1. BERT from scratch: 606 messages to a shop, six topics (about half a minute)"
bertkit train sample:messages --model scratch --output "$runs/scratch" --force --format table
bertkit eval "$runs/scratch" --report "$runs/scratch.html" --force --format table
printf '%s\n' "Where is the kettle I ordered last week?" "My new lamp does not switch on." "Are you open on Saturday?" \
  | bertkit predict "$runs/scratch" -

echo "== 2. MiniLM, fine-tuned: do two sentences say the same? (about a minute)"
bertkit train sample:paraphrase --model minilm --output "$runs/minilm" --force --format table
bertkit eval "$runs/minilm" --format table
printf '%s\n' \
  '{"sentence1": "The shop opens at nine.", "sentence2": "The store opens its doors at 9 a.m."}' \
  '{"sentence1": "The shop opens at nine.", "sentence2": "The bakery closed last year."}' \
  | bertkit predict "$runs/minilm" -

cat <<END
== Done. The report of the first model, with its scores and mistakes: $runs/scratch.html
next: bertkit inspect-data YOUR.csv          check your table, and see which train command suits it
      bertkit train YOUR.csv                 train the best encoder on this machine for its language and task
      bertkit summarize docs/scratch.md      print the most important sentences
END
