"""Raw columns to readings and events: names to fields, text to numbers and instants, whole columns at a time."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES, TIME
from lakehouse.errors import BadRecord
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
FLAGS: Final = {"device_id": "--device ID", "metric": "--metric NAME"}
OPTIONAL: Final = ("unit", "site", "model", "firmware")
ZONED = r"(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
CLOCK = r"\d{2}:\d{2}"
EPOCH = r"^-?\d{9,19}(?:\.\d+)?$"
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds of the years 1 to 9999


@dataclass(frozen=True)
class Origin:
    """What is the same for every row of a file. device, metric: for files that have no such column."""

    tenant_id: str
    source: str
    object_sha256: str
    recorded_at: Any
    device: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Normalised:
    """Every row of a batch is in exactly one of these. refused: columns record, code and reason."""

    readings: pa.Table
    events: pa.Table
    refused: pa.Table

    @property
    def rows(self) -> int:
        return int(self.readings.num_rows + self.events.num_rows + self.refused.num_rows)


def cut_off(row: int, error: BadRecord) -> Normalised:
    """A file that cannot be read on from `row`."""
    refused = pa.table({"record": pa.array([row]), "code": [error.code], "reason": [error.reason]})
    return Normalised(TABLES["telemetry"].empty_table(), TABLES["events"].empty_table(), refused)


def resolve(names: Sequence[str], origin: Origin, *, strict: bool = True) -> dict[str, int]:
    """Which column holds which field. strict: raises BadRecord naming what is missing and what could supply it."""
    known = {_simple(name): position for position, name in reversed(list(enumerate(names)))}
    fields = {
        field: next(known[alias] for alias in aliases if alias in known)
        for field, aliases in ALIASES.items()
        if not known.keys().isdisjoint(aliases)
    }
    needed = ["ts"] if "event_type" in fields else ["ts", "device_id", "metric", "value"]
    supplied = {"device_id": origin.device, "metric": origin.metric}
    missing = [field for field in needed if field not in fields and not supplied.get(field)]
    if missing and strict:
        raise BadRecord("missing_column", _missing(missing, names))
    return fields


def _missing(missing: Sequence[str], names: Sequence[str]) -> str:
    wanted = "; ".join(f"no column {field} (or {', '.join(ALIASES[field][1:])})" for field in missing)
    flags = [FLAGS[field] for field in missing if field in FLAGS]
    help_ = f"; {' and '.join(flags)} can supply it for the whole file" if flags else ""
    return f"{wanted}; it has {', '.join(names) or 'none'}{help_}"


def normalise(batch: Batch, fields: dict[str, int], origin: Origin) -> Normalised:
    """Rows with an event_type are events, all others readings."""
    table = batch.columns.combine_chunks()
    raw = {field: _chunk(table.column(position)) for field, position in fields.items()}
    count = table.num_rows
    event = pc.is_valid(_text(raw["event_type"], count)) if "event_type" in raw else pa.repeat(False, count)
    columns = {
        "device_id": _or_flag(raw, "device_id", origin.device, count),
        "metric": _or_flag(raw, "metric", origin.metric, count),
        "ts": parse_times(raw["ts"]) if "ts" in raw else pa.nulls(count, TIME),
        "value": parse_values(raw["value"]) if "value" in raw else pa.nulls(count, pa.float64()),
        **{field: _text(raw.get(field), count) for field in OPTIONAL},
    }
    code, reason = _judge(columns, raw, event, count)
    good = pc.is_null(code)
    refused = pa.table({"record": batch.numbers, "code": code, "reason": reason}).filter(pc.invert(good))
    unreadable = pa.table(
        {
            "record": pa.array([row.number for row in batch.bad], pa.int64()),
            "code": pa.array(["bad_row"] * len(batch.bad), pa.string()),
            "reason": pa.array([row.reason.replace("\x00", "") for row in batch.bad], pa.string()),
        }
    )
    shared = {
        **columns,
        "row_number": batch.numbers,
        "tenant_id": pa.repeat(origin.tenant_id, count),
        "source": pa.repeat(origin.source, count),
        "object_sha256": pa.repeat(origin.object_sha256, count),
        "recorded_at": pa.repeat(pa.scalar(origin.recorded_at, TIME), count),
    }
    dated = pa.table({**shared, "dt": columns["ts"].cast(pa.date32())})
    readings = dated.filter(pc.and_(good, pc.invert(event))).select(TABLES["telemetry"].names)
    is_event = pc.and_(good, event)
    return Normalised(
        readings=readings.cast(TABLES["telemetry"]),
        events=_events(pa.table(shared).filter(is_event), table.filter(is_event), fields),
        refused=pa.concat_tables([refused, unreadable]),
    )


def _judge(columns: dict[str, Any], raw: dict[str, Any], event: Any, count: int) -> tuple[Any, Any]:
    """Code and reason of each row, null where it is good. The first complaint counts."""
    reading = pc.invert(event)
    finite = pc.fill_null(pc.is_finite(columns["value"]), False)
    complaints = [
        (pc.and_(reading, pc.is_null(columns["device_id"])), "missing_device", "it names no device", None),
        (pc.and_(reading, pc.is_null(columns["metric"])), "missing_metric", "it names no metric", None),
        (pc.is_null(columns["ts"]), "bad_timestamp", "is no time: write it as 2026-10-31T12:00:00Z", "ts"),
        (pc.and_(reading, pc.invert(finite)), "bad_value", "is no finite number", "value"),
    ]
    code, reason = pa.nulls(count, pa.string()), pa.nulls(count, pa.string())
    for bad, name, text, field in complaints:
        if not pc.any(bad).as_py():
            continue
        code = pc.if_else(pc.and_(bad, pc.is_null(code)), name, code)
        told: Any = text
        if field:
            shown = pc.utf8_slice_codeunits(pc.fill_null(_text(raw.get(field), count), ""), 0, 60)
            told = pc.binary_join_element_wise(f"{field} '", shown, f"' {text}", "")
        reason = pc.if_else(pc.and_(bad, pc.is_null(reason)), told, reason)
    return code, reason


def parse_times(column: Any) -> Any:
    """UTC where no zone is named; null where it is no time. Numbers count seconds, milli-, micro- or nanoseconds."""
    sort = column.type
    if pa.types.is_timestamp(sort):
        times = cast_or_null(column, pa.timestamp("us", tz=sort.tz))
        times = times.cast(TIME) if sort.tz else pc.assume_timezone(times, "UTC")
    elif pa.types.is_date(sort):
        times = pc.assume_timezone(cast_or_null(column, pa.timestamp("us")), "UTC")
    elif pa.types.is_integer(sort) or pa.types.is_floating(sort):
        times = _from_epoch(pc.cast(column, pa.float64(), safe=False))
    else:
        times = _from_text(_text(column, len(column)))
    instant = times.cast(pa.int64())
    return pc.if_else(pc.and_(pc.greater_equal(instant, EARLIEST), pc.less_equal(instant, LATEST)), times, None)


def _from_text(text: Any) -> Any:
    number = pc.match_substring_regex(text, EPOCH)
    text = pc.replace_substring_regex(text, r" ?UTC$", "Z")
    zoned = pc.and_(pc.match_substring_regex(text, CLOCK), pc.match_substring_regex(text, ZONED))
    if pc.any(pc.match_substring_regex(text, r"\.\d{7,}")).as_py():
        text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")  # Arrow refuses what microseconds cannot hold
    plain = pc.invert(pc.or_(number, zoned))
    return pc.coalesce(
        cast_or_null(pc.if_else(zoned, text, None), TIME),
        pc.assume_timezone(cast_or_null(pc.if_else(plain, text, None), pa.timestamp("us")), "UTC"),
        _from_epoch(cast_or_null(pc.if_else(number, text, None), pa.float64())),
    )


def _from_epoch(number: Any) -> Any:
    """By magnitude: seconds until the year 5138, then milliseconds, microseconds and nanoseconds since 1970."""
    size = pc.abs(number)
    per_second = pc.case_when(
        pc.make_struct(pc.less(size, 1e11), pc.less(size, 1e14), pc.less(size, 1e17), pc.less(size, 1e20)),
        pa.scalar(1e6),
        pa.scalar(1e3),
        pa.scalar(1.0),
        pa.scalar(1e-3),
    )
    return pc.cast(pc.round(pc.multiply(number, per_second)), pa.int64(), safe=False).cast(TIME)


def parse_values(column: Any) -> Any:
    """Null where it is no number. NaN and infinities stay, for the caller to refuse."""
    sort = column.type
    if pa.types.is_integer(sort) or pa.types.is_floating(sort) or pa.types.is_decimal(sort):
        return pc.cast(column, pa.float64(), safe=False)
    return cast_or_null(_text(column, len(column)), pa.float64())


def cast_or_null(column: Any, sort: pa.DataType) -> Any:
    """Null where a value cannot be cast. A column without such values is cast at once; else it is halved around them."""
    try:
        return pc.cast(column, sort)
    except pa.ArrowInvalid:
        if len(column) == 1:
            return pa.nulls(1, sort)
        middle = len(column) // 2
        return pa.concat_arrays([cast_or_null(part, sort) for part in (column[:middle], column[middle:])])


def _text(column: Any, count: int) -> Any:
    """Trimmed; null where it is blank. Without NUL, which Postgres cannot hold."""
    if column is None or pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return pa.nulls(count, pa.string())
    text = column if pa.types.is_string(column.type) else _chunk(column.cast(pa.string(), safe=False))
    text = pc.utf8_trim_whitespace(text)
    if pc.any(pc.match_substring(text, "\x00")).as_py():
        text = pc.replace_substring(text, "\x00", "")
    return pc.if_else(pc.equal(text, ""), None, text)


def _or_flag(raw: dict[str, Any], field: str, flag: str | None, count: int) -> Any:
    return _text(raw[field], count) if field in raw else pa.array([flag], pa.string()).take(pa.repeat(0, count))


def _chunk(column: Any) -> Any:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _simple(name: str) -> str:
    return name.strip().strip("\ufeff").lower().replace(" ", "_").replace("-", "_")


def _events(shared: pa.Table, raw: pa.Table, fields: dict[str, int]) -> pa.Table:
    """Events are few and each has attributes of its own, so they go one by one."""
    names = raw.column_names
    taken = set(fields.values())
    rows = []
    for row, values in zip(
        shared.to_pylist(), zip(*(column.to_pylist() for column in raw.columns), strict=True), strict=True
    ):
        given = {field: values[position] for field, position in fields.items()}
        others = {names[i]: value for i, value in enumerate(values) if i not in taken and value not in (None, "")}
        event = {**row, **{name: _clean(given.get(name)) for name in ("event_type", "event_id", "severity", "message")}}
        event["attributes"] = json.dumps(
            {**others, **_attributes(given.get("attributes"))}, default=str, sort_keys=True
        )
        event["event_id"] = event["event_id"] or _event_id(event)
        rows.append({name: event.get(name) for name in TABLES["events"].names})
    return pa.Table.from_pylist(rows, schema=TABLES["events"])


def _attributes(value: Any) -> dict[str, Any]:
    """An object as it is; anything else under the key `attributes`, so that nothing is lost."""
    if value in (None, ""):
        return {}
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        found = value
    return found if isinstance(found, dict) else {"attributes": found}


def _clean(value: Any) -> str | None:
    return None if value is None else str(value).replace("\x00", "").strip() or None


def _event_id(event: dict[str, Any]) -> str:
    """Of an event that brings none: the same event in another file has the same."""
    parts = [event["device_id"], event["event_type"], event["ts"].isoformat(), event["message"], event["attributes"]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
