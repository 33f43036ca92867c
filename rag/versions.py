"""The index versions there are, and which one questions are answered from: one row, changed in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.rows import class_row

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import IndexNotBuilt, NotFound, PromotionRefused, Refused
from rag.loading import read_checksum

VERSIONS: Final = """
select v.*, a.index_version is not null as active
from search.index_versions as v
left join search.active as a using (index_version)
order by v.created_at desc, v.index_version
"""

ACTIVATE: Final = """
with activated as (
    insert into search.active (index_version, previous, promoted_at)
    values (%(index_version)s, null, %(now)s)
    on conflict (singleton) do update
    set index_version = excluded.index_version, previous = active.index_version, promoted_at = excluded.promoted_at
    returning index_version, previous
)

insert into search.promotions (index_version, previous, action, promoted_at)
select activated.index_version, activated.previous, %(action)s, %(now)s from activated
"""


@dataclass(frozen=True)
class IndexVersion:
    """status: building, ready or failed; `failure` says why. checksum: of the rows as they were built."""

    index_version: str
    status: str
    gold_snapshot: str
    splitter: str
    embedder: str
    parameters: dict[str, Any]
    documents: int
    chunks: int
    checksum: str | None
    failure: str | None
    created_at: datetime
    active: bool


def list_versions(connection: Connection) -> list[IndexVersion]:
    """Newest first."""
    with connection.cursor(row_factory=class_row(IndexVersion)) as cursor:
        return cursor.execute(VERSIONS).fetchall()


def active_version(connection: Connection) -> str | None:
    row = connection.execute("select index_version from search.active").fetchone()
    return None if row is None else str(row[0])


def find_version(connection: Connection, index_version: str) -> IndexVersion | None:
    """By its id, or by the beginning of it where no other version begins so."""
    found = [version for version in list_versions(connection) if version.index_version.startswith(index_version)]
    return found[0] if len(found) == 1 and index_version else None


def get_version(connection: Connection, index_version: str) -> IndexVersion:
    """Raises NotFound."""
    version = find_version(connection, index_version)
    if version is None:
        raise NotFound(f"'{index_version}' names no index version, or several: 'iotops index list' shows them")
    return version


def promote(database_url: str, index_version: str, *, now: datetime) -> IndexVersion:
    """Answer from this version from now on. Raises NotFound, and PromotionRefused where its rows are not as built."""
    with database.transaction(database_url) as connection:
        version = get_version(connection, index_version)
        if fault := check(connection, version):
            raise PromotionRefused(f"index {version.index_version} {fault}: build it again with 'iotops index build'")
        if not version.active:
            _activate(connection, version.index_version, "promote", now)
        return get_version(connection, version.index_version)


def rollback(database_url: str, *, now: datetime) -> IndexVersion:
    """Answer from the version that was active before. Raises IndexNotBuilt, and Refused where there was none."""
    with database.transaction(database_url) as connection:
        row = connection.execute("select previous from search.active for update").fetchone()
        if row is None:
            raise IndexNotBuilt
        if row[0] is None:
            raise Refused("no version was active before this one: 'iotops index list' shows what can be promoted")
        _activate(connection, str(row[0]), "rollback", now)
        return get_version(connection, str(row[0]))


def check(connection: Connection, version: IndexVersion) -> str | None:
    """What is wrong with a version, its rows read back; None where nothing is."""
    if version.status != "ready":
        return f"is {version.status}"
    chunks, checksum = read_checksum(connection, table_of(version.index_version))
    if chunks != version.chunks:
        return f"has {chunks:,} chunks where {version.chunks:,} were built"
    return None if checksum == version.checksum else "does not hold the rows that were built"


def table_of(index_version: str) -> str:
    """The partition of search.chunks that holds a version."""
    return f"chunks_{index_version}"


def _activate(
    connection: Connection, index_version: str, action: Literal["promote", "rollback"], now: datetime
) -> None:
    connection.execute(ACTIVATE, {"index_version": index_version, "action": action, "now": now})
