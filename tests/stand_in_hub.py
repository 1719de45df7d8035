"""A small hub on loopback, so that tests run the real client libraries without a network.

    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model("microsoft/deberta-v3-small", folder)
        answer = run_client(code, hub.url, tmp_path / "home").answer

The client libraries read their settings when they are imported, so a test runs client code in
a process of its own: `run_client`. What the hub serves and how it refuses follows what
huggingface_hub 2.4, transformers 5.23 and datasets 5.2 were seen to ask for:

    GET  /api/{models,datasets}/ID[/revision/REV]       what the repository holds, its commit
    GET  /api/{models,datasets}/ID/tree/REV[/FOLDER]    files with sizes and hashes
    POST /api/{models,datasets}/ID/paths-info/REV       the same for the paths of the form
    HEAD, GET /[datasets/]ID/resolve/REV/FILE           ETag, X-Repo-Commit, Content-Length; ranges

Every file is served by the hub itself: there is no redirect to another store and no Xet.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_API = re.compile(r"/api/(?P<kind>models|datasets)/(?P<rest>.+)")
_FILE = re.compile(r"/(?:(?P<kind>datasets)/)?(?P<repo>[^/]+(?:/[^/]+)?)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_VERB = re.compile(r"(?P<repo>.+?)(?:/(?P<verb>revision|tree|paths-info)/(?P<revision>[^/]+)(?:/(?P<path>.+))?)?")


@dataclass(frozen=True)
class Repository:
    """A folder as a repository with one commit; `hashes` by path inside the folder."""

    folder: Path
    hashes: dict[str, str]
    commit: str
    gated: bool

    @classmethod
    def of(cls, folder: Path, gated: bool) -> Repository:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        hashes = {path.relative_to(folder).as_posix(): hashlib.sha1(path.read_bytes()).hexdigest() for path in files}
        return cls(folder, hashes, hashlib.sha1(json.dumps(hashes).encode()).hexdigest(), gated)

    def entry(self, path: str) -> dict[str, Any]:
        size = (self.folder / path).stat().st_size
        return {"type": "file", "path": path, "size": size, "oid": self.hashes[path]}

    def entries(self, under: str = "", *, recursive: bool = True) -> list[dict[str, Any]]:
        prefix = f"{under}/" if under else ""
        inside = [path for path in self.hashes if path.startswith(prefix)]
        if under and not inside:
            raise _RefusedError(404, "EntryNotFound", f"{under} does not exist", self.commit)
        files = [self.entry(path) for path in inside if recursive or "/" not in path[len(prefix) :]]
        return self._folders(inside, prefix, recursive) + files

    def _folders(self, paths: list[str], prefix: str, recursive: bool) -> list[dict[str, Any]]:
        names = {parent.as_posix() for path in paths for parent in Path(path).parents[:-1]}
        inside = (name for name in sorted(names) if name.startswith(prefix))
        wanted = (name for name in inside if recursive or "/" not in name[len(prefix) :])
        return [{"type": "directory", "path": name, "size": 0, "oid": self.commit} for name in wanted]

    def info(self, repo_id: str) -> dict[str, Any]:
        return {
            "id": repo_id,
            "sha": self.commit,
            "private": False,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "tags": [],
            "siblings": [{"rfilename": path} for path in self.hashes],
        }


class StandInHub:
    """Serve folders as model and data set repositories on a free port of the loopback interface.

    `root` keeps copies of what is added. `requests` logs "METHOD /path?query", in order. With
    `failing` set, every answer is that HTTP status.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        self.failing: int | None = None
        self.repositories: dict[tuple[str, str], Repository] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add_model(self, repo_id: str, folder: Path, *, gated: bool = False) -> None:
        self._add("models", repo_id, folder, gated)

    def add_dataset(self, repo_id: str, folder: Path, *, gated: bool = False) -> None:
        self._add("datasets", repo_id, folder, gated)

    def _add(self, kind: str, repo_id: str, folder: Path, gated: bool) -> None:
        copy = self.root / kind / repo_id
        shutil.copytree(folder, copy)
        self.repositories[kind, repo_id] = Repository.of(copy, gated)

    def __enter__(self) -> StandInHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler_for(hub: StandInHub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        stand_in = hub

    return Handler


class _RefusedError(Exception):
    """An answer that is an error; `code` goes out as X-Error-Code."""

    def __init__(self, status: int, code: str, message: str, commit: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Code": code, "X-Error-Message": message}
        if commit:
            self.headers["X-Repo-Commit"] = commit


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: StandInHub

    def log_message(self, *_: object) -> None:
        """Keep stderr quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.stand_in.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        url = urlsplit(self.path)
        path = unquote(url.path)
        try:
            if self.stand_in.failing:
                self._send(self.stand_in.failing, {}, b"")
            elif match := _API.fullmatch(path):
                self._send_json(self._api(match["kind"], match["rest"], parse_qs(url.query), parse_qs(body)))
            elif match := _FILE.fullmatch(path):
                self._send_file(match)
            else:
                self._send(HTTPStatus.NOT_FOUND if path != "/" else HTTPStatus.OK, {}, b"")
        except _RefusedError as refusal:
            self._send(refusal.status, refusal.headers, b"")

    def _api(self, kind: str, rest: str, query: dict[str, list[str]], form: dict[str, list[str]]) -> object:
        call = _VERB.fullmatch(rest)
        assert call is not None
        repository = self._repository(kind, call["repo"], call["revision"] or "main")
        if call["verb"] == "tree":
            return repository.entries(call["path"] or "", recursive=query.get("recursive") == ["true"])
        if call["verb"] == "paths-info":
            known = {entry["path"]: entry for entry in repository.entries()}
            return [known[path] for path in form.get("paths", []) if path in known]
        return repository.info(call["repo"])

    def _repository(self, kind: str, repo_id: str, revision: str) -> Repository:
        repository = self.stand_in.repositories.get((kind, repo_id))
        if repository is None:
            raise _RefusedError(404, "RepoNotFound", "Repository not found")
        if repository.gated:
            known = "Authorization" in self.headers
            raise _RefusedError(403 if known else 401, "GatedRepo", "Access to this repository is restricted")
        if revision not in {"main", repository.commit}:
            raise _RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository

    def _send_file(self, match: re.Match[str]) -> None:
        repository = self._repository(match["kind"] or "models", match["repo"], match["revision"])
        if match["path"] not in repository.hashes:
            raise _RefusedError(404, "EntryNotFound", "Entry not found", repository.commit)
        content = (repository.folder / match["path"]).read_bytes()
        headers = {
            "ETag": f'"{repository.hashes[match["path"]]}"',
            "X-Repo-Commit": repository.commit,
            "Accept-Ranges": "bytes",
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self._send(HTTPStatus.OK, headers, content)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(HTTPStatus.PARTIAL_CONTENT, headers, content[first : last + 1])

    def _send_json(self, answer: object) -> None:
        self._send(HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield the address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:  # the kernel accepts into the backlog
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def refused() -> str:
    """Return an address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def client_environment(url: str, home: Path, **variables: str) -> dict[str, str]:
    """Build the environment of a client that knows only the hub at `url` and the cache in `home`.

    Requests to any other host go to the hub too, as if it were a proxy: they stay on this
    machine, and they show in its log.
    """
    foreign = re.compile(r"(?i)(HF_|HUGGINGFACE_|TRANSFORMERS_|XDG_CACHE).*|(https?|all|no)_proxy")
    kept = {name: value for name, value in os.environ.items() if not foreign.fullmatch(name)}
    ours = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "http_proxy": url,
        "https_proxy": url,
        "no_proxy": "127.0.0.1",
    }
    return kept | ours | variables


@dataclass(frozen=True)
class ClientRun:
    """What client code printed last (as JSON), what it wrote to stderr, and how long it took."""

    answer: Any
    stderr: str
    seconds: float


def run_client(code: str, url: str, home: Path, **variables: str) -> ClientRun:
    """Run `code` in a Python of its own, against the hub at `url`; it must end well."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=client_environment(url, home, **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return ClientRun(json.loads(done.stdout.splitlines()[-1]), done.stderr, time.monotonic() - start)
