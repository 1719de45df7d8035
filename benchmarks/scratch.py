"""BERT from scratch: bertkit's model against transformers' BertModel with sdpa, forward and backward.

Both hold the same weights and read the same ids; the outputs are compared before a clock runs.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Course, alternate, clocked, speed_ratios

if TYPE_CHECKING:
    from torch import Tensor

VOCABULARY = 8_000
SIZES = ("tiny", "mini", "small", "base")
MODES = ("forward", "backward")
CLOSE = 1e-4  # how far float32 outputs of the same weights may be apart
SEED = 1

Network = Callable[..., "Tensor"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=9)
    parser.add_argument("--size", choices=SIZES, default="mini", help="shape of the encoder (default: mini)")
    parser.add_argument("--rows", type=int, default=32, help="rows of the short batches; tokens stay alike")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 512], help="tokens a row (default: 64 512)")
    parser.add_argument("--dropout", type=float, default=0.1, help="dropout of both in training (default: 0.1)")
    parser.add_argument("--attention-dropout", type=float, default=0.0, help="of both in training (default: 0)")
    parser.add_argument("--compile", action="store_true", help="measure bertkit compiled too, and when that pays")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare both models for each length of rows."""
    ours, reference = _twins(options)
    names = ("size", "rows", "tokens", "dropout", "attention_dropout", "compile")
    report = Report("scratch", "random ids, a quarter of each row's end padded in half of the rows")
    report.settings = {name: getattr(options, name) for name in names}
    report.notes.append(f"outputs differ by {_check_alike(ours, reference):.1e} at most")
    networks: dict[str, Network] = {"bertkit": ours, "transformers": _adapted(reference)}
    if options.compile:
        networks["bertkit, compiled"] = _compiled(options)
    share = options.budget / (len(options.tokens) * len(MODES))
    for tokens in options.tokens:
        rows = max(1, options.rows * min(options.tokens) // tokens)
        for mode in MODES:
            batch = _batch(rows, tokens)
            contenders = [_contender(name, network, batch, mode) for name, network in networks.items()]
            spent = _first_call(networks, batch, mode)
            courses = alternate(contenders, options.repetitions, warm_ups=2, budget_s=share)
            _add(report, courses, f"{mode}.{tokens}", f"{mode}, {rows} rows of {tokens} tokens", spent)
    return report


def _twins(options: argparse.Namespace) -> tuple[Any, Any]:
    """Build both models with the same weights."""
    from transformers import BertConfig as TheirConfig
    from transformers import BertModel as TheirModel

    ours = _ours(options)
    reference = TheirModel(
        TheirConfig(**ours.transformers_config(), attn_implementation="sdpa"), add_pooling_layer=False
    )
    reference.load_state_dict(ours.state_dict())
    return ours, reference


def _ours(options: argparse.Namespace) -> Any:
    import torch

    from bertkit.models.bert import PRESETS, BertConfig, BertModel
    from bertkit.models.for_training import use_lasting_embeddings, use_quick_dropout

    layers, hidden, heads = PRESETS[options.size]
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        max_position_embeddings=max(512, *options.tokens),
        hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.attention_dropout,
    )
    torch.manual_seed(SEED)
    model = BertModel(config, with_pooler=False)
    use_quick_dropout(model)  # these two as `bertkit train` does
    use_lasting_embeddings(model)
    return model


def _adapted(reference: Any) -> Network:
    def network(ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        hidden: Tensor = reference(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        return hidden

    network.train = reference.train  # type: ignore[attr-defined]
    return network


def _compiled(options: argparse.Namespace) -> Network:
    import torch

    return torch.compile(_ours(options), dynamic=True)


def _check_alike(ours: Any, reference: Any) -> float:
    """Return the greatest difference of the outputs on text.

    Raises:
        Missing: they are not those of the same model, so that a comparison would say nothing.
    """
    import torch

    ids, mask, types = _batch(4, 32)
    with torch.inference_mode():
        first = ours.eval()(ids, mask, types)
        second = _adapted(reference.eval())(ids, mask, types)
    gap = float(((first - second).abs() * mask[..., None]).max())
    if not gap < CLOSE:
        raise Missing(f"the outputs differ by {gap:.1e}: bertkit's BERT and transformers' are no longer the same.")
    return gap


def _batch(rows: int, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    import torch

    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(1, VOCABULARY, (rows, tokens), generator=generator)
    mask = torch.ones_like(ids)
    mask[::2, tokens - tokens // 4 :] = 0
    return ids * mask, mask, torch.zeros_like(ids)


def _contender(name: str, network: Any, batch: tuple[Tensor, Tensor, Tensor], mode: str) -> Contender:
    return clocked(name, lambda: _once(network, batch, mode), float(batch[1].sum()))


def _once(network: Any, batch: tuple[Tensor, Tensor, Tensor], mode: str) -> None:
    """Run forward as in prediction, or forward and backward as in training."""
    import torch

    network.train(mode == "backward")
    if mode == "forward":
        with torch.inference_mode():
            network(*batch)
        return
    network(*batch).square().mean().backward()


def _first_call(networks: dict[str, Network], batch: tuple[Tensor, Tensor, Tensor], mode: str) -> float:
    """Return the seconds that the compiled model's first call takes, which is when it is compiled; else 0."""
    if "bertkit, compiled" not in networks:
        return 0.0
    began = time.perf_counter()
    try:
        _once(networks["bertkit, compiled"], batch, mode)
    except Exception as error:  # whatever the compiler of C++ has to say
        raise Missing(f"--compile: this machine cannot compile the model ({type(error).__name__}).") from error
    return time.perf_counter() - began


def _add(report: Report, courses: dict[str, Course], key: str, what: str, spent: float) -> None:
    for name, course in courses.items():
        report.speeds.append((f"{name}, {what}", "tokens/s", course.speed))
    ratio = speed_ratios(courses["bertkit"], courses["transformers"])
    report.add(f"scratch.{key}", f"bertkit / transformers, {what}", ratio)
    compiled = courses.get("bertkit, compiled")
    if compiled is None:
        return
    report.add(f"scratch.compiled.{key}", f"compiled / not, {what}", speed_ratios(compiled, courses["bertkit"]))
    gain = courses["bertkit"].seconds.median - compiled.seconds.median
    pays = f"pays from {math.ceil(spent / gain):,} steps on" if gain > 0 else "never pays"
    report.notes.append(f"{what}: compiling took {spent:.1f} s and {pays}")


if __name__ == "__main__":
    sys.exit(main())
