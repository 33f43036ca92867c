"""Of which rows of bronze the rows of each gold table are made: as DECLARED says, else as its columns name them."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True)
class Said:
    """Bronze rows that have these columns in common with the gold row. Its object_sha256 and recorded_at name which of
    them is the receipt. content: what makes two of them say the same."""

    bronze: str
    key: tuple[str, ...]
    content: tuple[str, ...]


@dataclass(frozen=True)
class Span:
    """Times from the column `begin` of the gold row on, for `length`, or up to its column `end`, which is within and
    without an end where that is null."""

    begin: str
    length: timedelta | None = None
    end: str | None = None


@dataclass(frozen=True)
class Summed:
    """Bronze rows that have these columns in common with the gold row, within its span of time.

    counted: the column of the gold row that holds of how many rows of gold.fct_readings it is made. by_names: its
    device_id is what the device is called today; bronze has each name that it had, for as long as that meant it.
    """

    bronze: str
    key: tuple[str, ...]
    span: Span | None = None
    counted: str | None = None
    by_names: bool = False


@dataclass(frozen=True)
class Document:
    """The row of bronze `documents` whose hash the id is made of, and the bytes that it names. Of a text that gold
    wrote, the facts in it."""


@dataclass(frozen=True)
class Object:
    """All rows of the object that `object_sha256` names."""


@dataclass(frozen=True)
class Through:
    """Rows of another gold table. on: its columns, and the columns of this table that they equal.

    span: over the column `time` of the other table. absent: what this table says where that one has null.
    """

    table: str
    on: Mapping[str, str]
    span: Span | None = None
    time: str = "ts"
    absent: str | None = None


@dataclass(frozen=True)
class Fact:
    """The row of gold that the columns table_name and key name."""


Origin = Said | Summed | Document | Object | Through | Fact

SERIES: Final = ("device_id", "metric")
READING: Final = ("value", "unit", "firmware", "site", "model")
EVENT: Final = ("device_id", "event_type", "ts", "severity", "message", "attributes", "site", "model", "firmware")
INSTANT: Final = timedelta(microseconds=1)
BEGUN: Final = Span("valid_from", INSTANT)
SO_NAMED: Final = Span("valid_from", end="last_reported_at")
FACTS: Final = Through("fct_insight_facts", {"document_id": "document_id"})
# A column with the id of an event, or a list of them.
EVENTS: Final = re.compile(r"(^|_)event_ids?$")

DECLARED: Final[Mapping[str, tuple[Origin, ...]]] = {
    "fct_readings": (Said("telemetry", (*SERIES, "ts"), READING),),
    "fct_readings_set_aside": (Said("telemetry", (*SERIES, "ts"), ("value", "unit")),),
    "fct_readings_hourly": (Summed("telemetry", SERIES, Span("hour", timedelta(hours=1)), "reading_count"),),
    "fct_readings_daily": (Summed("telemetry", SERIES, Span("day", timedelta(days=1)), "reading_count"),),
    "fct_device_sightings": (Summed("telemetry", SERIES, Span("first_ts", end="last_ts")),),
    "fct_events": (Said("events", ("event_id",), EVENT),),
    "fct_message_threads": (Summed("messages", ("source", "channel", "thread_id")),),
    "dim_device_names": (
        Summed("telemetry", ("device_id",), SO_NAMED),
        Summed("events", ("device_id",), SO_NAMED),
        Through("fct_events", {"event_id": "event_id"}),
    ),
    "dim_devices": (
        Summed("telemetry", ("device_id",), by_names=True),
        Summed("events", ("device_id",), by_names=True),
    ),
    "dim_device_history": (
        Summed("telemetry", ("device_id",), BEGUN, by_names=True),
        Summed("events", ("device_id",), BEGUN, by_names=True),
    ),
    "dim_device_firmware": (
        Summed("telemetry", ("device_id", "firmware"), BEGUN, by_names=True),
        Summed("events", ("device_id",), BEGUN, by_names=True),
    ),
    "mart_fleet_by_firmware": (
        Through("dim_device_history", {"model": "model", "firmware": "firmware"}, absent="unknown"),
    ),
    "fct_insight_facts": (Fact(),),
    "documents": (Document(),),
    "releases": (Through("documents", {"product": "product", "kind": "kind", "version_from": "version"}),),
}


def by_columns(table: str, columns: Collection[str]) -> tuple[Origin, ...]:
    """Of a table that is not declared: its object, else the events, readings or incidents that its columns name, else
    its device. Empty where they name nothing of the kind."""
    if "object_sha256" in columns:
        return (Object(),)
    named = [Through("fct_events", {"event_id": name}) for name in columns if EVENTS.search(name)]
    if {*SERIES, "ts"} <= set(columns):
        named.append(Through("fct_readings", {name: name for name in (*SERIES, "ts")}))
    if "incident_id" in columns and table != "fct_incidents":
        named.append(Through("fct_incidents", {"incident_id": "incident_id"}))
    if not named and "device_id" in columns:
        named.append(Through("dim_devices", {"device_id": "device_id"}))
    return tuple(named)
