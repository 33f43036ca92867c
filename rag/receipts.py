"""Receipts: spans are cut from chunks with their byte offsets, and re-read from the store before an answer leaves."""

from dataclasses import dataclass
from datetime import date
from typing import Final, cast

from lakehouse.database import Connection
from lakehouse.errors import IotopsError
from lakehouse.objects import ObjectStore
from rag.answer import Answer, RowsCitation, SpanCitation
from rag.measuring import rows_sha256, run
from rag.retriever import Hit

# Where the horizon of retention moved to after an answer was given.
RETIRED: Final = """
select max(horizon)
from registry.retention
where moved_at > (select asked_at from copilot.answers where tenant_id = %s and answer_id = %s)
"""
TOO_OLD: Final = (
    "rows from before {horizon} have left Postgres since and are kept in bronze only, so this cannot be counted again "
    "here: that does not make the answer false"
)


@dataclass(frozen=True)
class Check:
    """Of one citation, by the positions of its claim and of itself in the answer.

    retired: it cannot be checked here any more, as its rows are kept in bronze only.
    """

    claim: int
    citation: int
    kind: str
    ok: bool
    detail: str
    retired: bool = False


@dataclass(frozen=True)
class Verification:
    answer_id: str
    ok: bool
    checks: tuple[Check, ...]


def span(hit: Hit, start: int, end: int) -> SpanCitation:
    """The citation of `hit.text[start:end]` (characters), in bytes of the stored object."""
    before = hit.byte_start + len(hit.text[:start].encode())
    quote = hit.text[start:end]
    return SpanCitation(
        document_id=hit.document_id,
        title=hit.title,
        url=hit.url,
        version=hit.version,
        object_sha256=hit.object_sha256,
        byte_start=before,
        byte_end=before + len(quote.encode()),
        quote=quote,
    )


def check_span(objects: ObjectStore, tenants: list[str], citation: SpanCitation) -> str | None:
    """None where the quote stands in the store as cited; else what is wrong.

    The whole object is read, so that its hash is checked too, from the first of `tenants` that holds it.
    """
    try:
        holder = next(tenant for tenant in tenants if objects.exists(tenant, citation.object_sha256))
        stored = objects.get(holder, citation.object_sha256)
    except StopIteration:
        return f"object {citation.object_sha256} is not stored"
    except IotopsError as error:
        return str(error)
    if stored[citation.byte_start : citation.byte_end] != citation.quote.encode():
        return f"bytes {citation.byte_start}–{citation.byte_end} of {citation.object_sha256} differ from the quote"
    return None


def check_rows(connection: Connection, citation: RowsCitation) -> str | None:
    """None where the statement still returns the rows that were cited."""
    if rows_sha256(run(connection, citation.sql, citation.params)) == citation.rows_sha256:
        return None
    return "the rows are no longer the same: gold has taken in later or corrected records since"


def is_of_rows_before(citation: RowsCitation, horizon: date) -> bool:
    start = citation.params.get("start")
    return "gold.fct_" in citation.sql and (start is None or start < horizon.isoformat())


def verify_answer(answer: Answer, connection: Connection, objects: ObjectStore, tenants: list[str]) -> Verification:
    """Read every quote and run every statement again."""
    checks = []
    found = connection.execute(RETIRED, (answer.tenant_id, answer.answer_id)).fetchone()
    horizon = cast(date | None, found[0]) if found else None
    for i, claim in enumerate(answer.claims):
        for j, citation in enumerate(claim.citations):
            if isinstance(citation, RowsCitation):
                fault = check_rows(connection, citation)
                retired = bool(fault and horizon and is_of_rows_before(citation, horizon))
                fault = TOO_OLD.format(horizon=horizon) if retired else fault
            else:
                fault, retired = check_span(objects, tenants, citation), False
            checks.append(Check(i, j, citation.kind, fault is None, fault or "as cited", retired))
    return Verification(answer.answer_id, all(check.ok for check in checks), tuple(checks))
