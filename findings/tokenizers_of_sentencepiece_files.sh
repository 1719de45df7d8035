#!/usr/bin/env bash
# transformers 5.23.0: RemBERT's and FNet's tokenizers put no [CLS] and [SEP] round a text where
# they are made of a SentencePiece file.
#
# Both classes are documented to frame a text, and ALBERT's, made of the same file, does. Theirs
# give the pieces alone, and FNet's, which is ALBERT's by inheritance, lower-cases nothing besides.
# A folder with a tokenizer.json is read from that, and is not concerned.
#
# Seen with transformers 5.23.0, tokenizers 0.23.3, sentencepiece 0.2.3:
#   AlbertTokenizer: [CLS] ▁ a ▁ c a t [SEP]
#   FNetTokenizer: A ▁ c a t
#   RemBertTokenizer: ▁ a ▁ c a t
set -euo pipefail
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'transformers==5.23.0' 'tokenizers==0.23.3' \
  'sentencepiece==0.2.3' 'protobuf==7.36.2'
"$place/venv/bin/python" - "$place" <<'PYTHON'
import io
import json
import sys
from pathlib import Path

import sentencepiece
from transformers import AutoTokenizer

model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(["a cat", "A cat", "a dog"] * 20), model_writer=model, vocab_size=24, hard_vocab_limit=False,
    pad_id=0, bos_id=-1, eos_id=-1, unk_id=2, control_symbols=["[CLS]", "[SEP]", "[MASK]"], minloglevel=2,
)
found = {}
for name, file, text in (
    ("Albert", "spiece.model", "a cat"), ("FNet", "spiece.model", "A cat"), ("RemBert", "sentencepiece.model", "a cat")
):
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    (folder / file).write_bytes(model.getvalue())
    (folder / "config.json").write_text(json.dumps({"model_type": name.lower()}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": f"{name}Tokenizer"}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found[name] = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    print(f"{type(tokenizer).__name__}: {' '.join(found[name])}")
assert (found["Albert"][0], found["Albert"][-1]) == ("[CLS]", "[SEP]"), "the behaviour has changed"
for name in ("FNet", "RemBert"):
    assert not {"[CLS]", "[SEP]"} & set(found[name]), "the behaviour has changed"
assert found["FNet"][0] == "A", "the behaviour has changed"
PYTHON
