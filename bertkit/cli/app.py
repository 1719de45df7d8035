"""The command line: one app, one file per command, one place where errors become words.

Nothing heavy is imported here or in the command files: `bertkit --help` needs no torch.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from bertkit import __version__
from bertkit.cli.help import CommandGroup, KitCommand
from bertkit.cli.render import spoken
from bertkit.cli.streams import ReaderGone, end_early, guard_standard_streams, one_voice
from bertkit.compute.processes import joined, this_world
from bertkit.errors import BertkitError, RunError, UnknownNameError, UsageError
from bertkit.files import is_file, refusal
from bertkit.language import LANGUAGES, asked_language, speak, translated
from bertkit.plain import WORD, quoted, shell_words, shortened

# The commands that several processes share; of any other the first does all.
SHARED = ("train", "predict")
# Those whose first word is a run, or a model.
_RUN_FIRST = ("eval", "evaluate", "predict", "attention", "lookup", "coverage", "show", "export")
# Of all that Typer raises for a wrong command line: BadParameter is a usage error, and that is one.
_WrongCommandLine: Any = typer.BadParameter.__mro__[2]


class KitGroup(CommandGroup):
    """Turns errors into one sentence on stderr and the exit code they carry."""

    typed: Sequence[str] = ()

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; what happens outside of a command (--help, --version) ends alike."""
        given = args[0] if args else extra.get("args")
        self.typed = asked_help(sys.argv[1:] if given is None else given)
        args, extra["args"] = (), self.typed
        speak(asked_language(self.typed, os.environ))
        try:
            with _told(self.typed):
                return super().main(**extra)
        except typer.Exit as early:
            sys.exit(early.exit_code)

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the options before the command; a wrong one is quoted harmlessly."""
        with _quoted_harmlessly():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a closed pipe ends quietly, Ctrl-C with 130."""
        with _told(self.typed), _quoted_harmlessly():
            result = super().invoke(ctx)
            sys.stdout.flush()
        return result


def asked_help(typed: Sequence[str]) -> tuple[str, ...]:
    """Read `help COMMAND` as `COMMAND --help`; an option of bertkit itself may stand before it.

    >>> asked_help(["help", "train"])
    ('train', '--help')
    """
    words = list(typed)
    first = words[0] if words else ""
    place = 2 if first == "--lang" else int(first.startswith("--lang="))
    if words[place : place + 1] == ["help"]:
        del words[place]
        words.append("--help")
    return tuple(words)


@contextmanager
def _told(typed: Sequence[str]) -> Iterator[None]:
    """Say in one sentence what ended the body; a defect passes, and keeps its traceback.

    Args:
        typed: the words of the command line; long ones are said in part.
    """
    try:
        yield
    except (_WrongCommandLine, typer.Exit, typer.Abort):
        raise
    except BertkitError as error:
        raise _exit(error.exit_code, _in_part(" ".join(_with_hint(typed, error)), typed)) from error
    except (ReaderGone, BrokenPipeError):
        raise _exit(0) from None
    except KeyboardInterrupt:
        raise _exit(130, "bertkit: interrupted") from None
    except Exception as error:
        said = refusal(error)
        if said is None:
            raise
        raise _exit(3, _in_part(f"bertkit: {said}", typed)) from error


def _with_hint(typed: Sequence[str], error: BertkitError) -> Iterator[str]:
    """Yield what an error says, and what was probably meant, each in the language that is spoken."""
    hint = _hint(typed, error)
    yield translated(f"bertkit: {error}") if hint else f"bertkit: {error}"
    if hint:
        yield translated(hint)


def _hint(typed: Sequence[str], error: BertkitError) -> str:
    """Say what was meant where a run stands behind its data, or a text where a file is expected; else nothing."""
    from bertkit.run_folder import is_whole

    words = [word for word in typed if not word.startswith("-")]
    place = next((at for at, word in enumerate(words) if word in _RUN_FIRST), len(words))
    command = ["bertkit", *(["vocab"] if "vocab" in words[:place] else []), *words[place : place + 1]]
    first, others = "".join(words[place + 1 : place + 2]), words[place + 2 :]
    text = next((word for word in others if " " in word and str(error) == f"{word}: no such file."), "")
    if text:
        return f"A text comes through a pipe: {shell_words(['echo', text])} | {shell_words([*command, first, '-'])}."
    runs = [word for word in others if is_whole(Path(word)) or is_file(Path(word) / "tokenizer.json")]
    is_other = isinstance(error, RunError | UnknownNameError) and first in str(error) and not is_whole(Path(first))
    return f"The run or model comes first: {shell_words([*command, runs[0], first])}." if is_other and runs else ""


def _exit(code: int, said: str = "") -> typer.Exit:
    return typer.Exit(end_early(code, spoken(said)))


def _in_part(said: str, typed: Sequence[str]) -> str:
    """Cut the long words somebody typed, so that what is said of them is not cut."""
    for word in typed:
        value = word.partition("=")[2] if word.startswith("--") else word
        for spelt in (value, str(Path(value))):
            if len(spelt) > WORD:
                said = said.replace(spelt, shortened(spelt, WORD))
    return said


@contextmanager
def _quoted_harmlessly() -> Iterator[None]:
    """Bound what Typer quotes of a wrong command line, and show its control characters."""
    try:
        yield
    except _WrongCommandLine as error:
        said = spoken(_in_words(error.format_message()))
        error.format_message = lambda: said
        _speak_of_errors()
        raise


# What pydantic, which Typer asks what an option takes, says of a value; and that in words.
_OF_PYDANTIC = (
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid number\b.*"), "it is not a number."),
    (re.compile(r"Input should be a valid integer\b.*"), "it is not a whole number."),
    (re.compile(r"Input should be greater than or equal to (\S+)$"), "it must be at least \\1."),
    (re.compile(r"Input should be less than or equal to (\S+)$"), "it must be at most \\1."),
)


def _in_words(said: str) -> str:
    """Say in words what is wrong with the value of an option."""
    for pattern, words in _OF_PYDANTIC:
        said = pattern.sub(words, said)
    return said


def _speak_of_errors() -> None:
    """Give the frame that Typer puts round what it says the language that is spoken."""
    from typer import rich_utils

    rich_utils.ERRORS_PANEL_TITLE = translated("Error")
    rich_utils.RICH_HELP = translated("Try [blue]'{command_path} {help_option}'[/] for help.")


app = typer.Typer(
    cls=KitGroup,
    name="bertkit",
    help="The shell toolkit for BERT-family encoders: train, evaluate and predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda word: word.replace("_", "-"),
    },
)


def _language(asked: str | None) -> None:
    """Refuse a language that there is none of; which is spoken has been settled before.

    Raises:
        UsageError: it is neither.
    """
    if asked is not None and asked not in LANGUAGES:
        raise UsageError(f"--lang {quoted(asked)}: must be one of {', '.join(LANGUAGES)}.")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bertkit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_version, is_eager=True)
    ] = False,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            help="Language of messages and help: en or ko (default: by BERTKIT_LANG, then the locale).",
            callback=_language,
            is_eager=True,
        ),
    ] = None,
) -> None:
    """Train, evaluate and use BERT-family encoders from the shell."""
    # Threads that spin while they wait bring a busy machine to a crawl (8 times slower,
    # measured); torch reads this when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if ctx.invoked_subcommand in SHARED:
        ctx.with_resource(joined())
    elif not this_world().is_main:
        raise typer.Exit


def main() -> None:
    """Start the command line."""
    guard_standard_streams()
    try:
        with one_voice():
            app()
    except Exception:
        if this_world().size == 1:
            raise
        end_early(1, traceback.format_exc())
    finally:
        # What an error has left unwritten; Python's own last flush would have an exit code of its own.
        with suppress(Exception):
            sys.stdout.flush()


def _register() -> None:
    """Attach the commands; each file defines one function and knows nothing of the others."""
    from bertkit.cli import evaluate, inspect, predict, runs, summarize, tokenize, train

    app.command("tokenize")(tokenize.tokenize_command)
    app.add_typer(tokenize.vocab_app, name="vocab")
    app.command("inspect-data")(inspect.inspect_command)
    app.command("train")(train.train_command)
    app.command("tune")(train.tune_command)
    app.command("eval")(evaluate.eval_command)
    app.command("evaluate", hidden=True)(evaluate.eval_command)
    app.command("predict")(predict.predict_command)
    app.command("attention")(evaluate.attention_command)
    app.command("export")(runs.export_command)
    app.add_typer(runs.runs_app, name="runs")
    app.command("summarize")(summarize.summarize_command)
    app.command("models")(runs.models_command)
    app.command("datasets")(runs.datasets_command)
    app.add_typer(runs.cache_app, name="cache")
    for each in (app, *(group.typer_instance for group in app.registered_groups if group.typer_instance)):
        for command in each.registered_commands:
            command.cls = KitCommand
    for group in app.registered_groups:
        own = group.typer_instance.info.cls if group.typer_instance else None
        group.cls = own if isinstance(own, type) and issubclass(own, CommandGroup) else CommandGroup


_register()
