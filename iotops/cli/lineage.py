"""`iotops warehouse lineage`: from a row of gold to the objects, records and offsets of bronze."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse.errors import Refused

if TYPE_CHECKING:
    from lakehouse.lineage.arrivals import Arrival, Offsets
    from lakehouse.lineage.traces import Part, Statement, Trace

Key = Annotated[str, typer.Argument(help="The key after the tenant, with '/' between its values, or as JSON.")]


def lineage(
    table: Annotated[str, typer.Argument(help="A table of gold.")],
    key: Key,
    tenant: Tenant = "default",
    as_json: Json = False,
) -> None:
    """Say which rows of bronze a row of gold is made of; exit code 1 where the two differ."""
    from lakehouse.lineage.tracing import trace

    app = bootstrap()
    found = trace(app.database_url, app.bronze, table, tenant, key)
    show(found.to_json(), "\n".join(_describe(found)), as_json)
    if faults := found.all_faults:
        raise Refused(f"gold and bronze differ in this row: {'; '.join(faults)}")


def _describe(trace: "Trace", indent: str = "") -> Iterator[str]:
    from lakehouse.excerpt import printable

    named = ", ".join(f"{name} {value}" for name, value in trace.gold.key.items())
    yield f"{indent}gold.{trace.gold.table}: {printable(named)}"
    for what, count in trace.found.items():
        yield f"{indent}  {what}: {count:,}"
    for statement in trace.statements:
        yield from (f"{indent}  {line}" for line in _of_statement(statement))
    for part in trace.parts:
        yield from (f"{indent}  {line}" for line in _of_part(part, trace.gold.tenant_id))
    for other in trace.through:
        yield from _describe(other, f"{indent}  ")
    yield from (f"{indent}  {note}" for note in trace.notes)
    yield from (f"{indent}  DIFFERS: {fault}" for fault in trace.faults)


def _of_statement(one: "Statement") -> Iterator[str]:
    from lakehouse.excerpt import printable, printable_bytes
    from lakehouse.objects import object_key

    mark = "receipt" if one.is_receipt else "says so" if one.in_gold else "not in gold yet"
    record = "" if one.row_number is None else f", record {one.row_number}"
    yield f"{mark}: {object_key(one.tenant_id, one.object_sha256)}{record}"
    place = f", {one.path}" if one.path else ""
    yield printable(f"  {one.source}{place}, recorded {one.recorded_at:%Y-%m-%d %H:%M:%S} UTC")
    yield f"  in {one.file}"
    yield from _of_arrival(one.arrival)
    if one.raw_sha256 not in (None, one.object_sha256):
        yield f"  drawn from {object_key(one.tenant_id, str(one.raw_sha256))}"
    if one.raw is not None:
        checked = {True: " (read again: the same)", False: " (read again: DIFFERS)", None: ""}[one.raw.says_so]
        yield f"  bytes {one.raw.byte_start} to {one.raw.byte_end}{checked}"
        shown = printable_bytes(one.raw.data[:500]).splitlines()
        yield from (f"    {line}" for line in shown[:5])


def _of_part(part: "Part", tenant_id: str) -> Iterator[str]:
    from lakehouse.excerpt import printable
    from lakehouse.objects import object_key

    one = part.range
    records = "" if one.first_row is None else f", records {one.first_row} to {one.last_row}"
    standing = "" if one.standing is None else f", receipt of {one.standing:,}"
    yield f"{one.table}: {one.rows:,} rows{standing} of {object_key(tenant_id, one.object_sha256)}{records}"
    yield printable(f"  {one.source}, recorded {one.first_recorded_at:%Y-%m-%d %H:%M:%S} UTC")
    yield from (f"  in {file}" for file in one.files[:5])
    for arrival in part.arrivals:
        yield from _of_arrival(arrival)


def _of_arrival(arrival: "Arrival") -> Iterator[str]:
    way = {
        "file": "of a file",
        "stream": "of a stream",
        "request": "of a request",
        "redrive": "of a second try",
        "changes": "what its source had changed",
        "unknown": "the log says no more by which way",
    }[arrival.way]
    yield f"  {arrival.table}@{arrival.bronze_version}, {way}"
    yield from (f"    {_of_offsets(offsets)}" for offsets in arrival.offsets)


def _of_offsets(one: "Offsets") -> str:
    first = "of the first there was" if one.first is None else f"{one.first}"
    return f"topic {one.topic}, partition {one.partition}: offsets {first} to {one.end - 1}"
