"""Rows with an `event_type` to events. They are few and each has attributes of its own, so they go one by one."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from lakehouse.sources.columns import TIME
from lakehouse.sources.nesting import is_too_deep

LONGEST_ID: Final = 800  # bytes
OWN: Final = ("event_type", "event_id", "severity", "message", "attributes")
EVENTS: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("event_id", "device_id", "event_type")),
        ("ts", TIME),
        *((name, pa.string()) for name in ("severity", "message", "attributes", "site", "model", "firmware")),
        ("row_number", pa.int64()),
    ]
)


def build_events(shared: pa.Table, raws: list[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """shared: what events have in common with readings. raws: each row as the file has it, by its column names.

    columns: field to column name. What the file says beyond the known fields becomes attributes.
    """
    rows = [_event(row, raw, columns) for row, raw in zip(shared.to_pylist(), raws, strict=True)]
    return pa.Table.from_pylist(rows, schema=EVENTS)


def _event(shared: Mapping[str, Any], raw: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    given = {field: raw.get(columns[field]) for field in OWN if field in columns}
    taken = set(columns.values())
    others = {name: value for name, value in raw.items() if name not in taken and value not in (None, "")}
    attributes = storable({**others, **_object(given.get("attributes"))})
    event = {**shared, **{field: _text(given.get(field)) for field in OWN}}
    event["attributes"] = json.dumps(attributes, ensure_ascii=False, sort_keys=True, default=str)
    event["event_id"] = _id(event)
    return {name: event.get(name) for name in EVENTS.names}


def _object(value: Any) -> dict[str, Any]:
    """An object as it is; anything else under the name `attributes`, so that nothing is lost."""
    if value is None or value == "":
        return {}
    try:
        found = json.loads(value) if isinstance(value, str) and not is_too_deep(_encoded(value)) else value
    except (ValueError, RecursionError):
        found = value
    return found if isinstance(found, dict) else {"attributes": found}


def _text(value: Any) -> str | None:
    return None if value is None else str(storable(value)).strip() or None


def storable(value: Any) -> Any:
    """A JSON value without what Postgres' jsonb refuses: NUL, lone surrogates, NaN and infinities."""
    if isinstance(value, str):
        is_plain = value.isascii() and "\x00" not in value
        return value if is_plain else _encoded(value.replace("\x00", "")).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {storable(str(name)): storable(part) for name, part in value.items()}
    return [storable(part) for part in value] if isinstance(value, list | tuple) else value


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _id(event: Mapping[str, Any]) -> str:
    """One that is longer than an index takes is replaced by its hash."""
    given: str | None = event["event_id"]
    if given is None:
        return _derived_id(event)
    return given if len(given.encode()) <= LONGEST_ID else hashlib.sha256(given.encode()).hexdigest()


def _derived_id(event: Mapping[str, Any]) -> str:
    """Of an event that brings none: the same event in another file has the same."""
    parts = [event["device_id"], event["event_type"], event["ts"].isoformat(), event["message"], event["attributes"]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
