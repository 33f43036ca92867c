"""The SQL files of this package, and questions with one answer."""

from importlib.resources import files
from typing import Any

from psycopg.sql import SQL

from lakehouse.database import Connection


def read_sql(name: str) -> SQL:
    """`{}` in it are filled in by `format`."""
    return SQL(files("lakehouse.quality").joinpath(f"{name}.sql").read_text())


def value_of(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def is_there(connection: Connection, table: str) -> bool:
    return bool(value_of(connection, f"select to_regclass('{table}') is not null"))
