"""Training steps on a CPU: tables of embeddings that keep the memory of their gradient against torch's own.

The same encoder, MiniLM's shape, twice; what one loss gives as gradients is compared first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from options import Missing, run_script, script_parser
from report import Report
from sidebyside import alternate, clocked, speed_ratios

if TYPE_CHECKING:
    from torch import Tensor, nn

LAYERS, HIDDEN, HEADS = 6, 384, 12
KEPT, ANEW = "kept", "torch's"
SEED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=40)
    parser.add_argument("--rows", type=int, default=32, help="rows a step (default: 32)")
    parser.add_argument("--tokens", type=int, default=56, help="tokens a row (default: 56, as MRPC's)")
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[30_522, 128_000], help="rows of the table")
    parser.add_argument("--bfloat16", action="store_true", help="multiply in bfloat16")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare both for each size of the table."""
    names = ("rows", "tokens", "vocabularies", "bfloat16")
    report = Report("embedding", "random ids", {name: getattr(options, name) for name in names})
    for vocabulary in options.vocabularies:
        models = {name: _model(vocabulary, keeps=name == KEPT) for name in (KEPT, ANEW)}
        steps = {name: _stepper(model, options, vocabulary) for name, model in models.items()}
        _check_alike(models, steps)
        contenders = [clocked(name, step, options.rows * options.tokens) for name, step in steps.items()]
        share = options.budget / len(options.vocabularies)
        courses = alternate(contenders, options.repetitions, warm_ups=2, budget_s=share)
        what = f"step with a table of {vocabulary:,} x {HIDDEN}"
        for name, course in courses.items():
            report.speeds.append((f"{name}, {what}", "tokens/s", course.speed))
        report.add(f"embedding.{vocabulary}", f"kept / torch's, {what}", speed_ratios(courses[KEPT], courses[ANEW]))
    return report


def _model(vocabulary: int, *, keeps: bool) -> nn.Module:
    import torch

    from bertkit.models.bert import BertConfig, BertModel
    from bertkit.models.for_training import use_lasting_embeddings

    torch.manual_seed(SEED)
    config = BertConfig(
        vocabulary, HIDDEN, LAYERS, HEADS, 4 * HIDDEN, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    model = BertModel(config, with_pooler=False)
    if keeps:
        use_lasting_embeddings(model)
    return model.train()


def _stepper(model: nn.Module, options: argparse.Namespace, vocabulary: int) -> Callable[[], None]:
    """Make a function that does what a step of `bertkit train` does."""
    import torch
    from torch.optim import AdamW

    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(1, vocabulary, (options.rows, options.tokens), generator=generator)
    mask, types = torch.ones_like(ids), torch.zeros_like(ids)
    optimizer = AdamW(model.parameters(), lr=1e-6, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16):
            hidden: Tensor = model(ids, mask, types)
        hidden.float()[:, :, 0].square().mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def _check_alike(models: dict[str, nn.Module], steps: dict[str, Callable[[], None]]) -> None:
    """Take a step with both.

    Raises:
        Missing: their gradients are not the same, so that a comparison would say nothing.
    """
    import torch

    for step in steps.values():
        step()
    for (name, first), (_, second) in zip(*(model.named_parameters() for model in models.values()), strict=True):
        if not torch.allclose(first.grad, second.grad, rtol=1e-3, atol=1e-5):
            raise Missing(f"the gradients of {name} are no longer those of torch.")


if __name__ == "__main__":
    sys.exit(main())
