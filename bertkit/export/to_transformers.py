"""A folder that transformers opens with its own classes, and that answers as the run does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle, encoder_class_of, published_config
from bertkit.errors import RunError
from bertkit.export.check import Artefact
from bertkit.export.folders import fill, labels_line, usage_texts
from bertkit.files import save_tensors
from bertkit.hub import hub_errors
from bertkit.kinds import read_object
from bertkit.models.finding import quiet
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.published import OF_A_ROW, PublishedHead, class_of, kind_of, pipeline_of, why_not_expressed

if TYPE_CHECKING:
    from torch import Tensor

# Encoders whose table of positions can end anywhere. Those of the other kinds compute with its
# length, or have none.
_ENDING_ANYWHERE = ("Bert", "Roberta", "XLMRoberta", "Camembert", "MPNet", "Electra", "DistilBert", "Albert")


def refuse(run: Bundle) -> None:
    """Refuse a run that transformers cannot express.

    Raises:
        RunError: none of its classes answers as the run does; the message says what would.
    """
    reason = why_not_expressed(run.task.settings, encoder_class_of(run.model))
    if reason is not None:
        raise RunError(f"{run.directory}: cannot be exported to transformers: {reason}.")


def write(folder: Path, run: Bundle) -> None:
    """Write the folder; see `refuse` for what must hold."""
    from bertkit.models.heads import exported_weights

    settings, model = run.task.settings, run.model
    bare = encoder_class_of(model)
    class_name, weights = class_of(settings, bare), exported_weights(model)
    config = {**published_config(settings, model), "architectures": [class_name]}
    if settings.task in OF_A_ROW:
        head = PublishedHead.of(model, kind_of(bare))
        weights, config = head.weights(weights), {**config, **head.config(model.encoder.hidden_size)}
    config |= _end_positions(weights, run)
    save_tensors(folder / "model.safetensors", weights)
    fill(folder, run, config, {"to": "transformers", "class": class_name}, _readme(run, class_name))


def _end_positions(weights: dict[str, Tensor], run: Bundle) -> Mapping[str, int]:
    """Let the table of positions end where the run cuts its rows, so that no longer row is read in another way.

    Returns:
        What config.json must say of it.
    """
    encoder, longest = run.model.encoder, run.task.settings.max_length
    name = f"{encoder.prefix}.embeddings.position_embeddings.weight"
    if kind_of(encoder_class_of(run.model)) not in _ENDING_ANYWHERE or name not in weights:
        return {}
    table = weights[name]
    over = (encoder.max_positions or longest) - longest
    if over <= 0:
        return {}
    weights[name] = table[:-over].contiguous()
    return {"max_position_embeddings": len(weights[name])}


def opened(folder: Path) -> Artefact:
    """Open the folder with transformers alone."""
    import torch

    model = open_published(folder)

    def artefact(inputs: dict[str, Tensor]) -> Tensor:
        call = inputs
        if type(model).__name__.endswith("ForMultipleChoice"):  # each input is a question with one choice
            call = {name: tensor.unsqueeze(1) for name, tensor in inputs.items()}
        # It says that it fills rows up to its window.
        with torch.inference_mode(), quiet("transformers.models.longformer.modeling_longformer"):
            found = model(**call)
        if hasattr(found, "start_logits"):
            return torch.stack([found.start_logits, found.end_logits], dim=-1)
        logits: Tensor = found.logits
        return logits

    return artefact


def open_published(folder: Path) -> Any:
    """Open the folder with the class that its config.json names, in evaluation mode."""
    import torch
    import transformers

    name = read_object(folder / "config.json")["architectures"][0]
    with hub_errors(str(folder), "model"), quiet("transformers.modeling_utils"):
        model = getattr(transformers, name).from_pretrained(str(folder), trust_remote_code=False, dtype=torch.float32)
    return model.eval()


def _readme(run: Bundle, class_name: str) -> str:
    settings = run.task.settings
    kind = pipeline_of(settings.task)
    tag = f"pipeline_tag: {kind}\n" if kind else ""
    return (
        f"---\nlibrary_name: transformers\n{tag}---\n\n# {class_name}, trained with bertkit\n\n"
        f"{labels_line(run)}\n```python\n{_use(run, class_name)}\n```\n\n"
        f"{_long_rows(settings, class_name)}\n"
        "`bertkit predict`, `bertkit eval` and `bertkit tokenize` read this folder as they read a run.\n"
    )


def _use(run: Bundle, class_name: str) -> str:
    """Return the lines that ask the folder."""
    settings, (first, second) = run.task.settings, usage_texts(run)
    kind = pipeline_of(settings.task)
    if kind is None and settings.task != "qa":
        return (
            f"from transformers import AutoTokenizer, {class_name}\n\n"
            f"tokenizer, model = AutoTokenizer.from_pretrained(FOLDER), {class_name}.from_pretrained(FOLDER)\n"
            f'choices = ["{second}", "It opens at ten."]\n'
            f'inputs = tokenizer(["{first}"] * len(choices), choices, padding=True, return_tensors="pt")\n'
            "print(model(**{name: values.unsqueeze(0) for name, values in inputs.items()}).logits.softmax(-1))"
        )
    if settings.task == "qa":
        return (
            f"from transformers import {class_name}, AutoTokenizer\n\n"
            f"tokenizer, model = AutoTokenizer.from_pretrained(FOLDER), {class_name}.from_pretrained(FOLDER)\n"
            f'inputs = tokenizer("When does it open?", "{first}", return_tensors="pt")\n'
            "found = model(**inputs)\n"
            "print(found.start_logits.argmax(), found.end_logits.argmax())  # the first and the last token"
        )
    call = f'{{"text": "{first}", "text_pair": "{second}"}}' if second else f'"{first}"'
    # A word's tag is that of its first token; where entities begin inside words, every token has its own.
    strategy = "first" if settings.unit == "word" else "simple"
    more = f', aggregation_strategy="{strategy}"' if settings.task == "ner" else ""
    if settings.task == "multilabel":
        more = ", top_k=None"
    return f'from transformers import pipeline\n\nask = pipeline("{kind}", model=FOLDER{more})\nprint(ask({call}))'


def _long_rows(settings: TaskSettings, class_name: str) -> str:
    longest = settings.max_length
    if settings.task == "ner":
        cut = "bertkit lets an entity end before the letters of its last token that do not belong to it (a particle); "
        return (
            f"A text is read up to {longest} tokens. bertkit takes the likeliest tags whose entities all begin with "
            "B-; the pipeline takes the likeliest tag of each word, and begins an entity at an I- too.\n"
            + (f"{cut}the pipeline does not.\n" if settings.endings else "")
        )
    refused = kind_of(class_name.partition("For")[0]) in _ENDING_ANYWHERE
    otherwise = "is refused" if refused else "is read further, which bertkit does not do"
    return (
        f"`bertkit predict` reads a row up to {longest} tokens. Add `truncation=True` to the call for the same; "
        f"without it a longer row {otherwise}.\n"
    )
