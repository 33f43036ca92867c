import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from iotops.bootstrap import App

URL = "/v1/ingest/telemetry?tenant_id=acme&source=gateway"


def reading(minute: int, **others: Any) -> dict[str, Any]:
    return {"device_id": "pump-09", "metric": "flow", "ts": f"2026-10-30T10:{minute:02}:00Z", "value": 2} | others


def landed(installation: App) -> list[int]:
    rows = installation.bronze.changes("telemetry")[0].to_pylist()
    return sorted(row["ts"].minute for row in rows if row["device_id"] == "pump-09")


def test_readings_as_lines_or_as_an_array_are_in_bronze_when_they_are_acknowledged(
    client: TestClient, installation: App
) -> None:
    lines = "\n".join(json.dumps(reading(minute)) for minute in (1, 2)).encode()
    as_lines = client.post(URL, content=lines, headers={"content-type": "application/x-ndjson"})
    as_array = client.post(URL, json=[reading(3), reading(4, value="high")])
    assert (as_lines.status_code, as_array.status_code) == (202, 202)
    assert landed(installation) == [1, 2, 3]
    assert as_array.json()["accepted"] == 1
    assert as_array.json()["refused"] == [
        {"record": 2, "code": "bad_value", "reason": "value 'high' is no finite number"}
    ]


def test_a_key_makes_a_request_safe_to_repeat(client: TestClient, installation: App) -> None:
    def send(minute: int) -> Any:
        return client.post(URL, json=[reading(minute)], headers={"Idempotency-Key": "gateway-1/55"})

    assert [send(20).json()["repeated"] for _ in range(3)] == [False, True, True]
    other = send(21)
    assert other.status_code == 422
    assert other.json()["type"] == "urn:iotops:problem:key-reused"
    assert [minute for minute in landed(installation) if minute >= 20] == [20]


def test_a_request_of_which_nothing_can_be_used_lists_why(client: TestClient) -> None:
    problem = client.post(URL, json=[reading(1, ts="never"), 3]).json()
    assert problem["status"] == 422
    assert [error["where"] for error in problem["errors"]] == ["record 1", "record 2"]


def test_a_record_of_another_tenant_does_not_come_in(client: TestClient, installation: App) -> None:
    answer = client.post(URL, json=[reading(40, tenant_id="default"), reading(41)]).json()
    assert [refused["code"] for refused in answer["refused"]] == ["other_tenant"]
    assert [minute for minute in landed(installation) if minute >= 40] == [41]


@pytest.mark.parametrize("name", ["telemetry", "messages", "documents"])
def test_a_database_that_is_down_is_503_and_nothing_is_acknowledged(without_database: TestClient, name: str) -> None:
    if name == "documents":
        answer = without_database.post("/v1/ingest/documents", files={"file": ("a.md", b"# A\n\na")})
    else:
        answer = without_database.post(f"/v1/ingest/{name}", json=[reading(1)])
    assert answer.status_code == 503
    assert "secret" not in answer.text
