"""What gold says now, and what of it the newest version of an index family does not say yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lakehouse.database import Connection

Key = tuple[str, str]  # tenant and document

# All that an index is made of; `text` is left out because the object's hash and the bytes stand for it.
ROW_MD5: Final = """
md5(row(
    tenant_id, document_id, kind, title, object_sha256, byte_start, byte_end, product, version_from, version_to,
    valid_from at time zone 'UTC', valid_to at time zone 'UTC', recorded_at at time zone 'UTC', classification, url,
    path, included_in
)::text)
""".strip()

# In one pass: to hash the rows is what takes time. The first row is of gold as a whole.
READ: Final = f"""
with now as materialized (
    select tenant_id, document_id, {ROW_MD5} as row_md5 from gold.documents
),

known as (
    select tenant_id, document_id, row_md5 from search.documents where family = %s and removed is null
)

select
    md5(coalesce(string_agg(row_md5, '' order by tenant_id collate "C", document_id collate "C"), '')) as snapshot,
    count(*)::text as documents,
    false as added,
    false as removed
from now
union all
select tenant_id, document_id, now.row_md5 is not null, known.row_md5 is not null
from now full join known using (tenant_id, document_id)
where now.row_md5::uuid is distinct from known.row_md5
"""


@dataclass(frozen=True)
class Snapshot:
    """A hash of what gold.documents says, and how many rows say it."""

    md5: str
    documents: int


@dataclass(frozen=True)
class Changes:
    """Documents whose chunks go, and those that are split; one that changed is in both. added: None for all of gold."""

    removed: Sequence[Key]
    added: Sequence[Key] | None

    @property
    def tenants(self) -> set[str] | None:
        return None if self.added is None else {tenant for tenant, _ in (*self.removed, *self.added)}


def read_gold(connection: Connection, family: str) -> tuple[Snapshot, Changes]:
    """What gold says, and how that differs from the newest version of the family. The transaction keeps seeing it."""
    connection.execute("set transaction isolation level repeatable read read only")
    (md5, documents, *_), *rows = connection.execute(READ, (family,)).fetchall()
    changes = Changes(
        removed=[(str(tenant), str(document)) for tenant, document, _, known in rows if known],
        added=[(str(tenant), str(document)) for tenant, document, present, _ in rows if present],
    )
    return Snapshot(str(md5), int(str(documents))), changes
