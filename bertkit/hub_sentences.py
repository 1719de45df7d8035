"""Errors of the hub's libraries, each as one sentence.

`transformers` raises a plain OSError for a misspelt name, a gated model and a dead network
alike; what happened stands further down the chain of causes. Classes are known here by name,
so that no library is imported to look at an error that it may not even have raised.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bertkit.plain import quoted

_LISTED_CONFIGS = re.compile(
    r"(?:not found\. Available|vailable configs(?: in the cache)?|configurations in the cache): \[?([^]\n]+)"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked of the hub when the error came.

    `noun` says in words what `repo_id` names ("model"), `page` is its page on the hub,
    `cache` the folder where the libraries keep what they fetch.
    """

    repo_id: str
    noun: str
    endpoint: str
    page: str
    cache: str
    is_offline: bool

    def __str__(self) -> str:
        return f"{self.noun} {quoted(self.repo_id)}"


def sentence(error: BaseException, wanted: Wanted) -> str | None:
    """Say what `error` means: the outermost link of its chain that says something is heard.

    Returns:
        One sentence, or None if the error has nothing to do with the hub.
    """
    for link in _chain(error):
        for ancestor in type(link).__mro__:
            say = _SENTENCES.get(ancestor.__name__)
            said = say(wanted, link) if say else None
            if said is not None:
                return said
    if isinstance(error, OSError):
        return f"the {wanted} could not be opened: {_first_line(error)}."
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        # The libraries turn what they catch into OSErrors; from any other error, what was being
        # handled when it came ("no such file, then let's try …") is not an explanation.
        is_turned = isinstance(link, OSError) and not link.__suppress_context__
        link = link.__cause__ or (link.__context__ if is_turned else None)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(" .:")


def _missing(wanted: Wanted, error: BaseException) -> str:
    if "is a gated dataset" in str(error):  # the datasets library has one class for both
        return _gated(wanted, error)
    return (
        f"there is no {wanted} on {wanted.endpoint}, or it is private: check the spelling, "
        "or log in by setting HF_TOKEN to a token that may read it."
    )


def _gated(wanted: Wanted, _: BaseException) -> str:
    return f"the {wanted} is gated: ask for access at {wanted.page}, then log in by setting HF_TOKEN to your token."


def _no_network(wanted: Wanted, error: BaseException) -> str:
    if wanted.is_offline:
        return _offline(wanted, error)
    return (
        f"the network to {wanted.endpoint} failed while the {wanted} was being fetched: try again, "
        "what has been downloaded so far is kept."
    )


def _offline(wanted: Wanted, _: BaseException) -> str:
    return (
        f"the {wanted} is not completely in the cache {wanted.cache}, and the hub is not asked (offline): "
        "fetch it once with a network, or copy the cache of a machine that has it (HF_HOME)."
    )


def _not_on_disk(wanted: Wanted, error: BaseException) -> str | None:
    return None if error.__cause__ else _no_network(wanted, error)  # the cause knows better


def _missing_file(wanted: Wanted, error: BaseException) -> str:
    url = re.search(r"/resolve/[^/]+/(\S+?)\.?(?:\s|$)", str(error))
    name = repr(url[1]) if url else "of the name wanted"
    return f"the {wanted} on {wanted.endpoint} has no file {name}: is it what it should be?"


def _refused(wanted: Wanted, error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    ways_on = {
        401: "set HF_TOKEN to a token that may read it",
        403: "set HF_TOKEN to a token that may read it",
        429: "too many requests, so wait some minutes or set HF_TOKEN",
    }
    way_on = ways_on.get(status or 0, "try again later")
    return f"{wanted.endpoint} refused the {wanted} with HTTP status {status}: {way_on}."


def _no_hub(wanted: Wanted, _: BaseException) -> str:
    return (
        f"{wanted.endpoint} answers, but not as a hub does, when asked for the {wanted}: "
        "check HF_ENDPOINT, and what a proxy or firewall puts in its place."
    )


def _no_id(wanted: Wanted, _: BaseException) -> str:
    return f"{wanted.repo_id!r} cannot be the id of a {wanted.noun}: one is written organisation/name."


def _config(wanted: Wanted, error: BaseException) -> str | None:
    """Read the configs out of the four messages in which the datasets library lists them."""
    message = str(error)
    listed = _LISTED_CONFIGS.search(message)
    if listed is None:
        return None
    names = ", ".join(name.strip(" '\"") for name in listed[1].split(","))
    asked = re.search(r"(?:BuilderConfig|for config) '([^']+)'", message)
    problem = f"has no config {asked[1]!r}" if asked else "has several configs"
    return f"the {wanted} {problem}: write hf:{wanted.repo_id}:CONFIG, where CONFIG is one of {names}."


def _no_files(wanted: Wanted, _: BaseException) -> str:
    return (
        f"the {wanted} holds no files that the datasets library reads (parquet, csv, json, text): "
        f"see what there is at {wanted.page}, download it, and give the files."
    )


def _script(wanted: Wanted, error: BaseException) -> str | None:
    return _no_files(wanted, error) if "Dataset scripts" in str(error) else None


def _damaged(wanted: Wanted, error: BaseException) -> str:
    return f"the files of the {wanted} could not be read: {_first_line(error.__cause__ or error)}."


def _no_room(wanted: Wanted, error: BaseException) -> str | None:
    number = getattr(error, "errno", None)
    if number not in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}:
        return None
    return (
        f"the {wanted} could not be stored in {wanted.cache} ({os.strerror(number)}): "
        "set HF_HOME to a folder with room that you may write."
    )


# The nearest ancestor that says something is heard: a RemoteEntryNotFoundError is also an
# HfHubHTTPError, and that is also an OSError.
_SENTENCES: Mapping[str, Callable[[Wanted, BaseException], str | None]] = {
    "GatedRepoError": _gated,
    "RepositoryNotFoundError": _missing,
    "DatasetNotFoundError": _missing,
    "RemoteEntryNotFoundError": _missing_file,
    "LocalEntryNotFoundError": _not_on_disk,
    "HfHubHTTPError": _refused,
    "FileMetadataError": _no_hub,
    "HFValidationError": _no_id,
    "DataFilesNotFoundError": _no_files,
    "EmptyDatasetError": _no_files,
    "DatasetGenerationError": _damaged,
    "ArrowException": _damaged,
    "RuntimeError": _script,
    "ValueError": _config,
    "OfflineModeIsEnabled": _offline,
    "ConnectionError": _no_network,
    "TimeoutError": _no_network,
    "TransportError": _no_network,
    "gaierror": _no_network,
    "OSError": _no_room,
}
