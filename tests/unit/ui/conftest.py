"""A small API that speaks the true wire format (its models are the API's own), and the page driven against it."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response
from streamlit.testing.v1 import AppTest

from copilot_api import models, problems
from iotops.settings import REPOSITORY

DOCUMENT = (
    "# Pump P-200 manual\n\n## Filter\n\nThe filter needs care – see <script>alert(1)</script> and "
    "![logo](http://example.invalid/logo.png).\n  \n"
    "Rinse the filter with clean water at 5 °C every 500 hours.\r\nDo not use solvents & acids.\n\n## Pressure\n\n"
    + "The relief valve opens at 8 bar.\n"
    * 80
)
QUOTE = "Rinse the filter with clean water at 5 °C every 500 hours.\r\nDo not use solvents & acids."
OFFSET = 40  # the document begins there in its object
SHA256 = hashlib.sha256(b"\xef" * OFFSET + DOCUMENT.encode()).hexdigest()
START = datetime(2026, 10, 20, tzinfo=UTC)


def span() -> dict[str, Any]:
    start = OFFSET + DOCUMENT.encode().index(QUOTE.encode())
    return {
        "kind": "span",
        "document_id": "d" * 32,
        "title": "Pump P-200 manual",
        "url": "https://example.invalid/p-200",
        "version": "2.1",
        "object_sha256": SHA256,
        "byte_start": start,
        "byte_end": start + len(QUOTE.encode()),
        "quote": QUOTE,
    }


def rows() -> dict[str, Any]:
    return {
        "kind": "rows",
        "sql": "select round(avg(value::numeric), 6) as value, count(*) as rows\nfrom gold.fct_readings\n"
        "where tenant_id = %(tenant_id)s\n  and metric = %(metric)s",
        "params": {
            "tenant_id": "default",
            "metric": "pressure_bar",
            "start": START.isoformat(),
            "end": (START + timedelta(days=1)).isoformat(),
        },
        "value": 5.25,
        "rows_sha256": "a" * 64,
        "snapshot": "telemetry@3,documents@1",
        "bronze": ["b" * 64, "c" * 64],
    }


def answer(question: str, status: str, text: str, claims: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "answer_id": hashlib.md5(question.encode(), usedforsecurity=False).hexdigest(),
        "tenant_id": "default",
        "question": question,
        "status": status,
        "text": text,
        "claims": claims,
        "index_version": "f" * 64,
        "as_of": None,
        "context": {"device_id": "pump-07", "product": None, "version": "2.1"},
        "timings_ms": {"retrieve": 9.2, "answer": 4.1, "total": 14.0},
        "conflicts": [CONFLICT] if question == "How is the filter cleaned?" else [],
    }


CARE = {"text": QUOTE, "citations": [span()]}
PRESSURE = {"text": "The average pressure_bar of pump-07 on 2026-10-20 was 5.25 bar.", "citations": [rows()]}
CONFLICT = {
    "current": QUOTE,
    "previous": "Rinse the filter every 300 hours.",
    "since": "2.1",
    "since_date": "2026-05-01",
    "citations": [span(), {**span(), "version": "2.0"}],
    "backs": ["current", "previous"],
}
RUN = {
    "index_version": "f" * 16,
    "suite": "simulator",
    "evaluated_at": START,
    "questions": 80,
    "correct": 60,
    "stale": 0,
    "metrics": {"recall@5 of acme": 0.9},
    "active": True,
}
ANSWERS = {
    "How is the filter cleaned?": ("answered", f"{CARE['text']} [1]", [CARE]),
    "How is the filter cleaned, and what was the pressure?": (
        "answered",
        f"{CARE['text']} [1]\n{PRESSURE['text']} [2]",
        [CARE, PRESSURE],
    ),
    "What was the pressure?": ("degraded", f"{PRESSURE['text']} [1]", [PRESSURE]),
    "Who won the cup?": ("abstained", "Not answered: no document or message carries an answer to “Who won?”.", []),
    "What was moved?": ("answered", f"{QUOTE} [1]", [{"text": QUOTE, "citations": [{**span(), "byte_start": 41}]}]),
}


def create_fake(requests: list[Request]) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def record(request: Request, proceed: Callable[[Request], Any]) -> Response:
        requests.append(request)
        result: Response = await proceed(request)
        return result

    @app.get("/healthz")
    def healthz() -> None: ...

    @app.post("/v1/ask", response_model=models.Answer)
    def ask(body: models.AskRequest, request: Request) -> Any:
        request.state.body = body
        if body.tenant_id != "default":
            detail = f"tenant '{body.tenant_id}' does not exist: use one of default, public"
            return problems.respond(problems.of_status(404, detail, "/v1/ask"))
        if body.question not in ANSWERS:
            return Response("bad gateway", 502)
        return answer(body.question, *ANSWERS[body.question])

    @app.get("/v1/answers/{answer_id}/verification", response_model=models.Verification)
    def verification(answer_id: str) -> Any:
        held = {"claim": 0, "citation": 0, "kind": "span", "ok": True, "detail": "as cited"}
        moved = {"claim": 1, "citation": 0, "kind": "rows", "ok": False, "detail": "the rows are no longer the same"}
        return {"answer_id": answer_id, "ok": False, "checks": [held, moved]}

    @app.get("/v1/answers/{answer_id}/series", response_model=models.Series)
    def series(answer_id: str, claim: int, citation: int) -> Any:
        ts = (START + timedelta(minutes=5 * i) for i in range(288))
        points = [{"device_id": "pump-07", "ts": t, "value": 5 + (i % 24) / 48} for i, t in enumerate(ts)]
        return {"metric": "pressure_bar", "unit": "bar", "hourly": False, "points": points}

    @app.get("/v1/evaluations", response_model=models.Evaluations)
    def evaluations() -> Any:
        before = {**RUN, "evaluated_at": START - timedelta(days=1), "correct": 58, "active": False}
        return {"runs": [RUN, before, {**RUN, "suite": "scifact", "metrics": {"ndcg@10": 0.74}}]}

    @app.get("/v1/documents/{document_id}", response_model=models.DocumentSource)
    def document(document_id: str) -> Any:
        return {
            **{name: span()[name] for name in ("document_id", "title", "url", "version", "object_sha256")},
            "kind": "manual",
            "product": "P-200",
            "byte_start": OFFSET,
            "byte_end": OFFSET + len(DOCUMENT.encode()),
            "text": DOCUMENT,
        }

    return app


@pytest.fixture(scope="session")
def fake_api() -> Iterator[tuple[str, list[Request]]]:
    """Its URL, and the requests that it received."""
    requests: list[Request] = []
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_fake(requests), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    assert httpx.get(
        f"{url}/healthz", trust_env=False, timeout=20
    ).is_success  # waits in the backlog until it is served
    yield url, requests
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(fake_api: tuple[str, list[Request]], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr("sys.argv", ["page.py", "--api", fake_api[0]])
    return AppTest.from_file(str(REPOSITORY / "ui" / "page.py"), default_timeout=20).run()
