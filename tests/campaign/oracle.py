"""What must hold after any command, whatever it was given.

The first half is hygiene: exit code, one sentence with a place, nothing left over, no
traceback, no warning of a library, JSON that every reader takes. The second half is in
`answers`: rows that no damage touched come back as they are, or a sentence says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.campaign.answers import JUDGES, judged
from tests.campaign.commands import Call
from tests.campaign.inprocess import CPU_SECONDS, Ran
from tests.campaign.inputs import Input
from tests.campaign.runs import Runs

# A sentence quotes at most 300 characters of the user's own, beside its own words.
LONGEST_SENTENCE = 1100
EXIT_CODES = (0, 3, 4)
_SAID = "bertkit: "
# What is said beside the sentence that ends a command.
_NOTES = (": warning: ", " is read as ", "(read as such")
_LIBRARY = re.compile(r"\b\w*(?:Warning|Error|Exception): |^\s*warnings\.warn|^\[W\d|^\[rank", re.MULTILINE)
# C0 without line ends and tabs, DEL, C1, and marks that turn the direction of reading.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What rich draws with on a terminal is not written to a file, so nothing of ours is excepted.


def faults(ran: Ran, call: Call, given: Input, runs: Runs, folder: Path) -> list[str]:
    """List what is wrong with the way a command ended; nothing if all is well."""
    found = list(manners(ran, call, (call.place(given), str(runs.of(given.task)))))
    if ran.stopped or _is_crash(ran):
        return found
    found += _left_over(ran, call, given, folder)
    found += judged(ran, call, given, runs, folder)
    return found


def manners(ran: Ran, call: Call, places: Sequence[str]) -> Iterator[str]:
    """List what is wrong with the way a command ended, whatever it was to answer; `places` may be named."""
    if ran.stopped:
        yield "hang: stopped after 10 s of CPU or 90 s"
    elif _is_crash(ran):
        yield f"traceback: {crash(ran.err)}"
    else:
        yield from _hygiene(ran, call, places)


def _is_crash(ran: Ran) -> bool:
    return "Traceback (most recent call last)" in ran.err or ran.code == 1


def crash(err: str) -> str:
    """Name a traceback by its last line and the deepest place of ours in it."""
    ours = re.findall(r'File ".*?/(bertkit/[\w/]+\.py)", line \d+, in (\w+)', err)
    last = [line for line in err.strip().splitlines() if line.strip()][-1:] or ["nothing on stderr"]
    kind = last[0].split(":")[0][:60]
    return f"{kind} in {' '.join(ours[-1])}" if ours else kind


def _hygiene(ran: Ran, call: Call, places: Sequence[str]) -> Iterator[str]:
    if ran.code not in EXIT_CODES:
        yield f"exit {ran.code}"
    if ran.cpu_s > CPU_SECONDS:
        yield "slow: more than 10 s of CPU"
    foreign = "\n".join(line for line in ran.err.splitlines() if not line.startswith(_SAID))
    if (found := _LIBRARY.search(foreign)) is not None:
        yield f"a library speaks on stderr: {found[0].strip()}"
    if STEERING.search(ran.err):
        yield "control characters on stderr"
    if ran.code == 3:
        yield from _sentence(ran, places)
    try:
        out = ran.out.decode("utf-8")
    except UnicodeDecodeError:
        yield "standard output is not UTF-8"
        return
    if call.is_table and STEERING.search(out):
        yield "control characters in a table"


def _sentence(ran: Ran, places: Sequence[str]) -> Iterator[str]:
    lines = [line for line in ran.err.splitlines() if line.strip()]
    if not lines or not lines[-1].startswith(_SAID):
        yield "exit 3 without a sentence at the end"
        return
    if len([line for line in lines if line.startswith(_SAID) and not any(mark in line for mark in _NOTES)]) > 1:
        yield "more than one sentence"
    if len(lines[-1]) > LONGEST_SENTENCE:
        yield "a sentence is too long"
    if not any(place in lines[-1] for place in places):
        yield f"no place in: {_shape(lines[-1])}"


def _shape(sentence: str) -> str:
    """Reduce a sentence to its fixed words, so that like ones are counted together."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"|/\S+|\d[\d,.]*|[^\x20-\x7e]+", "_", sentence.removeprefix(_SAID))
    return plain[:70]


def _left_over(ran: Ran, call: Call, given: Input, folder: Path) -> Iterator[str]:
    there = {path.name for path in folder.iterdir()}
    # What was made may stay; after a refusal nothing does, but for a training that can go on.
    allowed = {given.name, call.output}
    extra = sorted(there - allowed)
    if extra:
        yield f"left over: {re.sub(r'[0-9a-f]{8,}', '_', extra[0])}"
    if given.name not in there or (folder / given.name).read_bytes() != given.data:
        yield "the input was changed"
    if call.output is not None and call.output in there:
        inside = [path.name for path in (folder / call.output).rglob("*") if path.name.endswith(".tmp")]
        if inside:
            yield f"left over: {inside[0]}"
    if ran.code == 0 and call.output is not None and call.output not in there:
        yield "exit 0 and no output"


__all__ = ["JUDGES", "crash", "faults", "manners"]
