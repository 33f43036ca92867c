"""From a citation back to the raw file: which source it was, when it was taken in, and under which hash it is kept."""

from dataclasses import dataclass
from datetime import datetime

from lakehouse.database import Connection
from lakehouse.tenants import readable
from rag.answer import Answer, RowsCitation
from rag.measuring import run

MANIFEST = """
select distinct tenant_id, source, path, raw_sha256, extraction, recorded_at, bronze_version
from landing.documents
where tenant_id = any(%(tenants)s) and object_sha256 = any(%(objects)s) and not deleted
order by recorded_at, source, path
"""

FILES = """
select distinct tenant_id, source, object_sha256 as raw_sha256, 'none' as extraction, recorded_at, bronze_version
from {table}
where tenant_id = any(%(tenants)s) and object_sha256 = any(%(objects)s)
order by recorded_at, source
"""


@dataclass(frozen=True)
class Origin:
    """One raw file in bronze, at `<tenant_id>/objects/<first two of raw_sha256>/<raw_sha256>`.

    table, bronze_version: the Delta table and the commit that took it in. extraction: how the cited text was drawn
    from it, "none" where the rows or the text are the file itself.
    """

    claim: int
    citation: int
    table: str
    bronze_version: int
    tenant_id: str
    source: str
    path: str | None
    raw_sha256: str
    extraction: str
    recorded_at: datetime


def trace(connection: Connection, answer: Answer) -> list[Origin]:
    """Every raw file behind every citation, in the order of the answer."""
    origins = []
    tenants = readable(answer.tenant_id)
    for i, claim in enumerate(answer.claims):
        for j, citation in enumerate(claim.citations):
            if isinstance(citation, RowsCitation):
                table = "events" if "gold.fct_events" in citation.sql else "telemetry"
                sql, objects = FILES.format(table=f"landing.{table}"), list(citation.bronze)
            else:
                table, sql, objects = "documents", MANIFEST, [citation.object_sha256]
            rows = run(connection, sql, {"tenants": tenants, "objects": objects})
            origins += [Origin(i, j, table, **{"path": None, **row}) for row in rows]
    return origins
