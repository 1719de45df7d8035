"""A server in a process of its own: every answer in its place, whatever other clients do."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import pair_rows

LINES = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}
BERTKIT = [sys.executable, "-m", "bertkit", "predict"]
REQUESTS, CLIENTS = 1000, 8
WAIT_S = 60


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], listening: str) -> None:
        self.process, self.listening = process, listening

    @property
    def port(self) -> int:
        return int(self.listening.rpartition(":")[2])

    def connect(self) -> socket.socket:
        unix = "/" in self.listening
        found = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        found.settimeout(WAIT_S)
        try:
            found.connect(self.listening if unix else ("127.0.0.1", self.port))
        except OSError:
            found.close()
            raise
        return found

    def ask(self, method: str, path: str, body: bytes | str = b"", headers: Any = LINES) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply.status, content

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("GET", "/health")[1])
        return found

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, said


@contextmanager
def served(run: Path, listen: str, *options: str) -> Iterator[Server]:
    pipe = subprocess.PIPE
    command = [*BERTKIT, str(run), "--listen", listen, *options]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, process.communicate()[1]
            yield Server(process, json.loads(first)["listening"])
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(trained_run: Path) -> Iterator[Server]:
    with served(trained_run, "127.0.0.1:0", "--keep", "id", "--max-body", "1") as found:
        yield found


def rows(n: int, seed: int = 5) -> list[str]:
    """JSON lines, some of them broken."""
    written = [json.dumps({"sentence1": a, "sentence2": b, "id": i}) for i, (a, b, _) in enumerate(pair_rows(n, seed))]
    for i in range(3, n, 17):
        written[i] = ("{broken", "3", "", "[1]", "BROKEN 1 HTTP")[i % 5]
    return written


def predicted(run: Path, lines: list[str], *options: str) -> str:
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        [*BERTKIT, str(run), "-", "--input-format", "jsonl", *options],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def same(mine: dict[str, Any], others: dict[str, Any]) -> None:
    assert mine.pop("score", 0) == pytest.approx(others.pop("score", 0), abs=1e-5)
    assert mine == others


def leave(server: Server, lines: list[str], ended: threading.Event) -> None:
    """Be a client that goes away in the middle of everything."""
    body = "\n".join(lines).encode()
    head = b"POST /predict HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % len(body)
    while not ended.wait(0.1):
        for sent in (head + body, head + body[:99], head[:30], body + b"\n", b"{"):
            with server.connect() as connection:
                connection.sendall(sent)


def requests_of(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Requests of one to three rows: the place of the first, and the rows."""
    sizes, start, parts = random.Random(1), 0, []
    for _ in range(REQUESTS):
        size = sizes.choice((1, 1, 2, 3))
        parts.append((start % len(lines), lines[start % len(lines) :][:size]))
        start += size
    return parts


def test_many_requests_from_many_clients_are_all_answered_in_their_places(server: Server, trained_run: Path) -> None:
    lines = rows(500)
    wanted = [json.loads(line) for line in predicted(trained_run, lines, "--keep", "id").splitlines()]
    assert len(wanted) == len(lines)
    parts, ended = requests_of(lines), threading.Event()
    before = server.health()

    def client(number: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
        for first, part in parts[number::CLIENTS]:
            connection.request("POST", "/predict", "\n".join(part) + "\n", LINES)
            reply = connection.getresponse()
            records = [json.loads(line) for line in reply.read().splitlines()]
            assert reply.status == 200
            assert [record["line"] for record in records] == list(range(1, len(part) + 1))
            for place, record in enumerate(records, start=first):
                same({**record, "line": place + 1}, dict(wanted[place]))
        connection.close()
        return len(parts[number::CLIENTS])

    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        leaver = pool.submit(leave, server, lines[:20], ended)
        try:
            done = [pool.submit(client, number) for number in range(CLIENTS)]
            assert sum(each.result() for each in done) == REQUESTS
        finally:
            ended.set()
        leaver.result()
    after = server.health()
    assert after["requests"] - before["requests"] >= REQUESTS
    assert after["status"] == "ok"


def test_answers_are_those_of_predict_to_the_byte(trained_run: Path, tmp_path: Path) -> None:
    """Where a row is computed alone its answer does not depend on who else asks."""
    options = ("--keep", "all", "--top-k", "2", "--abstain-below", "0.97", "--batch-size", "1")
    lines = rows(80)
    wanted = predicted(trained_run, lines, *options)
    assert '"abstained": true' in wanted
    assert '"label": "1"' in wanted
    path = tmp_path / "b.sock"
    with served(trained_run, str(path), *options) as server:
        with server.connect() as connection:  # bare lines over a socket
            connection.sendall("\n".join(lines).encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile("rb").read().decode() == wanted
        with server.connect() as connection:  # a line at a time
            stream = connection.makefile("rwb")
            for line, record in zip(lines[:20], wanted.splitlines(), strict=False):
                stream.write(line.encode() + b"\n")
                stream.flush()
                assert stream.readline().decode().strip() == record
            stream.close()
        with server.connect() as connection:  # HTTP over the same socket
            body = "".join(f"{line}\n" for line in lines).encode()
            head = b"POST /predict HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n"
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert connection.makefile("rb").read().partition(b"\r\n\r\n")[2].decode() == wanted
        code, said = server.stop(signal.SIGINT)
    assert code == 0
    assert "requests answered:" in said
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_an_engine_answers_requests_as_it_answers_predict(
    engine: str, trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime" if engine == "onnx" else engine):
        pytest.importorskip(package, reason="the extra engines is not installed: pip install 'bertkit[engines]'")
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path))
    lines = rows(60)
    wanted = predicted(trained_run, lines, "--engine", engine).splitlines()
    with served(trained_run, "127.0.0.1:0", "--engine", engine) as server:
        _, content = server.ask("POST", "/predict", "\n".join(lines), LINES)
        for mine, others in zip(content.splitlines(), wanted, strict=True):
            same(json.loads(mine), json.loads(others))
        _, said = server.stop()
    assert f"computed by {'ONNX Runtime' if engine == 'onnx' else 'OpenVINO'}" in said


def test_json_bodies_are_answered_as_they_are_asked(server: Server) -> None:
    row = {"sentence1": "the cat sees music", "sentence2": "a dog likes music", "id": 7}
    status, one = server.ask("POST", "/predict", json.dumps(row), JSON)
    assert status == 200
    found = json.loads(one)
    assert (found["line"], found["id"]) == (1, 7)
    status, several = server.ask("POST", "/predict", json.dumps([row, 3, row]), JSON)
    assert status == 200
    assert json.loads(several) == [found, {"line": 2, "error": "this is JSON but not an object"}, {**found, "line": 3}]
    assert server.ask("POST", "/predict", "[]", JSON) == (200, b"[]\n")
    assert server.ask("POST", "/predict", b"") == (200, b"")


def test_what_cannot_be_answered_is_refused_in_a_sentence(server: Server) -> None:
    long = b"x" * (1 << 20) + b"x"
    asked: list[tuple[int, str, str, bytes, dict[str, str]]] = [
        (404, "GET", "/", b"", {}),
        (404, "POST", "/predict/", b"", LINES),
        (405, "GET", "/predict", b"", {}),
        (405, "POST", "/health", b"", LINES),
        (400, "POST", "/predict?top_k=3", b"", LINES),
        (415, "POST", "/predict", b"x", {}),
        (415, "POST", "/predict", b"x", {"Content-Type": "text/plain"}),
        (415, "POST", "/predict", b"x", {"Content-Type": "application/json; charset=latin-1"}),
        (415, "POST", "/predict", b"x", {**LINES, "Content-Encoding": "gzip"}),
        (413, "POST", "/predict", long, LINES),
        (411, "POST", "/predict", b"", {**LINES, "Transfer-Encoding": "chunked"}),
        (400, "POST", "/predict", b"{", JSON),
        (400, "POST", "/predict", b"\xff", JSON),
        (421, "GET", "/health", b"", {"Host": "somewhere.else:80"}),
        (405, "BREW", "/predict", b"", {}),
    ]
    for status, method, path, body, headers in asked:
        with server.connect() as connection:
            lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
            lines += [f"Content-Length: {len(body)}"] * ("Transfer-Encoding" not in headers)
            connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
            head, _, content = connection.makefile("rb").read().partition(b"\r\n\r\n")
        assert head.split()[1].decode() == str(status), (method, path, headers, head)
        assert list(json.loads(content)) == ["error"]
    assert server.health()["status"] == "ok"


def test_a_line_that_is_too_long_is_an_error_in_its_place(server: Server) -> None:
    row = '{"sentence1": "the cat sees music", "sentence2": "a dog likes music"}'
    with server.connect() as connection:
        sender = threading.Thread(target=connection.sendall, args=(f"{row}\n{'x' * 3_000_000}\n{row}".encode(),))
        sender.start()
        stream = connection.makefile("rb")
        first, second = json.loads(stream.readline()), json.loads(stream.readline())
        sender.join()
        connection.shutdown(socket.SHUT_WR)
        third = json.loads(stream.readline())
        stream.close()
    assert (first["line"], third["line"]) == (1, 3)
    assert second == {"line": 2, "error": "the line is longer than 1,048,576 bytes"}


def test_what_has_come_is_answered_when_the_server_is_stopped(trained_run: Path) -> None:
    lines = rows(3000)
    body = "".join(f"{line}\n" for line in lines).encode()
    with served(trained_run, "127.0.0.1:0", "--batch-size", "4") as server, server.connect() as idle:
        with ThreadPoolExecutor(3) as pool:
            asks = [pool.submit(server.ask, "POST", "/predict", body) for _ in range(3)]
            # All have come: each waits, or is answered already, where the sender of the next was slow.
            while server.health()["waiting"] + sum(ask.done() for ask in asks) < 3:
                time.sleep(0.01)
            assert not all(ask.done() for ask in asks)
            server.process.send_signal(signal.SIGTERM)
            for ask in asks:
                status, content = ask.result()
                assert status == 200
                assert [json.loads(line)["line"] for line in content.splitlines()] == list(range(1, 3001))
        _, said = server.process.communicate(timeout=WAIT_S)
        assert server.process.returncode == 0, said
        assert "requests answered: 3; rows: 9,000" in said
        assert idle.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            server.connect()


def test_a_slow_client_is_given_so_much_time(trained_run: Path) -> None:
    with served(trained_run, "127.0.0.1:0", "--request-timeout", "2") as server:
        with server.connect() as slow, server.connect() as line:
            slow.sendall(b"POST /predict HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
            line.sendall(b'{"sentence1": ')
            assert server.health()["status"] == "ok"
            assert slow.makefile("rb").read().startswith(b"HTTP/1.1 408")
            assert line.recv(1) == b""
        assert server.stop()[0] == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--listen", "0.0.0.0:8765"], 2, "add --allow-remote"),
        (["--listen", "127.0.0.1:0", "rows.jsonl"], 2, "INPUT does not apply"),
        (["--listen", "127.0.0.1:0", "-o", "x"], 2, "--output does not apply"),
        (["--listen", "127.0.0.1:0", "--threshold", "strange=0.5"], 2, "strange"),
        (["--listen", "127.0.0.1:0", "--engine", "steam"], 2, "--engine"),
    ],
)
def test_what_means_nothing_to_a_server_is_refused(trained_run: Path, options: list[str], code: int, said: str) -> None:
    done = subprocess.run([*BERTKIT, str(trained_run), *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_server_is_begun_without_torch() -> None:
    code = "import sys, bertkit.serving.server; print(sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
