"""ModernBERT's shape on long texts: bertkit's blocks beside transformers' own class with sdpa.

Same random weights, same ids, no padding, float32. `layers` are two layers that see a window only;
`encoder` has every third layer see everything, 4 of 11, the share of the whole ModernBERT-base
(8 of 22). The hidden states must agree.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from options import Missing
from peaks import peak_of
from report import Report
from sidebyside import Estimate, alternate, clocked, speed_ratios

VOCABULARY, SEED = 4_000, 1
TOLERANCE = 1e-4
SHAPES = {"layers": (2, True), "encoder": (11, False)}  # how many layers, and whether all have windows


@dataclass(frozen=True)
class Pair:
    """The same encoder twice."""

    reference: Any
    ours: Any

    def ways(self, tokens: int) -> dict[str, Callable[[], Any]]:
        """Give what reads a text of so many tokens, by whom."""
        import torch

        ids = torch.randint(10, VOCABULARY, (1, tokens), generator=torch.Generator().manual_seed(tokens))
        segments = torch.zeros_like(ids)

        def ours() -> Any:
            with torch.inference_mode():
                return self.ours(ids, None, segments)

        def reference() -> Any:
            with torch.inference_mode():
                return self.reference(input_ids=ids).last_hidden_state

        return {"bertkit": ours, "transformers": reference}


def measure_sliding(options: argparse.Namespace) -> Report:
    """Time both for each length, and what each holds beyond the weights."""
    lengths: list[int] = options.sliding
    report = Report("long_documents", f"generated ids, {', '.join(f'{n:,}' for n in lengths)} tokens")
    report.settings = {"sliding": lengths, "hidden": options.sliding_hidden}
    pairs = {shape: _pair(n, options.sliding_hidden, only_windows=alone) for shape, (n, alone) in SHAPES.items()}
    for shape, pair in pairs.items():
        for tokens in lengths:
            ways = pair.ways(tokens)
            _check({who: read() for who, read in ways.items()})
            contenders = [clocked(f"{shape}, {who}, {tokens:,} tokens", read, tokens) for who, read in ways.items()]
            budget = options.budget / (len(SHAPES) * len(lengths))
            ours, reference = alternate(contenders, options.repetitions, warm_ups=0, budget_s=budget).values()
            report.add_speeds((ours, reference), "tokens/s")
            what = f"ModernBERT's {shape}, blocks / transformers' sdpa, {tokens:,} tokens"
            report.add(f"sliding.{shape}.{tokens}", what, speed_ratios(ours, reference))
    for shape, pair in pairs.items():
        for tokens in lengths:
            ways = pair.ways(tokens)
            # The least of three: what the system takes back and reads in again counts, too, where it happens.
            peaks = {who: min(peak_of(read) for _ in range(3)) for who, read in ways.items()}
            if peaks["transformers"]:
                share = peaks["bertkit"] / peaks["transformers"]
                what = f"ModernBERT's {shape}, memory beyond the weights, blocks / sdpa, {tokens:,} tokens"
                report.add(f"sliding.memory.{shape}.{tokens}", what, Estimate.of([share]))
    return report


def _pair(layers: int, hidden: int, *, only_windows: bool) -> Pair:
    import torch
    from transformers import ModernBertConfig, ModernBertModel

    from bertkit.models.encoder import PretrainedEncoder

    if hidden % 64:
        raise Missing(f"--sliding-hidden {hidden}: heads are 64 wide; take a multiple.")

    def config() -> Any:
        made = ModernBertConfig(
            vocab_size=VOCABULARY,
            hidden_size=hidden,
            intermediate_size=hidden * 3 // 2,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            cls_token_id=1,
            sep_token_id=2,
            attn_implementation="sdpa",
        )
        if only_windows:
            made.layer_types = ["sliding_attention"] * layers
        return made

    torch.manual_seed(SEED)
    reference = ModernBertModel(config()).eval()
    twin = ModernBertModel(config()).eval()
    twin.load_state_dict(reference.state_dict())
    return Pair(reference, PretrainedEncoder(twin).eval())


def _check(states: dict[str, Any]) -> None:
    ours, reference = states["bertkit"], states["transformers"]
    difference = float((ours - reference).abs().max())
    if not difference <= TOLERANCE * float(reference.abs().max()):
        raise AssertionError(f"the two do not compute the same: largest difference {difference:.2g}")
