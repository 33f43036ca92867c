"""Index versions: built beside the active one, promoted by one row, rolled back the same way.

A version's id is a hash of gold, splitter, embedder and parameters, so building again from equal inputs finds the
version that is there. A version consists of a partition of search.chunks and of lexical files, which are made from the
partition wherever they are missing.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import psycopg
from pgvector.psycopg import register_vector
from prometheus_client import Counter
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Jsonb

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import IndexNotBuilt, NotFound, PromotionRefused, Refused, WarehouseNotBuilt
from rag import lexical, splitter, tokens
from rag.embedder import Embedder
from rag.lexical import Lexical
from rag.loading import Loaded, Progress, load, read_checksum, take_snapshot

log = logging.getLogger(__name__)

BUILD_LOCK: Final = 0x10706502
# Below this an exact scan over the partition is quick enough and has full recall. See docs/adr/0003-lexical-engine.md.
HNSW_ABOVE: Final = 20_000

LEXICAL_REBUILT = Counter("iotops_lexical_rebuilt", "Lexical files made again because they were missing or damaged")


@dataclass(frozen=True)
class Parameters:
    """Part of the id of a version: another value is another version."""

    analyser: str = tokens.NAME
    hnsw_above: int = HNSW_ABOVE


@dataclass(frozen=True)
class IndexVersion:
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


@dataclass(frozen=True)
class Built:
    """`created` is false where the version was there already. `reused`: chunks whose vector came from the cache."""

    version: IndexVersion
    created: bool
    embedded: int
    reused: int
    seconds: float

    def describe(self) -> str:
        v = self.version
        counts = f"{v.documents:,} documents, {v.chunks:,} chunks"
        if not self.created:
            return f"index {v.index_version}: {counts}, unchanged"
        return (
            f"index {v.index_version}: {counts}, {self.embedded:,} embedded ({self.reused:,} reused) in {self.seconds:.1f} s"
        )


VERSIONS: Final = """
select v.*, a.index_version is not null as active
from search.index_versions as v
left join search.active as a using (index_version)
order by v.created_at desc, v.index_version
"""


def build_index(
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    *,
    now: datetime,
    progress: Progress = lambda done, total: None,
    parameters: Parameters = Parameters(),  # noqa: B008 - frozen
    force: bool = False,
) -> Built:
    """Build the version of what gold holds now, or find it. The active version is not touched.

    force: build it again although it is there, and put the new rows in place of the old in one transaction.
    Raises WarehouseNotBuilt.
    """
    started = perf_counter()
    with _building(database_url) as control, database.transaction(database_url) as gold:
        total, snapshot = _snapshot(gold)
        index_version = version_id(snapshot, splitter.NAME, embedder.name, parameters)
        known = find(control, index_version)
        if known and known.status == "ready" and not force:
            open_lexical(control, indexes, index_version)
            return Built(known, False, 0, known.chunks, perf_counter() - started)
        _clear(control, indexes)
        _announce(control, index_version, snapshot, embedder.name, parameters, now)
        try:
            loaded = _fill(database_url, gold, control, index_version, embedder, indexes, progress, total, parameters)
        except BaseException as error:
            _give_up(control, index_version, error)
            raise
        version = _found(control, index_version)
        return Built(version, True, loaded.embedded, loaded.chunks - loaded.embedded, perf_counter() - started)


def version_id(snapshot: str, splitter_name: str, embedder_name: str, parameters: Parameters) -> str:
    inputs = json.dumps([snapshot, splitter_name, embedder_name, asdict(parameters)], sort_keys=True)
    return hashlib.sha256(inputs.encode()).hexdigest()[:16]


def rebuild_index(
    database_url: str, embedder: Embedder, indexes: Path, *, now: datetime, progress: Progress = lambda done, total: None
) -> Built:
    """Make the active version again from gold. Raises IndexNotBuilt, and Refused where gold says something else now."""
    with database.transaction(database_url) as connection:
        active = active_version(connection)
        _require_gold(connection)
        _, snapshot = take_snapshot(connection)
    if active is None:
        raise IndexNotBuilt
    if version_id(snapshot, splitter.NAME, embedder.name, Parameters()) != active:
        raise Refused(f"gold or the code has changed since index {active} was built: run 'iotops index build'")
    return build_index(database_url, embedder, indexes, now=now, progress=progress, force=True)


def promote(database_url: str, index_version: str, *, now: datetime) -> IndexVersion:
    """Answer from this version from now on. Raises NotFound, and PromotionRefused where its rows are not as built."""
    with database.transaction(database_url) as connection:
        version = _found(connection, index_version)
        if fault := check(connection, version):
            raise PromotionRefused(f"index {version.index_version} {fault}: run 'iotops index rebuild' or build again")
        _activate(connection, version.index_version, "promote", now)
        return _found(connection, version.index_version)


def rollback(database_url: str, *, now: datetime) -> IndexVersion:
    """Answer from the version before the active one. Raises IndexNotBuilt, Refused where there is none before it."""
    with database.transaction(database_url) as connection:
        row = connection.execute("select previous from search.active for update").fetchone()
        if row is None:
            raise IndexNotBuilt
        if row[0] is None:
            raise Refused("no version was active before this one: 'iotops index list' shows what can be promoted")
        _activate(connection, str(row[0]), "rollback", now)
        return _found(connection, str(row[0]))


def check(connection: Connection, version: IndexVersion) -> str | None:
    """What is wrong with a version, read back from its rows; None where nothing is."""
    if version.status != "ready":
        return f"is {version.status}"
    chunks, checksum = read_checksum(connection, _table(version.index_version))
    if chunks != version.chunks:
        return f"has {chunks:,} chunks where {version.chunks:,} were built"
    return None if f"{checksum:016x}" == version.checksum else "does not hold the rows that were built"


def active_version(connection: Connection) -> str | None:
    row = connection.execute("select index_version from search.active").fetchone()
    return None if row is None else str(row[0])


def list_versions(connection: Connection) -> list[IndexVersion]:
    """Newest first."""
    with connection.cursor(row_factory=class_row(IndexVersion)) as cursor:
        return cursor.execute(VERSIONS).fetchall()


def find(connection: Connection, index_version: str) -> IndexVersion | None:
    """By id, or by the beginning of one where only one version begins so."""
    matches = [v for v in list_versions(connection) if v.index_version.startswith(index_version)]
    return matches[0] if len(matches) == 1 else None


def open_lexical(connection: Connection, indexes: Path, index_version: str) -> Lexical:
    """The lexical index of a version, made again from its chunks where this machine's files are missing or damaged."""
    path = indexes / index_version / "lexical"
    count = _found(connection, index_version).chunks
    try:
        opened = Lexical(path, index_version)
        if len(opened) == count:
            return opened
        fault = f"{len(opened):,} entries for {count:,} chunks"
    except ValueError as error:
        fault = str(error)
    log.warning("lexical files of index %s are made again (%s)", index_version, fault)
    LEXICAL_REBUILT.inc()
    lexical.build(path, _entries(connection, _table(index_version)))
    return Lexical(path, index_version)


ENTRIES: Final = """
select
    tenant_id,
    chunk_id,
    concat_ws(' ', title, array_to_string(heading_path, ' ')) as head,
    concat_ws(' ', lead, text) as body,
    product,
    release_key,
    recorded_at,
    valid_to
from {}
order by tenant_id collate "C", chunk_id collate "C"
"""


def _entries(connection: Connection, table: str) -> Iterator[lexical.Entry]:
    statement = SQL(ENTRIES).format(Identifier("search", table))
    with connection.transaction(), connection.cursor("entries", row_factory=class_row(lexical.Entry)) as cursor:
        cursor.itersize = 2000
        yield from cursor.execute(statement)


@contextmanager
def _building(database_url: str) -> Iterator[Connection]:
    """One build at a time. The connection commits each statement, so that the cache outlives a failed build."""
    connection = database.connect(database_url, autocommit=True)
    with connection:
        register_vector(connection)
        connection.execute("select pg_advisory_lock(%s)", (BUILD_LOCK,))
        yield connection


def _snapshot(gold: Connection) -> tuple[int, str]:
    return take_snapshot(gold)


def _fill(
    database_url: str,
    gold: Connection,
    control: Connection,
    index_version: str,
    embedder: Embedder,
    indexes: Path,
    progress: Progress,
    total: int,
    parameters: Parameters,
) -> Loaded:
    """One transaction: an interrupted build leaves no table behind."""
    with database.transaction(database_url) as writer:
        register_vector(writer)
        table = f"{_table(index_version)}_building"
        _create(writer, table)
        loaded = load(gold, control, writer, table, embedder, progress, total)
"""
