"""A key as a person writes it, to the row of gold that it names."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Identifier, Literal

from lakehouse.database import Connection
from lakehouse.errors import Misused, NotFound, Refused, WarehouseNotBuilt

TABLES: Final = """
select c.relname
from pg_class as c
where c.relnamespace = to_regnamespace('gold') and c.relkind in ('r', 'p', 'm', 'v') and not c.relispartition
order by c.relname
"""
# A table that is partitioned may have the index on its parts only.
KEY: Final = """
select i.indexrelid, array_agg(a.attname::text order by k.position) as names
from pg_index as i
cross join lateral unnest(i.indkey) with ordinality as k (attnum, position)
join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indisunique
    and i.indrelid in (
        select to_regclass(format('gold.%%I', %(table)s::text))
        union all
        select inhrelid from pg_inherits where inhparent = to_regclass(format('gold.%%I', %(table)s::text))
    )
group by i.indexrelid, i.indrelid
order by i.indrelid, i.indexrelid
limit 1
"""
COLUMNS: Final = """
select attname::text, format_type(atttypid, atttypmod)
from pg_attribute
where attrelid = to_regclass(format('gold.%%I', %s::text)) and attnum > 0 and not attisdropped
order by attnum
"""


@dataclass(frozen=True)
class GoldRow:
    table: str
    key: Mapping[str, Any]
    row: Mapping[str, Any]

    @property
    def tenant_id(self) -> str:
        return str(self.row["tenant_id"])


def tables(connection: Connection) -> list[str]:
    found = [str(name) for (name,) in connection.execute(TABLES).fetchall()]
    if not found:
        raise WarehouseNotBuilt
    return found


def columns(connection: Connection, table: str) -> dict[str, str]:
    """Name → type, in their order."""
    return {str(name): str(kind) for name, kind in connection.execute(COLUMNS, (table,)).fetchall()}


def find(connection: Connection, table: str, tenant_id: str, key: str) -> GoldRow:
    """key: the values in the order of the key's columns with `/` between, or as JSON: an object, or a list of them."""
    names = _key_columns(connection, table)
    values = {"tenant_id": tenant_id, **_parse(table, key, names[1:])}
    rows = select(connection, table, values, limit=2)
    if not rows:
        said = ", ".join(f"{name} {value}" for name, value in values.items())
        raise NotFound(f"gold.{table} has no row of {said}: copy the key from a query, and check --tenant")
    return GoldRow(table, {name: rows[0][name] for name in names}, rows[0])


def of_row(connection: Connection, table: str, row: Mapping[str, Any]) -> GoldRow:
    return GoldRow(table, {name: row[name] for name in _key_columns(connection, table)}, row)


def select(
    connection: Connection,
    table: str,
    values: Mapping[str, Any],
    *,
    limit: int,
    span: tuple[str, Any, Any] | None = None,
) -> list[dict[str, Any]]:
    """Rows that have these values; span: a column, from when on, and until when."""
    types = columns(connection, table)
    conditions = [_equals(name, value, types[name]) for name, value in values.items()]
    if span is not None:
        name, begin, end = span
        conditions.append(SQL("{0} >= {1} and {0} < {2}").format(Identifier(name), Literal(begin), Literal(end)))
    statement = SQL("select * from gold.{} where {} order by {} limit {}").format(
        Identifier(table),
        SQL(" and ").join(conditions),
        SQL(", ").join(map(Identifier, _key_columns(connection, table))),
        Literal(limit),
    )
    connection.execute("set timezone to 'UTC'")
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement).fetchall()
    except psycopg.DataError as error:
        raise Misused(f"the key does not fit gold.{table}: {str(error).splitlines()[0]}") from error


def _equals(name: str, value: Any, kind: str) -> Composable:
    if value is None:
        return SQL("{} is null").format(Identifier(name))
    text = value if isinstance(value, str) else str(value)
    return SQL("{} = {}::{}").format(Identifier(name), Literal(text), SQL(kind))


def _key_columns(connection: Connection, table: str) -> list[str]:
    row = connection.execute(KEY, {"table": table}).fetchone()
    if row is None:
        raise Refused(f"gold.{table} has no unique index, so no key names one of its rows")
    names: list[str] = row[1]  # type: ignore[assignment]  # an array of text
    return names


def _parse(table: str, key: str, names: Sequence[str]) -> dict[str, Any]:
    wanted = f"the key of gold.{table} is {'/'.join(names)} (the tenant comes from --tenant)"
    if not key.startswith(("{", "[")):
        values: list[Any] = [key] if len(names) == 1 else key.split("/")
        if len(values) != len(names):
            raise Misused(f"{wanted}: give {len(names)} values, as JSON where one holds a '/'")
        return dict(zip(names, values, strict=True))
    try:
        given = json.loads(key)
    except ValueError as error:
        raise Misused(f"the key is no JSON ({error}): {wanted}") from error
    if isinstance(given, list):
        given = dict(zip(names, given, strict=False)) if len(given) == len(names) else {}
    given.pop("tenant_id", None)
    if given.keys() != set(names):
        raise Misused(f"{wanted}: give each of them, once")
    return dict(given)
