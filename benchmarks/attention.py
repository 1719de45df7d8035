"""Scratch encoders with windows: is a token as cheap in a text of 16,000 tokens as in one of 1,000?

`--attention window`, `dilated` and `global` read whole texts. Each turn reads the same number of
tokens, cut into texts of one length. Memory is what autograd keeps of a text for its backward
pass, by the bytes of each storage: no clock, so it is exact.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from options import run_script, script_parser
from report import Report
from sidebyside import Estimate, alternate, clocked, time_ratios, unevenness

KINDS = ("window", "dilated", "global")
VOCABULARY, SEED = 4_000, 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[1000, 4000, 16000], help="tokens of a text (default: 1000 4000 16000)"
    )
    parser.add_argument("--layers", type=int, default=4, help="layers of the encoder (default: 4)")
    parser.add_argument("--hidden", type=int, default=128, help="its width (default: 128)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Time each kind at each length, and count what it keeps."""
    report = Report("attention", f"texts of {', '.join(f'{n:,}' for n in options.tokens)} tokens")
    report.settings = {name: getattr(options, name) for name in ("tokens", "layers", "hidden")}
    longest, courses = max(options.tokens), {}
    for kind in KINDS:
        encoder = _encoder(kind, longest, options)
        contenders = [
            clocked(f"{kind}, {tokens:,} tokens", _reading(encoder, tokens, longest), longest)
            for tokens in options.tokens
        ]
        found = alternate(contenders, options.repetitions, budget_s=options.budget / (len(KINDS) + 1))
        report.add_speeds(found.values(), "tokens/s")
        report.add(f"attention.{kind}.time", f"{kind}: slowest / fastest length, time per token", unevenness(found))
        kept = [_kept(encoder, tokens) / tokens for tokens in options.tokens]
        report.add(
            f"attention.{kind}.memory",
            f"{kind}: most / least memory per token",
            Estimate.exactly(max(kept) / min(kept)),
        )
        courses[kind] = clocked(kind, _reading(encoder, longest, longest), longest)
    both = alternate([courses["dilated"], courses["window"]], options.repetitions, budget_s=options.budget / 4)
    report.add("attention.dilated", "dilated / window, time", time_ratios(both["dilated"], both["window"]))
    return report


def _encoder(kind: str, longest: int, options: argparse.Namespace) -> Any:
    import torch

    from bertkit.models.registry import BuildOptions, find_model, load_target

    spec = find_model("scratch")
    build = BuildOptions(
        VOCABULARY, pad_id=1, max_length=longest, from_nothing=True, layers=options.layers, hidden=options.hidden,
        heads=4, attention=kind, sep_id=3,
    )  # fmt: skip
    torch.manual_seed(SEED)
    return load_target(spec.builder)(spec, build).eval()


def _text(tokens: int) -> tuple[Any, None, Any]:
    """Return ids, no mask and segments of one text, (1, L)."""
    import torch

    ids = torch.randint(10, VOCABULARY, (1, tokens), generator=torch.Generator().manual_seed(tokens))
    return ids, None, torch.zeros_like(ids)


def _reading(encoder: Any, tokens: int, total: int) -> Callable[[], Any]:
    """Return what reads so many tokens in texts of one length."""
    import torch

    text, times = _text(tokens), max(1, total // tokens)

    def read() -> None:
        with torch.inference_mode():
            for _ in range(times):
                encoder(*text)

    return read


def _kept(encoder: Any, tokens: int) -> int:
    """Return the bytes that autograd keeps of a text, weights aside."""
    from torch.autograd.graph import saved_tensors_hooks

    own = {weight.untyped_storage().data_ptr() for weight in encoder.parameters()}
    sizes: dict[int, int] = {}

    def count(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(count, lambda tensor: tensor):
        encoded = encoder(*_text(tokens))
    del encoded
    return sum(sizes.values())


if __name__ == "__main__":
    sys.exit(main())
