"""The registry of tenants. Shared manuals belong to `public`, which every tenant may read and none may be."""

import re

from lakehouse.database import Connection
from lakehouse.errors import Misused, Refused, UnknownTenant

PUBLIC = "public"

# Bronze keeps its Delta tables beside the tenants' folders, so these names are taken.
RESERVED = frozenset({"telemetry", "events", "messages", "documents", "quarantine"})
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def create_tenant(connection: Connection, tenant_id: str) -> bool:
    """False where it existed already."""
    if not NAME.fullmatch(tenant_id):
        raise Misused(
            f"'{tenant_id}' is no tenant name: use 1 to 63 of a-z, 0-9, _ and -, starting with a letter or digit"
        )
    if tenant_id in RESERVED:
        raise Refused(f"'{tenant_id}' is the name of a bronze table: choose another name for the tenant")
    created = connection.execute(
        "insert into registry.tenants (tenant_id) values (%s) on conflict do nothing", (tenant_id,)
    ).rowcount
    connection.commit()
    return created == 1


def list_tenants(connection: Connection) -> list[str]:
    return [str(row[0]) for row in connection.execute("select tenant_id from registry.tenants order by tenant_id")]


def require_tenant(connection: Connection, tenant_id: str) -> None:
    """Raises UnknownTenant, whose text lists those that exist."""
    known = list_tenants(connection)
    if tenant_id not in known:
        raise UnknownTenant(tenant_id, known)


def readable(tenant_id: str) -> list[str]:
    """The tenants whose rows `tenant_id` may see."""
    return sorted({tenant_id, PUBLIC})
