from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from lakehouse.database import Connection
from lakehouse.errors import NotFound
from rag import graphs, indexing
from rag.embedder import Embedder
from rag.filters import Filters
from rag.graphs import find_place, graph_of, settle
from rag.indexing import Parameters
from rag.versions import IndexVersion

TEXT = "The filter is rinsed with clean water every 500 hours. Page"


@pytest.fixture
def version(
    database_url: str,
    gold: Connection,
    add_document: Callable[..., str],
    embedder: Embedder,
    indexes: Path,
    now: datetime,
) -> IndexVersion:
    """Twelve chunks of one tenant, three of a release, one of them superseded; two of another; graphs above 5."""
    for number in range(12):
        columns = {"product": "P", "version_from": "1.0"} if number < 3 else {}
        add_document(f"Page {number}", f"{TEXT} {number}", "large", valid_to=now if number == 2 else None, **columns)
    for number in range(2):
        add_document(f"Page {number}", f"{TEXT} {number}", "small")
    return indexing.build_index(database_url, embedder, indexes, now=now, parameters=Parameters(hnsw_above=5)).version


def present(connection: Connection) -> set[str]:
    rows = connection.execute("select indexname from pg_indexes where indexdef ~ 'hnsw'").fetchall()
    return {str(name) for (name,) in rows}


def test_each_large_tenant_has_a_graph_of_its_own(gold: Connection, version: IndexVersion) -> None:
    assert present(gold) == {graph_of(version.family, "large")}
    (definition,) = gold.execute("select indexdef from pg_indexes where indexdef ~ 'hnsw'").fetchall()
    assert "WHERE (tenant_id = 'large'::text)" in str(definition[0])


def test_a_question_is_told_how_much_of_each_tenant_it_may_see(gold: Connection, version: IndexVersion) -> None:
    place = find_place(gold, Filters(["small", "large", "none"], version.index_version))
    assert (place.family, place.number) == (version.family, version.number)
    assert [(s.tenant_id, s.chunks, s.allowed, s.current, s.graph) for s in place.sizes] == [
        ("large", 12, 12, 11, True),
        ("none", 0, 0, 0, False),
        ("small", 2, 2, 2, False),
    ]
    (large,) = find_place(gold, Filters(["large"], version.index_version, releases=[])).sizes
    assert (large.chunks, large.allowed, large.current) == (12, 9, 9)
    (large,) = find_place(gold, Filters(["large"], version.index_version, releases=["large|P|manual|1.0"])).sizes
    assert (large.allowed, large.current) == (12, 11)


def test_a_version_that_is_not_there_is_named(gold: Connection) -> None:
    with pytest.raises(NotFound, match="no index version 0000"):
        find_place(gold, Filters(["large"], "0" * 16))


def test_a_tenant_that_grew_gets_a_graph_and_one_that_shrank_loses_it(gold: Connection, version: IndexVersion) -> None:
    settle(gold, version.family, above=1)
    assert present(gold) == {graph_of(version.family, name) for name in ("large", "small")}
    gold.execute("delete from search.chunks where tenant_id = 'large' and kind = 'manual'")
    settle(gold, version.family, above=1, tenants=["large"])
    assert present(gold) == {graph_of(version.family, "small")}
    assert find_place(gold, Filters(["large"], version.index_version)).sizes[0].chunks == 0


def test_a_graph_does_not_come_and_go_with_every_build(gold: Connection, version: IndexVersion) -> None:
    settle(gold, version.family, above=20)
    assert present(gold) == {graph_of(version.family, "large")}
    settle(gold, version.family, above=25)
    assert present(gold) == set()


def test_a_family_has_no_more_graphs_than_a_plan_can_look_at(
    gold: Connection, version: IndexVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MOST_GRAPHS", 2)
    settle(gold, version.family, above=0)
    assert present(gold) == {graph_of(version.family, "large")}
