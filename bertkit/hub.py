"""The hub: is it reachable, what is cached, and the message if neither helps.

The hub's own client retries a dead network for 23 to 46 seconds, and waits for ever on a
server that accepts and stays silent. So bertkit asks once, before the first use, with one
small request and a deadline that also covers the name lookup: `require`. What goes wrong
afterwards, inside the libraries, is put into words by `hub_errors`.

Nothing here imports `huggingface_hub`, `datasets` or `transformers`: a command that ends
without the hub never pays for them.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from bertkit.errors import BertkitError, HubError
from bertkit.files import is_file
from bertkit.hub_sentences import Wanted, sentence
from bertkit.plain import quoted

Kind = Literal["model", "tokenizer", "dataset"]

DEADLINE_S = 2.0
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")

_PROXY_FAILURES = frozenset({407, 502, 503, 504})
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.spm")
_NOUNS: Mapping[Kind, str] = {"model": "model", "tokenizer": "tokenizer", "dataset": "data set"}
# What these write (retries, a card without metadata, an Arrow error before it is raised) is
# either no concern of the user or said by the HubError. A library sets the level of its root
# logger when it is imported, so the silence is on the loggers below it.
_CHATTY_LOGGERS = (
    "huggingface_hub.file_download",
    "huggingface_hub.repocard",
    "huggingface_hub.utils",
    "datasets.load",
    "datasets.packaged_modules",
)
_BARS = (
    ("HF_HUB_DISABLE_PROGRESS_BARS", "huggingface_hub.utils.tqdm", "disable_progress_bars"),
    ("HF_HUB_DISABLE_PROGRESS_BARS", "transformers.utils.logging", "disable_progress_bar"),
    ("HF_DATASETS_DISABLE_PROGRESS_BARS", "datasets.utils.tqdm", "disable_progress_bars"),
)
_reachable: dict[str, bool] = {}


def endpoint() -> str:
    """Return the address of the hub, without a slash at its end (`HF_ENDPOINT`)."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def is_offline() -> bool:
    """Tell whether a variable of the libraries (`HF_HUB_OFFLINE` …) forbids the network."""
    return any(_is_true(name) for name in OFFLINE_VARIABLES)


def _is_true(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}


# --- is it reachable? ---------------------------------------------------------------------


def is_reachable(deadline_s: float = DEADLINE_S) -> bool:
    """Tell whether the hub answers one HTTP request within `deadline_s` seconds.

    The request goes through the proxy of the environment, if there is one. Any answer of the
    hub counts, an error too; a proxy's "I cannot reach it" does not. The verdict is kept for
    the life of the process, for each address.
    """
    url = endpoint()
    if url not in _reachable:
        _reachable[url] = _answers_within(url, deadline_s)
    return _reachable[url]


def _answers_within(url: str, deadline_s: float) -> bool:
    """Ask in a thread of its own: a name lookup takes no timeout, a thread can be left behind."""
    answers: list[bool] = []
    worker = threading.Thread(target=lambda: answers.append(_answers(url, deadline_s)), daemon=True)
    worker.start()
    worker.join(deadline_s)
    return answers == [True]


def _answers(url: str, timeout_s: float) -> bool:
    import ssl
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    class NoRedirects(HTTPRedirectHandler):
        """A redirect is an answer; whoever it points to is not asked."""

        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    proxies = _proxies(url)
    if any(proxy.startswith("socks") for proxy in proxies.values()):
        return True  # urllib does not speak SOCKS: the hub's client will find out
    try:
        request = Request(f"{url}/", method="HEAD", headers={"User-Agent": "bertkit"})
        with build_opener(NoRedirects, ProxyHandler(proxies)).open(request, timeout=timeout_s):
            return True
    except HTTPError as error:
        error.close()
        return error.code not in _PROXY_FAILURES
    except URLError as error:
        # A certificate that urllib does not know is for the hub's client to judge, by its own store.
        return isinstance(error.reason, ssl.SSLCertVerificationError)
    except (OSError, HTTPException, ValueError):
        return False


def _proxies(url: str) -> dict[str, str]:
    """Return the proxy for `url` by scheme; urllib heeds http(s)_proxy and no_proxy, not all_proxy."""
    from urllib.request import getproxies

    known = getproxies()
    scheme = url.partition("://")[0]
    proxy = known.get(scheme) or known.get("all")
    return {scheme: proxy} if proxy else {}


# --- what is cached? ----------------------------------------------------------------------


def is_cached(repo_id: str, kind: Kind, config: str | None = None) -> bool:
    """Tell whether the libraries could open `repo_id` without the network.

    Args:
        repo_id: `organisation/name`, or a bare name.
        kind: a model needs a config and weights, a tokenizer a vocabulary, and a data set the
            copy that the `datasets` library keeps of data it has once loaded (the files it
            downloaded are not enough: offline it does not look at them).
        config: the configuration of a data set; None is any.
    """
    if kind == "dataset":
        return _is_dataset_cached(repo_id, config)
    snapshot = _snapshot(repo_id)
    if snapshot is None:
        return False
    if kind == "tokenizer":
        return _has_any(snapshot, _VOCABULARIES)
    return is_file(snapshot / "config.json") and _has_any(snapshot, _WEIGHTS)


def _snapshot(repo_id: str) -> Path | None:
    """Return the folder of a model's `main`: offline, the client opens no other snapshot."""
    repo = _hub_cache() / f"models--{repo_id.replace('/', '--')}"
    try:
        commit = (repo / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return repo / "snapshots" / commit


def _has_any(folder: Path, patterns: Sequence[str]) -> bool:
    # The files are links into a store of blobs; a broken link is not a file.
    return any(is_file(path) for pattern in patterns for path in folder.glob(pattern))


def _is_dataset_cached(repo_id: str, config: str | None) -> bool:
    organisation, slash, name = repo_id.rpartition("/")
    # The library writes the name, and only the name, in snake case: KorNLI is kor_nli.
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    root = _datasets_cache() / (f"{organisation}___{snake}" if slash else snake)
    # <config>/<version>/<hash>/; a folder in the making ends in ".incomplete"
    return any(
        info.parent.suffix != ".incomplete" and _has_any(info.parent, ("*.arrow",))
        for info in root.glob("*/*/*/dataset_info.json")
        if config is None or info.parts[-4] == config
    )


def _hub_cache() -> Path:
    return _folder_from("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") or _home() / "hub"


def _datasets_cache() -> Path:
    return _folder_from("HF_DATASETS_CACHE") or _home() / "datasets"


def _home() -> Path:
    cache = _folder_from("XDG_CACHE_HOME") or Path.home() / ".cache"
    return _folder_from("HF_HOME") or cache / "huggingface"


def _folder_from(*variables: str) -> Path | None:
    values = (os.environ.get(name) for name in variables)
    return next((Path(os.path.expandvars(value)).expanduser() for value in values if value), None)


# --- before the first use -----------------------------------------------------------------


def require(repo_id: str, kind: Kind, *, config: str | None = None, ways_on: Sequence[str]) -> None:
    """Return if `repo_id` can be opened: from the hub, or else from the cache, offline.

    Where only the cached copy is left, the libraries are switched to offline mode for the rest
    of the process. In offline mode no request is made.

    Args:
        repo_id: what is wanted.
        kind: what it is.
        config: the configuration of a data set.
        ways_on: what the user can do instead, each a clause in the imperative
            ("give a local copy with --data-dir DIR").

    Raises:
        HubError: the hub is out of reach and nothing is cached.
    """
    if not is_offline() and is_reachable():
        return
    if is_cached(repo_id, kind, config):
        _go_offline()
        return
    wanted = f"{_NOUNS[kind]} {quoted(repo_id)}" + (f" (config {quoted(config)})" if config else "")
    where = _datasets_cache() if kind == "dataset" else _hub_cache()
    raise HubError(f"{_why_not()}, and the {wanted} is not in the cache {where}: {_joined(ways_on)}.")


def _why_not() -> str:
    # An earlier `require` may have set the variables itself: then the network is the reason.
    if not _reachable.get(endpoint(), True):
        return f"the hub {endpoint()} could not be reached within {DEADLINE_S:g} seconds"
    variable = next(name for name in OFFLINE_VARIABLES if _is_true(name))
    return f"the hub {endpoint()} is not asked because {variable} is set"


def _joined(ways_on: Sequence[str]) -> str:
    return ", or ".join(ways_on) or "try again when there is a network"


def _go_offline() -> None:
    """Switch to offline mode libraries that are yet to be imported, and those that are."""
    for variable in OFFLINE_VARIABLES:
        os.environ[variable] = "1"
    for module, constant in (
        ("huggingface_hub.constants", "HF_HUB_OFFLINE"),
        ("datasets.config", "HF_HUB_OFFLINE"),
        ("datasets.config", "HF_DATASETS_OFFLINE"),
    ):
        if module in sys.modules:
            setattr(sys.modules[module], constant, True)


# --- when the libraries fail ---------------------------------------------------------------


@contextmanager
def hub_errors(repo_id: str, kind: Kind) -> Iterator[None]:
    """Translate what the libraries raise while they fetch or open `repo_id` into `HubError`.

    Errors that have nothing to do with the hub pass unchanged. Inside, the client's lines about
    retries are silenced; for the rest of the process the bar of weights being opened is switched
    off, and where stderr is not a terminal that of downloads too (unless their variables are 0).

    Raises:
        HubError: misspelt, gated or private, unknown config, missing file, no network, no room.
    """
    _silence_bars()
    levels = {name: logging.getLogger(name).level for name in _CHATTY_LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    except BertkitError:
        raise
    except Exception as error:
        said = sentence(error, _wanted(repo_id, kind))
        if said is None:
            raise
        raise HubError(said) from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _silence_bars() -> None:
    if sys.stderr.isatty():
        _silence_loading()
        return
    for variable, module, switch in _BARS:
        os.environ.setdefault(variable, "1")
        if module in sys.modules and _is_true(variable):
            getattr(sys.modules[module], switch)()


def _silence_loading() -> None:
    """Switch off transformers' bar of weights that are on disk already; that of a download stays."""
    loading = sys.modules.get("transformers.utils.logging")
    if loading is None:
        return
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars

    were_off = are_progress_bars_disabled()
    loading.disable_progress_bar()  # the hub's bars as well
    if not were_off:
        enable_progress_bars()


def _wanted(repo_id: str, kind: Kind) -> Wanted:
    folder = "datasets/" if kind == "dataset" else ""
    return Wanted(
        repo_id=repo_id,
        noun=_NOUNS[kind],
        endpoint=endpoint(),
        page=f"{endpoint()}/{folder}{repo_id}",
        cache=str(_home()),
        is_offline=is_offline(),
    )
