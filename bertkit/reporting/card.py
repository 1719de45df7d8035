"""The model card of a run: what it is, on what it was trained, how good it is, what it cannot do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bertkit.bundle import Manifest
from bertkit.config import TrainConfig, flag
from bertkit.evaluation.blend import is_linear
from bertkit.evaluation.evaluate import Evaluation
from bertkit.files import write_text
from bertkit.metrics.names import table_names
from bertkit.plain import shell_words, shortened, to_json, visible
from bertkit.tasks.published import Standing, pipeline_of

# --- Somebody's text in Markdown: what CommonMark shows of it is the text, with nothing in it unseen

# Most characters of a label or a name.
_LONGEST = 300
_BACKTICKS = re.compile("`+")
# What begins emphasis, a link, an element, an entity, a heading or a cell; _ does so only beside a word.
_MARKS = re.compile(r"[\\`*\[\]<>#|~&]|(?<!\w)_|_(?!\w)")


def code_span(text: str) -> str:
    """Write a text in backticks; as many as no run of backticks in it has.

    >>> code_span("a`b")
    '``a`b``'
    """
    shown = visible(shortened(text, _LONGEST))
    if not shown:
        return "(empty)"
    runs = {len(run) for run in _BACKTICKS.findall(shown)}
    fence = "`" * next(n for n in range(1, len(runs) + 2) if n not in runs)
    # One space on either side is taken off by the reader.
    is_padded = "`" in (shown[0], shown[-1]) or (shown[0] == shown[-1] == " " and shown.strip() != "")
    return f"{fence} {shown} {fence}" if is_padded else f"{fence}{shown}{fence}"


def escaped(text: str) -> str:
    r"""Write a text among others, with its marks escaped.

    >>> escaped("<b> macro_f1 [x](y)")
    '\\<b\\> macro_f1 \\[x\\](y)'
    """
    return _MARKS.sub(lambda mark: f"\\{mark[0]}", visible(text))


# A card is for reading; bertkit.json has all labels.
MOST_LABELS = 200
SHOWN = (
    "accuracy", "f1", "macro_f1", "mcc", "pearson", "spearman", "mse", "mae", "entity_precision", "entity_recall",
    "entity_f1", "entity_f1_lenient", "map@3", "mrr", "perplexity", "pair_accuracy", "rouge1", "rouge2",
    "rougeLsum", "loss",
)  # fmt: skip


def write_card(path: Path, manifest: Manifest, evaluation: Evaluation, standing: Standing) -> None:
    """Write the card as Markdown with the metadata block that model hubs read.

    Args:
        path: the file.
        manifest: the run's.
        evaluation: its scores on the validation split.
        standing: what transformers makes of it.

    Raises:
        OSError: it cannot be written.
    """
    parts = (
        _metadata(manifest, standing),
        _what(manifest),
        _data(manifest),
        _scores(manifest, evaluation),
        _limits(manifest, evaluation),
        _use(manifest, standing),
    )
    write_text(path, "\n".join(parts))


def command_line(config: Mapping[str, object]) -> str:
    """Return the command that asks for a stored config, defaults left out; of a whole path, its last name."""
    default = TrainConfig()
    words = ["bertkit", "train", *(_passed_on(name) for name in config.get("data", ()))]  # type: ignore[attr-defined]
    for name, value in config.items():
        if name in ("data", "given") or value is None or value == getattr(default, name, None):
            continue
        if isinstance(value, bool):
            words.append(flag(name) if value else flag("no_" + name))
        else:
            words += [flag(name), _passed_on(value)]
    return shell_words(words)


def _passed_on(value: object) -> str:
    """Leave out of a place where it lies on this machine."""
    path = Path(str(value))
    return path.name if path.is_absolute() else str(value)


def _metadata(manifest: Manifest, standing: Standing) -> str:
    """Name a pipeline only where one gives the run's answers."""
    kind = pipeline_of(manifest.settings.task) if standing.class_name else None
    named = f"pipeline_tag: {kind}\n" if kind else ""
    return f"---\nlibrary_name: bertkit\n{named}tags: [{manifest.settings.task}]\n---\n"


def _what(manifest: Manifest) -> str:
    settings = manifest.settings
    model = _passed_on(manifest.model)
    what = f"{code_span(settings.task)} with the model {code_span(model)}"
    title = f"{escaped(manifest.data['name'])}, {escaped(model)}"
    return f"# {title}\n\nTrained by bertkit: {what}.{_labels(settings.labels)}\n"


def _labels(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    more = f" and {len(labels) - MOST_LABELS:,} more" if len(labels) > MOST_LABELS else ""
    return f"\n\nLabels: {', '.join(map(code_span, labels[:MOST_LABELS]))}{more}."


def _data(manifest: Manifest) -> str:
    data, columns = manifest.data, manifest.settings.columns
    rows = ", ".join(f"{split} {count:,}" for split, count in data["rows"].items())
    sample = (
        "\n\nThis is a bundled sample: its scores are not comparable with published ones." if data["is_sample"] else ""
    )
    names = ", ".join(map(code_span, columns.inputs))
    return (
        f"## Data\n\nRows: {rows}. Columns read: {names}; label: {code_span(str(columns.label))}.\n\n"
        f"Fingerprint (SHA-256 of texts and labels): `{data['fingerprint']}`.{sample}\n\n"
        f"## Command\n\n```\n{command_line(manifest.config)}\n```\n"
    )


def _scores(manifest: Manifest, evaluation: Evaluation) -> str:
    named = table_names(evaluation.metrics, evaluation.positive)
    names = [name for name in SHOWN if name in named]
    baselines = list(evaluation.baselines)
    head = "| metric | model | 95 % CI | " + " | ".join(baselines) + " |"
    rule = "|" + "---|" * (3 + len(baselines))
    lines = []
    for name in names:
        ends = evaluation.intervals.get(name)
        interval = "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"
        others = [evaluation.baselines[b].get(name) for b in baselines]
        cells = [f"{other:.4f}" if other is not None else "" for other in others]
        lines.append(f"| {named[name]} | {evaluation.metrics[name]:.4f} | {interval} | {' | '.join(cells)} |")
    chosen = f"the best epoch (by {evaluation.metric})" + " and fitted the ensemble" * bool(manifest.blend)
    chose = (
        f"This split chose {chosen}, so these scores are slightly inflated; "
        "`bertkit eval` on a test split gives unbiased ones.\n\n"
    )
    return (
        f"## Scores on the {evaluation.split} split ({evaluation.n:,} rows, seed {manifest.config.get('seed', 1)})\n\n"
        + ("" if is_linear(manifest) else chose)
        + "\n".join([head, rule, *lines])
        + "\n"
    )


def _limits(manifest: Manifest, evaluation: Evaluation) -> str:
    settings = manifest.settings
    limits = [f"Inputs are truncated to {settings.max_length} tokens; records then say `truncated: true`."]
    if is_linear(manifest):
        limits = [
            "Words that are in no training row are known only by their letters; word order only by pairs of words."
        ]
    elif settings.on_long == "window":
        limits = [f"Rows are read in windows of up to {settings.max_length} tokens."]
    if settings.overlap_segments:
        limits.append("Segment ids also mark tokens that both sentences share; only bertkit computes them from text.")
    limits += _of_encoder(manifest)
    if manifest.blend:
        limits.append(
            f"{_blended(manifest)} The second is in `baseline/`; model.safetensors alone gives the encoder's."
        )
    limits += [f"Warning at training: {escaped(warning)}." for warning in evaluation.warnings]
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits) + "\n"


def _blended(manifest: Manifest) -> str:
    weights = manifest.blend.items()
    if manifest.settings.task == "regression":
        return f"Scores are ensembled: {' plus '.join(f'{weight:g} times {name}' for name, weight in weights)}."
    product = " times ".join(f"{name} to the power of {weight:g}" for name, weight in weights)
    return f"Probabilities are ensembled: {product}, normalised."


def _of_encoder(manifest: Manifest) -> Iterator[str]:
    """Say where the encoder's weights came from, where it matters, and what its vocabulary lacks."""
    if statement := manifest.training.get("encoder"):
        yield escaped(str(statement))
    if figures := manifest.training.get("vocabulary"):
        kept, dropped = int(figures["kept"]), int(figures["dropped"])
        rows, needing = int(figures["validation_rows"]), int(figures["rows_that_need_a_dropped_piece"])
        share = needing / rows if rows else 0.0
        yield (
            f"Of the encoder's vocabulary {kept:,} pieces are kept (special tokens, single characters, those of the "
            f"training rows, likely ones of their scripts) and {dropped:,} dropped; a word that needs one of these is "
            f"read in smaller pieces. This was so in {needing:,} of {rows:,} validation rows ({share:.1%}); "
            "`bertkit predict` counts such rows."
        )


def _use(manifest: Manifest, standing: Standing) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in manifest.versions.items())
    return (
        f"## Use\n\n```\nbertkit predict RUN rows.jsonl\n```\n\n{_elsewhere(manifest, standing)}\n\n"
        f"Made with {versions}.\n"
    )


def _elsewhere(manifest: Manifest, standing: Standing) -> str:
    """Say what transformers makes of the run."""
    kind = pipeline_of(manifest.settings.task)
    if standing.class_name is None:
        return f"transformers refuses this folder, because its answers would differ; {standing.refusal}."
    pipeline = f"or `pipeline({to_json(kind)}, model=RUN)`, " if kind else ""
    return f"transformers opens this folder ({code_span(standing.class_name)}), {pipeline}and gives the same answers."
