"""From a row of gold to bronze. Every step reads bronze itself; landing is not asked where a row came from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import reduce
from operator import or_
from typing import Any, Final, cast

import pyarrow.compute as pc

from lakehouse.bronze import Bronze, equals
from lakehouse.database import Connection, connect
from lakehouse.errors import NotFound, Refused
from lakehouse.lineage import gold_rows
from lakehouse.lineage.arrivals import Arrival
from lakehouse.lineage.bronze_rows import Range, matching, within
from lakehouse.lineage.declared import (
    DECLARED,
    FACTS,
    INSTANT,
    Document,
    Fact,
    Object,
    Origin,
    Said,
    Span,
    Summed,
    Through,
    by_columns,
)
from lakehouse.lineage.documents import trace_document
from lakehouse.lineage.gold_rows import GoldRow
from lakehouse.lineage.inquiry import Inquiry
from lakehouse.lineage.statements import trace_statements
from lakehouse.lineage.traces import Part, Trace
from lakehouse.sources.extractor import Extractor

# So many of each are told; all of them are counted.
SHOWN: Final = 50
# Of what one object brought in many commits.
ARRIVALS: Final = 10
THROUGH: Final = 10
DEEPEST: Final = 3
OBJECT_TABLES: Final = ("telemetry", "events", "messages", "documents")
NAMES: Final = """
select device_id, valid_from, valid_to
from gold.dim_device_names
where tenant_id = %s and known_as = %s
order by valid_from, device_id
"""
EPOCH: Final = datetime(1, 1, 1, tzinfo=UTC)
FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


def trace(database_url: str, bronze: Bronze, table: str, tenant_id: str, key: str) -> Trace:
    """Raises NotFound where gold has no such table or row, Refused where nothing says what its rows are made of."""
    with connect(database_url) as connection, Extractor() as extractor:
        name = table.removeprefix("gold.")
        origins = _origins(connection, name)
        inquiry = Inquiry(connection, bronze, extractor, _built_from(connection))
        return _trace(inquiry, gold_rows.find(connection, name, tenant_id, key), origins, DEEPEST)


def traced_tables(connection: Connection) -> list[str]:
    return [name for name in gold_rows.tables(connection) if origins_of(connection, name)]


def origins_of(connection: Connection, table: str) -> tuple[Origin, ...]:
    known = gold_rows.tables(connection)
    found = DECLARED.get(table) or by_columns(table, gold_rows.columns(connection, table))
    return tuple(one for one in found if not isinstance(one, Through) or one.table in known)


def _origins(connection: Connection, table: str) -> tuple[Origin, ...]:
    """Raises NotFound, or Refused."""
    traced = ", ".join(traced_tables(connection))
    if table not in gold_rows.tables(connection):
        raise NotFound(f"gold has no table '{table}': use one of {traced}")
    if not (origins := origins_of(connection, table)):
        raise Refused(f"nothing says what the rows of gold.{table} are made of: there is lineage of {traced}")
    return origins


def _built_from(connection: Connection) -> dict[str, int]:
    """The Delta version of each table that the gold which is served was built from."""
    rows = connection.execute("select table_name, delta_version from registry.promoted").fetchall()
    return dict(cast(list[tuple[str, int]], rows))


def _trace(inquiry: Inquiry, gold: GoldRow, origins: Sequence[Origin], depth: int) -> Trace:
    """What each of the origins tells, joined."""
    whole = Trace(gold, inquiry.built_from)
    for origin in origins:
        whole = _join(whole, _by(inquiry, gold, origin, depth))
    if not (whole.statements or whole.parts or whole.through or whole.faults or whole.notes):
        return replace(whole, faults=("no row of bronze tells of it: it was archived, erased, or never there",))
    return whole


def _by(inquiry: Inquiry, gold: GoldRow, origin: Origin, depth: int) -> Trace:
    if isinstance(origin, Said):
        return trace_statements(inquiry, gold, origin, SHOWN)
    if isinstance(origin, Document):
        is_written = gold.row["kind"] == "insight"
        return _through(inquiry, gold, FACTS, depth) if is_written else trace_document(inquiry, gold)
    if isinstance(origin, Fact):
        return _fact(inquiry, gold, depth)
    if isinstance(origin, Through):
        return _through(inquiry, gold, origin, depth)
    if isinstance(origin, Object):
        values = {"object_sha256": gold.row["object_sha256"]}
        tables = [inquiry.table(name) for name in OBJECT_TABLES]
        ranges = [one for table in tables for one in table.ranges(matching(gold.tenant_id, values))]
        return _parts(inquiry, gold, ranges)
    return _summed(inquiry, gold, origin)


def _summed(inquiry: Inquiry, gold: GoldRow, origin: Summed) -> Trace:
    values = {name: gold.row[name] for name in origin.key}
    if origin.by_names:
        predicate = _of_device(inquiry, gold.tenant_id, values.pop("device_id")) & matching(gold.tenant_id, values)
    else:
        predicate = matching(gold.tenant_id, values)
    span = _bounds(gold.row, origin.span) if origin.span else None
    if span:
        predicate &= within("ts", *span)
    ranges = [
        one for one in inquiry.table(origin.bronze).ranges(predicate) if inquiry.is_in_gold(one.table, one.versions[0])
    ]
    if not origin.counted:
        return _parts(inquiry, gold, ranges)
    standing = _standing(inquiry, gold, origin.key, span or (EPOCH, FOREVER))
    counted = [replace(one, standing=standing.pop(one.object_sha256, 0)) for one in ranges]
    return replace(_parts(inquiry, gold, counted), faults=_miscounted(gold, origin.counted, counted, standing))


def _of_device(inquiry: Inquiry, tenant_id: str, device_id: str) -> pc.Expression:
    """Under each of its names, while that meant this device."""
    rows = cast(
        list[tuple[str, datetime, datetime | None]],
        inquiry.connection.execute(NAMES, (tenant_id, device_id)).fetchall(),
    )
    each = [equals("device_id", name) & within("ts", begin, end or FOREVER) for name, begin, end in rows]
    return reduce(or_, each, pc.scalar(False))


def _standing(inquiry: Inquiry, gold: GoldRow, key: Sequence[str], span: tuple[datetime, datetime]) -> dict[str, int]:
    """Readings of gold that the row is made of, by the object that is their receipt."""
    conditions = " and ".join(f"{name} = %s" for name in key)
    rows = inquiry.connection.execute(
        "select object_sha256, count(*) from gold.fct_readings "
        f"where tenant_id = %s and {conditions} and ts >= %s and ts < %s group by object_sha256",
        (gold.tenant_id, *(gold.row[name] for name in key), *span),
    ).fetchall()
    return dict(cast(list[tuple[str, int]], rows))


def _miscounted(gold: GoldRow, column: str, ranges: Sequence[Range], left: Mapping[str, int]) -> tuple[str, ...]:
    faults = [
        f"bronze has no row of object {sha256}, which {count} of its readings name" for sha256, count in left.items()
    ]
    total = sum(one.standing or 0 for one in ranges) + sum(left.values())
    if total != gold.row[column]:
        faults.append(f"its {column} is {gold.row[column]}, and gold.fct_readings has {total} such readings")
    faults += [
        f"{one.standing} readings name object {one.object_sha256}, of which bronze has {one.rows} such rows"
        for one in ranges
        if (one.standing or 0) > one.rows
    ]
    return tuple(faults)


def _parts(inquiry: Inquiry, gold: GoldRow, ranges: Sequence[Range]) -> Trace:
    parts = tuple(Part(one, _arrivals(inquiry, gold.tenant_id, one)) for one in ranges[:SHOWN])
    return Trace(gold, inquiry.built_from, parts=parts, found={"objects": len(ranges)})


def _arrivals(inquiry: Inquiry, tenant_id: str, one: Range) -> tuple[Arrival, ...]:
    return tuple(
        inquiry.arrival(one.table, version, tenant_id, one.source, one.object_sha256)
        for version in one.versions[:ARRIVALS]
    )


def _through(inquiry: Inquiry, gold: GoldRow, origin: Through, depth: int) -> Trace:
    span = (origin.time, *_bounds(gold.row, origin.span)) if origin.span else None
    rows = [
        row
        for values in _named(gold.row, origin)
        for row in gold_rows.select(inquiry.connection, origin.table, values, limit=SHOWN + 1, span=span)
    ]
    return _followed(inquiry, gold, origin.table, rows, depth)


def _fact(inquiry: Inquiry, gold: GoldRow, depth: int) -> Trace:
    table, values = gold.row["table_name"], {"tenant_id": gold.tenant_id, **gold.row["key"]}
    return _followed(inquiry, gold, table, gold_rows.select(inquiry.connection, table, values, limit=1), depth)


def _followed(inquiry: Inquiry, gold: GoldRow, table: str, rows: Sequence[Mapping[str, Any]], depth: int) -> Trace:
    if not depth:
        return Trace(gold, inquiry.built_from, notes=(f"gold.{table} is not followed further",))
    origins = origins_of(inquiry.connection, table)
    traces = [
        _trace(inquiry, gold_rows.of_row(inquiry.connection, table, row), origins, depth - 1) for row in rows[:THROUGH]
    ]
    return Trace(gold, inquiry.built_from, through=tuple(traces), found={f"rows of {table}": len(rows)})


def _named(row: Mapping[str, Any], origin: Through) -> list[dict[str, Any]]:
    """The keys that the row names, of its own tenant: one, none where a part of it is null, several where it is a list.

    A release without a version is one of documents without a version: there null is a value.
    """
    on = origin.on
    stated = {there: None if row[here] == origin.absent else row[here] for there, here in on.items()}
    values = {"tenant_id": row["tenant_id"], **stated}
    lists = [name for name, value in values.items() if isinstance(value, list)]
    if lists:
        return [{**values, lists[0]: one} for one in values[lists[0]]]
    return [] if set(on) <= {"event_id", "incident_id"} and None in values.values() else [values]


def _bounds(row: Mapping[str, Any], span: Span) -> tuple[datetime, datetime]:
    begin = _instant(row[span.begin])
    if span.length is not None:
        return begin, begin + span.length
    end = row[span.end] if span.end else None
    return begin, FOREVER if end is None else _instant(end) + INSTANT


def _instant(value: datetime | date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)


def _join(one: Trace, other: Trace) -> Trace:
    return replace(
        one,
        statements=one.statements + other.statements,
        parts=one.parts + other.parts,
        through=one.through + other.through,
        found={**one.found, **{name: one.found.get(name, 0) + count for name, count in other.found.items()}},
        faults=one.faults + other.faults,
        notes=one.notes + other.notes,
    )
