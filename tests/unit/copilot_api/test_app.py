"""What the API does by itself, before or around the copilot."""

import logging
from datetime import datetime
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from copilot_api.app import create_app
from rag.copilot import Copilot


class Failing:
    """Stands in for a copilot with a bug, which the real one cannot be asked to have."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("password=secret in a broken query")


@pytest.fixture
def client(now: datetime) -> TestClient:
    api = create_app(cast(Copilot, Failing()), clock=lambda: now)
    return TestClient(api, raise_server_exceptions=False)


def test_an_unexpected_error_is_a_problem_without_its_cause(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = client.post("/v1/ask", json={"question": "How is the filter cleaned?"})

    problem = response.json()
    assert response.status_code == problem["status"] == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    identity = problem["detail"].rsplit(" ", 1)[-1]
    logged = [record for record in caplog.records if identity in record.getMessage()]
    assert len(logged) == 1
    assert "secret" in str(logged[0].exc_info)


def test_a_live_process_says_so_whatever_the_state_of_the_rest(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_an_unknown_path_is_a_problem(client: TestClient) -> None:
    response = client.get("/v2/ask")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["instance"] == "/v2/ask"


def test_a_wrong_method_names_those_that_are_possible(client: TestClient) -> None:
    response = client.get("/v1/ask")

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.headers["content-type"] == "application/problem+json"


def test_pages_that_load_scripts_from_elsewhere_are_off(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.question"),
        ({"question": ""}, "body.question"),
        ({"question": " \n"}, "body.question"),
        ({"question": "x" * 2001}, "body.question"),
        ({"question": "nul \0"}, "body.question"),
        ({"question": 7}, "body.question"),
        ({"question": "x", "tenant_id": ""}, "body.tenant_id"),
        ({"question": "x", "tenant": "default"}, "body.tenant"),
        ({"question": "x", "as_of": "2026-10-01T00:00:00"}, "body.as_of"),
        ({"question": "x", "as_of": "0001-01-01T00:00:00+14:00"}, "body.as_of"),
        ({"question": "x", "device_id": "d" * 201}, "body.device_id"),
        (["question"], "body"),
    ],
)
def test_an_invalid_question_says_where_it_is_wrong(client: TestClient, body: object, where: str) -> None:
    response = client.post("/v1/ask", json=body)

    problem = response.json()
    assert response.status_code == problem["status"] == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert where in [error["where"] for error in problem["errors"]]
    assert where in problem["detail"]


@pytest.mark.parametrize("body", [b'{"question": "\xff"}', b"[" * 30_000])
def test_a_body_that_cannot_be_read_is_a_bad_request(client: TestClient, body: bytes) -> None:
    response = client.post("/v1/ask", content=body, headers={"content-type": "application/json"})

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"{", b'{"question": "\\ud800"}', b'{"question": "x", "\\ud800": 1}'])
def test_text_that_is_not_text_is_invalid(client: TestClient, body: bytes) -> None:
    response = client.post("/v1/ask", content=body, headers={"content-type": "application/json"})

    assert response.status_code == 422
    assert response.json()["type"] == "urn:iotops:problem:invalid-request"


@pytest.mark.parametrize("query", ["", "q=%20", "q=x&limit=0", "q=x&limit=101", "q=x&vresion=2.3", "q=%00"])
def test_an_invalid_search_is_refused_and_never_partly_obeyed(client: TestClient, query: str) -> None:
    assert client.get(f"/v1/search?{query}").status_code == 422


def test_requests_are_counted_by_route_and_never_by_path(client: TestClient) -> None:
    for path in ("/v1/documents/a", "/v1/documents/b", "/one", "/two"):
        client.get(path)
    client.request("BREW", "/one")

    counted = [
        line for line in client.get("/metrics").text.splitlines() if line.startswith("iotops_http_requests_total")
    ]
    assert set(counted) == {
        'iotops_http_requests_total{method="GET",route="/v1/documents/{document_id}",status="500"} 2.0',
        'iotops_http_requests_total{method="GET",route="unmatched",status="404"} 2.0',
        'iotops_http_requests_total{method="other",route="unmatched",status="404"} 1.0',
    }


def test_two_apps_in_one_process_count_apart(client: TestClient, now: datetime) -> None:
    client.get("/one")
    other = TestClient(create_app(cast(Copilot, Failing()), clock=lambda: now))

    assert "iotops_http_requests_total{" not in other.get("/metrics").text
