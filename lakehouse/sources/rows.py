"""Raw columns to rows: each to a reading, an event or a refusal. Runs in the worker.

What a row does not say itself, where it came from, is added in `lakehouse.sources.readings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sources.batch import Batch
from lakehouse.sources.columns import TIME, as_numbers, as_texts, as_times
from lakehouse.sources.events import EVENTS, build_events

TEXTS: Final = ("device_id", "metric", "unit", "site", "model", "firmware", "event_type")
# Bytes; Postgres takes no key of more than 2,704, and one row that it refuses would stop every build.
LONGEST_NAME: Final = 800
# Postgres refuses a sum that overflows: a hundred million of these may be in one hour.
LARGEST_VALUE: Final = 1e300

READINGS: Final = pa.schema(
    [
        ("dt", pa.date32()),
        ("device_id", pa.string()),
        ("metric", pa.string()),
        ("ts", TIME),
        ("value", pa.float64()),
        *((name, pa.string()) for name in ("unit", "site", "model", "firmware")),
        ("row_number", pa.int64()),
    ]
)
REFUSED: Final = pa.schema([("record", pa.int64()), ("code", pa.string()), ("reason", pa.string())])


@dataclass(frozen=True)
class Rows:
    """Every row of a batch is in exactly one of these."""

    readings: pa.Table
    events: pa.Table
    refused: pa.Table


# What is refused for another reason stands for all of the file from that row on.
ROW_CODES: Final = frozenset({"missing_device", "missing_metric", "bad_timestamp", "bad_value", "too_long", "bad_row"})
SCHEMAS: Final = {"readings": READINGS, "events": EVENTS, "refused": REFUSED}


def read_rows(batch: Batch, columns: Mapping[str, str], device: str | None = None, metric: str | None = None) -> Rows:
    """Rows with an event_type are events, all others readings. device, metric: where no column says it."""
    table, count = batch.columns, batch.columns.num_rows
    raw = {field: table[name].combine_chunks() for field, name in columns.items()}
    read = {field: as_texts(raw[field]) if field in raw else pa.nulls(count, pa.string()) for field in TEXTS}
    for field, flag in (("device_id", device), ("metric", metric)):
        if field not in raw and flag:
            read[field] = pa.repeat(flag, count)
    read["ts"] = as_times(raw["ts"]) if "ts" in raw else pa.nulls(count, TIME)
    read["value"] = as_numbers(raw["value"]) if "value" in raw else pa.nulls(count, pa.float64())
    is_event = pc.is_valid(read["event_type"])
    code, reason = _judge(read, raw, pc.invert(is_event))
    good = pc.is_null(code)
    rows = pa.table({**read, "row_number": batch.numbers, "dt": read["ts"].cast(pa.date32())})
    events = pc.and_(good, is_event)
    return Rows(
        readings=rows.filter(pc.and_(good, pc.invert(is_event))).select(READINGS.names),
        events=build_events(rows.filter(events), _raw_rows(batch, events), columns),
        refused=pa.concat_tables([_refused(batch.numbers, code, reason), _uncut(batch)]),
    )


def _judge(read: Mapping[str, Any], raw: Mapping[str, Any], is_reading: Any) -> tuple[Any, Any]:
    """Code and reason of each row, null where it is good. The first complaint counts."""
    count = len(is_reading)
    # Comparisons with NaN are false.
    measured = pc.fill_null(pc.less_equal(pc.abs(read["value"]), LARGEST_VALUE), False)
    complaints = [
        (pc.and_(is_reading, pc.is_null(read["device_id"])), "missing_device", "it names no device", None),
        (pc.and_(is_reading, pc.is_null(read["metric"])), "missing_metric", "it names no metric", None),
        (pc.is_null(read["ts"]), "bad_timestamp", "is no time: write it as 2026-10-31T12:00:00Z", "ts"),
        (pc.and_(is_reading, pc.invert(measured)), "bad_value", "is no finite number", "value"),
        (_too_long(read), "too_long", f"it holds a name of more than {LONGEST_NAME} bytes: shorten it", None),
    ]
    code, reason = pa.nulls(count, pa.string()), pa.nulls(count, pa.string())
    for bad, name, complaint, field in complaints:
        if not pc.any(bad).as_py():
            continue
        told: Any = complaint
        if field:
            text = as_texts(raw[field]) if field in raw else pa.nulls(count, pa.string())
            shown = pc.utf8_slice_codeunits(pc.fill_null(text, ""), 0, 60)
            told = pc.binary_join_element_wise(f"{field} '", shown, f"' {complaint}", "")
        first = pc.and_(bad, pc.is_null(code))
        code, reason = pc.if_else(first, name, code), pc.if_else(first, told, reason)
    return code, reason


def _too_long(read: Mapping[str, Any]) -> Any:
    found = pa.repeat(False, len(read["ts"]))
    for name in TEXTS:
        found = pc.or_(found, pc.fill_null(pc.greater(pc.binary_length(read[name]), LONGEST_NAME), False))
    return found


def _refused(numbers: Any, code: Any, reason: Any) -> pa.Table:
    return pa.table({"record": numbers, "code": code, "reason": reason}).filter(pc.is_valid(code))


def _uncut(batch: Batch) -> pa.Table:
    """Rows that could not even be cut into columns."""
    numbers = pa.array([row.number for row in batch.bad], pa.int64())
    reasons = pa.array([row.reason.replace("\x00", "") for row in batch.bad], pa.string())
    return _refused(numbers, pa.array(["bad_row"] * len(batch.bad), pa.string()), reasons)


def _raw_rows(batch: Batch, wanted: Any) -> list[Mapping[str, Any]]:
    """As the file has them: JSON objects with their types, or the texts of a CSV."""
    if batch.objects is not None:
        return [row for row, is_wanted in zip(batch.objects, wanted.to_pylist(), strict=True) if is_wanted]
    return list(batch.columns.filter(wanted).to_pylist())
