"""Rows of bronze that say one reading or one event, and which of them is the receipt."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from lakehouse.lineage.bronze_rows import matching
from lakehouse.lineage.declared import Said
from lakehouse.lineage.gold_rows import GoldRow
from lakehouse.lineage.inquiry import Inquiry
from lakehouse.lineage.raw_records import RawRecord, locate, reads_as
from lakehouse.lineage.traces import Statement, Trace

Row = Mapping[str, Any]
# A value is converted on its way to gold where gold has another unit; silver still has the conversion.
NORMALISED: Final = """
select value, unit from silver.int_readings__normalised
where tenant_id = %(tenant_id)s and dt = %(dt)s and device_id = %(device_id)s and metric = %(metric)s and ts = %(ts)s
    and object_sha256 = %(object_sha256)s and row_number = %(row_number)s
limit 1
"""


def trace_statements(inquiry: Inquiry, gold: GoldRow, origin: Said, most: int) -> Trace:
    values = {name: gold.row[name] for name in origin.key}
    rows = inquiry.table(origin.bronze).rows(matching(gold.tenant_id, values))
    receipt = find_receipt(gold.row, [row for row in rows if _is_in_gold(inquiry, origin, row)], origin.content)
    shown: list[Row] = list(rows[:most])
    if receipt is not None and receipt not in shown:
        shown = [receipt, *shown[1:]]
    statements = tuple(_statement(inquiry, gold, origin, row, row is receipt) for row in shown)
    found = {"statements": len(rows)}
    faults = _differences(inquiry, gold, receipt, statements) if rows else ()
    return Trace(gold, inquiry.built_from, statements=statements, found=found, faults=faults)


def find_receipt(gold: Row, rows: Sequence[Row], content: Sequence[str]) -> Row | None:
    """rows: in the order of (recorded_at, object_sha256, row_number). The last that says something new among those of
    the object and the moment that gold names."""
    receipt = (gold["object_sha256"], gold["recorded_at"])
    named = [row for row in rows if (row["object_sha256"], row["recorded_at"]) == receipt]
    news: list[Row] = [
        *named[:1],
        *(row for before, row in pairwise(named) if any(before[name] != row[name] for name in content)),
    ]
    return news[-1] if news else None


def _is_in_gold(inquiry: Inquiry, origin: Said, row: Row) -> bool:
    return inquiry.is_in_gold(origin.bronze, row["bronze_version"])


def _statement(inquiry: Inquiry, gold: GoldRow, origin: Said, row: Row, is_receipt: bool) -> Statement:
    sha256 = row["object_sha256"]
    arrival = inquiry.arrival(origin.bronze, row["bronze_version"], gold.tenant_id, row["source"], sha256)
    return Statement(
        table=origin.bronze,
        tenant_id=gold.tenant_id,
        source=row["source"],
        path=inquiry.path(gold.tenant_id, sha256) if arrival.way == "file" else None,
        object_sha256=sha256,
        raw_sha256=None,
        row_number=row["row_number"],
        recorded_at=row["recorded_at"],
        said={name: row[name] for name in origin.content},
        file=row["file"],
        arrival=arrival,
        is_receipt=is_receipt,
        in_gold=_is_in_gold(inquiry, origin, row),
        raw=_raw(inquiry, gold.tenant_id, origin.bronze, row, arrival.way),
    )


def _raw(inquiry: Inquiry, tenant_id: str, table: str, row: Row, way: Any) -> RawRecord | None:
    held = inquiry.hold(tenant_id, row["object_sha256"], way)
    place = locate(held, row["row_number"]) if held else None
    if held is None or place is None:
        return None
    data = held.data[slice(*place)]
    return RawRecord(*place, data, held.format, reads_as(inquiry.extractor, held, data, row, table))


def _differences(
    inquiry: Inquiry, gold: GoldRow, receipt: Row | None, statements: Sequence[Statement]
) -> tuple[str, ...]:
    if receipt is None:
        sha256, recorded_at = gold.row["object_sha256"], gold.row["recorded_at"]
        return (f"gold names object {sha256}, recorded at {recorded_at}, and bronze has no such row of this key",)
    faults = [
        f"gold says {name} {gold.row[name]!r}, and bronze {value!r}"
        for name, value in _normalised(inquiry, gold, receipt).items()
        if name in gold.row and gold.row[name] != value
    ]
    faults += [
        f"record {one.row_number} of object {one.object_sha256} does not say what bronze has of it"
        for one in statements
        if one.raw is not None and one.raw.says_so is False
    ]
    return tuple(faults)


def _normalised(inquiry: Inquiry, gold: GoldRow, receipt: Row) -> dict[str, Any]:
    """What of the receipt stands in gold as it is, and its value in gold's unit."""
    plain = {name: value for name, value in receipt.items() if name not in ("bronze_version", "file")}
    if "attributes" in plain:
        plain["attributes"] = json.loads(plain["attributes"])
    if "unit" not in receipt or gold.row["unit"] == receipt["unit"]:
        return plain
    converted = inquiry.connection.execute(NORMALISED, {**receipt, "tenant_id": gold.tenant_id}).fetchone()
    return plain if converted is None else {**plain, "value": converted[0], "unit": converted[1]}
