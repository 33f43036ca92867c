"""The OpenAPI document is true: every operation is called, and every response is one that it declares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

SPAN_QUESTION = "How often is the filter rinsed?"
ROWS_QUESTION = "What was the average pressure of pump-07 on 2026-10-20?"

READING = {"device_id": "pump-08", "metric": "pressure_bar", "ts": "2026-11-01T00:00:00Z", "value": 1}
MESSAGE = {"channel": "ops", "message_id": "1", "ts": "2026-11-01T08:00:00Z", "author": "ada", "text": "Leak!"}


@dataclass(frozen=True)
class Upload:
    name: str
    data: bytes
    form: dict[str, str]


# Operation → calls: status, path parameters and query, body. `{answer}`, `{document}` stand for ids that exist.
CALLS: dict[str, list[tuple[int, str, Any]]] = {
    "post /v1/ask": [
        (200, "/v1/ask", {"question": SPAN_QUESTION}),
        (200, "/v1/ask", {"question": ROWS_QUESTION}),
        (200, "/v1/ask", {"question": "Who won the football cup in 1954?"}),
        (200, "/v1/ask", {"question": SPAN_QUESTION, "as_of": "2020-01-01T00:00:00Z"}),
        (400, "/v1/ask", b'{"question": "\xff"}'),
        (404, "/v1/ask", {"question": SPAN_QUESTION, "tenant_id": "nobody"}),
        (413, "/v1/ask", b"x" * 70_000),
        (422, "/v1/ask", {}),
        (422, "/v1/ask", {"question": "What was the average pressure of pump-07 on 2026-13-40?"}),
    ],
    "get /v1/search": [
        (200, "/v1/search?q=filter", None),
        (200, "/v1/search?q=filter&excerpts=true", None),
        (404, "/v1/search?q=filter&tenant_id=nobody", None),
        (422, "/v1/search?q=", None),
    ],
    "get /v1/answers/{answer_id}": [
        (200, "/v1/answers/{answer}", None),
        (404, "/v1/answers/none", None),
        (404, "/v1/answers/{answer}?tenant_id=acme", None),
        (422, "/v1/answers/{answer}?tenant_id=", None),
    ],
    "get /v1/answers/{answer_id}/verification": [
        (200, "/v1/answers/{answer}/verification", None),
        (404, "/v1/answers/none/verification", None),
        (422, "/v1/answers/%00/verification", None),
    ],
    "get /v1/answers/{answer_id}/series": [
        (200, "/v1/answers/{rows_answer}/series?claim=0&citation=0", None),
        (404, "/v1/answers/{rows_answer}/series?claim=99&citation=0", None),
        (422, "/v1/answers/{answer}/series?claim=0&citation=0", None),
        (422, "/v1/answers/{answer}/series?claim=-1&citation=0", None),
    ],
    "get /v1/documents/{document_id}": [
        (200, "/v1/documents/{document}", None),
        (404, "/v1/documents/none", None),
        (404, "/v1/documents/{document}?tenant_id=acme", None),
        (422, "/v1/documents/%00", None),
    ],
    "get /v1/evaluations": [
        (200, "/v1/evaluations", None),
        (200, "/v1/evaluations?suite=simulator&limit=1", None),
        (422, "/v1/evaluations?limit=0", None),
    ],
    "post /v1/ingest/telemetry": [
        (202, "/v1/ingest/telemetry?tenant_id=acme", [READING, {"device_id": "pump-08"}]),
        (404, "/v1/ingest/telemetry?tenant_id=nobody", [READING]),
        (413, "/v1/ingest/telemetry?tenant_id=acme", b"x" * (8 * 2**20 + 1)),
        (422, "/v1/ingest/telemetry?tenant_id=acme", [{"device_id": "pump-08"}]),
        (422, "/v1/ingest/telemetry?tenant_id=acme", b"[1"),
    ],
    "post /v1/ingest/messages": [
        (202, "/v1/ingest/messages?tenant_id=acme", [MESSAGE]),
        (404, "/v1/ingest/messages?tenant_id=nobody", [MESSAGE]),
        (422, "/v1/ingest/messages?tenant_id=acme", [{"channel": "ops"}]),
    ],
    "post /v1/ingest/documents": [
        (202, "/v1/ingest/documents", Upload("pump.md", b"# Pump\n\nIt pumps.", {"tenant_id": "acme"})),
        (404, "/v1/ingest/documents", Upload("pump.md", b"# Pump", {"tenant_id": "nobody"})),
        (413, "/v1/ingest/documents", Upload("pump.md", b"x" * 22_000_000, {"tenant_id": "acme"})),
        (422, "/v1/ingest/documents", Upload("pump.md", b"", {"tenant_id": "acme"})),
        (422, "/v1/ingest/documents", Upload("pump.md", b"# Pump\n\nx", {"tenant_id": "acme", "kind": "poem"})),
        (422, "/v1/ingest/documents", {}),
    ],
    "get /healthz": [(200, "/healthz", None)],
    "get /readyz": [(200, "/readyz", None)],
    "get /metrics": [(200, "/metrics", None)],
}


@pytest.fixture(scope="module")
def ids(client: TestClient) -> dict[str, str]:
    span = client.post("/v1/ask", json={"question": SPAN_QUESTION}).json()
    rows = client.post("/v1/ask", json={"question": ROWS_QUESTION}).json()
    document = span["claims"][0]["citations"][0]["document_id"]
    assert rows["claims"][0]["citations"][0]["kind"] == "rows"
    return {"{answer}": span["answer_id"], "{rows_answer}": rows["answer_id"], "{document}": document}


def call(client: TestClient, operation: str, path: str, body: Any) -> Any:
    method = operation.split()[0]
    if isinstance(body, Upload):
        return client.request(method, path, files={"file": (body.name, body.data)}, data=body.form)
    if isinstance(body, bytes):
        return client.request(method, path, content=body, headers={"content-type": "application/json"})
    return client.request(method, path, json=body)


def check(client: TestClient, operation: str, response: Any) -> None:
    """The response is one that the document declares, body and all."""
    document = client.get("/openapi.json").json()
    method, template = operation.split()
    declared = document["paths"][template][method]["responses"]
    assert str(response.status_code) in declared, f"{operation} gave {response.status_code}: {response.text[:300]}"
    content = declared[str(response.status_code)]["content"]
    media_type = response.headers["content-type"].split(";")[0]
    assert list(content) == [media_type]
    if media_type.endswith("json"):
        schema = {**content[media_type]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(response.json())


def test_every_operation_is_called(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    assert {f"{method} {path}" for path, item in document["paths"].items() for method in item} == set(CALLS)


@pytest.mark.parametrize(
    ("operation", "status", "path", "body"),
    [(operation, *arguments) for operation, calls in CALLS.items() for arguments in calls],
)
def test_every_response_is_one_that_is_declared(
    client: TestClient, ids: dict[str, str], operation: str, status: int, path: str, body: Any
) -> None:
    for name, value in ids.items():
        path = path.replace(name, value)

    response = call(client, operation, path, body)

    assert response.status_code == status, response.text
    check(client, operation, response)


@pytest.mark.parametrize(
    ("operation", "path", "body"),
    [
        (operation, *next((path, body) for status, path, body in calls if status == 200))
        for operation, calls in CALLS.items()
        if operation not in ("get /healthz", "get /metrics") and "/ingest/" not in operation
    ],
)
class TestWithPartsMissing:
    def test_a_database_that_is_down_is_503_and_names_no_password(
        self, without_database: TestClient, operation: str, path: str, body: Any
    ) -> None:
        response = call(without_database, operation, path, body)

        assert response.status_code == 503
        assert response.json()["type"] == "urn:iotops:problem:database-unavailable"
        assert "secret" not in response.text
        check(without_database, operation, response)

    def test_an_installation_that_is_not_built_says_what_to_run(
        self, unbuilt: TestClient, operation: str, path: str, body: Any
    ) -> None:
        response = call(unbuilt, operation, path, body)

        expected = {"get /readyz": {503}, "get /v1/evaluations": {200}}  # that nothing was evaluated is no problem
        assert response.status_code in expected.get(operation, {404, 409}), response.text
        check(unbuilt, operation, response)


def test_examples_are_of_the_shape_that_they_are_examples_of(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    examples = {
        name: schema["example"] for name, schema in document["components"]["schemas"].items() if "example" in schema
    }

    assert set(examples) == {"Answer", "AskRequest", "Problem"}
    for name, example in examples.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(example)


def test_only_problems_are_sent_as_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    responses: list[tuple[str, Callable[..., Any]]] = [
        (status, response["content"])
        for item in document["paths"].values()
        for operation in item.values()
        for status, response in operation["responses"].items()
    ]

    assert len(responses) > 20
    for status, content in responses:
        assert ("application/problem+json" in content) == (status >= "400")
