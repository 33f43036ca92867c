"""Readings by site and day, each site in a format of its own; events by day as JSON lines."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.events import Event, readings
from simulator.files import File
from simulator.fleet import Fleet
from simulator.signals import Series

FORMATS = ("csv", "jsonl", "parquet")
FIELDS = ("timestamp", "device_id", "metric", "value", "unit", "site", "model", "firmware")
SCHEMA = pa.schema(
    [
        ("timestamp", pa.timestamp("us", tz="UTC")),
        *((name, pa.float64() if name == "value" else pa.string()) for name in FIELDS[1:]),
    ]
)

Row = tuple[datetime, str, str, float, str, str, str, str]


def reading_files(fleet: Fleet, series: Sequence[Series]) -> Iterator[File]:
    for index, tenant in enumerate(fleet.tenants):
        for at, site in enumerate(tenant.sites):
            mine = [one for one in series if one.device.tenant_id == tenant.tenant_id and one.device.site == site]
            suffix = FORMATS[(at + index) % len(FORMATS)]
            for day, rows in groupby(
                sorted(row for one in mine for row in rows_of(one)), key=lambda row: row[0].date()
            ):
                yield File(f"{tenant.tenant_id}/telemetry/readings/{site}/{day}.{suffix}", RENDER[suffix](list(rows)))


def event_files(fleet: Fleet, events: Sequence[Event]) -> Iterator[File]:
    for tenant in fleet.tenants:
        mine = [event for event in events if event.device.tenant_id == tenant.tenant_id]
        for day, group in groupby(mine, key=lambda event: event.ts.date()):
            yield File(
                f"{tenant.tenant_id}/telemetry/events/{day}.jsonl",
                "".join(_line(event_record(one)) for one in group).encode(),
            )


def reading_record(row: Row) -> dict[str, object]:
    return dict(zip(FIELDS, (iso(row[0]), *row[1:]), strict=True))


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def rows_of(series: Series) -> Iterator[Row]:
    device = series.device
    for ts, value in readings(series):
        firmware = device.at(ts).version
        yield (
            ts,
            device.device_id,
            series.metric.name,
            value,
            series.metric.unit,
            device.site,
            device.product.name,
            firmware,
        )


def _csv(rows: list[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows((iso(row[0]), *row[1:]) for row in rows)
    return out.getvalue().encode()


def _jsonl(rows: list[Row]) -> bytes:
    return "".join(_line(reading_record(row)) for row in rows).encode()


def _parquet(rows: list[Row]) -> bytes:
    out = io.BytesIO()
    pq.write_table(
        pa.table([list(column) for column in zip(*rows, strict=True)], schema=SCHEMA), out, compression="zstd"
    )
    return out.getvalue()


RENDER = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}


def event_record(event: Event) -> dict[str, object]:
    return {
        "event_id": event.event_id,
        "ts": iso(event.ts),
        "device_id": event.device.device_id,
        "event_type": event.event_type,
        "severity": event.severity,
        "message": event.message,
        "attributes": event.attributes,
        "model": event.device.product.name,
        "site": event.device.site,
        "firmware": event.device.at(event.ts).version,
    }


def _line(row: dict[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
