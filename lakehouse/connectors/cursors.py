"""How far each source was read. A cursor moves only after what it covers is in bronze, so a crash reads again."""

from lakehouse.database import Connection


def read_cursor(connection: Connection, tenant_id: str, source: str) -> str | None:
    row = connection.execute(
        "select cursor from registry.cursors where tenant_id = %s and source = %s", (tenant_id, source)
    ).fetchone()
    return str(row[0]) if row else None


def move_cursor(connection: Connection, tenant_id: str, source: str, cursor: str) -> None:
    connection.execute(
        "insert into registry.cursors (tenant_id, source, cursor) values (%s, %s, %s) "
        "on conflict (tenant_id, source) do update set cursor = excluded.cursor, moved_at = now()",
        (tenant_id, source, cursor),
    )
