"""Bodies that nobody should send: each is answered, none with a 500, and the next request is served."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from iotops.bootstrap import App

TELEMETRY = "/v1/ingest/telemetry?tenant_id=acme&source=hostile"
MESSAGES = "/v1/ingest/messages?tenant_id=acme&source=hostile"
EVENT = b'{"ts":"2026-10-31T12:00:00Z","device_id":"d","event_type":"x"'
DEEP = b"[" * 900 + b"]" * 900
BODIES = [
    b"",
    b"\xff\xfe[\x00]\x00",
    b"null",
    b"[null]",
    b"[null, {}]",
    b"[" * 4_000_000,
    b"[" + b"[]," * 2_000_000 + b"[]]",
    b'[{"a":[' + b"[]," * 2_000_000 + b"[]]}]",
    b'{"a":' * 1_000_000,
    EVENT + b',"attributes":' + DEEP + b"}",
    EVENT + b',"attributes":"' + b"\\u005b" * 900 + b"\\u005d" * 900 + b'"}',
    EVENT + b',"a":"' + b"]" * 2_000 + b'","attributes":' + DEEP + b"}",
    EVENT + b',"p":' + b"9" * 100_000 + b"}",
    EVENT + b',"p":NaN,"q":"\\ud800\\u0000"}',
    b'[{"ts":1,"device_id":"d","metric":"m","value":1},',
    b'{"channel":"c","message_id":"1","ts":9e99,"text":"t"}',
    b'{"channel":"\\ud800","message_id":"1","ts":1759500300,"text":"\\u0000"}',
    b"\n" * 5_000_000,
    b"[]",
    b"{}\n" * 5_000,
    b"".join(b'{"a":%d}\n' % number for number in range(2_000)),
]


@pytest.mark.parametrize("url", [TELEMETRY, MESSAGES], ids=["telemetry", "messages"])
def test_each_hostile_body_is_answered_and_the_next_is_served(url: str, client: TestClient) -> None:
    for body in BODIES:
        assert client.post(url, content=body).status_code in (202, 422), body[:60]
    assert client.post(TELEMETRY, json=[reading()]).json()["accepted"] == 1


@pytest.mark.parametrize("many", [30, pytest.param(1_000, marks=pytest.mark.long)], ids=["sample", "all"])
def test_each_public_file_is_answered(many: int, shared_data: Path, client: TestClient, installation: App) -> None:
    files = sorted((shared_data / "bad-input" / "json" / "test_parsing").glob("*.json"))
    chosen = random.Random(7).sample(files, min(many, len(files)))  # noqa: S311 - the same each time
    for file in chosen:
        body = file.read_bytes()
        for url in (TELEMETRY, MESSAGES):
            assert client.post(url, content=body).status_code in (202, 422), file.name
    # Whatever they are as a whole, within a request they are records that do not harm the others.
    together = b"\n".join(file.read_bytes().replace(b"\n", b" ") for file in files if file.name[0] == "y")
    good = json.dumps(reading()).encode()
    assert client.post(TELEMETRY, content=good + b"\n" + together + b"\n" + good).json()["accepted"] == 2


def reading() -> dict[str, Any]:
    return {"ts": "2026-10-31T12:00:00Z", "device_id": "behind", "metric": "temp", "value": 1}
