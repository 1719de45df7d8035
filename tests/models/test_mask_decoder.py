"""The Enhanced Mask Decoder: what it computes, and what it is for."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from bertkit import bundle
from bertkit.compute.device import Placement
from bertkit.config import TrainConfig
from bertkit.data.records import Example
from bertkit.errors import Interrupted, RunError, UsageError
from bertkit.evaluation.answers import forward
from bertkit.models import deberta
from bertkit.models.deberta import DebertaConfig, DebertaModel
from bertkit.models.heads import MaskedLanguageModel
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.training.run import train
from tests.training.small_runs import learnt, request, resume, stopped_at

CONFIG = DebertaConfig(
    vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    pad_token_id=1, max_relative_positions=3, attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0,
    initializer_range=0.15,
)  # fmt: skip
ARCHITECTURES = ("deberta", "deberta-base", "modernbert", "eurobert", "gte-multilingual-base", "ultrabert")


def batch(length: int = 17) -> dict[str, torch.Tensor]:
    mask = (torch.arange(length) < torch.tensor([[length], [5], [length - 2]])).long()
    ids = torch.randint(5, 40, (3, length), generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids * mask + (1 - mask), "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


def model_of(name: str) -> MaskedLanguageModel:
    torch.manual_seed(0)
    spec = find_model(name)
    build = BuildOptions(
        40, pad_id=1, max_length=32, from_nothing=True, layers=2, hidden=32, heads=4, with_pooler=False
    )
    encoder = load_target(spec.builder)(spec, replace(build, attention="disentangled") if spec.is_scratch else build)
    return MaskedLanguageModel(encoder, with_pairs=False, dropout=0.0, positions=32).eval()


@pytest.mark.parametrize("name", ["scratch", *ARCHITECTURES])
def test_without_places_the_first_run_is_the_last_layer_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deberta, "TIMES", 1)
    model, inputs = model_of(name), batch()
    assert model.mask_decoder is not None
    torch.nn.init.zeros_(model.mask_decoder.position_embeddings.weight)
    text = inputs["attention_mask"].bool()
    with torch.no_grad():
        decoded, last = model.mask_decoder(*inputs.values(), None)
        torch.testing.assert_close(decoded[text], last[text], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(last[text], model.encoder(**inputs)[text], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["scratch", "deberta", "modernbert"])
def test_keys_and_values_are_the_states_below_both_times(name: str) -> None:
    model, inputs = model_of(name), batch()
    assert model.mask_decoder is not None
    with torch.no_grad():
        # what one token asks is seen by no other: keys and values stay
        weight = model.mask_decoder.position_embeddings.weight
        before = model.mask_decoder(*inputs.values(), None)[0]
        weight[4] += torch.randn(32)
        after = model.mask_decoder(*inputs.values(), None)[0]
    moved = (after - before).abs().amax(-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == [4]


def test_scratch_equals_transformers_layers_run_as_the_authors_do() -> None:
    import transformers

    torch.manual_seed(0)
    ours = DebertaModel(CONFIG, with_pooler=False).eval()
    reference = transformers.DebertaV2Model(transformers.DebertaV2Config(**ours.transformers_config())).eval()
    reference.load_state_dict(ours.state_dict())
    decoder, inputs = deberta.EnhancedMaskDecoder(ours, 32), batch()
    with torch.no_grad():
        found, _ = decoder(*inputs.values(), None)
        states = reference(**inputs, output_hidden_states=True).hidden_states[-2]
        query_states = states + decoder.position_embeddings.weight[:17]
        mask = reference.encoder.get_attention_mask(inputs["attention_mask"])
        for _ in range(2):
            query_states = reference.encoder.layer[-1](
                states, mask, query_states=query_states, rel_embeddings=reference.encoder.get_rel_embedding()
            )[0]
    text = inputs["attention_mask"].bool()
    torch.testing.assert_close(found[text], query_states[text], atol=1e-5, rtol=1e-5)


PLACES = (14, 15, 17, 20)  # each more than layers times k from both ends of 36 tokens


def made_up(rows: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of chance words with one hidden; which word it was, only its place in the row says."""
    ids = torch.randint(10, 40, (rows, 36), generator=generator)
    ids[:, 0], ids[:, -1] = 2, 3
    which = torch.randint(0, len(PLACES), (rows,), generator=generator)
    places = torch.tensor(PLACES)[which]
    ids[torch.arange(rows), places] = 4
    return ids, torch.arange(rows) * 36 + places, which + 5


def share_right(*, enhanced: bool) -> float:
    torch.manual_seed(1)
    encoder = DebertaModel(CONFIG, with_pooler=False)
    model = MaskedLanguageModel(encoder, with_pairs=False, dropout=0.0, positions=36 if enhanced else None)
    optimizer, generator = torch.optim.AdamW(model.parameters(), lr=3e-3), torch.Generator().manual_seed(0)
    for _ in range(150):
        ids, places, words = made_up(32, generator)
        logits, _ = model(ids, None, torch.zeros_like(ids), positions=places)
        optimizer.zero_grad()
        functional.cross_entropy(logits, words).backward()
        optimizer.step()
    ids, places, words = made_up(400, generator)
    with torch.no_grad():
        logits, _ = model.eval()(ids, None, torch.zeros_like(ids), positions=places)
    return (logits.argmax(-1) == words).float().mean().item()


@pytest.mark.slow
def test_only_with_it_a_word_is_told_by_its_place() -> None:
    assert share_right(enhanced=True) >= 0.95
    assert share_right(enhanced=False) < 0.35  # chance: one in four


def corpus(folder: Path) -> Path:
    path = folder / "text.txt"
    words = "good bad thing shop opens closes early late".split()
    rng = random.Random(0)
    path.write_text("\n".join(" ".join(rng.choices(words, k=12)) for _ in range(40)) + "\n")
    return path


def test_runs_resume_fill_words_and_go_on_without_it(tmp_path: Path) -> None:
    asked = request(corpus(tmp_path), tmp_path / "whole", task="mlm", attention="disentangled", layers=2,
                    mask_decoder="enhanced")  # fmt: skip
    train(asked)
    with pytest.raises(Interrupted):
        train(replace(asked, output=str(tmp_path / "parts")), stopped_at(3))
    resume(tmp_path / "parts")
    assert learnt(tmp_path / "whole") == learnt(tmp_path / "parts")
    run = bundle.load(tmp_path / "whole")
    assert run.task.settings.mask_decoder == "enhanced"
    assert run.model.mask_decoder is not None
    rows = run.task.encode([Example(("the good [MASK] opens early",), None, 1, "x")])
    answers = forward(run.model, run.task, rows, Placement("cpu", "float32", 1))
    assert (
        len(run.task.record(Example(("the good [MASK] opens early",), None, 1, "x"), answers[0], 3)["masks"][0]["top"])
        == 3
    )

    table = tmp_path / "table.tsv"
    table.write_text(
        "text\tlabel\n"
        + "".join(f"{'good' if i % 2 else 'bad'} shop {'early' * (i % 3)} {i}\t{i % 2}\n" for i in range(40))
    )
    train(
        TrainConfig(
            data=(str(table),), model=str(tmp_path / "whole"), output=str(tmp_path / "next"), epochs=1, threads=1
        )
    )
    onwards = bundle.load(tmp_path / "next")
    assert onwards.task.settings.task == "classify"
    assert not any("mask_decoder" in name for name in onwards.model.state_dict())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "scratch has; add --attention disentangled"),
        ({"attention": "window"}, "scratch has; add --attention disentangled"),
        ({"model": "roberta", "init": "random"}, "roberta has; take scratch with --attention disentangled"),
        ({"model": "minilm"}, "minilm was trained without it; add --init random"),
        ({"task": "classify"}, "--mask-decoder: is for mlm, and this is classify"),
    ],
)
def test_what_has_places_below_is_refused(values: dict[str, object], sentence: str, tmp_path: Path) -> None:
    data = corpus(tmp_path)
    if values.get("task") == "classify":
        data = tmp_path / "t.tsv"
        data.write_text("text\tlabel\n" + "".join(f"word {i}\t{i % 2}\n" for i in range(40)))
    asked = TrainConfig(data=(str(data),), output=str(tmp_path / "run"), task="mlm", mask_decoder="enhanced")
    with pytest.raises(UsageError, match=sentence):
        train(replace(asked, **values))  # type: ignore[arg-type]


def test_a_run_without_its_table_of_places_is_damaged(tmp_path: Path) -> None:
    train(request(corpus(tmp_path), tmp_path / "run", task="mlm", attention="disentangled", epochs=1))
    path = tmp_path / "run" / "bertkit.json"
    values = json.loads(path.read_text())
    values["settings"]["mask_decoder"] = "enhanced"
    path.write_text(json.dumps(values))
    with pytest.raises(RunError, match=r"mask_decoder.position_embeddings.weight"):
        bundle.load(tmp_path / "run")
