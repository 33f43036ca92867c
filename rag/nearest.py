"""The chunks whose vectors are nearest to a question's: ids and cosines, no texts.

Each tenant of the question is scanned or searched by its graph, whichever costs less for what may be seen of it
(`rag.graphs`); where a graph came back with too few, the tenant is scanned after all.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from pgvector import HalfVector
from prometheus_client import Counter
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from lakehouse.database import Connection
from rag.filters import IN_SCOPE, Filters, parameters
from rag.graphs import Place, breadth, prefers_graph

GRAPH_SHORT = Counter(
    "iotops_graph_short", "Questions whose graph search of a tenant found too few visible chunks and was made a scan"
)

Found = list[tuple[str, float]]  # chunk and distance

# The graph is filtered after it is searched, so it must go on until enough of what it finds may be seen. A plan that is
# made for any tenant could use no graph. Of releases the planner expects far fewer rows than there are and would sort
# them all where the counts say graph; what is scanned is sorted all the same.
SETTINGS: Final = """
select
    set_config('hnsw.iterative_scan', 'relaxed_order', false),
    set_config('hnsw.scan_mem_multiplier', '4', false),
    set_config('plan_cache_mode', 'force_custom_plan', false),
    set_config('enable_sort', 'off', false)
"""
BREADTH: Final = "select set_config('hnsw.ef_search', %s, false)"
RESTORE: Final = "select set_config('plan_cache_mode', 'auto', false), set_config('enable_sort', 'on', false)"

# `+ 0` keeps the planner from a graph.
SCAN: Final = f"""
select c.chunk_id, (c.embedding <#> %(vector)s::halfvec) + 0 as distance
from search.chunks as c
where {IN_SCOPE} and c.tenant_id = %(tenant)s
order by distance
limit %(depth)s
"""
SEARCH: Final = f"""
select c.chunk_id, c.embedding <#> %(vector)s::halfvec as distance
from search.chunks as c
where {IN_SCOPE} and c.tenant_id = %(tenant)s
order by c.embedding <#> %(vector)s::halfvec
limit %(depth)s
"""


class _BinaryHalfVector(Dumper):
    """Without asking the server for the type's number: the statement casts it."""

    format = Format.BINARY

    def dump(self, obj: HalfVector) -> Buffer:
        return obj.to_binary()


def nearest(
    connection: Connection,
    vector: npt.NDArray[np.float32],
    filters: Filters,
    place: Place,
    *,
    depth: int,
) -> dict[str, float]:
    """Chunk id → cosine of the nearest `depth` that may be seen, those first; of equal ones by id."""
    said = {
        **parameters(filters, place.family, place.number),
        "vector": HalfVector(vector),
        "depth": depth,
    }
    connection.adapters.register_dumper(HalfVector, _BinaryHalfVector)
    is_as_of = filters.as_of is not None
    widths = {
        size.tenant_id: breadth(size, depth=depth, is_as_of=is_as_of)
        if prefers_graph(size, depth=depth, is_as_of=is_as_of)
        else None
        for size in place.sizes
    }
    found = _ask(connection, said, widths)
    short = [tenant for tenant, width in widths.items() if width is not None and len(found[tenant]) < depth]
    if short:
        GRAPH_SHORT.inc()
        found |= _ask(connection, said, dict.fromkeys(short))
    best = sorted((distance, chunk_id) for rows in found.values() for chunk_id, distance in rows)[:depth]
    return {chunk_id: -distance for distance, chunk_id in best}


def _ask(connection: Connection, said: dict[str, Any], widths: Mapping[str, int | None]) -> dict[str, Found]:
    """widths: tenant → `hnsw.ef_search` of its graph, None to scan it. Each has its own: with that of the largest, the
    graph of 20,000 that everyone sees took as long as one of 800,000."""
    with connection.pipeline():
        connection.execute(SETTINGS)
        cursors = {}
        for tenant, width in widths.items():
            if width is not None:
                connection.execute(BREADTH, (str(width),))
            cursors[tenant] = connection.cursor(binary=True)
            cursors[tenant].execute(SCAN if width is None else SEARCH, {**said, "tenant": tenant})
        connection.execute(RESTORE)
        return {tenant: cast(Found, cursor.fetchall()) for tenant, cursor in cursors.items()}
