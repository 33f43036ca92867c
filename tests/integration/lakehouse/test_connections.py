from collections.abc import Iterator

import psycopg
import pytest

from lakehouse import database
from lakehouse.connections import KEPT, Connections
from lakehouse.database import Connection
from lakehouse.errors import DatabaseUnavailable


@pytest.fixture
def connections(database_url: str) -> Iterator[Connections]:
    connections = Connections(database_url)
    yield connections
    connections.close()


def process_of(connection: Connection) -> int:
    return connection.info.backend_pid


def test_the_connection_of_one_question_serves_the_next(connections: Connections) -> None:
    with connections.transaction() as first, connections.transaction() as second:
        asked = {process_of(first), process_of(second)}
    with connections.transaction() as first, connections.transaction() as second:
        assert {process_of(first), process_of(second)} == asked
    assert len(asked) == 2


def test_what_a_transaction_wrote_is_there_or_not_at_all(connections: Connections, database_url: str) -> None:
    with connections.transaction() as connection:
        connection.execute("create table public.written (n int); insert into public.written values (1)")
    with pytest.raises(psycopg.errors.DivisionByZero), connections.transaction() as connection:
        connection.execute("insert into public.written values (2); select 1 / 0")
    with database.transaction(database_url) as other:
        assert other.execute("select n from public.written").fetchall() == [(1,)]


def test_what_holds_until_the_transaction_ends_does_not_reach_the_next(connections: Connections) -> None:
    with connections.transaction() as connection:
        connection.execute("select set_config('iotops.tenants', 'acme', true)")
    with connections.transaction() as connection:
        row = connection.execute("select current_setting('iotops.tenants', true)").fetchone()
    assert row in [("",), (None,)]


def test_a_connection_that_the_server_has_ended_is_opened_again(connections: Connections, database_url: str) -> None:
    with connections.transaction() as connection:
        ended = process_of(connection)
    with database.transaction(database_url) as other:
        other.execute("select pg_terminate_backend(%s)", (ended,))
    with connections.transaction() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert process_of(connection) != ended


def test_no_more_are_kept_than_that(connections: Connections) -> None:
    opened = [connections.transaction() for _ in range(KEPT + 2)]
    used = [context.__enter__() for context in opened]
    for context in opened:
        context.__exit__(None, None, None)
    assert sum(connection.closed for connection in used) == 2


def test_a_database_that_is_not_there_is_named_at_once() -> None:
    with (
        pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:9/none"),
        Connections("postgresql://user:secret@127.0.0.1:9/none").transaction(),
    ):
        pass
