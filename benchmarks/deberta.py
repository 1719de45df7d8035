"""DeBERTa: bertkit's forward pass against transformers' own class, and against BERT of the same size.

bertkit and transformers hold the same weights (DeBERTa v3's shape, random), so their labels
are compared too. What relative positions cost is the distance from BERT.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engines import multiplies_bfloat16, quiet_transformers
from options import run_script, script_parser
from report import Report
from sidebyside import Contender, Estimate, alternate, clocked, equal_share, speed_ratios, time_ratios

if TYPE_CHECKING:
    from torch import Tensor

VOCABULARY, PAD = 8_000, 0
SEED = 1
OURS, REFERENCE, BERT = "bertkit, DeBERTa v3", "transformers, DeBERTa v3", "bertkit, BERT"

Encode = Callable[["Tensor", "Tensor"], "Tensor"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument("--layers", type=int, default=4, help="layers (default: 4)")
    parser.add_argument("--hidden", type=int, default=256, help="width (default: 256)")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 256], help="tokens a row (default: 64 256)")
    parser.add_argument("--rows", type=int, default=64, help="rows of the short batch; tokens stay alike (default: 64)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare the three for each length of rows, in the precision bertkit takes here."""
    precision = "bfloat16" if multiplies_bfloat16() else "float32"
    report = Report("deberta", "random ids, a quarter of each row's end padded in half of the rows")
    report.settings = {name: getattr(options, name) for name in ("layers", "hidden", "tokens", "rows")}
    report.notes.append(f"all three compute in {precision}")
    encoders = _encoders(options)
    for tokens in options.tokens:
        ids, mask = _batch(max(1, options.rows * min(options.tokens) // tokens), tokens)
        work = float(mask.sum())
        contenders = [_contender(name, encode, (ids, mask), work, precision) for name, encode in encoders.items()]
        share = options.budget / len(options.tokens)
        courses = alternate(contenders, options.repetitions, budget_s=share)
        for name, course in courses.items():
            report.speeds.append((f"{name}, {tokens} tokens a row", "tokens/s", course.speed))
        ours, reference, bert = courses[OURS], courses[REFERENCE], courses[BERT]
        what = f"{tokens} tokens a row"
        report.add(f"deberta.transformers.{tokens}", f"bertkit / transformers, {what}", speed_ratios(ours, reference))
        report.add(f"deberta.bert.{tokens}", f"DeBERTa / BERT in bertkit, time, {what}", time_ratios(ours, bert))
        share = equal_share(ours.value, reference.value)
        report.add(
            f"deberta.labels.{tokens}", f"labels equal to transformers', {what}", Estimate.exactly(100 * share), "%"
        )
    return report


def _encoders(options: argparse.Namespace) -> dict[str, Encode]:
    """Build the three; transformers' class gets the weights of bertkit's encoder."""
    from transformers import AutoConfig, AutoModel

    quiet_transformers()
    ours, bert = _build("deberta", options), _build("bert", options)
    values = {name: value for name, value in ours.transformers_config().items() if name != "encoder_class"}
    reference = AutoModel.from_config(AutoConfig.for_model(**values)).eval()
    # bertkit's names begin with `inner`, as in the runs it saves.
    weights = {name.removeprefix(ours.inner): weight for name, weight in ours.state_dict().items()}
    reference.load_state_dict(weights)

    def encode(encoder: Any) -> Encode:
        def encoded(ids: Tensor, mask: Tensor) -> Tensor:
            hidden: Tensor = encoder(ids, mask, ids.new_zeros(ids.shape))
            return hidden

        return encoded

    def encode_theirs(ids: Tensor, mask: Tensor) -> Tensor:
        hidden: Tensor = reference(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden

    return {OURS: encode(ours), REFERENCE: encode_theirs, BERT: encode(bert)}


def _build(name: str, options: argparse.Namespace) -> Any:
    """Make an encoder of a row of bertkit's table, random weights of the size asked for."""
    import torch

    from bertkit.models.registry import BuildOptions, find_model, load_target

    spec = find_model(name)
    build = BuildOptions(
        VOCABULARY,
        PAD,
        max_length=max(512, *options.tokens),
        with_pooler=False,
        from_nothing=True,
        layers=options.layers,
        hidden=options.hidden,
    )
    torch.manual_seed(SEED)
    return load_target(spec.builder)(spec, build).eval()


def _batch(rows: int, tokens: int) -> tuple[Tensor, Tensor]:
    import torch

    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(1, VOCABULARY, (rows, tokens), generator=generator)
    mask = torch.ones_like(ids)
    mask[::2, tokens - tokens // 4 :] = 0
    return ids * mask, mask


def _contender(name: str, encode: Encode, batch: tuple[Tensor, Tensor], work: float, precision: str) -> Contender:
    """Encode, and give each row a label by a random linear layer over its first token."""
    import torch

    from bertkit.compute.device import autocast, choose_placement

    placement = choose_placement("cpu", precision)

    def classify() -> list[int]:
        with torch.inference_mode(), autocast(placement):
            first = encode(*batch)[:, 0].float()
        generator = torch.Generator().manual_seed(SEED)
        head = torch.randn(first.shape[1], 2, generator=generator)
        found: list[int] = (first @ head).argmax(dim=1).tolist()
        return found

    return clocked(name, classify, work)


if __name__ == "__main__":
    sys.exit(main())
