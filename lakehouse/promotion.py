"""A candidate becomes what is served: one transaction, in which a reader sees the one or the other, never both.

Rows are replaced where they differ and days are attached where they are new. Neither takes a lock that readers wait
for, and a transaction that began before goes on seeing what it saw. Only a table whose columns changed, or whose days
are all made anew, is swapped as a whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from lakehouse.database import Connection
from lakehouse.errors import NotReady

CANDIDATE: Final = "gold_candidate"
SERVED: Final = "gold"
NEWS: Final = "__new"
GONE: Final = "__gone"
# Shorter than deadlock_timeout (1 s): it is promotion that gives way, and no reader waits behind it for longer.
LOCK_TIMEOUT: Final = "500ms"
ATTEMPTS: Final = 60

TABLES: Final = """
select
    c.relname,
    c.relkind,
    (
        select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
        from pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    concat_ws(
        ', ',
        (
            select string_agg(a.attname, ' ' order by a.attnum)
            from pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and a.attnotnull
        ),
        (
            select string_agg(said, ', ' order by said)
            from pg_index as i
            cross join lateral (
                select i.indisunique || ' ' || substring(pg_get_indexdef(i.indexrelid) from ' USING .*') as said
            ) as index
            where i.indrelid = c.oid
        )
    )
from pg_class as c
where c.relnamespace = to_regnamespace(%s) and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname
"""
PARTITIONS: Final = """
select c.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
where i.inhparent = to_regclass(%s)
order by c.relname
"""
ORPHANS: Final = """
select relname from pg_class
where relnamespace = to_regnamespace('gold_partitions') and relkind = 'r' and not relispartition
"""
# By what is stored (`*=`): 1.0 and 1.00 are equal numbers, and would be two hashes of the content. The hash is what a
# join can use.
LEFT_OVER: Final = SQL("""
delete from {served} as old
where not exists (
    select from {news} as new
    where hash_record_extended(new, 0) = hash_record_extended(old, 0) and new *= old
)
""")
MISSING: Final = SQL("""
insert into {served}
select new.*
from {news} as new
where not exists (
    select from {served} as old
    where hash_record_extended(new, 0) = hash_record_extended(old, 0) and new *= old
)
""")
OF_KEYS: Final = SQL("delete from {served} as served where ({key}) in (select {key} from {keys})")


@dataclass(frozen=True)
class Table:
    """name: without the suffix of a model that is computed in parts. rules: what may not be null, and the indexes."""

    name: str
    relation: str
    partitioned: bool
    columns: str
    rules: str


def promote_candidate(connection: Connection, *, full: bool) -> None:
    """In the transaction of whoever calls. Raises psycopg's LockNotAvailable where a reader is in the way."""
    connection.execute(SQL("set local lock_timeout = {}").format(Literal(LOCK_TIMEOUT)))
    connection.execute(SQL("create schema if not exists {}").format(Identifier(SERVED)))
    served = {table.name: table for table in _tables(connection, SERVED)}
    candidates = _tables(connection, CANDIDATE)
    for table in candidates:
        old = served.get(table.name)
        if old is None or old.columns != table.columns or (full and (table.partitioned or old.rules != table.rules)):
            _swap(connection, table, old)
        elif table.partitioned:
            _hand_over_days(connection, table)
        elif table.relation.endswith(NEWS) and not full:
            _replace_keys(connection, table)
        else:
            _replace_rows(connection, _in(SERVED, table.name), _in(CANDIDATE, table.relation))
    for name in served.keys() - {table.name for table in candidates} if full else ():
        connection.execute(SQL("drop table {} cascade").format(_in(SERVED, name)))
    drop_candidate(connection)


def empty_candidate(connection: Connection) -> None:
    drop_candidate(connection)
    connection.execute(SQL("create schema {}").format(Identifier(CANDIDATE)))


def drop_candidate(connection: Connection) -> None:
    """Its days go with it, as they are partitions of its tables; those of a build that was cut off are of none."""
    connection.execute(SQL("drop schema if exists {} cascade").format(Identifier(CANDIDATE)))
    for (name,) in connection.execute(ORPHANS).fetchall():
        connection.execute(SQL("drop table {}").format(_in("gold_partitions", str(name))))


def patiently(step: Callable[[], None]) -> None:
    """Raises NotReady where readers were in the way each time."""
    for _ in range(ATTEMPTS):
        try:
            step()
            return
        except psycopg.errors.LockNotAvailable:
            continue
    raise NotReady(
        "gold could not be promoted, as a query that runs for long holds one of its tables: end it, then run "
        "'iotops warehouse promote'"
    )


def _tables(connection: Connection, schema: str) -> list[Table]:
    rows = cast(list[tuple[str, str, str, str]], connection.execute(TABLES, (schema,)).fetchall())
    return [
        Table(name.removesuffix(NEWS), name, kind == "p", columns, rules)
        for name, kind, columns, rules in rows
        if not name.endswith(GONE)
    ]


def _swap(connection: Connection, table: Table, old: Table | None) -> None:
    if old is not None:
        connection.execute(SQL("drop table {} cascade").format(_in(SERVED, old.name)))
    # The view of a model that is computed in parts has the name that its table is to get.
    if table.relation != table.name:
        connection.execute(SQL("drop view {} cascade").format(_in(CANDIDATE, table.name)))
        connection.execute(
            SQL("alter table {} rename to {}").format(_in(CANDIDATE, table.relation), Identifier(table.name))
        )
    connection.execute(SQL("alter table {} set schema {}").format(_in(CANDIDATE, table.name), Identifier(SERVED)))


def _hand_over_days(connection: Connection, table: Table) -> None:
    """A day that is served already keeps its table, in which rows are replaced: to detach it, readers would wait."""
    parent, news = _in(SERVED, table.name), _in(CANDIDATE, table.relation)
    old = {bound: name for name, bound in _partitions(connection, f"{SERVED}.{table.name}")}
    for name, bound in _partitions(connection, f"{CANDIDATE}.{table.relation}"):
        day = _in("gold_partitions", name)
        if bound in old:
            _replace_rows(connection, _in("gold_partitions", old[bound]), day)
            continue
        connection.execute(SQL("alter table {} detach partition {}").format(news, day))
        connection.execute(SQL("alter table {} attach partition {} {}").format(parent, day, SQL(bound)))


def _replace_rows(connection: Connection, served: Composed | Identifier, news: Composed | Identifier) -> None:
    connection.execute(LEFT_OVER.format(served=served, news=news))
    connection.execute(MISSING.format(served=served, news=news))


def _replace_keys(connection: Connection, table: Table) -> None:
    served, news = _in(SERVED, table.name), _in(CANDIDATE, table.relation)
    gone = _in(CANDIDATE, table.name + GONE)
    key = _key(connection, f"{CANDIDATE}.{table.relation}")
    for keys in (news, gone) if _is_there(connection, gone) else (news,):
        connection.execute(OF_KEYS.format(served=served, key=SQL(", ").join(map(Identifier, key)), keys=keys))
    connection.execute(SQL("insert into {} select * from {}").format(served, news))


def _key(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(
        "select a.attname from pg_index as i join pg_attribute as a on a.attrelid = i.indrelid "
        "and a.attnum = any(i.indkey) where i.indrelid = to_regclass(%s) and i.indisunique",
        (table,),
    ).fetchall()
    return [str(name) for (name,) in rows]


def _partitions(connection: Connection, table: str) -> list[tuple[str, str]]:
    return cast(list[tuple[str, str]], connection.execute(PARTITIONS, (table,)).fetchall())


def _is_there(connection: Connection, table: Identifier) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", (table.as_string(connection),)).fetchone()
    return row is not None and bool(row[0])


def _in(schema: str, name: str) -> Identifier:
    return Identifier(schema, name)
