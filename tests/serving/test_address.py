"""Where a server may listen."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from bertkit.errors import OutputError, UsageError
from bertkit.serving.server import listening, parse_address


@pytest.mark.parametrize(
    ("word", "written"),
    [("127.0.0.1:80", "127.0.0.1:80"), (":80", "127.0.0.1:80"), ("[::1]:0", "[::1]:0"), ("localhost:1", "localhost:1"),
     ("./a.sock", "a.sock")],
)  # fmt: skip
def test_addresses_of_this_machine(word: str, written: str) -> None:
    assert str(parse_address(word)) == written


@pytest.mark.parametrize("word", ["80", "host", "host:", "127.0.0.1:65536", "a.sock", "", "1.2.3.4:x", "/" + "x" * 103])
def test_what_is_no_address(word: str) -> None:
    with pytest.raises(UsageError, match="--listen"):
        parse_address(word, anywhere=True)


@pytest.mark.parametrize("word", ["0.0.0.0:80", "[::]:80", "192.168.0.7:80", "some.host:80"])
def test_other_machines_are_let_in_on_purpose_only(word: str) -> None:
    with pytest.raises(UsageError, match="--allow-remote"):
        parse_address(word)
    assert parse_address(word, anywhere=True).port == 80


def test_a_socket_is_its_owners_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with listening(parse_address(str(path))):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        with pytest.raises(OutputError, match="another process listens"), listening(parse_address(str(path))):
            pass
    assert not path.exists()


def test_a_socket_that_a_killed_server_has_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    with listening(parse_address(str(path))):
        pass


def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(OutputError, match="something else is there"), listening(parse_address(str(path))):
        pass
    assert path.read_text() == "mine"


def test_a_taken_port_is_said() -> None:
    with (
        listening(parse_address("127.0.0.1:0")) as (_, address),
        pytest.raises(OutputError, match="choose another port"),
        listening(address),
    ):
        pass
