"""Index versions are built beside the active one, and never touch it.

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
from typing import Final, LiteralString

import psycopg
from pgvector.psycopg import register_vector
from prometheus_client import Counter
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Jsonb

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import IndexNotBuilt, Refused, WarehouseNotBuilt
from rag import lexical, splitter, tokens
from rag.embedder import Embedder
from rag.lexical import Lexical
from rag.loading import Loaded, Progress, load, take_snapshot
from rag.versions import IndexVersion, find_version, get_version, table_of
from rag.versions import active_version as active_version
from rag.versions import list_versions as list_versions
from rag.versions import promote as promote
from rag.versions import rollback as rollback

log = logging.getLogger(__name__)

BUILD_LOCK: Final = 0x10706503
# Up to here an exact scan of the partition answers in time, with full recall. See docs/adr/0003-lexical-engine.md.
HNSW_ABOVE: Final = 20_000

LEXICAL_REBUILT = Counter("iotops_lexical_rebuilt", "Lexical files made again because they were missing or damaged")


@dataclass(frozen=True)
class Parameters:
    """Part of a version's id: another value makes another version."""

    analyser: str = tokens.NAME
    hnsw_above: int = HNSW_ABOVE


DEFAULTS: Final = Parameters()


@dataclass(frozen=True)
class Built:
    """`created` is false where the version was there already. `reused`: chunks whose vector was known."""

    version: IndexVersion
    created: bool
    embedded: int
    reused: int
    seconds: float

    def describe(self) -> str:
        version = self.version
        counts = f"index {version.index_version}: {version.documents:,} documents, {version.chunks:,} chunks"
        work = f"{self.embedded:,} embedded ({self.reused:,} reused) in {self.seconds:.1f} s"
        return f"{counts}, {work}" if self.created else f"{counts}, unchanged"


def build_index(
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    *,
    now: datetime,
    progress: Progress | None = None,
    parameters: Parameters = DEFAULTS,
    force: bool = False,
) -> Built:
    """Build the version of what gold holds now, or find it. Raises WarehouseNotBuilt.

    force: build it although it is there; its new rows replace the old ones in one transaction.
    """
    started = perf_counter()
    with _build_lock(database_url) as control, _reading_gold(database_url) as (gold, snapshot):
        index_version = version_id(snapshot, embedder, parameters)
        known = find_version(control, index_version)
        if known and known.status == "ready" and not force:
            open_lexical(control, indexes, index_version)
            return Built(known, False, 0, known.chunks, perf_counter() - started)
        _clear_unfinished(control, indexes)
        _announce(control, index_version, snapshot, embedder, parameters, now)
        try:
            with database.transaction(database_url) as writer:
                loaded = _build_table(gold, control, writer, index_version, embedder, parameters, progress)
                lexical.build(_lexical_path(indexes, index_version), _entries(writer, table_of(index_version)))
                _finish(writer, index_version, loaded)
        except BaseException as error:
            _give_up(control, index_version, error)
            raise
        version = get_version(control, index_version)
    return Built(version, True, loaded.embedded, loaded.chunks - loaded.embedded, perf_counter() - started)


def rebuild_index(
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> Built:
    """Make the active version again from gold. Raises IndexNotBuilt, and Refused where gold says something else now."""
    with _reading_gold(database_url) as (gold, snapshot):
        active = active_version(gold)
    if active is None:
        raise IndexNotBuilt
    if version_id(snapshot, embedder, DEFAULTS) != active:
        raise Refused(f"gold, or how it is indexed, has changed since index {active}: run 'iotops index build'")
    return build_index(database_url, embedder, indexes, now=now, progress=progress, force=True)


def version_id(snapshot: str, embedder: Embedder, parameters: Parameters) -> str:
    inputs = json.dumps([snapshot, splitter.NAME, embedder.name, asdict(parameters)], sort_keys=True)
    return hashlib.sha256(inputs.encode()).hexdigest()[:16]


def open_lexical(connection: Connection, indexes: Path, index_version: str) -> Lexical:
    """The lexical index of a version, made again from its chunks where this machine's files are missing or damaged."""
    version = get_version(connection, index_version)
    path = _lexical_path(indexes, version.index_version)
    try:
        opened = Lexical(path, version.index_version)
        if len(opened) == version.chunks:
            return opened
        fault = f"{len(opened):,} entries for {version.chunks:,} chunks"
    except ValueError as error:
        fault = str(error)
    log.warning("the lexical files of index %s are made again: %s", version.index_version, fault)
    LEXICAL_REBUILT.inc()
    lexical.build(path, _entries(connection, table_of(version.index_version)))
    return Lexical(path, version.index_version)


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


def _lexical_path(indexes: Path, index_version: str) -> Path:
    return indexes / index_version / "lexical"


@contextmanager
def _build_lock(database_url: str) -> Iterator[Connection]:
    """One build at a time. Each statement commits: what is embedded stays known although the build may fail."""
    with database.connect(database_url, autocommit=True) as connection:
        register_vector(connection)
        connection.execute("select pg_advisory_lock(%s)", (BUILD_LOCK,))
        yield connection


@contextmanager
def _reading_gold(database_url: str) -> Iterator[tuple[Connection, str]]:
    """A transaction that keeps seeing gold as it is now, and the hash of that."""
    with database.transaction(database_url) as connection:
        try:
            yield connection, take_snapshot(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise WarehouseNotBuilt from error


def _clear_unfinished(control: Connection, indexes: Path) -> None:
    """Forget builds that failed or were killed: under the lock none of them is still running."""
    for (index_version,) in control.execute(
        "delete from search.index_versions where status <> 'ready' returning index_version"
    ).fetchall():
        shutil.rmtree(indexes / str(index_version), ignore_errors=True)


def _announce(
    control: Connection, index_version: str, snapshot: str, embedder: Embedder, parameters: Parameters, now: datetime
) -> None:
    """A version that is built again stays ready meanwhile."""
    control.execute(
        "insert into search.index_versions "
        "(index_version, status, gold_snapshot, splitter, embedder, parameters, created_at) "
        "values (%s, 'building', %s, %s, %s, %s, %s) on conflict do nothing",
        (index_version, snapshot, splitter.NAME, embedder.name, Jsonb(asdict(parameters)), now),
    )


def _give_up(control: Connection, index_version: str, error: BaseException) -> None:
    control.execute(
        "update search.index_versions set status = 'failed', failure = %s "
        "where index_version = %s and status = 'building'",
        (" ".join(f"{type(error).__name__}: {error}".split()), index_version),
    )


def _build_table(
    gold: Connection,
    control: Connection,
    writer: Connection,
    index_version: str,
    embedder: Embedder,
    parameters: Parameters,
    progress: Progress | None,
) -> Loaded:
    """The partition, filled and with its indexes. It is attached last: attaching locks out whoever is asking."""
    register_vector(writer)
    table, building = table_of(index_version), f"{table_of(index_version)}_building"
    writer.execute(SQL("create table {} (like search.chunks including storage)").format(Identifier("search", building)))
    loaded = load(gold, control, writer, index_version, building, embedder, progress)
    for statement in _indexes(loaded.chunks > parameters.hnsw_above):
        writer.execute(SQL(statement).format(Identifier("search", building)))
    writer.execute(SQL("drop table if exists {}").format(Identifier("search", table)))
    writer.execute(SQL("alter table {} rename to {}").format(Identifier("search", building), Identifier(table)))
    writer.execute(
        SQL("alter table search.chunks attach partition {} for values in ({})").format(
            Identifier("search", table), Literal(index_version)
        )
    )
    return loaded


def _indexes(hnsw: bool) -> list[LiteralString]:
    return [
        "alter table {} add primary key (index_version, tenant_id, chunk_id)",
        *(
            ["set local maintenance_work_mem = '256MB'", "create index on {} using hnsw (embedding vector_ip_ops)"]
            if hnsw
            else []
        ),
        "analyze {}",
    ]


def _finish(writer: Connection, index_version: str, loaded: Loaded) -> None:
    writer.execute(
        "update search.index_versions set status = 'ready', documents = %s, chunks = %s, checksum = %s "
        "where index_version = %s",
        (loaded.documents, loaded.chunks, loaded.checksum, index_version),
    )
