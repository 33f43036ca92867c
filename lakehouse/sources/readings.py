"""Raw columns to readings: names to fields, and each row to a reading, an event or a refusal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES, TIME
from lakehouse.errors import BadRecord
from lakehouse.sources.columns import as_numbers, as_texts, as_times
from lakehouse.sources.events import build_events
from lakehouse.sources.tabular import Batch

ALIASES: Final = {
    "ts": ("ts", "timestamp", "time", "datetime"),
    "device_id": ("device_id", "device", "deviceid", "sensor_id"),
    "metric": ("metric", "measurement", "sensor", "name"),
    "value": ("value", "reading"),
    "unit": ("unit", "units"),
    "site": ("site", "location"),
    "model": ("model", "device_model", "product"),
    "firmware": ("firmware", "firmware_version"),
    "event_type": ("event_type",),
    "event_id": ("event_id",),
    "severity": ("severity", "level"),
    "message": ("message",),
    "attributes": ("attributes",),
}
KNOWN: Final = frozenset(alias for aliases in ALIASES.values() for alias in aliases)
FLAGS: Final = {"device_id": "--device ID", "metric": "--metric NAME"}
TEXTS: Final = ("device_id", "metric", "unit", "site", "model", "firmware", "event_type")


@dataclass(frozen=True)
class Origin:
    """What is the same for every row of a file. device, metric: for files that have no such column."""

    tenant_id: str
    source: str
    object_sha256: str
    recorded_at: datetime
    device: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Sorted:
    """Every row of a batch is in exactly one of these. refused: columns record, code and reason."""

    readings: pa.Table
    events: pa.Table
    refused: pa.Table

    @property
    def rows(self) -> int:
        return int(self.readings.num_rows + self.events.num_rows + self.refused.num_rows)


def cut_off(row: int, error: BadRecord) -> Sorted:
    """A file that cannot be read on from `row`."""
    refused = pa.table({"record": pa.array([row]), "code": [error.code], "reason": [error.reason]})
    return Sorted(TABLES["telemetry"].empty_table(), TABLES["events"].empty_table(), refused)


def find_columns(names: Sequence[str]) -> dict[str, str]:
    """Which column holds which field, by its first alias that is there."""
    known = {_simple(name): name for name in reversed(names)}
    found = {field: [known[alias] for alias in aliases if alias in known] for field, aliases in ALIASES.items()}
    return {field: columns[0] for field, columns in found.items() if columns}


def spellings(names: Sequence[str]) -> list[list[str]]:
    """Of each field, all columns that could hold it."""
    return [[name for name in names if _simple(name) in aliases] for aliases in ALIASES.values()]


def is_known(name: str) -> bool:
    return _simple(name) in KNOWN


def require_columns(names: Sequence[str], columns: Mapping[str, str], origin: Origin) -> None:
    """Raises BadRecord naming what is missing, what is there, and the flag that could supply it."""
    needed = ["ts"] if "event_type" in columns else ["ts", "device_id", "metric", "value"]
    supplied = {"device_id": origin.device, "metric": origin.metric}
    missing = [field for field in needed if field not in columns and not supplied.get(field)]
    if not missing:
        return
    wanted = ", ".join(f"{field} (or {', '.join(ALIASES[field][1:])})" for field in missing)
    flags = " and ".join(FLAGS[field] for field in missing if field in FLAGS)
    supply = f"; {flags} can say it for the whole file" if flags else ""
    raise BadRecord("missing_column", f"it has no column {wanted}, only {', '.join(names) or 'none'}{supply}")


def sort_rows(batch: Batch, columns: Mapping[str, str], origin: Origin) -> Sorted:
    """Rows with an event_type are events, all others readings."""
    table, count = batch.columns, batch.columns.num_rows
    raw = {field: table[name].combine_chunks() for field, name in columns.items()}
    read = {field: as_texts(raw[field]) if field in raw else pa.nulls(count, pa.string()) for field in TEXTS}
    for field, flag in (("device_id", origin.device), ("metric", origin.metric)):
        if field not in raw and flag:
            read[field] = pa.repeat(flag, count)
    read["ts"] = as_times(raw["ts"]) if "ts" in raw else pa.nulls(count, TIME)
    read["value"] = as_numbers(raw["value"]) if "value" in raw else pa.nulls(count, pa.float64())
    is_event = pc.is_valid(read["event_type"])
    code, reason = _judge(read, raw, pc.invert(is_event))
    good = pc.is_null(code)
    constant = {
        "row_number": batch.numbers,
        "dt": read["ts"].cast(pa.date32()),
        **{name: pa.repeat(getattr(origin, name), count) for name in ("tenant_id", "source", "object_sha256")},
        "recorded_at": pa.repeat(pa.scalar(origin.recorded_at, TIME), count),
    }
    rows = pa.table({**read, **constant})
    events = pc.and_(good, is_event)
    return Sorted(
        readings=rows.filter(pc.and_(good, pc.invert(is_event))).select(TABLES["telemetry"].names),
        events=build_events(rows.filter(events), _raw_rows(batch, events), columns),
        refused=pa.concat_tables([_refused(batch.numbers, code, reason), _uncut(batch)]),
    )


def _judge(read: Mapping[str, Any], raw: Mapping[str, Any], is_reading: Any) -> tuple[Any, Any]:
    """Code and reason of each row, null where it is good. The first complaint counts."""
    count = len(is_reading)
    not_finite = pc.invert(pc.fill_null(pc.is_finite(read["value"]), False))
    complaints = [
        (pc.and_(is_reading, pc.is_null(read["device_id"])), "missing_device", "it names no device", None),
        (pc.and_(is_reading, pc.is_null(read["metric"])), "missing_metric", "it names no metric", None),
        (pc.is_null(read["ts"]), "bad_timestamp", "is no time: write it as 2026-10-31T12:00:00Z", "ts"),
        (pc.and_(is_reading, not_finite), "bad_value", "is no finite number", "value"),
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


def _simple(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
