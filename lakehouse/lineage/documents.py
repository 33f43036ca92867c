"""A version of a document, to the row of the manifest that it is made of, its bytes, and the file behind them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow.compute as pc

from lakehouse.lineage.bronze_rows import matching
from lakehouse.lineage.gold_rows import GoldRow
from lakehouse.lineage.inquiry import Inquiry
from lakehouse.lineage.raw_records import RawRecord
from lakehouse.lineage.traces import Part, Statement, Trace

Row = Mapping[str, Any]
CONTENT: Final = ("kind", "title", "media_type", "extraction", "byte_start", "byte_end", "classification", "url")
MESSAGES: Final = 50
# The id is a hash over where the document lies and which version of that place it is.
MOST_VERSIONS: Final = 10_000
NAMED: Final = """
select place.number
from unnest(%(sources)s::text[], %(paths)s::text[]) with ordinality as place (source, path, number)
where exists (
    select from generate_series(1, %(most)s) as ordinal
    where md5(json_build_array(
        %(tenant_id)s::text, place.source, place.path, %(object_sha256)s::text, ordinal
    )::text) = %(document_id)s
)
"""


def trace_document(inquiry: Inquiry, gold: GoldRow) -> Trace:
    sha256 = gold.row["object_sha256"]
    same = matching(gold.tenant_id, {"object_sha256": sha256, "deleted": False})
    rows = _named(inquiry, gold, inquiry.table("documents").rows(same))
    statements = tuple(_statement(inquiry, gold, row) for row in rows)
    faults = (
        [] if any(one.is_receipt for one in statements) else [f"bronze has no document of this id (object {sha256})"]
    )
    faults += [
        f"the bytes {one.raw.byte_start} to {one.raw.byte_end} of object {sha256} are not the text in gold"
        for one in statements
        if one.raw is not None and not one.raw.says_so
    ]
    whole = Trace(gold, inquiry.built_from, statements, found={"statements": len(rows)}, faults=tuple(faults))
    return _with_messages(inquiry, whole) if gold.row["kind"] == "chat_thread" else whole


def _named(inquiry: Inquiry, gold: GoldRow, rows: Sequence[Row]) -> list[Row]:
    """Those of the place that the id is a hash of."""
    found = inquiry.connection.execute(
        NAMED,
        {
            "sources": [row["source"] for row in rows],
            "paths": [row["path"] for row in rows],
            "most": MOST_VERSIONS,
            "tenant_id": gold.tenant_id,
            "object_sha256": gold.row["object_sha256"],
            "document_id": gold.row["document_id"],
        },
    ).fetchall()
    return [rows[int(str(number)) - 1] for (number,) in found]


def _statement(inquiry: Inquiry, gold: GoldRow, row: Row) -> Statement:
    arrival = inquiry.arrival("documents", row["bronze_version"], gold.tenant_id, row["source"], row["object_sha256"])
    return Statement(
        table="documents",
        tenant_id=gold.tenant_id,
        source=row["source"],
        path=row["path"],
        object_sha256=row["object_sha256"],
        raw_sha256=row["raw_sha256"],
        row_number=None,
        recorded_at=row["recorded_at"],
        said={name: row[name] for name in CONTENT},
        file=row["file"],
        arrival=arrival,
        is_receipt=row["recorded_at"] == gold.row["recorded_at"],
        in_gold=inquiry.is_in_gold("documents", row["bronze_version"]),
        raw=_text(inquiry, gold, row),
    )


def _text(inquiry: Inquiry, gold: GoldRow, row: Row) -> RawRecord | None:
    held = inquiry.hold(gold.tenant_id, row["object_sha256"], "unknown")
    start, end = row["byte_start"], row["byte_end"]
    if held is None or end > len(held.data):
        return None
    data = held.data[start:end]
    return RawRecord(start, end, data, "text", data == gold.row["text"].encode())


def _with_messages(inquiry: Inquiry, trace: Trace) -> Trace:
    """The exports that hold the messages of the conversation."""
    parts: list[Part] = []
    for one in trace.statements[:1]:
        joined = pc.binary_join_element_wise(pc.field("channel"), pc.field("thread_id"), "/")
        of_thread = matching(trace.gold.tenant_id, {"source": one.source}) & (joined == one.path)
        parts = [Part(found, ()) for found in inquiry.table("messages").ranges(of_thread)]
    found = {**trace.found, "objects": len(parts)}
    return Trace(
        trace.gold, trace.built_from, trace.statements, tuple(parts[:MESSAGES]), found=found, faults=trace.faults
    )
