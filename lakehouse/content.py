"""What tables hold, as hashes: equal content has equal hashes, whatever the order or the history of its rows."""

from typing import Final

from psycopg.sql import SQL, Identifier

from lakehouse.database import Connection

TABLES_OF: Final = """
select c.relname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %s and c.relkind in ('r', 'p', 'm') and not c.relispartition
order by c.relname
"""
# A row's text is the same wherever it lies; times are written in the zone of the session.
CONTENT: Final = SQL(
    "select md5(coalesce(string_agg(h, '' order by h), '')) from (select md5(t::text) as h from {} as t) as rows"
)


def content_hashes(connection: Connection, schema: str = "gold") -> dict[str, str]:
    """Table → MD5 over its rows in the order of their hashes; empty where the schema has none."""
    connection.execute("set local timezone to 'UTC'")
    found = {}
    for (name,) in connection.execute(TABLES_OF, (schema,)).fetchall():
        row = connection.execute(CONTENT.format(Identifier(schema, str(name)))).fetchone()
        found[str(name)] = str(row[0]) if row else ""
    return found
