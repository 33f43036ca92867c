"""Sessions that see the rows of some tenants only, whatever statement they run: row-level security of Postgres.

The policies are in schema.sql. Where this user was not allowed to create the role that they hold for, the conditions in
the statements are all there is: a counter and the readiness of the copilot say so.
"""

from collections.abc import Collection
from typing import Final

from prometheus_client import Counter

from lakehouse.database import Connection

UNGUARDED = Counter(
    "iotops_sessions_unguarded", "Sessions that kept tenants apart by filters alone, without row-level security"
)

# 'set' is what Postgres 16 asks of who becomes a role; before, membership was enough.
_AVAILABLE: Final = """
from pg_roles as r
join pg_class as c on c.oid = 'search.chunks'::regclass
where r.rolname = 'iotops_reader'
    and pg_has_role(
        r.oid, case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end
    )
    and c.relrowsecurity
    and has_table_privilege(r.oid, c.oid, 'select')
"""
ENTER: Final = f"select set_config('iotops.tenants', %s, true), set_config('role', r.rolname, true) {_AVAILABLE}"
GUARDED: Final = f"select exists (select {_AVAILABLE})"


def enter(connection: Connection, tenants: Collection[str]) -> bool:
    """Until the transaction ends, only rows of these tenants are seen. False where the role for it is missing."""
    entered = connection.execute(ENTER, (",".join(sorted(tenants)),)).fetchone() is not None
    if not entered:
        UNGUARDED.inc()
    return entered


def is_guarded(connection: Connection) -> bool:
    """Whether `enter` has a role to become."""
    row = connection.execute(GUARDED).fetchone()
    return row is not None and bool(row[0])
