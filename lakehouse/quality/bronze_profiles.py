"""What the bronze gate judges: rows of landing that the coming build reads for the first time, and what is usual."""

from datetime import datetime
from typing import Final, LiteralString

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from lakehouse.database import Connection
from lakehouse.quality.statements import is_there, read_sql

TABLES: Final = ("telemetry", "events", "messages", "documents")
HISTORY_DAYS: Final = 28
ARRIVALS_KEPT_DAYS: Final = 90
# Postgres 15 cannot try JSON without failing: there, only what is no object at first sight is found.
IS_OBJECT: Final[LiteralString] = "attributes is json object"
LOOKS_LIKE_OBJECT: Final[LiteralString] = r"attributes ~ '^\s*[{{].*[}}]\s*$'"


def prepare(connection: Connection, now: datetime) -> None:
    """Make the profiles, and learn from the new rows what their tenants send."""
    for table in TABLES:
        connection.execute(_new_rows(connection, table))
    fill = {
        "now": Literal(now),
        "kept": Literal(ARRIVALS_KEPT_DAYS),
        "history": Literal(HISTORY_DAYS),
        "served": _served(connection),
    }
    connection.execute(read_sql("bronze").format(**fill))
    connection.commit()


def _new_rows(connection: Connection, table: str) -> Composed:
    """Those that gold, as it is served, was not built from; all of them where that is not known."""
    within: Composable = SQL("true")
    if is_there(connection, "registry.increments"):
        row = connection.execute(
            "select after_version, upto_version from registry.increments where table_name = %s", (table,)
        ).fetchone()
        if row:
            within = SQL("bronze_version > {} and bronze_version <= {}").format(Literal(row[0]), Literal(row[1]))
    columns = "*"
    if table == "events":
        columns = f"*, {IS_OBJECT if connection.info.server_version >= 160000 else LOOKS_LIKE_OBJECT} as is_object"
    return SQL("create temp view {} as select " + columns + " from {} where {}").format(
        Identifier(f"new_{table}"), Identifier("landing", table), within
    )


def _served(connection: Connection) -> Composable:
    if is_there(connection, "gold.fct_readings_daily"):
        return Identifier("gold", "fct_readings_daily")
    return SQL("(select tenant_id, dt as day, 0 as reading_count from readings_by_day where false) as nothing")
