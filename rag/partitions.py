"""The partition of an index family: made whole beside the one that is queried, and put in its place."""

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg.sql import SQL, Identifier, Literal

from lakehouse.database import Connection
from rag import graphs
from rag.checksums import table_of

# Rows that a version still has, of a table whose alias is c.
NEEDED: Final = """
exists (
    select from search.index_versions as v
    where v.family = c.family and v.status = 'ready'
        and c.added <= v.number and (c.removed is null or c.removed > v.number)
)
"""
CARRY: Final = f"insert into {{building}} select c.* from {{table}} as c where {NEEDED}"
INDEXES: Final[tuple[LiteralString, ...]] = (
    "alter table {} add primary key (family, tenant_id, chunk_id, added)",
    "create index on {} (tenant_id, document_id)",
    "create index on {} (added)",
    "create index on {} (tenant_id, release_key) where valid_to is null",
    "alter table {} enable row level security",  # no policy: whoever may see some tenants only reads search.chunks
    "analyze {}",
)


def building_of(family: str) -> str:
    return f"{table_of(family)}_building"


def create(writer: Connection, family: str, *, carry: bool) -> None:
    """carry: with the rows that versions of the family have."""
    building = Identifier("search", building_of(family))
    writer.execute(SQL("create table {} (like search.chunks including storage including defaults)").format(building))
    if carry:
        table = Identifier("search", table_of(family))
        writer.execute(SQL(CARRY).format(building=building, table=table))
    else:
        writer.execute("delete from search.documents where family = %s", (family,))


def complete(writer: Connection, family: str, *, above: int) -> None:
    """Indexes, which are made faster than they are added to."""
    for statement in INDEXES:
        writer.execute(SQL(statement).format(Identifier("search", building_of(family))))
    graphs.settle(writer, family, above=above, building=True)


def put_in_place(writer: Connection, family: str) -> None:
    """To be done last: it locks out whoever is asking until the transaction ends."""
    building, table = Identifier("search", building_of(family)), Identifier("search", table_of(family))
    writer.execute(SQL("drop table if exists {}").format(table))
    writer.execute(SQL("alter table {} rename to {}").format(building, Identifier(table_of(family))))
    graphs.put_in_place(writer, family)
    attach = SQL("alter table search.chunks attach partition {} for values in ({})")
    writer.execute(attach.format(table, Literal(family)))


def drop(writer: Connection, families: Sequence[str]) -> None:
    """All rows of these families."""
    for family in families:
        writer.execute(SQL("drop table if exists {}").format(Identifier("search", table_of(family))))
    for rows in ("documents", "sizes"):
        statement = SQL("delete from {} where family = any(%s)").format(Identifier("search", rows))
        writer.execute(statement, (list(families),))
