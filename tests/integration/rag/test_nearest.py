from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from prometheus_client import REGISTRY

from lakehouse import database
from lakehouse.database import Connection
from rag import graphs, partitions, tenancy
from rag.filters import Filters
from rag.nearest import nearest

FAMILY, VERSION = "f" * 16, "e" * 16
SIZES = {"small": 30, "middle": 400, "large": 1_200, "public": 600}
RECORDED = datetime(2026, 10, 1, tzinfo=UTC)
SUPERSEDED = RECORDED + timedelta(days=5)
INSERT = """
copy search.chunks_ffffffffffffffff_building (
    family, added, removed, tenant_id, chunk_id, kind, release_key, valid_to, recorded_at, embedding, document_id,
    ordinal, title, heading_path, lead, text, object_sha256, byte_start, byte_end, version_key, valid_from,
    classification
) from stdin (format binary)
"""
TYPES = [
    "text", "int8", "int8", "text", "text", "text", "text", "timestamptz", "timestamptz", "halfvec", "text", "int4",
    "text", "text[]", "text", "text", "text", "int8", "int8", "int8[]", "timestamptz", "text",
]  # fmt: skip
EXACT = """
select c.chunk_id from search.chunks as c
where c.tenant_id = any(%s) and {} order by (c.embedding <#> %s::halfvec) + 0, c.chunk_id limit 10
"""
DEPTH = 20

Vectors = npt.NDArray[np.float32]


def clustered(draw: np.random.Generator, count: int) -> Vectors:
    """Thirty clusters, so that vectors have neighbours."""
    centres = np.random.default_rng(1).normal(size=(30, 384))
    vectors = centres[draw.integers(30, size=count)] + draw.normal(scale=0.7, size=(count, 384))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def table(new_database: Callable[[], str]) -> str:
    """Versions 1 and 2 of one family, of ten releases. One chunk of ten was superseded, one is of version 1 only."""
    url = new_database()
    with database.connect(url) as connection:
        register_vector(connection)
        partitions.create(connection, FAMILY, carry=False)
        draw = np.random.default_rng(0)
        with connection.cursor().copy(INSERT) as copy:
            copy.set_types(TYPES)
            for tenant, count in SIZES.items():
                for number, vector in enumerate(clustered(draw, count)):
                    copy.write_row(row(tenant, number, vector))
        partitions.complete(connection, FAMILY, above=500)
        partitions.put_in_place(connection, FAMILY)
        for number, version in ((1, "d" * 16), (2, VERSION)):
            connection.execute(
                "insert into search.index_versions (index_version, family, number, status, gold_snapshot, splitter, "
                "embedder, parameters, created_at) values (%s, %s, %s, 'ready', '', '', '', '{}', now())",
                (version, FAMILY, number),
            )
    return url


def row(tenant: str, number: int, vector: Vectors) -> tuple[object, ...]:
    removed = 2 if number % 10 == 3 else None
    valid_to = SUPERSEDED if number % 10 == 7 else None
    key = f"{tenant}|P|manual|{number % 100 if tenant == 'large' else number % 10}"
    return (
        FAMILY, 1, removed, tenant, f"{tenant}.{number}", "manual", key, valid_to, RECORDED, HalfVector(vector), "d", 0,
        "", [], "", "text", "", 0, 0, [], RECORDED, "",
    )  # fmt: skip


@pytest.fixture
def session(table: str) -> Iterator[Connection]:
    with database.connect(table) as connection:
        yield connection
        connection.rollback()


def ask(connection: Connection, vector: Vectors, tenants: list[str], **filters: object) -> list[str]:
    chosen = Filters(**{"tenants": tenants, "index_version": VERSION, **filters})  # type: ignore[arg-type]
    assert tenancy.enter(connection, tenants)
    found = nearest(connection, vector, chosen, graphs.find_place(connection, chosen), depth=DEPTH)
    connection.execute("reset role")
    return list(found)


def recall(connection: Connection, tenants: list[str], condition: str, **filters: object) -> float:
    """At ten, of thirty questions, against an exact scan by the owner of the table."""
    hits = 0
    for vector in clustered(np.random.default_rng(2), 30):
        found = set(ask(connection, vector, tenants, **filters)[:10])
        statement = EXACT.format(condition)
        exact = connection.execute(statement, (tenants, str(vector.tolist()))).fetchall()  # type: ignore[arg-type]
        hits += len(found & {str(name) for (name,) in exact})
    return hits / 300


def searched(connection: Connection) -> set[str]:
    """Tenants whose graph was searched in this transaction."""
    counted = connection.execute(
        "select indexrelid::regclass::text from pg_index where pg_stat_get_xact_numscans(indexrelid) > 0"
    ).fetchall()
    names = {str(name) for (name,) in counted}
    return {tenant for tenant in SIZES if f"search.{graphs.graph_of(FAMILY, tenant)}" in names}


def blocks_read(connection: Connection, tenant: str) -> int:
    """Of the tenant's graph, in this transaction."""
    name = f"search.{graphs.graph_of(FAMILY, tenant)}"
    row = connection.execute("select pg_stat_get_xact_blocks_fetched(%s::regclass)", (name,)).fetchone()
    assert row is not None
    return int(row[0])


def short() -> float:
    return REGISTRY.get_sample_value("iotops_graph_short_total") or 0


CURRENT = "valid_to is null and removed is null"


@pytest.mark.parametrize("tenant", ["small", "middle", "large"])
def test_a_tenant_of_any_size_gets_what_an_exact_search_finds_under_row_level_security(
    session: Connection, tenant: str
) -> None:
    assert recall(session, [tenant, "public"], CURRENT) >= 0.95


def test_a_large_tenant_is_searched_by_its_graph_and_a_small_one_is_scanned(session: Connection) -> None:
    (vector,) = clustered(np.random.default_rng(3), 1)
    found = ask(session, vector, ["large", "small"])
    assert searched(session) == {"large"}
    assert {chunk_id.split(".")[0] for chunk_id in found} <= {"large", "small"}
    assert len(found) == DEPTH


def test_a_scan_is_exact(session: Connection) -> None:
    assert recall(session, ["small"], CURRENT) == 1.0
    assert not searched(session)


def test_a_filter_that_leaves_little_of_a_large_tenant_is_answered_by_a_scan(session: Connection) -> None:
    releases = ["large|P|manual|5"]
    condition = f"{CURRENT} and release_key = '{releases[0]}'"
    assert recall(session, ["large"], condition, releases=releases) == 1.0
    assert not searched(session)


def test_a_filter_that_leaves_much_of_it_by_its_graph(session: Connection) -> None:
    releases = [f"large|P|manual|{number}" for number in range(90)]
    condition = f"{CURRENT} and release_key = any('{{{','.join(releases)}}}')"
    assert recall(session, ["large"], condition, releases=releases) >= 0.95
    assert searched(session) == {"large"}


def test_a_graph_is_searched_no_wider_for_a_larger_one_beside_it(session: Connection) -> None:
    (vector,) = clustered(np.random.default_rng(3), 1)
    releases = [f"public|P|manual|{number}" for number in range(10)]
    releases += [f"large|P|manual|{number}" for number in range(60)]
    ask(session, vector, ["public"], releases=releases)
    alone = blocks_read(session, "public")
    ask(session, vector, ["large", "public"], releases=releases)
    assert searched(session) == {"large", "public"}
    assert blocks_read(session, "public") == 2 * alone


def test_rows_of_another_version_are_not_found(session: Connection) -> None:
    older = "added <= 1 and (removed is null or removed > 1) and valid_to is null"
    assert recall(session, ["large"], older, index_version="d" * 16) >= 0.95
    (vector,) = clustered(np.random.default_rng(3), 1)
    found = ask(session, vector, ["large"])
    assert found
    assert not [chunk_id for chunk_id in found if int(chunk_id.split(".")[1]) % 10 == 3]


def test_at_an_earlier_time_what_was_in_force_then_is_found(session: Connection) -> None:
    at = SUPERSEDED - timedelta(days=1)
    assert recall(session, ["large"], "removed is null", as_of=at) >= 0.95


def test_a_graph_that_finds_too_few_is_followed_by_a_scan_and_counted(session: Connection) -> None:
    """Nothing was recorded by then, which no count told beforehand."""
    (vector,) = clustered(np.random.default_rng(3), 1)
    before = short()
    assert ask(session, vector, ["large"], as_of=RECORDED - timedelta(days=1)) == []
    assert short() == before + 1
    ask(session, vector, ["large"])
    assert short() == before + 1


def test_no_text_is_read_to_find_candidates(session: Connection) -> None:
    """The role may read every column but the texts, and finds them all the same."""
    (vector,) = clustered(np.random.default_rng(3), 1)
    names = session.execute(
        "select string_agg(attname, ', ') from pg_attribute where attrelid = 'search.chunks'::regclass "
        "and attnum > 0 and attname not in ('text', 'lead', 'title', 'heading_path')"
    ).fetchone()
    assert names is not None
    session.execute("revoke select on search.chunks from iotops_reader")
    session.execute(f"grant select ({names[0]}) on search.chunks to iotops_reader")  # type: ignore[arg-type]
    session.execute("set local role iotops_reader")
    session.execute("set local iotops.tenants = 'large,small'")
    filters = Filters(["large", "small"], VERSION)
    assert len(nearest(session, vector, filters, graphs.find_place(session, filters), depth=DEPTH)) == DEPTH


def test_what_is_set_for_the_search_does_not_stay_for_other_statements(session: Connection) -> None:
    (vector,) = clustered(np.random.default_rng(3), 1)
    ask(session, vector, ["large"])
    names = ("enable_sort", "plan_cache_mode")
    rows = session.execute("select name, setting from pg_settings where name = any(%s)", (list(names),)).fetchall()
    assert dict(rows) == {"enable_sort": "on", "plan_cache_mode": "auto"}
