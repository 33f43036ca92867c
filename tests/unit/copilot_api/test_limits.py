import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from copilot_api.limits import BodyLimit


async def echo(request: Request) -> Response:
    return Response(await request.body())


APP = Starlette(routes=[Route("/echo", echo, methods=["GET", "POST"])])


@pytest.fixture
def client() -> TestClient:
    return TestClient(BodyLimit(APP, limit=10))


def post_in_chunks(*chunks: bytes) -> tuple[int, bytes]:
    """Status and body. By hand, as test clients join the chunks of a request."""
    incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    incoming.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "query_string": b"", "headers": []}
    asyncio.run(BodyLimit(APP, limit=10)(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_body_up_to_the_limit_arrives_whole(client: TestClient, size: int) -> None:
    assert client.post("/echo", content=b"x" * size).content == b"x" * size


def test_a_body_over_the_limit_is_refused_with_a_problem(client: TestClient) -> None:
    response = client.post("/echo", content=b"x" * 11)

    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith("the body is larger than 10 bytes")


def test_a_chunked_body_counts_though_it_states_no_length() -> None:
    assert post_in_chunks(b"xxx", b"xxx", b"xxx", b"xx")[0] == 413
    assert post_in_chunks(b"abc", b"def", b"ghi", b"j") == (200, b"abcdefghij")


def test_a_request_that_only_reads_is_not_held_up(client: TestClient) -> None:
    assert client.get("/echo").status_code == 200
