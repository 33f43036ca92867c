from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY

from lakehouse import database
from lakehouse.database import Connection
from rag import indexing, tenancy
from rag.embedder import Embedder

VALVE = "The relief valve of the pump opens at 8 bar."
TENANTS = ("acme", "default", "public")


@pytest.fixture
def session(
    database_url: str,
    gold: Connection,
    add_document: Callable[..., str],
    embedder: Embedder,
    indexes: Path,
    now: datetime,
) -> Iterator[Connection]:
    """A transaction, before anything was said of tenants, on an index with a chunk and an answer of each of three."""
    for tenant_id in TENANTS:
        add_document("Valve", VALVE, tenant_id=tenant_id)
        gold.execute("insert into copilot.answers values (%s, 'a', now(), 'q', 'answered', null, '{}')", (tenant_id,))
    indexing.build_index(database_url, embedder, indexes, now=now)
    with database.transaction(database_url) as connection:
        yield connection
        connection.rollback()


def seen(session: Connection, table: str) -> list[str]:
    return [str(name) for (name,) in session.execute(f"select distinct tenant_id from {table} order by 1").fetchall()]


@pytest.mark.parametrize("table", ["search.chunks", "search.sizes", "copilot.answers"])
def test_a_statement_without_any_condition_sees_only_the_tenants_of_the_session(
    session: Connection, table: str
) -> None:
    assert seen(session, table) == list(TENANTS)
    assert tenancy.enter(session, ["default", "public"])
    assert seen(session, table) == ["default", "public"]


def test_no_condition_brings_rows_of_another_tenant_in(session: Connection) -> None:
    tenancy.enter(session, ["default", "public"])
    assert session.execute("select from search.chunks where tenant_id = 'acme' or true").rowcount == 2
    assert session.execute("select from search.chunks where tenant_id = 'acme'").rowcount == 0


def test_a_session_that_names_no_tenant_sees_nothing(session: Connection) -> None:
    tenancy.enter(session, [])
    assert seen(session, "search.chunks") == []


def test_the_partitions_behind_the_table_show_nothing(session: Connection) -> None:
    (partition,) = session.execute("select relname from pg_class where relname ~ '^chunks_[0-9a-f]{16}$'").fetchall()
    tenancy.enter(session, ["default", "public"])
    try:
        assert session.execute(f"select from search.{partition[0]}").rowcount == 0
    except psycopg.errors.InsufficientPrivilege:
        session.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "select from search.embeddings",
        "select from search.documents",
        "select from search.evaluations",
        "select from copilot.audit",
        "delete from search.chunks",
        "update copilot.answers set question = ''",
        "create table search.mine (a int)",
    ],
)
def test_what_a_question_needs_not_is_not_permitted(session: Connection, statement: str) -> None:
    tenancy.enter(session, ["default", "public"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement)


def test_an_answer_of_another_tenant_cannot_be_written(session: Connection) -> None:
    tenancy.enter(session, ["default", "public"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        session.execute("insert into copilot.answers values ('acme', 'b', now(), 'q', 'answered', null, '{}')")


def test_the_end_of_the_transaction_ends_it(session: Connection) -> None:
    tenancy.enter(session, ["default", "public"])
    session.commit()
    assert seen(session, "search.chunks") == list(TENANTS)


def test_tables_that_are_made_later_can_be_read(session: Connection, gold: Connection) -> None:
    gold.execute("create schema later create table readings (a int)")
    tenancy.enter(session, ["default", "public"])
    assert session.execute("select from later.readings").rowcount == 0


def test_where_the_role_may_not_be_used_filters_go_on_alone_and_a_counter_says_so(
    session: Connection, gold: Connection
) -> None:
    assert tenancy.is_guarded(session)
    gold.execute("revoke select on search.chunks from iotops_reader")
    before = REGISTRY.get_sample_value("iotops_sessions_unguarded_total") or 0
    assert not tenancy.is_guarded(session)
    assert not tenancy.enter(session, ["default", "public"])
    assert REGISTRY.get_sample_value("iotops_sessions_unguarded_total") == before + 1
    assert seen(session, "search.chunks") == list(TENANTS)


def test_a_user_who_may_not_create_roles_gets_the_schema_and_one_line_that_says_what_is_missing(
    server: str, new_database: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    """The role is missing on such a server; here it is one that the user may not become."""
    from importlib.resources import files

    url = new_database()
    with database.connect(url, autocommit=True) as connection:
        connection.execute("drop schema search, copilot cascade")
        connection.execute("drop role if exists limited")
        connection.execute("create role limited login")
        connection.execute(f"grant create on database {connection.info.dbname} to limited")
        connection.execute("set role limited")
        database.apply_schema(connection, files("rag").joinpath("schema.sql").read_text())
        assert [record.getMessage() for record in caplog.records if "iotops_reader" in record.getMessage()]
        assert not tenancy.is_guarded(connection)
        connection.execute("reset role")
        connection.execute("drop owned by limited; drop role limited")
