"""Index versions are built beside the active one, and never touch it.

A version's id is a hash of gold, splitter, embedder and parameters, so building again from equal inputs finds the
version that is there. A version is made from the newest one of its family by the documents that changed: it consists
of rows of search.chunks, most of which it shares, and of lexical files, which are made from its rows wherever they are
missing.
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
from typing import Final

import psycopg
from pgvector.psycopg import register_vector
from prometheus_client import Counter
from psycopg.types.json import Jsonb

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import IndexNotBuilt, Refused, WarehouseNotBuilt
from rag import graphs, lexical, partitions, splitter, tokens
from rag.changes import Changes, Snapshot, read_gold
from rag.checksums import Total, table_of
from rag.embedder import Embedder
from rag.entries import grow_files, write_files
from rag.loading import Progress, Target, load, remove, remove_all
from rag.partitions import building_of
from rag.versions import IndexVersion, find_version, get_version, newest_version, next_number
from rag.versions import active_version as active_version
from rag.versions import check_version as check_version
from rag.versions import list_versions as list_versions
from rag.versions import promote as promote
from rag.versions import rollback as rollback

log = logging.getLogger(__name__)

BUILD_LOCK: Final = 0x10706503
# Up to here a scan of a tenant's chunks answers in time, with full recall. See docs/adr/0009-vectors-at-scale.md.
HNSW_ABOVE: Final = 2_000
# Of a family's documents: where more come, making indexes again is faster than adding to them.
ANEW_ABOVE: Final = 0.2

LEXICAL_REBUILT = Counter("iotops_lexical_rebuilt", "Lexical files made again because they were missing or damaged")


@dataclass(frozen=True)
class Parameters:
    """Part of a version's id: another value makes another version."""

    analyser: str = tokens.NAME
    hnsw_above: int = HNSW_ABOVE


DEFAULTS: Final = Parameters()


@dataclass(frozen=True)
class Plan:
    """The build of one version. base: the version that it grows from, None where the family has none yet.

    anew: the family's partition is made again beside the one that is queried, with the rows that its versions have.
    """

    index_version: str
    target: Target
    snapshot: Snapshot
    embedder: str
    parameters: Parameters
    base: IndexVersion | None
    changes: Changes
    anew: bool


@dataclass(frozen=True)
class Rows:
    """What was written, and what the version has with the rows that it shares."""

    written: Total
    total: Total
    embedded: int


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
    family = family_id(embedder, parameters)
    with build_lock(database_url) as control, _reading_gold(database_url, family) as (gold, snapshot, changes):
        index_version = version_id(snapshot.md5, embedder, parameters)
        known = find_version(control, index_version)
        if known and known.status == "ready" and known.documents == snapshot.documents and not force:
            open_lexical(control, indexes, index_version)
            return Built(known, False, 0, known.chunks, perf_counter() - started)
        _clear_unfinished(control, indexes)
        plan = _plan(control, snapshot, None if force else changes, embedder, parameters)
        _announce(control, plan, now)
        try:
            with database.transaction(database_url) as writer:
                rows = _build_rows(gold, control, writer, plan, embedder, progress)
                _write_lexical(writer, indexes, plan, rows.total.chunks)
                _finish(writer, plan, rows)
        except BaseException as error:
            _give_up(control, index_version, error)
            raise
        version = get_version(control, index_version)
    return Built(version, True, rows.embedded, version.chunks - rows.embedded, perf_counter() - started)


def rebuild_index(
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> Built:
    """Make the active version again from gold. Raises IndexNotBuilt, and Refused where gold says something else now."""
    with _reading_gold(database_url, family_id(embedder, DEFAULTS)) as (gold, snapshot, _):
        active = active_version(gold)
    if active is None:
        raise IndexNotBuilt
    if version_id(snapshot.md5, embedder, DEFAULTS) != active:
        raise Refused(f"gold, or how it is indexed, has changed since index {active}: run 'iotops index build'")
    return build_index(database_url, embedder, indexes, now=now, progress=progress, force=True)


def version_id(snapshot: str, embedder: Embedder, parameters: Parameters) -> str:
    return _hash([snapshot, splitter.NAME, embedder.name, asdict(parameters)])


def family_id(embedder: Embedder, parameters: Parameters) -> str:
    return _hash([splitter.NAME, embedder.name, asdict(parameters)])


def _hash(inputs: list[object]) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def open_lexical(connection: Connection, indexes: Path, index_version: str) -> lexical.Lexical:
    """The lexical index of a version, made again from its chunks where this machine's files are missing or damaged."""
    version = get_version(connection, index_version)
    path = _lexical_path(indexes, version.index_version)
    try:
        opened = lexical.Lexical(path, version.index_version)
        if len(opened) == version.chunks:
            return opened
        fault = f"{len(opened):,} entries for {version.chunks:,} chunks"
    except ValueError as error:
        fault = str(error)
    log.warning("the lexical files of index %s are made again: %s", version.index_version, fault)
    LEXICAL_REBUILT.inc()
    write_files(connection, path, version.table, version.number, version.chunks)
    return lexical.Lexical(path, version.index_version)


def _write_lexical(writer: Connection, indexes: Path, plan: Plan, chunks: int) -> None:
    path, target = _lexical_path(indexes, plan.index_version), plan.target
    if plan.base is None:
        write_files(writer, path, target.table, target.number, chunks)
    else:
        base = _lexical_path(indexes, plan.base.index_version)
        grow_files(writer, path, target.table, target.number, chunks, base, plan.changes)


def _lexical_path(indexes: Path, index_version: str) -> Path:
    return indexes / index_version / "lexical"


@contextmanager
def build_lock(database_url: str) -> Iterator[Connection]:
    """One build at a time. Each statement commits: what is embedded stays known although the build may fail."""
    with database.connect(database_url, autocommit=True) as connection:
        register_vector(connection)
        connection.execute("select pg_advisory_lock(%s)", (BUILD_LOCK,))
        yield connection


@contextmanager
def _reading_gold(database_url: str, family: str) -> Iterator[tuple[Connection, Snapshot, Changes]]:
    """A transaction that keeps seeing gold as it is now, the hash of that, and what of it the family does not hold."""
    with database.transaction(database_url) as connection:
        try:
            yield connection, *read_gold(connection, family)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise WarehouseNotBuilt from error


def _clear_unfinished(control: Connection, indexes: Path) -> None:
    """Forget builds that failed or were killed: under the lock none of them is still running."""
    for (index_version,) in control.execute(
        "delete from search.index_versions where status <> 'ready' returning index_version"
    ).fetchall():
        shutil.rmtree(indexes / str(index_version), ignore_errors=True)


def _plan(
    control: Connection,
    snapshot: Snapshot,
    changes: Changes | None,
    embedder: Embedder,
    parameters: Parameters,
) -> Plan:
    """changes: None to make all rows again."""
    family = family_id(embedder, parameters)
    base = newest_version(control, family)
    changes = Changes([], None) if base is None or changes is None else changes
    anew = base is None or changes.added is None or len(changes.added) > ANEW_ABOVE * base.documents
    return Plan(
        index_version=version_id(snapshot.md5, embedder, parameters),
        target=Target(family, next_number(control, family), building_of(family) if anew else table_of(family)),
        snapshot=snapshot,
        embedder=embedder.name,
        parameters=parameters,
        base=base,
        changes=changes,
        anew=anew,
    )


def _announce(control: Connection, plan: Plan, now: datetime) -> None:
    """A version that is built again stays ready meanwhile."""
    control.execute(
        "insert into search.index_versions "
        "(index_version, family, number, status, gold_snapshot, splitter, embedder, parameters, created_at) "
        "values (%s, %s, %s, 'building', %s, %s, %s, %s, %s) on conflict (index_version) do nothing",
        (
            plan.index_version, plan.target.family, plan.target.number, plan.snapshot.md5, splitter.NAME, plan.embedder,
            Jsonb(asdict(plan.parameters)), now,
        ),
    )  # fmt: skip


def _give_up(control: Connection, index_version: str, error: BaseException) -> None:
    control.execute(
        "update search.index_versions set status = 'failed', failure = %s "
        "where index_version = %s and status = 'building'",
        (" ".join(f"{type(error).__name__}: {error}".split()), index_version),
    )


def _build_rows(
    gold: Connection,
    control: Connection,
    writer: Connection,
    plan: Plan,
    embedder: Embedder,
    progress: Progress | None,
) -> Rows:
    register_vector(writer)
    target, kept = plan.target, Total()
    if plan.anew:
        partitions.create(writer, target.family, carry=plan.base is not None)
    if plan.base and plan.changes.added is None:
        remove_all(writer, target)
    elif plan.base:
        kept = plan.base.total - remove(writer, target, plan.changes.removed)
    loaded = load(gold, control, writer, target, plan.changes.added, embedder, progress)
    if plan.anew:
        partitions.complete(writer, target.family, above=plan.parameters.hnsw_above)
    else:
        graphs.settle(writer, target.family, above=plan.parameters.hnsw_above, tenants=plan.changes.tenants)
    return Rows(loaded.total, kept + loaded.total, loaded.embedded)


def _finish(writer: Connection, plan: Plan, rows: Rows) -> None:
    if plan.anew:
        partitions.put_in_place(writer, plan.target.family)
    writer.execute(
        "update search.index_versions set status = 'ready', number = %s, documents = %s, chunks = %s, checksum = %s, "
        "written_chunks = %s, written_checksum = %s where index_version = %s",
        (
            plan.target.number, plan.snapshot.documents, rows.total.chunks, rows.total.checksum, rows.written.chunks,
            rows.written.checksum, plan.index_version,
        ),
    )  # fmt: skip
