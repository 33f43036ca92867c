"""The index versions there are, and which one questions are answered from: one row, changed in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.rows import class_row

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import IndexNotBuilt, NotFound, PromotionRefused, Refused
from rag.checksums import WRITTEN, Total, count_chunks, read_total, table_of

VERSIONS: Final = """
select v.*, a.index_version is not null as active
from search.index_versions as v
left join search.active as a using (index_version)
order by v.created_at desc, v.index_version
"""

PLACE: Final = "select family, number from search.index_versions where index_version = %s"

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
    """status: building, ready or failed; `failure` says why. family and number say which rows are its own.

    chunks, checksum: of its rows as they were built. written_*: of those among them that its own build added.
    """

    index_version: str
    family: str
    number: int
    status: str
    gold_snapshot: str
    splitter: str
    embedder: str
    parameters: dict[str, Any]
    documents: int
    chunks: int
    checksum: str | None
    written_chunks: int
    written_checksum: str | None
    failure: str | None
    created_at: datetime
    active: bool

    @property
    def table(self) -> str:
        return table_of(self.family)

    @property
    def total(self) -> Total:
        return Total(self.chunks, self.checksum or "")

    @property
    def written(self) -> Total:
        return Total(self.written_chunks, self.written_checksum or "")


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


def place_of(connection: Connection, index_version: str) -> tuple[str, int]:
    """Family and number of a version, by its whole id. Raises NotFound."""
    row = connection.execute(PLACE, (index_version,)).fetchone()
    if row is None:
        raise NotFound(f"there is no index version {index_version}: 'iotops index list' shows them")
    return str(row[0]), int(str(row[1]))


def newest_version(connection: Connection, family: str) -> IndexVersion | None:
    """That builds of this family grow from."""
    ready = [one for one in list_versions(connection) if one.family == family and one.status == "ready"]
    return max(ready, key=lambda one: one.number, default=None)


def next_number(connection: Connection, family: str) -> int:
    return 1 + max((one.number for one in list_versions(connection) if one.family == family), default=0)


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


def check_version(connection: Connection, index_version: str) -> IndexVersion:
    """Read back all rows of a version. Raises NotFound, and Refused where they are not as built."""
    version = get_version(connection, index_version)
    if fault := check(connection, version, full=True):
        raise Refused(f"index {version.index_version} {fault}: make it again with 'iotops index rebuild'")
    return version


def check(connection: Connection, version: IndexVersion, *, full: bool = False) -> str | None:
    """What is wrong with a version, its rows read back; None where nothing is.

    What its own build added is read and all are counted; with `full` all are read.
    """
    if version.status != "ready":
        return f"is {version.status}"
    chunks = count_chunks(connection, version.table, version.number)
    if chunks != version.chunks:
        return f"has {chunks:,} chunks where {version.chunks:,} were built"
    stored = [(read_total(connection, version.table, version.number, WRITTEN), version.written)]
    if full:
        stored.append((read_total(connection, version.table, version.number), version.total))
    return None if all(found == built for found, built in stored) else "does not hold the rows that were built"


def _activate(
    connection: Connection, index_version: str, action: Literal["promote", "rollback"], now: datetime
) -> None:
    connection.execute(ACTIVATE, {"index_version": index_version, "action": action, "now": now})
