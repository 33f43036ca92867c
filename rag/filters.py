"""Which chunks a question may draw on, as one condition for every statement that reads them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

# Of this index version, known and in force at the time, of an allowed release. Tenants are conditions of their own.
IN_SCOPE: Final = """
    c.family = %(family)s and c.added <= %(number)s and (c.removed is null or c.removed > %(number)s)
    and case
        when %(as_of)s::timestamptz is null then c.valid_to is null
        else c.recorded_at <= %(as_of)s and (c.valid_to is null or c.valid_to > %(as_of)s)
    end
    and (%(releases)s::text[] is null or c.release_key is null or c.release_key = any(%(releases)s))
    and (%(product)s::text is null or c.product is null or c.product = %(product)s)
    and (%(insights)s or c.kind <> 'insight')
""".strip()
VISIBLE: Final = f"{IN_SCOPE}\n    and c.tenant_id = any(%(tenants)s)"


@dataclass(frozen=True)
class Filters:
    """as_of: None shows what is in force now; a time shows what was recorded and in force then.
    releases: keys `tenant|product|kind|version` that may be shown, None for all. Chunks of no product always may.
    product: only chunks of this product, and of none.
    insights: whether what gold counted and told of its own facts may be shown.
    """

    tenants: Collection[str]
    index_version: str
    as_of: datetime | None = None
    releases: Collection[str] | None = None
    product: str | None = None
    insights: bool = True


def parameters(filters: Filters, family: str, number: int) -> dict[str, Any]:
    """What the conditions above are filled with."""
    return {
        "family": family,
        "number": number,
        "tenants": sorted(filters.tenants),
        "as_of": filters.as_of,
        "releases": None if filters.releases is None else sorted(filters.releases),
        "product": filters.product,
        "insights": filters.insights,
    }
