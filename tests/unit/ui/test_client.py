import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from threading import Thread

import pytest

from ui.client import Api, ApiProblem, Scope


def test_only_what_was_filled_in_is_sent() -> None:
    assert Scope("default", device_id=" pump-07 ", version="").to_json() == {
        "tenant_id": "default",
        "device_id": "pump-07",
    }


def test_the_moment_picked_is_sent_as_utc() -> None:
    assert Scope("default", as_of=datetime(2026, 10, 1, 8)).to_json()["as_of"] == "2026-10-01T08:00:00+00:00"


def test_an_api_that_is_not_there_is_one_line_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(ApiProblem) as problem:
        Api(f"http://127.0.0.1:{port}").ask("q", Scope("default"))
    assert str(problem.value).startswith(f"the API at http://127.0.0.1:{port} does not answer")
    assert "iotops serve api" in str(problem.value)
    assert "\n" not in str(problem.value)


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes], str]]:
    """A server that gives one connection the bytes it is told to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads: list[Thread] = []

        def answer(response: bytes) -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(response)

        def start(response: bytes) -> str:
            threads.append(Thread(target=answer, args=(response,)))
            threads[-1].start()
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield start
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (b"garbage\r\n\r\n", "does not answer"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops", "answered 502 Bad Gateway"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "is this the API?"),
    ],
)
def test_something_else_at_that_address_is_told(raw_server: Callable[[bytes], str], response: bytes, text: str) -> None:
    with pytest.raises(ApiProblem, match=text):
        Api(raw_server(response)).document("d", "default")


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://127.0.0.1", "http://[", "http://127.0.0.1:port"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ApiProblem, match="does not answer"):
        Api(url).document("d", "default")
