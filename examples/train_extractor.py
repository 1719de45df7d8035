"""Train the extractive model that comes with bertkit (bertkit/summarization/weights) again.

    python examples/train_extractor.py cnn_dailymail --data-dir FOLDER --output weights/extractor.safetensors

1. Sentences are read once by the lower layers of MiniLM, which stay as they are.
2. A scorer learns from most documents which sentences the greedy oracle takes.
3. A scorer of sets learns from the others, which the first has not seen, the ROUGE of small sets.
4. Both are compared with the first three sentences on documents held back before anything else,
   and on the validation split.

An hour and a quarter on one CPU core, most of it the first step; with --cache it is done once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertkit.baselines.table import SummaryBaselines
from bertkit.compute.device import choose_placement
from bertkit.data.records import Document, Example
from bertkit.data.splits import DataRequest
from bertkit.documents.selection import FIGURES, SetScorer, oracle_sentences, set_figures, summary_sets
from bertkit.documents.textrank import FEATURES
from bertkit.evaluation.answers import forward
from bertkit.models.extractive import SalienceScorer
from bertkit.models.registry import find_model
from bertkit.models.tokenizers import open_tokenizer
from bertkit.summarization.trained import LAYERS, MODEL, SETTINGS, lower_layers, shipped_bundle
from bertkit.tasks.encoding import rows_of_parts
from bertkit.tasks.extractive import NewswireTask, SalienceTask
from bertkit.tasks.matching import merit
from bertkit.tasks.rows import load_splits
from bertkit.tasks.summaries import reference_of, rouge_tokens, sentences_of
from bertkit.tokenization.base import Tokenizer

Array = NDArray[np.floating[Any]]
MOST_SENTENCES = 32  # of a document that are learnt from
SCORER_SHARE = 0.7  # of the documents; the others are for the scorer of sets
SLAB = 256  # documents that are read at once
EPOCHS, LEARNING_RATE, DROPOUT, DOCUMENTS_A_STEP = 2, 1e-3, 0.1, 96
SET_EPOCHS, SET_LEARNING_RATE, SET_WIDTH, SETS_OF_DOCUMENTS = 6, 2e-3, 64, 32


@dataclass(frozen=True)
class Read:
    """A document as the scorers see it; S sentences.

    `known` are vectors and features, (S, H + F); `tokens` are what ROUGE compares.
    """

    known: Array
    tokens: list[list[str]]
    reference: list[str]
    words: list[list[str]]
    oracle: list[int]


def main() -> None:
    """Run the four steps."""
    options = parse()
    tokenizer = open_tokenizer(find_model(options.model))
    splits = load_splits(DataRequest((options.data,), data_dir=options.data_dir, task="extractive")).splits
    rng = np.random.default_rng(0)
    order = rng.permutation(len(splits["train"]))
    if len(order) <= options.hold_back:
        raise SystemExit(f"{len(order):,} documents are no more than --hold-back {options.hold_back:,}")
    order, held_back = order[: len(order) - options.hold_back], order[len(order) - options.hold_back :]
    examples = [splits["train"][i] for i in order[: options.limit]]
    known = cached(options.cache, lambda: read_sentences(examples, tokenizer, options.model, options.layers))
    documents = [prepared(example, figures) for example, figures in zip(examples, known, strict=False)]
    cut = int(SCORER_SHARE * len(documents))
    torch.manual_seed(options.seed)
    scorer = train_scorer(documents[:cut], rng)
    sets = train_sets(scorer, documents[cut:], rng)
    write(options.output, scorer, sets)
    report = {"held back": compared([splits["train"][i] for i in held_back], options)} if len(held_back) else {}
    report["validation"] = compared(splits["validation"][: options.limit], options)
    print(json.dumps(report, indent=1))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="documents with references: a name of the catalog or a file")
    parser.add_argument("--data-dir", type=Path, help="where the files of DATA lie")
    parser.add_argument("--output", type=Path, required=True, help="the weights, a safetensors file")
    parser.add_argument("--cache", type=Path, help="folder that keeps what the encoder reads")
    parser.add_argument("--hold-back", type=int, default=1500, help="documents that nothing is learnt from")
    parser.add_argument("--limit", type=int, help="most documents")
    parser.add_argument("--model", default=MODEL, help="the encoder, a BERT")
    parser.add_argument("--layers", type=int, default=LAYERS, help="how many layers of it")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def cached(folder: Path | None, compute: Callable[[], list[Array]]) -> list[Array]:
    """Return what `compute` returns, from the folder where it stands there."""
    if folder is not None and (folder / "known.npy").is_file():
        ends = np.load(folder / "ends.npy")
        return np.split(np.load(folder / "known.npy", mmap_mode="r"), ends)[: len(ends)]
    known = [figures.astype(np.float16) for figures in compute()]  # as they would come from the folder
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "ends.npy", np.cumsum([len(figures) for figures in known]))
        np.save(folder / "known.npy", np.concatenate(known))
    return known


def read_sentences(examples: Sequence[Example], tokenizer: Tokenizer, model: str, layers: int) -> list[Array]:
    """Return the vectors and features of each document's first sentences, (S, H + F)."""
    task = NewswireTask(SETTINGS, tokenizer)
    reader = task.build_model(lower_layers(model, tokenizer, layers), dropout=0.0).eval()
    device = choose_placement("auto", "float32").device
    reader.to(device)
    known: list[Array] = []
    with torch.inference_mode():
        for start in range(0, len(examples), SLAB):
            rows = task.encode(examples[start : start + SLAB])
            rows = [task.shortened(row, MOST_SENTENCES) for row in rows]
            # The scorer's turn comes later: a row ends with the vectors of its sentences.
            reader.finish_row = lambda parts: [np.concatenate(parts)]  # type: ignore[method-assign]
            known += [found.astype(np.float32) for _, (found,) in rows_of_parts(reader, task, rows, device)]
            print(f"read {min(start + SLAB, len(examples)):,} of {len(examples):,} documents", flush=True)
    return known


def prepared(example: Example, known: Array) -> Read:
    """Put what is known of a document beside its reference."""
    sentences = sentences_of(example)[:MOST_SENTENCES]
    tokens, reference = rouge_tokens(sentences, reference_of(example))
    words = [NewswireTask.as_read(sentence).split() for sentence in sentences]
    return Read(known, tokens, reference, words, oracle_sentences(tokens, reference))


def train_scorer(documents: Sequence[Read], rng: np.random.Generator) -> SalienceScorer:
    """Learn which sentences the oracle takes."""
    width = documents[0].known.shape[1]
    scorer = SalienceScorer(width - len(FEATURES), len(FEATURES), dropout=DROPOUT).train()
    kept = [document for document in documents if len(document.known)]

    def loss(batch: Sequence[Read]) -> Tensor:
        known, targets = padded(batch)
        vectors, features = known[..., : -len(FEATURES)], known[..., -len(FEATURES) :]
        there = targets >= 0
        logits = scorer(vectors, features, there)
        losses = functional.binary_cross_entropy_with_logits(logits, targets.clamp(min=0), reduction="none")
        return (losses * there).sum() / there.sum()

    descend(scorer, kept, loss, rng, epochs=EPOCHS, rate=LEARNING_RATE, size=DOCUMENTS_A_STEP, by_length=True)
    return scorer.eval()


def padded(batch: Sequence[Read]) -> tuple[Tensor, Tensor]:
    """Return (D, S, H + F), and (D, S) with 1 for the oracle's sentences and -1 where there are none."""
    longest = max(len(document.known) for document in batch)
    known = np.zeros((len(batch), longest, batch[0].known.shape[1]), np.float32)
    targets = np.full((len(batch), longest), -1, np.float32)
    for i, document in enumerate(batch):
        known[i, : len(document.known)] = document.known
        targets[i, : len(document.known)] = 0
        targets[i, document.oracle] = 1
    return torch.from_numpy(known), torch.from_numpy(targets)


def train_sets(scorer: SalienceScorer, documents: Sequence[Read], rng: np.random.Generator) -> SetScorer:
    """Learn what the scores and figures of a set say of its ROUGE, as far as it differs from that of the others."""
    rows = [row for document in documents if (row := set_row(scorer, document)) is not None]
    table = np.concatenate([figures for figures, _ in rows])
    mean, scale = table.mean(axis=0), table.std(axis=0) + 1e-6
    network = nn.Sequential(
        nn.Linear(FIGURES, SET_WIDTH), nn.ReLU(), nn.Linear(SET_WIDTH, SET_WIDTH), nn.ReLU(), nn.Linear(SET_WIDTH, 1)
    )

    def loss(batch: Sequence[tuple[Array, Array]]) -> Tensor:
        figures = torch.from_numpy((np.concatenate([row[0] for row in batch]) - mean) / scale)
        found = network(figures).squeeze(-1).split([len(row[1]) for row in batch])
        centred = torch.cat([scores - scores.mean() for scores in found])
        wanted = torch.from_numpy(np.concatenate([row[1] - row[1].mean() for row in batch]))
        return functional.mse_loss(centred, 10 * wanted)

    descend(network, rows, loss, rng, epochs=SET_EPOCHS, rate=SET_LEARNING_RATE, size=SETS_OF_DOCUMENTS)
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    layers = tuple((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear)
    return SetScorer(mean, scale, layers)


def set_row(scorer: SalienceScorer, document: Read) -> tuple[Array, Array] | None:
    """Return the figures of a document's sets and the ROUGE of each; None where there is not a choice."""
    if len(document.known) < 4:
        return None
    known = torch.from_numpy(np.asarray(document.known, np.float32)).unsqueeze(0)
    with torch.inference_mode():
        vectors, features = known[..., : -len(FEATURES)], known[..., -len(FEATURES) :]
        scores = scorer(vectors, features)[0].sigmoid().tolist()
    sets = summary_sets(scores)
    worth = np.array([merit(chosen, document.tokens, document.reference) for chosen in sets], np.float32)
    return set_figures(sets, scores, document.words), worth


def descend(
    model: nn.Module,
    rows: Sequence[Any],
    loss_of: Callable[[Sequence[Any]], Tensor],
    rng: np.random.Generator,
    *,
    epochs: int,
    rate: float,
    size: int,
    by_length: bool = False,
) -> None:
    """Train with AdamW, a short warm-up and a linear fall."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, fused=True)
    total, step = epochs * -(-len(rows) // size), 0
    for epoch in range(epochs):
        losses = []
        for chosen in batches(rows, size, rng, by_length=by_length):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = rate * min(step / (0.05 * total), 1.0) * (1 - (step - 1) / total)
            loss = loss_of([rows[i] for i in chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}", flush=True)


def batches(rows: Sequence[Any], size: int, rng: np.random.Generator, *, by_length: bool) -> list[NDArray[np.int64]]:
    """Shuffle rows into batches, of documents of like length where asked."""
    order = rng.permutation(len(rows))
    if by_length:
        order = order[np.argsort([len(rows[i].known) for i in order], kind="stable")]
    found = [order[i : i + size] for i in range(0, len(order), size)]
    return [found[i] for i in rng.permutation(len(found))]


def write(output: Path, scorer: SalienceScorer, sets: SetScorer) -> None:
    """Write both scorers; the large one in float16, which changes no choice that matters."""
    from safetensors.numpy import save_file

    arrays = {f"salience.{name}": tensor.half().numpy() for name, tensor in scorer.state_dict().items()}
    arrays |= {f"sets.{name}": array.astype(np.float32) for name, array in sets.to_arrays().items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, output)


def compared(examples: Sequence[Example], options: argparse.Namespace) -> dict[str, Any]:
    """Score both methods and the baselines on documents that nothing was learnt from."""
    documents = [example for example in examples if isinstance(example, Document)]
    placement = choose_placement("auto", "auto")
    baselines = SummaryBaselines().predict(documents)
    report: dict[str, Any] = {"documents": len(documents)}
    task: SalienceTask | None = None
    for method in ("salience", "salience-sets"):
        bundle = shipped_bundle(method, options.output, model_name=options.model, layers=options.layers)
        bundle.model.to(placement.device)
        found = forward(bundle.model, bundle.task, bundle.task.encode(documents), placement)
        report[method] = dict(bundle.task.score(documents, found).metrics)
        report[f"{method} minus lead"] = dict(bundle.task.difference(documents, found, baselines["lead"]))
        task = task or bundle.task  # type: ignore[assignment]
    if task is not None:
        report |= {name: dict(task.score(documents, answers).metrics) for name, answers in baselines.items()}
    return report


if __name__ == "__main__":
    main()
