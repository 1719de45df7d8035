"""Runs of BERT's shape, opened by our own BERT: the same states, and transformers stays out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from torch import nn

from bertkit.errors import ModelError
from bertkit.models.encoder import PretrainedEncoder
from bertkit.models.plain_bert import StoredBert
from bertkit.models.registry import find_rebuilder, of_plain_bert
from bertkit.models.weights import on_paper, undrawn

PAD = 1
KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
SHAPE = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 40, "pad_token_id": PAD,
}  # fmt: skip


def reference(kind: str, *, with_pooler: bool = True, **changes: object) -> PretrainedEncoder:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **{**SHAPE, **changes}))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return PretrainedEncoder(model, with_pooler=with_pooler).eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_pooler", [True, False])
def test_states_are_those_of_transformers(kind: str, with_pooler: bool) -> None:
    encoder = reference(kind, with_pooler=with_pooler)
    config = encoder.transformers_config()
    ours = find_rebuilder("pretrained", config)(config, with_pooler=with_pooler).eval()
    assert isinstance(ours, StoredBert)
    ours.load_state_dict({name.removeprefix("model."): w for name, w in encoder.state_dict().items()})
    ids = torch.randint(5, 60, (3, 20))
    types = (torch.arange(20) > 8).long().expand(3, 20)
    mask = (torch.arange(20) < torch.tensor([20, 1, 11])[:, None]).long()
    ids[mask == 0] = PAD
    with torch.no_grad():
        for given in (mask, None):
            expected, found = encoder(ids, given, types), ours(ids, given, types)
            text = mask.bool() if given is not None else torch.ones_like(mask).bool()
            torch.testing.assert_close(found[text], expected[text], atol=1e-5, rtol=1e-4)
            first = ours(ids, given, types, first_only=True)
            torch.testing.assert_close(first, expected[:, :1], atol=1e-5, rtol=1e-4)
    for name in ("prefix", "max_positions", "segments", "hidden_size", "vocab_size", "keeps_padding_out"):
        assert getattr(ours, name) == getattr(encoder, name), name
    assert ours.transformers_config() == config
    with pytest.raises(ModelError, match="positions; add --max-length"):
        ours(torch.ones(1, 41, dtype=torch.long), None, torch.zeros(1, 41, dtype=torch.long))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "relu"}, {"is_decoder": True}, {"bertkit_leaks_padding": True}, {"encoder_class": "Other"},
        {"model_type": "electra"}, {"position_embedding_type": "relative_key"}, {"hidden_size": 33},
        {"num_hidden_layers": "2"}, {"pad_token_id": None}, {"layer_norm_eps": 0.0}, {"model_type": ["bert"]},
    ],
)  # fmt: skip
def test_other_shapes_are_left_to_transformers(changes: dict[str, object]) -> None:
    config = reference("bert").transformers_config()
    assert of_plain_bert(config)
    assert not of_plain_bert({**config, **changes})


def test_nothing_is_drawn_for_weights_that_are_replaced() -> None:
    config = reference("bert").transformers_config()
    before = torch.get_rng_state()
    with undrawn():
        find_rebuilder("pretrained", config)(config, with_pooler=True)
        with on_paper():
            find_rebuilder("pretrained", config)(config, with_pooler=True)
    assert torch.equal(before, torch.get_rng_state())


_PROBE = """
import json, sys
from bertkit.cli.app import main
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def modules_of(*words: str, text: str = "") -> set[str]:
    """Run a command in a process of its own; returns the packages it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *words], input=text, capture_output=True, text=True, check=True, timeout=120
    )
    code, names = json.loads(done.stderr.strip().splitlines()[-1])
    assert not code, done.stderr
    return set(names)


@pytest.fixture(scope="module")
def bert_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from bertkit.config import TrainConfig
    from bertkit.training.run import train
    from tests.conftest import pair_rows, write_tsv

    folder = tmp_path_factory.mktemp("plain")
    data = write_tsv(folder / "rows.tsv", pair_rows(60), ("sentence1", "sentence2", "label"))
    train(
        TrainConfig(
            data=(str(data),), model="bert", init="random", output=str(folder / "run"), layers=1, hidden=32, heads=2,
            epochs=1, vocab_size=150, max_length=64, threads=1, tensorboard=False,
        )
    )  # fmt: skip
    return folder / "run"


def test_predict_and_eval_do_not_import_transformers(bert_run: Path) -> None:
    row = json.dumps({"sentence1": "the cat", "sentence2": "a dog"})
    names = modules_of("predict", str(bert_run), "-", text=row)
    assert "torch" in names
    assert not names & {"transformers", "sympy", "datasets", "pandas", "sklearn"}
    assert "transformers" not in modules_of("eval", str(bert_run))
