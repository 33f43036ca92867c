"""The texts that gold writes of its own facts get their bytes in the object store, as every text that is cited has."""

from typing import Final, cast

from lakehouse.bronze import Bronze
from lakehouse.database import Connection
from lakehouse.errors import StepFailed
from lakehouse.promotion import CANDIDATE, NEWS

NEW: Final = f"select tenant_id, object_sha256, text from {CANDIDATE}.documents{NEWS} where kind = 'insight'"


def store_insights(connection: Connection, bronze: Bronze) -> int:
    """Those that are new in the candidate, before anything can cite them; returns how many."""
    rows = cast(list[tuple[str, str, str]], connection.execute(NEW).fetchall())
    for tenant_id, object_sha256, text in rows:
        if bronze.objects.put(tenant_id, text.encode()) != object_sha256:
            raise StepFailed(f"an insight of '{tenant_id}' is not stored under the hash that gold has of it")
    return len(rows)
