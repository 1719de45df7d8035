from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from bertkit.hub_sentences import Wanted, sentence

WANTED = Wanted(
    repo_id="org/name",
    noun="data set",
    endpoint="https://hub.example",
    page="https://hub.example/datasets/org/name",
    cache="/home/of/the/cache",
    is_offline=False,
)


class HfHubHTTPError(OSError):
    """Stand in for the client's class of this name: classes are told by their names."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} from somewhere")
        self.response = SimpleNamespace(status_code=status)


class RemoteEntryNotFoundError(HfHubHTTPError):
    def __str__(self) -> str:
        return "404.\n\nEntry Not Found for url: https://hub.example/org/name/resolve/main/sub/vocab.txt."


class FileMetadataError(OSError):
    pass


class LocalEntryNotFoundError(FileNotFoundError):
    pass


def caused_by(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HfHubHTTPError(429), "refused the data set 'org/name' with HTTP status 429: too many requests"),
        (HfHubHTTPError(403), "with HTTP status 403: set HF_TOKEN"),
        (HfHubHTTPError(500), "with HTTP status 500: try again later"),
        (RemoteEntryNotFoundError(404), "has no file 'sub/vocab.txt'"),
        (FileMetadataError(), "https://hub.example answers, but not as a hub does"),
        (TimeoutError(), "the network to https://hub.example failed while the data set 'org/name'"),
        (LocalEntryNotFoundError(), "the network to"),
        (caused_by(LocalEntryNotFoundError(), HfHubHTTPError(429)), "too many requests"),
        (caused_by(OSError("We couldn't connect"), TimeoutError()), "the network to"),
        (OSError(errno.ENOSPC, "full"), "in /home/of/the/cache (No space left on device): set HF_HOME"),
        (PermissionError(errno.EACCES, "no"), "in /home/of/the/cache (Permission denied): set HF_HOME"),
        (RuntimeError("Dataset scripts are no longer supported, but found glue.py"), "holds no files that"),
        (OSError("odd.\nlong story"), "the data set 'org/name' could not be opened: odd."),
    ],
)
def test_an_error_of_the_libraries_becomes_one_sentence(error, said):
    words = sentence(error, WANTED)
    assert said in words
    assert words.endswith((".", "?"))
    assert "\n" not in words


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("BuilderConfig 'c' not found. Available: ['a', 'b']", "has no config 'c': write hf:org/name:CONFIG"),
        (
            "Config name is missing.\nPlease pick one among the available configs: ['a', 'b']\nExample: …",
            "has several configs: write hf:org/name:CONFIG",
        ),
        (
            "Couldn't find cache for org/name for config 'c'\nAvailable configs in the cache: ['a', 'b']",
            "has no config 'c': write",
        ),
        (
            "There are multiple 'org/name' configurations in the cache: a, b\nPlease specify which",
            "has several configs: write",
        ),
    ],
)
def test_the_configs_that_there_are_are_listed(message, said):
    words = sentence(ValueError(message), WANTED)
    assert said in words
    assert words.endswith("where CONFIG is one of a, b.")


def test_what_was_being_handled_when_another_error_came_is_not_blamed():
    error = KeyError("mine")
    error.__context__ = ConnectionError()
    assert sentence(error, WANTED) is None


@pytest.mark.parametrize("error", [ValueError("available: 3"), RuntimeError("shapes differ"), TypeError()])
def test_an_error_that_is_not_of_the_hub_has_no_sentence(error):
    assert sentence(error, WANTED) is None
