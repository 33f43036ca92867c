"""Rows that are read, as rows of bronze: with the tenant, the source and the bytes that they came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from lakehouse.bronze import TABLES
from lakehouse.errors import BadRecord
from lakehouse.sources.batch import Batch
from lakehouse.sources.rows import REFUSED, Rows, read_rows


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


def sort_rows(batch: Batch, columns: Mapping[str, str], origin: Origin) -> Sorted:
    return with_origin(read_rows(batch, columns, origin.device, origin.metric), origin)


def with_origin(rows: Rows, origin: Origin) -> Sorted:
    return Sorted(_placed("telemetry", rows.readings, origin), _placed("events", rows.events, origin), rows.refused)


def cut_off(row: int, error: BadRecord) -> Sorted:
    """A file that cannot be read on from `row`."""
    refused = pa.table({"record": [row], "code": [error.code], "reason": [error.reason]}, REFUSED)
    return Sorted(TABLES["telemetry"].empty_table(), TABLES["events"].empty_table(), refused)


def _placed(table: str, rows: pa.Table, origin: Origin) -> pa.Table:
    schema = TABLES[table]
    columns = {name: rows[name] for name in rows.column_names}
    for name in ("tenant_id", "source", "object_sha256", "recorded_at"):
        columns[name] = pa.repeat(pa.scalar(getattr(origin, name), schema.field(name).type), rows.num_rows)
    return pa.table({name: columns[name] for name in schema.names}, schema)
