"""Long documents: is the time per token the same for texts of 1,000 and of 16,000 tokens?

Longformer reads them whole (random weights, a table of positions made to fit); BERT reads
them in windows. Each turn reads the same number of tokens, cut into texts of one length. With
--sliding, ModernBERT's shape beside transformers' own class instead (sliding.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bertkit.data.records import Example
from inputs import load_pairs
from options import run_script, script_parser
from report import Report
from sidebyside import alternate, clocked, unevenness
from sliding import measure_sliding

VOCABULARY = 4_000
SEED = 1
PRECISION = "float32"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[1000, 4000, 16000], help="tokens of a text (default: 1000 4000 16000)"
    )
    parser.add_argument("--layers", type=int, default=2, help="layers of both encoders (default: 2)")
    parser.add_argument("--hidden", type=int, default=128, help="their width (default: 128)")
    parser.add_argument(
        "--sliding", type=int, nargs="+", metavar="TOKENS", help="ModernBERT's shape at these lengths, beside sdpa"
    )
    parser.add_argument("--sliding-hidden", type=int, default=768, help="its width (default: 768)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Time both ways of reading for each length."""
    if options.sliding:
        return measure_sliding(options)
    report = Report("long_documents", f"texts of {', '.join(f'{n:,}' for n in options.tokens)} tokens")
    report.settings = {name: getattr(options, name) for name in ("tokens", "layers", "hidden")}
    with tempfile.TemporaryDirectory() as place:
        ways = {"longformer": _longformer(options), "windows": _windows(Path(place), options)}
        for key, read in ways.items():
            contenders = [
                clocked(f"{key}, {tokens:,} tokens", read(tokens), _total(options)) for tokens in options.tokens
            ]
            courses = alternate(contenders, options.repetitions, budget_s=options.budget / len(ways))
            report.add_speeds(courses.values(), "tokens/s")
            report.add(f"long.{key}", f"{key}: slowest / fastest length, time per token", unevenness(courses))
    return report


def _total(options: argparse.Namespace) -> int:
    """Return the tokens of a turn: those of the longest text."""
    return int(max(options.tokens))


def _longformer(options: argparse.Namespace) -> Callable[[int], Callable[[], Any]]:
    """Classify texts of a length, one after another, as a run with this encoder would."""
    import torch

    from bertkit.compute.device import choose_placement
    from bertkit.evaluation.answers import forward
    from bertkit.models.registry import BuildOptions, find_model, load_target
    from bertkit.tasks.base import EncodedRow, TaskSettings
    from bertkit.tasks.sequence import SequenceTask
    from bertkit.tokenization.base import Encoding
    from folders import TEXT_COLUMNS

    spec, longest = find_model("longformer"), max(options.tokens)
    build = BuildOptions(
        VOCABULARY, pad_id=1, max_length=longest, from_nothing=True, layers=options.layers, hidden=options.hidden
    )
    torch.manual_seed(SEED)
    settings = TaskSettings("classify", TEXT_COLUMNS, ("0", "1"), "1", max_length=longest)
    task = SequenceTask(settings, _tokenizer(options))
    network = task.build_model(load_target(spec.builder)(spec, build), dropout=0.0).eval()
    placement = choose_placement("cpu", PRECISION)

    def read(tokens: int) -> Callable[[], Any]:
        rows = []
        for number in range(max(1, longest // tokens)):
            generator = torch.Generator().manual_seed(number)
            ids = torch.randint(10, VOCABULARY, (tokens,), generator=generator).tolist()
            rows.append(EncodedRow.whole(Encoding(ids, [0] * tokens, tokens)))
        return lambda: [forward(network, task, [row], placement) for row in rows]

    return read


def _windows(place: Path, options: argparse.Namespace) -> Callable[[int], Callable[[], Any]]:
    """Predict texts of a length with a BERT that reads 512 tokens at a time, tokenizing included."""
    from bertkit import bundle
    from bertkit.compute.device import choose_placement
    from bertkit.evaluation.predict import predict_stream
    from folders import write_text_classifier

    texts = _texts(options)
    write_text_classifier(place, texts, model="tiny", on_long="window", shape=(options.layers, options.hidden, 2))
    run = bundle.load(place)
    placement = choose_placement("cpu", PRECISION)
    words = " ".join(texts).split()
    lengths = [len(encoding.ids) - 2 for encoding in run.tokenizer.encode(words)]

    def read(tokens: int) -> Callable[[], Any]:
        made = [_text_of(words, lengths, tokens, start) for start in range(max(1, _total(options) // tokens))]
        rows = [Example((text,), None, line, "generated") for line, text in enumerate(made, start=1)]
        return lambda: list(predict_stream(run, rows, placement))

    return read


def _text_of(words: Sequence[str], lengths: Sequence[int], tokens: int, start: int) -> str:
    """Put words in a row until they are so many tokens."""
    chosen, counted, place = [], 2, start * 997
    while counted < tokens:
        place = (place + 1) % len(words)
        chosen.append(words[place])
        counted += lengths[place]
    return " ".join(chosen)


def _tokenizer(options: argparse.Namespace) -> Any:
    from bertkit.tokenization.vocab import train_wordpiece

    return train_wordpiece(_texts(options), size=400, lowercase=True)


def _texts(options: argparse.Namespace) -> list[str]:
    return [text for example in load_pairs(options.data, 400).examples for text in example.texts]


if __name__ == "__main__":
    sys.exit(main())
