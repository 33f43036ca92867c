"""Questions to the real copilot through the API, and the receipts that come back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from iotops.bootstrap import App

SPAN_QUESTION = "How often is the filter rinsed?"
ROWS_QUESTION = "What was the average pressure of pump-07 on 2026-10-20?"


def ask(client: TestClient, question: str, **context: Any) -> dict[str, Any]:
    response = client.post("/v1/ask", json={"question": question, **context})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def citations(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [c for claim in answer["claims"] for c in claim["citations"] if c["kind"] == kind]
    assert found, f"no {kind} citation in {answer}"
    return found


def test_a_quote_is_the_stored_bytes_at_its_offsets(client: TestClient, installation: App) -> None:
    cited = citations(ask(client, SPAN_QUESTION), "span")

    assert any("500 hours" in citation["quote"] for citation in cited)
    for citation in cited:
        stored = installation.objects.get("default", citation["object_sha256"])
        assert stored[citation["byte_start"] : citation["byte_end"]].decode() == citation["quote"]


def test_a_number_comes_with_its_query_and_its_readings(client: TestClient) -> None:
    answer = ask(client, ROWS_QUESTION)

    assert citations(answer, "rows")[0]["value"] == 6.5
    series = client.get(f"/v1/answers/{answer['answer_id']}/series", params={"claim": 0, "citation": 0}).json()
    assert (series["metric"], series["unit"], len(series["points"])) == ("pressure_bar", "bar", 96)
    assert [point["ts"] for point in series["points"]] == sorted(point["ts"] for point in series["points"])


def test_the_api_adds_nothing_to_an_answer_and_leaves_nothing_out(client: TestClient, installation: App) -> None:
    for question in (SPAN_QUESTION, ROWS_QUESTION, "Who won the football cup in 1954?"):
        given = ask(client, question)

        assert client.get(f"/v1/answers/{given['answer_id']}").json() == given
        assert installation.copilot.answer(given["answer_id"], tenant_id="default") == given


def test_the_cited_document_holds_the_quote_at_its_place(client: TestClient) -> None:
    citation = citations(ask(client, SPAN_QUESTION), "span")[0]

    source = client.get(f"/v1/documents/{citation['document_id']}").json()
    start, end = (citation[name] - source["byte_start"] for name in ("byte_start", "byte_end"))
    assert source["text"].encode()[start:end].decode() == citation["quote"]
    assert (source["title"], source["version"], source["product"]) == ("P-200 manual", "2.1", "P-200")


def test_every_citation_of_a_fresh_answer_holds(client: TestClient) -> None:
    for question in (SPAN_QUESTION, ROWS_QUESTION):
        answer = ask(client, question)
        verification = client.get(f"/v1/answers/{answer['answer_id']}/verification").json()

        assert verification["ok"] is True
        assert len(verification["checks"]) == sum(len(claim["citations"]) for claim in answer["claims"])


def test_what_was_recorded_after_as_of_is_not_known(client: TestClient) -> None:
    answer = ask(client, SPAN_QUESTION, as_of="2026-10-31T00:00:00+02:00")

    assert answer["status"] == "abstained"
    assert answer["as_of"] == "2026-10-30T22:00:00+00:00"


def test_a_device_brings_its_firmware_into_the_context(client: TestClient) -> None:
    assert ask(client, SPAN_QUESTION, device_id="pump-07")["context"] == {
        "device_id": "pump-07",
        "product": "P-200",
        "version": "2.1",
    }


@pytest.mark.parametrize("path", ["answers/{answer}", "answers/{answer}/verification", "documents/{document}"])
def test_another_tenant_sees_none_of_it(client: TestClient, path: str) -> None:
    answer = ask(client, SPAN_QUESTION)
    names = {"answer": answer["answer_id"], "document": citations(answer, "span")[0]["document_id"]}
    url = f"/v1/{path.format(**names)}"

    assert client.get(url).status_code == 200
    assert client.get(url, params={"tenant_id": "acme"}).status_code == 404
    assert ask(client, SPAN_QUESTION, tenant_id="acme")["status"] == "abstained"
    assert client.get("/v1/search", params={"q": "filter", "tenant_id": "acme"}).json()["hits"] == []


def test_a_search_gives_passages_best_first(client: TestClient) -> None:
    result = client.get("/v1/search", params={"q": "rinsed filter", "limit": 5}).json()

    scores = [hit["score"] for hit in result["hits"]]
    assert result["hits"][0]["title"] == "P-200 manual"
    assert scores == sorted(scores, reverse=True)
    assert 0 < len(scores) <= 5


def test_excerpts_are_the_stretches_that_answer_as_bytes_of_their_objects(client: TestClient) -> None:
    question = {"q": "At how many bar does the relief valve open?", "excerpts": True}
    best, *_ = client.get("/v1/search", params=question).json()["hits"]
    excerpt = best["excerpt"]
    assert "8 bar" in excerpt["text"]
    assert "Solvents" not in excerpt["text"]
    offset = excerpt["byte_start"] - best["byte_start"]
    passage = best["text"].encode()
    assert passage[offset : offset + excerpt["byte_end"] - excerpt["byte_start"]].decode() == excerpt["text"]


def test_answers_are_counted_by_status_with_their_stages(client: TestClient) -> None:
    def counted() -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith('iotops_answers_total{status="abstained"}')
        )

    before = counted()
    ask(client, "Who won the football cup in 1954?")

    assert counted() == before + 1
    assert 'iotops_answer_stage_seconds_count{stage="total"}' in client.get("/metrics").text


def test_questions_at_the_same_time_are_all_answered(client: TestClient) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda question: ask(client, question), [SPAN_QUESTION, ROWS_QUESTION] * 6))

    assert {answer["status"] for answer in answers} == {"answered"}
    assert len({answer["answer_id"] for answer in answers}) == 12
