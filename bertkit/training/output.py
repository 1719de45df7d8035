"""Which folder a run goes to, and what must not be there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from bertkit.config import TrainConfig
from bertkit.data.sources import DATA_ROOT_VARIABLE
from bertkit.errors import OutputError
from bertkit.files import exists, is_dir, write_errors
from bertkit.ours import is_bare, named, strangers
from bertkit.plain import quoted
from bertkit.run_folder import is_run, is_unfinished, lasting, next_of, old_of

# Bytes of a name that bertkit makes up.
_LONGEST = 200


def planned_place(config: TrainConfig) -> Path:
    """Return the run directory of a request; nothing is written.

    Raises:
        OutputError: what is there forbids it; see `check_place`.
    """
    shown = next(candidates(config))
    with looking(shown):
        check_place(config, shown, lasting(shown))
    return shown


def candidates(config: TrainConfig) -> Iterator[Path]:
    """Yield the folders that may be meant, best first."""
    if config.output:
        yield Path(config.output)
        return
    first = config.data[0] if config.data else "run"
    words = [Path(first.replace("sample:", "")).name or first, Path(config.model).name]
    name = re.sub(r"[^\w.-]+", "-", "-".join(words)).strip("-").encode()[:_LONGEST].decode(errors="ignore")
    base = Path("runs") / name
    numbered = (base if n == 1 else base.with_name(f"{name}-{n}") for n in range(1, 10_000))
    if config.resume:
        yield next((c for c in numbered if _waits(c)), base)
    elif config.force:
        yield base
    else:
        yield from (c for c in numbered if _is_free(c))


def check_place(config: TrainConfig, shown: Path, run: Path) -> None:
    """Refuse a folder whose content forbids the training.

    Raises:
        OutputError: it is not empty and neither --force nor --resume is given; it is none of
            bertkit's; or --force would delete what others have put there or the training reads.
    """
    if not exists(run):
        return
    if not is_dir(run):
        raise OutputError(f"--output {shown}: is a file, not a folder; choose another name.")
    if is_bare(run):
        return
    if not (config.force or config.resume):
        raise OutputError(f"--output {shown}: is not empty; add --force to replace it or --resume to go on with it.")
    word, foreign = ("--resume" if config.resume else "--force"), strangers(run)
    if not is_run(run):
        example = f" ({named(foreign)})" if foreign else ""
        raise OutputError(
            f"--output {shown}: holds files that are no run of bertkit{example}; {word} leaves them alone: "
            "choose another folder."
        )
    if config.resume:
        return
    if foreign:
        raise OutputError(
            f"--output {shown}: holds {named(foreign)} that bertkit has not written; --force deletes nothing of "
            "others: move them, or choose another folder."
        )
    if os.path.ismount(run):
        raise OutputError(f"--output {shown}: is a mount point, which cannot be replaced; name a folder in it.")
    refuse_inputs(config, shown, run)


def refuse_inputs(config: TrainConfig, shown: Path, run: Path) -> None:
    """Refuse to replace a run in whose folder something lies that the training itself needs."""
    folders = {run, next_of(run), old_of(run)}
    for what, path in _inputs(config):
        place = lasting(path)
        if exists(path) and folders & {place, *place.parents}:
            raise OutputError(f"--output {shown}: {what} is there, and --force would delete it; choose another folder.")


def looking(shown: Path) -> AbstractContextManager[None]:
    """Turn what the machine refuses while the folder is looked at and made into one sentence."""
    return write_errors(shown, "--output", way_on="choose another folder")


def _inputs(config: TrainConfig) -> Iterator[tuple[str, Path]]:
    with suppress(OSError):  # a folder that is gone is in nobody's way
        yield "the working directory", Path.cwd()
    root = os.environ.get(DATA_ROOT_VARIABLE)
    for what, name in (("--data-dir", config.data_dir), (DATA_ROOT_VARIABLE, root), ("--model", config.model),
                       ("--tokenizer", config.tokenizer)):  # fmt: skip
        if name:
            yield f"{what} {quoted(name)}", Path(name)
    for name in config.data:
        for path in (Path(config.data_dir or "", name), Path(name)):
            yield f"DATA {quoted(name)}", path


def _waits(place: Path) -> bool:
    """Tell whether a training can be gone on with here."""
    new = next_of(place)
    return (exists(place) and is_unfinished(place)) or (exists(new) and is_run(new))


def _is_free(place: Path) -> bool:
    try:
        return not exists(place) or (is_dir(place) and is_bare(place))
    except OSError:  # somebody else's
        return False
