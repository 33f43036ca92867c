"""Index versions that nobody will go back to are taken away, with the rows and files that only they had."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg.sql import SQL, Identifier

from lakehouse.database import Connection
from rag import graphs, partitions
from rag.indexing import build_lock
from rag.versions import IndexVersion, list_versions

KEPT: Final = 3
FORGET: Final = "delete from search.index_versions where index_version = any(%s)"
UNNEEDED: Final = f"delete from {{}} as c where family = %s and removed is not null and not {partitions.NEEDED}"
PREVIOUS: Final = "select previous from search.active"


@dataclass(frozen=True)
class Collected:
    """What went: versions, the chunks that no other version has, and folders of lexical files."""

    versions: list[str]
    chunks: int
    folders: int

    def describe(self) -> str:
        return f"{len(self.versions)} index versions, {self.chunks:,} chunks and {self.folders} folders went"


def collect(database_url: str, indexes: Path, *, keep: int = KEPT) -> Collected:
    """Keeps the active version, the one before it, and the newest that are ready. Waits for a build to end."""
    with build_lock(database_url) as connection:
        with connection.transaction():
            versions = list_versions(connection)
            kept = _kept(versions, _previous(connection), keep)
            gone = [version for version in versions if version not in kept]
            connection.execute(FORGET, ([version.index_version for version in gone],))
            families = {version.family for version in kept}
            chunks = sum(version.written_chunks for version in gone if version.family not in families)
            partitions.drop(connection, sorted({version.family for version in gone} - families))
            chunks += sum(_drop_unneeded(connection, kept, family) for family in sorted(families))
        folders = _remove_folders(indexes, {version.index_version for version in kept})
    return Collected([version.index_version for version in gone], chunks, folders)


def _kept(versions: list[IndexVersion], previous: str | None, keep: int) -> list[IndexVersion]:
    """A family that stays keeps its newest number, which the next build grows from."""
    ready = [version for version in versions if version.status == "ready"]
    wanted = [v for place, v in enumerate(ready) if place < keep or v.active or v.index_version == previous]
    newest = {v.family: v for v in sorted(ready, key=lambda v: v.number)}
    return [v for v in ready if v in wanted or (v == newest[v.family] and v.family in {w.family for w in wanted})]


def _previous(connection: Connection) -> str | None:
    row = connection.execute(PREVIOUS).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def _drop_unneeded(connection: Connection, kept: list[IndexVersion], family: str) -> int:
    version = next(version for version in kept if version.family == family)
    connection.execute(SQL(UNNEEDED).format(Identifier("search", "documents")), (family,))
    gone = connection.execute(SQL(UNNEEDED).format(Identifier("search", version.table)), (family,)).rowcount
    if gone:
        graphs.settle(connection, family, above=int(version.parameters["hnsw_above"]))
    return gone


def _remove_folders(indexes: Path, kept: set[str]) -> int:
    gone = [folder for folder in indexes.iterdir() if folder.name not in kept] if indexes.is_dir() else []
    for folder in gone:
        shutil.rmtree(folder)
    return len(gone)
