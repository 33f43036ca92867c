"""Question → passages: BM25 and vectors under one filter, fused. What an engine returns, the database filters again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from psycopg.rows import kwargs_row

from lakehouse.database import Connection
from rag.embedder import Embedder
from rag.filters import VISIBLE, parameters
from rag.filters import Filters as Filters
from rag.folding import Folding
from rag.graphs import Place, find_place
from rag.lexical import Lexical, Match
from rag.nearest import nearest
from rag.rerank import POOL, Reranker, reranked
from rag.splitter import embedding_text
from rag.tokens import analyse
from rag.versions import place_of

# Candidates of BM25 and of the vectors. Of SciFact's training questions 100 of each lost 0.0035 of nDCG@10; with 60 of
# BM25, 30 by vectors and 60 gave one figure (.7320), with 40 of BM25 it was .7290.
LEXICAL_DEPTH, VECTOR_DEPTH = 60, 40
COPIES = 3  # times as many are read at most as are asked for, because copies are folded
# Of the fused score; the rest is the cosine's. Chosen by cross-validation: docs/adr/0004-fusion.md.
LEXICAL_WEIGHT = 0.5

_STORED: Final = """
    c.tenant_id, c.chunk_id, c.document_id, c.ordinal, c.kind, c.title, c.heading_path, c.lead, c.text,
    c.object_sha256, c.byte_start, c.byte_end, c.product, c.version_from, c.version_to, c.version_key,
    c.valid_from, c.valid_to, c.recorded_at, c.classification, c.url, c.name
""".strip()

PASSAGES: Final = f"""
select {_STORED}
from search.chunks as c
where {VISIBLE} and c.chunk_id = any(%(chosen)s)
"""
CONTAINING: Final = f"""
select {_STORED}
from search.chunks as c
where {VISIBLE} and c.text ~* %(pattern)s
order by c.chunk_id collate "C"
"""


class Ranked(NamedTuple):
    score: float
    chunk_id: str
    lexical: float
    cosine: float


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
    name: str = field(default="", kw_only=True)  # of its file, where title and text do not say it


@dataclass(frozen=True)
class Hit(Passage):
    """A passage with its cosine, its BM25 score (0 where not among the best) and the fused one, between 0 and 1.

    also_in: documents that say the same in other places, left out for it.
    rerank: the score of the reranker; None where none is configured, it failed, or the passage was not among its pool.
    """

    cosine: float
    lexical: float
    score: float
    also_in: tuple[str, ...] = ()
    rerank: float | None = None

    @property
    def version(self) -> str | None:
        return self.version_from


def retrieve(
    connection: Connection,
    lexical: Lexical,
    embedder: Embedder,
    query: str,
    *,
    filters: Filters,
    limit: int,
    reranker: Reranker | None = None,
    folded: bool = True,
) -> list[Hit]:
    """The best passages, best first. `lexical` must be open on the version that `filters` names.

    folded: False leaves what is said alike in several places there each time.
    """
    if lexical.index_version != filters.index_version:
        raise ValueError(f"the lexical index is of version {lexical.index_version}, not {filters.index_version}")
    vector = embedder.embed([query])[0]
    place = find_place(connection, filters)
    matched = lexical.match(analyse(query), vector, filters, limit=LEXICAL_DEPTH)
    near = nearest(connection, vector, filters, place, depth=VECTOR_DEPTH)
    wanted = max(limit, POOL if reranker else 0)
    ranked = _ranked(matched, near)
    if folded:
        told = _tell_once(connection, ranked[: max(COPIES * limit, wanted)], filters, place, wanted)
    else:
        told = _read(connection, ranked[:wanted], filters, place)
    return look_again(reranker, query, told)[:limit]


def _ranked(matched: Mapping[str, Match], near: Mapping[str, float]) -> list[Ranked]:
    """Best first, of equal ones by id."""
    found = {chunk_id: Match(0.0, cosine) for chunk_id, cosine in near.items()} | dict(matched)
    fused = fuse([one.score for one in found.values()], [one.cosine for one in found.values()])
    ranked = [Ranked(score, chunk_id, *match) for score, (chunk_id, match) in zip(fused, found.items(), strict=True)]
    return sorted(ranked, key=lambda one: (-one.score, one.chunk_id))


def look_again(reranker: Reranker | None, query: str, hits: list[Hit]) -> list[Hit]:
    """By the reranker's scores; as they are where none is configured or it does not answer."""
    if reranker is None:
        return hits
    return [replace(hit, rerank=score) for hit, score in reranked(reranker, query, hits, _read_aloud)]


def containing(connection: Connection, pattern: str, *, filters: Filters) -> list[Hit]:
    """Every visible passage that the regular expression (Postgres, case ignored) matches, by chunk id. Scores are 0."""
    said = {**parameters(filters, *place_of(connection, filters.index_version)), "pattern": pattern}
    with connection.cursor(row_factory=kwargs_row(_passage)) as cursor:
        passages = cursor.execute(CONTAINING, said).fetchall()
    return [Hit(**vars(passage), cosine=0.0, lexical=0.0, score=0.0) for passage in passages]


def among(connection: Connection, chunk_ids: list[str], *, filters: Filters) -> list[Hit]:
    """Those of the named passages that are visible, by chunk id. Scores are 0."""
    said = {**parameters(filters, *place_of(connection, filters.index_version)), "chosen": chunk_ids}
    with connection.cursor(row_factory=kwargs_row(_passage)) as cursor:
        passages = cursor.execute(PASSAGES, said).fetchall()
    hits = [Hit(**vars(passage), cosine=0.0, lexical=0.0, score=0.0) for passage in passages]
    return sorted(hits, key=lambda hit: hit.chunk_id)


def fuse(lexical: list[float], cosine: list[float], weight: float = LEXICAL_WEIGHT) -> list[float]:
    """A convex combination of both scores over the candidates of one question, each scaled to between 0 and 1."""
    if not lexical:
        return []
    return [float(score) for score in weight * _scaled(lexical, 0.0) + (1 - weight) * _scaled(cosine, min(cosine))]


def _scaled(scores: list[float], lowest: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(scores) - lowest
    highest = values.max()
    return values / highest if highest > 0 else values


def _tell_once(
    connection: Connection,
    ranked: list[Ranked],
    filters: Filters,
    place: Place,
    limit: int,
) -> list[Hit]:
    """The best with copies folded. Read are half as many more as are asked for, and all where that is too few."""
    folding: Folding[Hit] = Folding()
    at_first = limit + limit // 2
    folding.add(_read(connection, ranked[:at_first], filters, place))
    if len(folding) < limit:
        folding.add(_read(connection, ranked[at_first:], filters, place))
    return [replace(hit, also_in=also_in) if also_in else hit for hit, also_in in folding.told()]


def _read(connection: Connection, ranked: list[Ranked], filters: Filters, place: Place) -> list[Hit]:
    """In their order; without those that were erased since."""
    if not ranked:
        return []
    said = {**parameters(filters, place.family, place.number), "chosen": [one.chunk_id for one in ranked]}
    with connection.cursor(row_factory=kwargs_row(_passage), binary=True) as cursor:
        read = {passage.chunk_id: passage for passage in cursor.execute(PASSAGES, said)}
    return [
        Hit(**vars(read[one.chunk_id]), cosine=one.cosine, lexical=one.lexical, score=one.score)
        for one in ranked
        if one.chunk_id in read
    ]


def _read_aloud(hit: Hit) -> str:
    return embedding_text(hit.title, hit.heading_path, hit.text, hit.lead)


def _passage(heading_path: list[str], version_key: list[int], **columns: Any) -> Passage:
    return Passage(heading_path=tuple(heading_path), version_key=tuple(version_key), **columns)
