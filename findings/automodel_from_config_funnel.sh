#!/usr/bin/env bash
# transformers 5.23.0: AutoModel.from_config refuses a plain FunnelConfig with a TypeError.
#
# The table of AutoModel names two classes for "funnel", and the choice between them reads
# config.architectures, which is None in a config that was made and not loaded. With
# architectures named, the same config opens.
#
# Seen with transformers 5.23.0, torch 2.13.0:
#   plain: TypeError: 'NoneType' object is not iterable
#   named: FunnelModel
set -euo pipefail
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'transformers==5.23.0'
"$place/venv/bin/python" - <<'PYTHON'
from transformers import AutoModel, FunnelConfig

small = {"block_sizes": [1, 1], "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 64, "vocab_size": 50}
try:
    plain = type(AutoModel.from_config(FunnelConfig(**small))).__name__
except TypeError as error:
    plain = f"TypeError: {error}"
named = type(AutoModel.from_config(FunnelConfig(**small, architectures=["FunnelModel"]))).__name__
print(f"plain: {plain}\nnamed: {named}")
assert plain == "TypeError: 'NoneType' object is not iterable", "the behaviour has changed"
assert named == "FunnelModel", "the behaviour has changed"
PYTHON
