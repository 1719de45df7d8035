"""The model card of a run: what it is, on what it was trained, how good it is, what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bertkit.bundle import Manifest
from bertkit.config import TrainConfig, flag
from bertkit.evaluation.evaluate import Evaluation
from bertkit.files import write_text

SHOWN = (
    "accuracy", "f1", "macro_f1", "mcc", "pearson", "spearman", "mse", "mae", "entity_precision", "entity_recall",
    "entity_f1", "entity_f1_lenient", "map@3", "mrr", "perplexity", "pair_accuracy", "rouge1", "rouge2",
    "rougeLsum", "loss",
)  # fmt: skip


# What model hubs call the tasks.
_PIPELINES = {
    "ner": "token-classification",
    "choice": "multiple-choice",
    "mlm": "fill-mask",
    "extractive": "summarization",
    "matching": "summarization",
}


def write_card(path: Path, manifest: Manifest, evaluation: Evaluation) -> None:
    """Write the card as Markdown with the metadata block that model hubs read."""
    parts = (
        _metadata(manifest),
        _what(manifest),
        _data(manifest),
        _scores(evaluation),
        _limits(manifest, evaluation),
        _use(manifest),
    )
    write_text(path, "\n".join(parts))


def command_line(config: Mapping[str, object]) -> str:
    """Return the command that asks for a stored config, defaults left out."""
    default = TrainConfig()
    words = ["bertkit", "train", *(str(name) for name in config.get("data", ()))]  # type: ignore[attr-defined]
    for name, value in config.items():
        if name in ("data", "given") or value is None or value == getattr(default, name, None):
            continue
        if isinstance(value, bool):
            words.append(flag(name) if value else flag("no_" + name))
        else:
            words += [flag(name), str(value)]
    return " ".join(words)


def _metadata(manifest: Manifest) -> str:
    kind = _PIPELINES.get(manifest.settings.task, "text-classification")
    return f"---\nlibrary_name: bertkit\npipeline_tag: {kind}\ntags: [{manifest.settings.task}]\n---\n"


def _what(manifest: Manifest) -> str:
    settings = manifest.settings
    what = f"`{settings.task}` with the model `{manifest.model}`"
    labels = f"\n\nLabels: {', '.join(f'`{label}`' for label in settings.labels)}." if settings.labels else ""
    return f"# {manifest.data['name']}, {manifest.model}\n\nTrained by bertkit: {what}.{labels}\n"


def _data(manifest: Manifest) -> str:
    data, columns = manifest.data, manifest.settings.columns
    rows = ", ".join(f"{split} {count:,}" for split, count in data["rows"].items())
    sample = "\n\nThis is a bundled sample: its scores are compared with nothing." if data["is_sample"] else ""
    names = ", ".join(f"`{name}`" for name in columns.inputs)
    return (
        f"## Data\n\nRows: {rows}. Columns read: {names}; label: `{columns.label}`.\n\n"
        f"Fingerprint (SHA-256 of texts and labels): `{data['fingerprint']}`.{sample}\n\n"
        f"## Command\n\n```\n{command_line(manifest.config)}\n```\n"
    )


def _scores(evaluation: Evaluation) -> str:
    names = [name for name in SHOWN if name in evaluation.metrics]
    baselines = list(evaluation.baselines)
    head = "| metric | model | 95 % interval | " + " | ".join(baselines) + " |"
    rule = "|" + "---|" * (3 + len(baselines))
    lines = []
    for name in names:
        low, high = evaluation.intervals.get(name, (float("nan"), float("nan")))
        others = [evaluation.baselines[b].get(name) for b in baselines]
        cells = [f"{other:.4f}" if other is not None else "" for other in others]
        lines.append(f"| {name} | {evaluation.metrics[name]:.4f} | {low:.4f} to {high:.4f} | {' | '.join(cells)} |")
    return (
        f"## Scores on the {evaluation.split} split ({evaluation.n:,} rows)\n\n"
        "This split chose the best weights, so the figures are a little too good; "
        "`bertkit eval` on a test split gives the honest ones.\n\n" + "\n".join([head, rule, *lines]) + "\n"
    )


def _limits(manifest: Manifest, evaluation: Evaluation) -> str:
    settings = manifest.settings
    limits = [f"Rows are read up to {settings.max_length} tokens; longer ones are cut and say so."]
    if settings.on_long == "window":
        limits = [f"Rows are read in windows of up to {settings.max_length} tokens."]
    if settings.overlap_segments:
        limits.append(
            "Segment ids also mark tokens that stand in both sentences. transformers gives the same outputs for "
            "the same input tensors; only bertkit computes these segment ids from text."
        )
    if settings.pooling == "mean":
        limits.append("The head pools by mean, which transformers' classification class cannot express.")
    if manifest.blend:
        product = " times ".join(f"{name} to the power of {weight:g}" for name, weight in manifest.blend.items())
        limits.append(
            f"Probabilities are blended: {product}, normalised. The second is in `baseline/`; "
            "model.safetensors alone gives the encoder's."
        )
    limits += [f"Warning at training: {warning}." for warning in evaluation.warnings]
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits) + "\n"


def _use(manifest: Manifest) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in manifest.versions.items())
    return f"## Use\n\n```\nbertkit predict RUN rows.jsonl\n```\n\nMade with {versions}.\n"
