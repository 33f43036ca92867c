"""What the published schema of messages says, beside what the consumer does."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from lakehouse.sources.payloads import sort_payloads
from lakehouse.sources.readings import Origin

SCHEMA = json.loads(files("lakehouse.stream").joinpath("telemetry.v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
READING: dict[str, Any] = SCHEMA["examples"][0]
EVENT: dict[str, Any] = SCHEMA["examples"][1]


def is_taken(message: Any) -> bool:
    origin = Origin("acme", "kafka:t", "0" * 64, datetime(2026, 11, 1, tzinfo=UTC))
    return sort_payloads([json.dumps(message).encode()], origin).refused.num_rows == 0


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "message",
    [
        READING,
        EVENT,
        {"ts": 1791028800, "device_id": "d", "metric": "m", "value": "3.5"},
        {"ts": "1791028800123", "device_id": "d", "metric": "m", "value": -1e-3, "unit": None},
        {"ts": "2026-10-31T12:00:00Z", "event_type": "restart"},
        {**EVENT, "attributes": "a word", "colour": "red"},
        {**READING, "colour": "red"},
    ],
)
def test_what_it_allows_is_taken(message: dict[str, Any]) -> None:
    VALIDATOR.validate(message)
    assert is_taken(message)


@pytest.mark.parametrize(
    "message",
    [
        {},
        [],
        {**READING, "schema": 2},
        {**READING, "value": True},
        {**READING, "value": "warm"},
        {**READING, "metric": ""},
        {**READING, "ts": None},
        {name: value for name, value in READING.items() if name != "ts"},
        {name: value for name, value in READING.items() if name != "metric"},
        {name: value for name, value in READING.items() if name != "value"},
        {name: value for name, value in READING.items() if name != "device_id"},
        {name: value for name, value in EVENT.items() if name != "timestamp"},
    ],
)
def test_what_it_forbids_is_refused(message: Any) -> None:
    assert not VALIDATOR.is_valid(message)
    assert not is_taken(message)


def test_a_message_of_another_tenant_is_refused() -> None:
    assert not is_taken({**READING, "tenant_id": "beta"})
