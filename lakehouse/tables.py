"""The Delta tables of bronze: their columns and their settings."""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

TIME: Final = pa.timestamp("us", tz="UTC")


def _schema(columns: str, **others: pa.DataType) -> pa.Schema:
    """Columns in the order named; text unless `others` says different."""
    return pa.schema([(name, others.get(name, pa.string())) for name in columns.split()])


# As callers see them. On disk each row has `bronze_version` as well, the Delta version of the commit that brought it:
# written into the row, it outlives compaction, and the log's entries of long ago.
TABLES: Final[Mapping[str, pa.Schema]] = {
    "telemetry": _schema(
        "tenant_id dt device_id metric ts value unit site model firmware source object_sha256 row_number recorded_at",
        dt=pa.date32(),
        ts=TIME,
        value=pa.float64(),
        row_number=pa.int64(),
        recorded_at=TIME,
    ),
    "events": _schema(
        "tenant_id event_id device_id event_type ts severity message attributes site model firmware source "
        "object_sha256 row_number recorded_at",
        ts=TIME,
        row_number=pa.int64(),
        recorded_at=TIME,
    ),
    "messages": _schema(
        "tenant_id source channel message_id thread_id author ts text edited_at deleted object_sha256 recorded_at",
        ts=TIME,
        edited_at=TIME,
        deleted=pa.bool_(),
        recorded_at=TIME,
    ),
    "documents": _schema(
        "tenant_id source path kind title object_sha256 raw_sha256 media_type extraction byte_start byte_end product "
        "version_from version_to valid_from classification url deleted recorded_at",
        byte_start=pa.int64(),
        byte_end=pa.int64(),
        valid_from=TIME,
        deleted=pa.bool_(),
        recorded_at=TIME,
    ),
    "quarantine": _schema(
        "tenant_id source path record code reason raw_sha256 raw_size raw_holds stage flags refusal resolution "
        "recorded_at",
        record=pa.int64(),
        raw_size=pa.int64(),
        recorded_at=TIME,
    ),
}
VERSION: Final = pa.field("bronze_version", pa.int64())
PARTITIONS: Final = ["tenant_id"]
REMEMBERED: Final = "interval 1 days"
# Other statistics would put texts of documents and chats into the log, where no erasure finds them.
CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": "bronze_version",
    "delta.setTransactionRetentionDuration": REMEMBERED,
}


def equals(column: str, value: str) -> pc.Expression:
    """A predicate for `changes`."""
    return pc.field(column) == value
