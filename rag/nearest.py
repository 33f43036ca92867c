"""The chunks whose vectors are nearest to a question's: ids and cosines, no texts.

Each tenant of the question is scanned or searched by its graph, whichever costs less for what may be seen of it
(`rag.graphs`); where a graph came back with too few, the tenant is scanned after all.
"""

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

Row = tuple[int, str, float]  # branch, chunk and distance

# The graph is filtered after it is searched, so it must go on until enough of what it finds may be seen. A plan that is
# made for any tenant could use no graph. Of releases the planner expects far fewer rows than there are and would sort
# them all where the counts say graph; what is scanned is sorted all the same.
SETTINGS: Final = """
select
    set_config('hnsw.iterative_scan', 'relaxed_order', false),
    set_config('hnsw.ef_search', %(breadth)s, false),
    set_config('hnsw.scan_mem_multiplier', '4', false),
    set_config('plan_cache_mode', 'force_custom_plan', false),
    set_config('enable_sort', 'off', false)
"""
RESTORE: Final = "select set_config('plan_cache_mode', 'auto', false), set_config('enable_sort', 'on', false)"

# `+ 0` keeps the planner from a graph.
SCAN: Final = f"""
(select {{number}} as branch, c.chunk_id, (c.embedding <#> %(vector)s::halfvec) + 0 as distance
from search.chunks as c
where {IN_SCOPE} and c.tenant_id = %(tenant_{{number}})s
order by distance
limit %(depth)s)
"""
SEARCH: Final = f"""
(select {{number}} as branch, c.chunk_id, c.embedding <#> %(vector)s::halfvec as distance
from search.chunks as c
where {IN_SCOPE} and c.tenant_id = %(tenant_{{number}})s
order by c.embedding <#> %(vector)s::halfvec
limit %(depth)s)
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
    searched = {size.tenant_id: prefers_graph(size, depth=depth, is_as_of=is_as_of) for size in place.sizes}
    widths = [breadth(s, depth=depth, is_as_of=is_as_of) for s in place.sizes if searched[s.tenant_id]]
    said["breadth"] = str(max(widths, default=depth))
    rows = _ask(connection, searched, said)
    short = [
        tenant
        for number, (tenant, by_graph) in enumerate(searched.items())
        if by_graph and sum(row[0] == number for row in rows) < depth
    ]
    if short:
        GRAPH_SHORT.inc()
        rows = _ask(connection, {**searched, **dict.fromkeys(short, False)}, said)
    found = sorted((distance, chunk_id) for _, chunk_id, distance in rows)[:depth]
    return {chunk_id: -distance for distance, chunk_id in found}


def _ask(connection: Connection, searched: dict[str, bool], said: dict[str, Any]) -> list[Row]:
    """searched: tenant → whether its graph is."""
    branches = []
    for number, (tenant, by_graph) in enumerate(searched.items()):
        said[f"tenant_{number}"] = tenant
        branches.append((SEARCH if by_graph else SCAN).format(number=number))
    if not branches:
        return []
    with connection.pipeline(), connection.cursor(binary=True) as cursor:
        connection.execute(SETTINGS, said)
        cursor.execute("union all".join(branches), said)
        connection.execute(RESTORE)
        return cast(list[Row], cursor.fetchall())
