"""Options shared by commands, and those built from a config class.

An option of `bertkit train` is stated once, beside its field in `config.py`; here the
fields become the parameters Typer reads. All of them default to None, so that what was
given on the command line or in the environment can be told from what was not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from bertkit.config import flag, options


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"


def kept_names(names: list[str] | None) -> list[str] | None:
    """Keep what comes on standard input, for data is read more than once."""
    if names is None or "-" not in names:
        return names
    from bertkit.data.formats.opened import kept_on_disk

    return kept_on_disk(names)


DataArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="Data set of `bertkit datasets`, sample:NAME, file(s), folder, hf:org/name[:config], or - for stdin "
        "(default: that of --config).",
        callback=kept_names,
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="table or json (default: a table on a terminal, JSON in a pipe)."),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Column of each part, as text=a,pair=b,label=c (default: by their names).",
        envvar="BERTKIT_COLUMNS",
    ),
]
KeepOption = Annotated[
    str | None,
    typer.Option("--keep", help="Input columns copied into the records: COLUMN,… or all (default: none)."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="Where to compute: auto, cpu, cuda, cuda:N or mps (default: auto, a GPU if there is one).",
        envvar="BERTKIT_DEVICE",
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="Number format: auto, float32 or bfloat16 (default: auto, bfloat16 where the hardware "
        "computes with it, else float32).",
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="Engine: auto, torch, onnx or openvino (default: auto, by processor, model and input).",
        envvar="BERTKIT_ENGINE",
    ),
]
OnLongOption = Annotated[
    str | None,
    typer.Option(
        "--on-long",
        help="Inputs that are too long: truncate, read in windows (window), or error (default: as trained).",
    ),
]
NoBlendOption = Annotated[
    bool, typer.Option("--no-blend", help="Use the encoder alone, without the TF-IDF baseline it is ensembled with.")
]
ThresholdOption = Annotated[
    str | None,
    typer.Option(
        "--threshold",
        help="Lowest probability, 0 to 1, at which a label is given: P, or label=P,label=P (default: as trained).",
    ),
]
AbstainOption = Annotated[
    float | None,
    typer.Option("--abstain-below", help="Give no answer below this probability, 0 to 1 (default: always answer)."),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size", min=1, help="Most rows of a batch (default: by their tokens).", envvar="BERTKIT_BATCH_SIZE"
    ),
]
# Whether a place can be read the command finds out, and says in its own words: it is not a wrong
# value of a flag.
RunArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="Run directory that `bertkit train` has written.", readable=False, show_default=False
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder that holds DATA's files (default: where DATA is found).",
        envvar="BERTKIT_DATA_DIR",
        readable=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write (default: standard output).", readable=False),
]
PlotsOption = Annotated[
    Path | None, typer.Option("--plots", help="Folder to write charts to, as PNG (default: none).", readable=False)
]
ReportOption = Annotated[
    Path | None, typer.Option("--report", help="HTML page to write, one file (default: none).", readable=False)
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit with code 4 if there is a warning.", envvar="BERTKIT_STRICT")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


def with_options(
    config_class: type, *, without: frozenset[str] = frozenset()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a config class, all but some.

    The command receives them as one argument, `given`: a dict of the values somebody gave.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in inspect.signature(command).parameters.items()
            if name != "given"
        ]
        kinds = get_type_hints(config_class)
        built = [_parameter(spec, kinds[spec.name]) for spec in options(config_class) if spec.name not in without]

        @functools.wraps(command)
        def wrapped(**values: Any) -> None:
            given = {p.name: value for p in built if (value := values.pop(p.name)) is not None}
            command(**values, given=given)

        wrapped.__signature__ = inspect.Signature([*own, *built])  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in (*own, *built)}
        # Typer follows __wrapped__ back to the command, whose signature lacks the options.
        del wrapped.__wrapped__
        return wrapped

    return decorate


def _parameter(spec: Field[Any], hint: Any) -> inspect.Parameter:
    kinds = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)]
    name = flag(spec.name)
    spelling = f"{name}/--no-{spec.name.replace('_', '-')}" if kinds[0] is bool and _can_be_off(spec) else name
    choices = spec.metadata["choices"]
    declared = typer.Option(
        spelling,
        help=spec.metadata["help"],
        metavar="|".join(choices) if choices else None,
        envvar=f"BERTKIT_{name[2:].replace('-', '_').upper()}",
        show_envvar=False,
        show_default=False,
        rich_help_panel=spec.metadata["panel"],
    )
    annotation = Annotated[kinds[0] | None, declared]  # type: ignore[valid-type]
    return inspect.Parameter(spec.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _can_be_off(spec: Field[Any]) -> bool:
    """A switch whose default is open needs its negative too."""
    return spec.default is None
