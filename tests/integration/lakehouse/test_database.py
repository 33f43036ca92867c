"""The embedded server on a home of its own."""

import os
from pathlib import Path

from lakehouse import database
from tests.processes import Postgres


def test_it_starts_again_where_it_was_killed_and_its_process_number_is_another_process_now(
    home_of_server: Path,
) -> None:
    url = database.start_embedded(home_of_server)
    with database.transaction(url) as connection:
        connection.execute("create table kept as select 1 as one")
    Postgres(home_of_server, {}).kill()
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        lock = home_of_server / "postgres" / name
        lines = lock.read_text().split("\n")
        lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert database.start_embedded(home_of_server) == url
    with database.transaction(url) as connection:
        assert connection.execute("select one from kept").fetchall() == [(1,)]


def test_a_home_of_an_earlier_release_gets_the_settings_when_its_server_starts_again(home_of_server: Path) -> None:
    database.start_embedded(home_of_server)
    database.stop_embedded(home_of_server)
    configuration = home_of_server / "postgres" / "postgresql.conf"
    configuration.write_text(configuration.read_text().replace(database.EMBEDDED_SETTINGS, ""))
    for _ in range(2):
        url = database.start_embedded(home_of_server)
        with database.transaction(url) as connection:
            assert connection.execute("show wal_level").fetchall() == [("minimal",)]
        database.stop_embedded(home_of_server)
    assert configuration.read_text().count(database.EMBEDDED_SETTINGS) == 1
