"""Bytes of deleted rows leave the files of Postgres: tables, the statistics about them, and its write-ahead log.

A deleted row stays in its page until the table is written anew; common values of a column are copied into
pg_statistic; and each change stands in the log, whose old files Postgres renames and fills again later.
"""

import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from psycopg.errors import Diagnostic
from psycopg.sql import SQL, Composed, Identifier

from lakehouse.database import Connection, connect
from lakehouse.errors import StepFailed

# A copy of a table keeps deleted rows that a transaction which is open might still read.
WAITING: Final = 30.0
LOCK_TIMEOUT: Final = "60s"
STATISTICS: Final = (("pg_catalog", "pg_statistic"), ("pg_catalog", "pg_statistic_ext_data"))
# ANALYZE leaves those of a table that is empty by now as they were.
FORGET: Final = """
delete from pg_catalog.pg_statistic as s
using unnest(%s::text[]) as name
where s.starelid = name::regclass or s.starelid in (select relid from pg_partition_tree(name::regclass))
"""
SEGMENTS: Final = "select name from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'"
KEEPERS: Final = """
select 'replication slot ' || slot_name from pg_replication_slots
union all
select 'archive of the write-ahead log' where current_setting('archive_mode') <> 'off'
union all
select 'replica ' || coalesce(client_addr::text, application_name) from pg_stat_replication
"""
FOREIGN: Final = "files of the write-ahead log, backups and replicas of this Postgres server: see docs/erasure.md"


@dataclass(frozen=True)
class Scrubbed:
    """segments: files of the write-ahead log that are gone. to_do: what is left for the operator."""

    tables: int
    segments: int
    to_do: tuple[str, ...]


class _Notice(NamedTuple):
    severity: str
    message: str
    detail: str


def scrub(database_url: str, tables: Collection[tuple[str, str]], *, data: Path | None) -> Scrubbed:
    """Write these tables (schema, name) anew. Nothing reads or writes them meanwhile.

    data: the folder of the embedded server, whose log is cut off as well; None for a server of somebody else's.
    """
    with connect(database_url, autocommit=True) as connection:
        kept = _forget_statistics(connection, [f'"{schema}"."{name}"' for schema, name in tables])
        kept += [note for schema, name in [*tables, *STATISTICS] for note in _rewrite(connection, schema, name)]
        kept += [str(row[0]) for row in connection.execute(KEEPERS)]
        if data is None:
            return Scrubbed(len(tables), 0, (*kept, FOREIGN))
        segments = _turn_over(connection)
        os.truncate(data / "log", 0)  # an error's text may quote a row
    return Scrubbed(len(tables), segments, tuple(kept))


def _forget_statistics(connection: Connection, names: list[str]) -> list[str]:
    try:
        connection.execute(FORGET, (names,))
    except psycopg.errors.InsufficientPrivilege:
        return ["common values of columns in pg_statistic, which only a superuser may delete: run it again as one"]
    return []


def _rewrite(connection: Connection, schema: str, name: str) -> list[str]:
    """What stays of deleted rows, and why. An ANALYZE of Postgres itself is over soon, another transaction may not."""
    analyse = SQL("") if schema == "pg_catalog" else SQL(", analyze")
    statement = SQL("vacuum (full, verbose{}) {}").format(analyse, Identifier(schema, name))
    deadline = time.monotonic() + WAITING
    while True:
        notices = _run(connection, statement)
        refused = [one.message for one in notices if one.severity == "WARNING"]
        dead = sum(map(_dead, notices))
        if refused or not dead:
            return refused
        if time.monotonic() > deadline:
            return [f"{dead} deleted rows of {schema}.{name}: end the transactions that are open, and run it again"]
        time.sleep(0.2)


def _run(connection: Connection, statement: Composed) -> list[_Notice]:
    notices: list[_Notice] = []

    def keep(said: Diagnostic) -> None:  # it is empty as soon as this returns
        notices.append(_Notice(said.severity_nonlocalized or "", said.message_primary or "", said.message_detail or ""))

    connection.add_notice_handler(keep)
    try:
        connection.execute(SQL("set lock_timeout = {}").format(LOCK_TIMEOUT))
        connection.execute(statement)
    except psycopg.errors.LockNotAvailable as error:
        raise StepFailed(
            "a table is in use, so its file could not be written anew: stop what uses the database, "
            "and run the erasure again"
        ) from error
    finally:
        connection.remove_notice_handler(keep)
    return notices


def _dead(notice: _Notice) -> int:
    """`12 dead row versions cannot be removed yet.`, in any language."""
    found = re.match(r"\D*(\d+)", notice.detail) if notice.severity == "INFO" else None
    return int(found[1]) if found else 0


def _turn_over(connection: Connection) -> int:
    """Until none of the files that are there now is left."""
    with _unlinking(connection):
        connection.execute("checkpoint")  # what it would have kept to be filled again is counted below
        old = {str(name) for (name,) in connection.execute(SEGMENTS)}
        for _ in range(len(old) + 3):
            if old.isdisjoint(str(name) for (name,) in connection.execute(SEGMENTS)):
                return len(old)
            connection.execute("select pg_logical_emit_message(false, 'iotops', 'erasure')")
            connection.execute("select pg_switch_wal()")
            connection.execute("checkpoint")
    raise StepFailed("old files of the write-ahead log stay: end what holds them, and run the erasure again")


@contextmanager
def _unlinking(connection: Connection) -> Iterator[None]:
    """Old files of the log are removed, not renamed. A setting of the operator's that says so already stays."""
    if _setting(connection) == "off":
        yield
        return
    connection.execute("alter system set wal_recycle = off")
    try:
        connection.execute("select pg_reload_conf()")
        deadline = time.monotonic() + WAITING
        while _setting(connection) != "off":
            if time.monotonic() > deadline:
                raise StepFailed(
                    "Postgres does not read its configuration anew: see its log, and run the erasure again"
                )
            time.sleep(0.01)
        yield
    finally:
        connection.execute("alter system reset wal_recycle")
        connection.execute("select pg_reload_conf()")


def _setting(connection: Connection) -> str:
    row = connection.execute("select current_setting('wal_recycle')").fetchone()
    return str(row[0]) if row else ""
