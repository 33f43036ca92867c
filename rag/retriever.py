"""Question → passages: BM25 and vectors under one filter, fused. What an engine returns, the database filters again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from psycopg.rows import kwargs_row

from lakehouse.database import Connection
from rag.embedder import Embedder
from rag.lexical import Lexical
from rag.tokens import analyse

DEPTH = 100  # candidates of each engine
# Of the fused score; the rest is the cosine's. Chosen by cross-validation: docs/adr/0004-fusion.md.
LEXICAL_WEIGHT = 0.5

_STORED: Final = """
    c.tenant_id, c.chunk_id, c.document_id, c.ordinal, c.kind, c.title, c.heading_path, c.lead, c.text,
    c.object_sha256, c.byte_start, c.byte_end, c.product, c.version_from, c.version_to, c.version_key,
    c.valid_from, c.valid_to, c.recorded_at, c.classification, c.url
""".strip()

# What may be seen: of these tenants, of this index version, known and in force at the time, of an allowed release.
_VISIBLE: Final = """
    c.index_version = %(index_version)s
    and c.tenant_id = any(%(tenants)s)
    and case
        when %(as_of)s::timestamptz is null then c.valid_to is null
        else c.recorded_at <= %(as_of)s and (c.valid_to is null or c.valid_to > %(as_of)s)
    end
    and (%(releases)s::text[] is null or c.release_key is null or c.release_key = any(%(releases)s))
    and (%(product)s::text is null or c.product is null or c.product = %(product)s)
    and (%(insights)s or c.kind <> 'insight')
"""

# The graph is filtered after it is searched: it must go on until enough of what it finds may be seen.
SCAN_SETTINGS: Final = f"""
select set_config('hnsw.iterative_scan', 'relaxed_order', false), set_config('hnsw.ef_search', '{DEPTH}', false)
"""

CANDIDATES: Final = f"""
with nearest as (
    select c.chunk_id
    from search.chunks as c
    where {_VISIBLE}
    order by c.embedding <#> %(vector)s::vector
    limit %(depth)s
),

candidates as (
    select chunk_id from nearest
    union
    select unnest(%(lexical)s::text[])
)

select
    {_STORED},
    -(c.embedding <#> %(vector)s::vector) as cosine
from search.chunks as c
join candidates using (chunk_id)
where {_VISIBLE}
order by c.chunk_id collate "C"
"""


CONTAINING: Final = f"""
select
    {_STORED},
    0 as cosine
from search.chunks as c
where {_VISIBLE} and c.text ~* %(pattern)s
order by c.chunk_id collate "C"
"""


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


@dataclass(frozen=True)
class Passage:
    """One chunk as stored. `text` is the bytes `byte_start:byte_end` of the object; `lead` stands above it."""

    tenant_id: str
    chunk_id: str
    document_id: str
    ordinal: int
    kind: str
    title: str
    heading_path: tuple[str, ...]
    lead: str
    text: str
    object_sha256: str
    byte_start: int
    byte_end: int
    product: str | None
    version_from: str | None
    version_to: str | None
    version_key: tuple[int, ...]
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    classification: str
    url: str | None
    cosine: float


@dataclass(frozen=True)
class Hit(Passage):
    """A passage with its BM25 score (0 where not among the best) and the fused score, between 0 and 1."""

    lexical: float
    score: float

    @property
    def version(self) -> str | None:
        return self.version_from


def retrieve(
    connection: Connection, lexical: Lexical, embedder: Embedder, query: str, *, filters: Filters, limit: int
) -> list[Hit]:
    """The best passages, best first. `lexical` must be open on the version that `filters` names."""
    if lexical.index_version != filters.index_version:
        raise ValueError(f"the lexical index is of version {lexical.index_version}, not {filters.index_version}")
    scores = lexical.search(
        analyse(query),
        tenants=filters.tenants,
        as_of=filters.as_of,
        releases=filters.releases,
        product=filters.product,
        limit=DEPTH,
    )
    passages = _candidates(connection, embedder.embed([query])[0].tolist(), scores, filters)
    fused = fuse([scores.get(p.chunk_id, 0.0) for p in passages], [p.cosine for p in passages])
    hits = [
        Hit(**vars(passage), lexical=scores.get(passage.chunk_id, 0.0), score=score)
        for passage, score in zip(passages, fused, strict=True)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[:limit]


def containing(connection: Connection, pattern: str, *, filters: Filters) -> list[Hit]:
    """Every visible passage that the regular expression (Postgres, case ignored) matches, by chunk id. Scores are 0."""
    parameters = {**_parameters(filters), "pattern": pattern}
    with connection.cursor(row_factory=kwargs_row(_passage)) as cursor:
        passages = cursor.execute(CONTAINING, parameters).fetchall()
    return [Hit(**vars(passage), lexical=0.0, score=0.0) for passage in passages]


def fuse(lexical: list[float], cosine: list[float], weight: float = LEXICAL_WEIGHT) -> list[float]:
    """A convex combination of both scores over the candidates of one question, each scaled to between 0 and 1."""
    if not lexical:
        return []
    return [float(score) for score in weight * _scaled(lexical, 0.0) + (1 - weight) * _scaled(cosine, min(cosine))]


def _scaled(scores: list[float], lowest: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(scores) - lowest
    highest = values.max()
    return values / highest if highest > 0 else values


def _candidates(
    connection: Connection, vector: list[float], scores: Mapping[str, float], filters: Filters
) -> list[Passage]:
    parameters = {
        **_parameters(filters),
        "vector": str(vector),
        "depth": DEPTH,
        "lexical": list(scores),
    }
    with connection.pipeline(), connection.cursor(row_factory=kwargs_row(_passage)) as cursor:
        connection.execute(SCAN_SETTINGS)
        return cursor.execute(CANDIDATES, parameters).fetchall()


def _passage(heading_path: list[str], version_key: list[int], **columns: Any) -> Passage:
    return Passage(heading_path=tuple(heading_path), version_key=tuple(version_key), **columns)


def _parameters(filters: Filters) -> dict[str, Any]:
    return {
        "index_version": filters.index_version,
        "tenants": list(filters.tenants),
        "as_of": filters.as_of,
        "releases": None if filters.releases is None else sorted(filters.releases),
        "product": filters.product,
        "insights": filters.insights,
    }
