"""Which tenants are searched by a graph (HNSW): each large one has its own, so that no graph is filtered by tenant.

A tenant of few chunks is scanned: that is exact, and as fast. How many chunks a tenant has of which release is counted
when an index is built, for the choice that is made for each question. See docs/adr/0009-vectors-at-scale.md.
"""

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, cast

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from lakehouse.database import Connection
from lakehouse.errors import NotFound
from rag.checksums import table_of
from rag.filters import Filters

log = logging.getLogger(__name__)

# Every plan looks at every index of its table: a family has so many graphs at most.
MOST_GRAPHS: Final = 200
# Pages that say nearly the same are each other's neighbours: with pgvector's own 64 a group of them had no way in from
# other texts, and a question about it found none of it. See docs/adr/0009-vectors-at-scale.md.
EF_CONSTRUCTION: Final = 200
# Of one graph in memory while it is built: a chunk's vector and neighbours. On disk it would take many times longer.
BYTES_A_CHUNK: Final = 1_600
LEAST_MEMORY, MOST_MEMORY = 64 << 20, 2 << 30
# A worker's share of memory is shared memory, of which a container often has 64 MB: below this size one process builds.
PARALLEL_ABOVE: Final = 50_000

# What one more chunk found in a graph costs, in chunks scanned.
FOUND_COSTS: Final = 12
SPARE: Final = 1.25  # of what holds enough in the mean
BUILDING: Final = "_building"

WIDEST: Final = 1_000  # that pgvector takes

COUNT: Final = """
insert into search.sizes (family, tenant_id, release_key, chunks, current)
select
    family,
    tenant_id,
    coalesce(release_key, ''),
    count(*),
    count(*) filter (where valid_to is null and removed is null)
from {table}
where %(tenants)s::text[] is null or tenant_id = any(%(tenants)s)
group by 1, 2, 3
"""
FORGET: Final = """
delete from search.sizes where family = %(family)s and (%(tenants)s::text[] is null or tenant_id = any(%(tenants)s))
"""
GRAPH: Final = """
create index {name} on {table}
using hnsw (embedding halfvec_ip_ops) with (ef_construction = {ef_construction})
where tenant_id = {tenant}
"""
TENANTS: Final = """
select tenant_id, sum(chunks)::bigint from search.sizes where family = %s group by tenant_id order by tenant_id
"""
GRAPHS: Final = """
select indexes.relname
from pg_index as i
join pg_class as indexes on indexes.oid = i.indexrelid
where i.indrelid = to_regclass(%s) and indexes.relname like %s
"""
PLACE: Final = """
select
    v.family,
    v.number,
    t.tenant_id,
    coalesce(sum(s.chunks), 0)::bigint,
    coalesce(sum(s.chunks) filter (where allowed), 0)::bigint,
    coalesce(sum(s.current) filter (where allowed), 0)::bigint,
    to_regclass(
        'search.graph_' || v.family || '_' || left(encode(sha256(convert_to(t.tenant_id, 'UTF8')), 'hex'), 16)
    ) is not null
from search.index_versions as v
left join unnest(%(tenants)s::text[]) as t (tenant_id) on true
left join search.sizes as s on s.family = v.family and s.tenant_id = t.tenant_id
cross join lateral (
    select %(releases)s::text[] is null or s.release_key = '' or s.release_key = any(%(releases)s)
) as r (allowed)
where v.index_version = %(index_version)s
group by v.family, v.number, t.tenant_id
order by t.tenant_id
"""


@dataclass(frozen=True)
class Size:
    """Of one tenant. chunks: in all versions; allowed: of them, of releases that may be shown; current: of those, in
    force. graph: whether it has one."""

    tenant_id: str
    chunks: int
    allowed: int
    current: int
    graph: bool


@dataclass(frozen=True)
class Place:
    """Where the chunks of a version are, and how many of them each tenant of a question has."""

    family: str
    number: int
    sizes: list[Size]


def settle(
    connection: Connection,
    family: str,
    *,
    above: int,
    tenants: Collection[str] | None = None,
    building: bool = False,
) -> None:
    """Count chunks, make and drop graphs, after a build has written its rows. tenants: those it changed, None: all.

    building: of the table that is made beside the family's; `put_in_place` gives its graphs their names.
    """
    end = BUILDING if building else ""
    said = {"family": family, "tenants": None if tenants is None else sorted(tenants)}
    name_of_table = table_of(family) + end
    table = Identifier("search", name_of_table)
    connection.execute(FORGET, said)
    connection.execute(SQL(COUNT).format(table=table), said)
    counted = cast(list[tuple[str, int]], connection.execute(TENANTS, (family,)).fetchall())
    least = max(above, sum(chunks for _, chunks in counted) // MOST_GRAPHS)
    wanted = {graph_of(family, tenant) + end: (tenant, chunks) for tenant, chunks in counted if chunks > least}
    kept = {graph_of(family, tenant) + end for tenant, chunks in counted if chunks > least // 2}  # none comes and goes
    present = {
        str(name) for (name,) in connection.execute(GRAPHS, (f"search.{name_of_table}", f"graph\\_{family}\\_%"))
    }
    for name in sorted(present - kept):
        connection.execute(SQL("drop index {}").format(Identifier("search", name)))
    for name in sorted(wanted.keys() - present):
        _build(connection, table, name, *wanted[name])


def put_in_place(connection: Connection, family: str) -> None:
    """The graphs of a table that was made beside the family's and has its name by now."""
    named = (f"search.{table_of(family)}", f"graph\\_{family}\\_%\\{BUILDING}")
    for (name,) in connection.execute(GRAPHS, named).fetchall():
        statement = SQL("alter index {} rename to {}")
        names = Identifier("search", str(name)), Identifier(str(name).removesuffix(BUILDING))
        connection.execute(statement.format(*names))


def graph_of(family: str, tenant_id: str) -> str:
    """The name of a tenant's graph; ids are longer than a name may be."""
    return f"graph_{family}_{hashlib.sha256(tenant_id.encode()).hexdigest()[:16]}"


def find_place(connection: Connection, filters: Filters) -> Place:
    """Raises NotFound."""
    said = {
        "index_version": filters.index_version,
        "tenants": sorted(filters.tenants),
        "releases": None if filters.releases is None else sorted(filters.releases),
    }
    rows = cast(list[tuple[Any, ...]], connection.execute(PLACE, said).fetchall())
    if not rows:
        raise NotFound(f"there is no index version {filters.index_version}: 'iotops index list' shows them")
    return Place(rows[0][0], rows[0][1], [Size(*row[2:]) for row in rows if row[2] is not None])


def prefers_graph(size: Size, *, depth: int, is_as_of: bool) -> bool:
    """Whether the graph finds `depth` visible chunks for less than a scan of those that may be visible costs.

    The graph is filtered after it is searched, so it goes through `chunks / visible` for each that is visible. How many
    were in force at an earlier time is not counted: taken as all, and a graph that finds too few is followed by a scan.
    """
    visible = _visible(size, is_as_of)
    return size.graph and visible * visible > FOUND_COSTS * depth * size.chunks


def breadth(size: Size, *, depth: int, is_as_of: bool) -> int:
    """`hnsw.ef_search`: as many as likely hold `depth` visible ones, and more in a large graph, to lose less by it.

    A search that finds too few of them goes on, which costs as much again.
    """
    through = SPARE * depth * size.chunks / max(_visible(size, is_as_of), 1)
    return int(min(max(through, (size.chunks / 240) ** (5 / 6)), WIDEST))


def _visible(size: Size, is_as_of: bool) -> int:
    return size.allowed if is_as_of else size.current


def _build(connection: Connection, table: Identifier, name: str, tenant_id: str, chunks: int) -> None:
    statement = SQL(GRAPH).format(
        name=Identifier(name), table=table, ef_construction=Literal(EF_CONSTRUCTION), tenant=Literal(tenant_id)
    )
    memory = min(max(chunks * BYTES_A_CHUNK, LEAST_MEMORY), MOST_MEMORY)
    workers = 2 if chunks > PARALLEL_ABOVE else 0
    connection.execute(
        "select set_config('maintenance_work_mem', %s, true), set_config('max_parallel_maintenance_workers', %s, true)",
        (f"{memory >> 10}kB", str(workers)),
    )
    try:
        with connection.transaction():
            connection.execute(statement)
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory) as error:
        if not workers:
            raise
        log.warning("the graph of %s is built by one process, as there is no shared memory for more: %s", name, error)
        connection.execute("set local max_parallel_maintenance_workers = 0")
        connection.execute(statement)
