"""A table of chunks of any size, from real texts: their embeddings, and convex mixtures of near ones with noise.

Each further vector is a mixture (flat Dirichlet weights) of a real one and two of its ten nearest, with normal noise of
0.02 a component, scaled to length one: near neighbours exist at every size and are not copies. A row's text is that of
the real vector it began with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from psycopg.sql import SQL, Identifier, Literal

from benchmarks import suites
from lakehouse.database import Connection
from rag import indexing, partitions
from rag.embedder import Embedder
from rag.splitter import embedding_text
from rag.suites import runbooks, scifact

Vectors = npt.NDArray[np.float32]

NEIGHBOURS = 10
NOISE = 0.02
REAL = 6_000
BLOCK = 20_000
RELEASES = 100  # of each tenant, equally large
FAMILY = "f" * 16
VERSION = "e" * 16

VERSION_ROW = """
insert into search.index_versions
    (index_version, family, number, status, gold_snapshot, splitter, embedder, parameters, chunks, created_at)
values (%s, %s, 1, 'ready', '', '', '', '{}', %s, now())
"""
STAGE = """
create schema stage;
create unlogged table stage.vectors (id int4, origin int4, embedding halfvec(384));
create table stage.texts (origin int4 primary key, text text);
create table stage.tenants (tenant_id text, first int4, after int4);
"""
# Four chunks a document; one row in eleven is of a document that was superseded.
FILL = """
insert into {table} (
    family, added, tenant_id, chunk_id, kind, product, release_key, valid_to, recorded_at, embedding, document_id,
    ordinal, title, heading_path, lead, text, object_sha256, byte_start, byte_end, version_from, version_key,
    valid_from, classification, url, name
)
select
    {family}, 1, t.tenant_id, d.document_id || '.' || v.id % 4, 'manual', 'P',
    t.tenant_id || '|P|manual|' || v.id % {releases},
    case when v.id % 11 = 0 then now() end, now() - interval '1 day', v.embedding, d.document_id, v.id % 4,
    'Operating manual', array['Maintenance', 'Inspection'], '', x.text, d.document_id || d.document_id, 0,
    octet_length(x.text), (v.id % {releases})::text, array[v.id % {releases}],
    now() - interval '1 day', 'internal', null, ''
from stage.vectors as v
join stage.tenants as t on v.id >= t.first and v.id < t.after
join stage.texts as x using (origin)
cross join lateral (select md5((v.id / 4)::text) as document_id) as d
order by v.id
"""


@dataclass(frozen=True)
class Real:
    """Texts with their vectors, and the vectors of real questions."""

    texts: list[str]
    vectors: Vectors
    asked: list[str]
    questions: Vectors


def read_real(data: Path, work: Path, embedder: Embedder) -> Real:
    """Chunks of scientific abstracts and of runbooks; questions of both."""
    abstracts, pages = scifact(data, "train"), runbooks(data, ["by_description"])
    parts = [*abstracts.parts[:REAL], *pages.parts]
    texts = [embedding_text(p.title, p.heading_path, p.text, p.lead) for p in parts]
    asked = [question.text for question in (*abstracts.questions, *pages.questions)]
    vectors = suites.vectors(texts, work, embedder)
    return Real([part.text for part in parts], vectors, asked, suites.vectors(asked, work, embedder))


def grow(real: Vectors, size: int, draw: np.random.Generator) -> Iterator[tuple[npt.NDArray[np.int64], Vectors]]:
    """Block by block: the real vector that each began with, and the vectors. The first are the real ones themselves."""
    near = _neighbours(real)
    for start in range(0, size, BLOCK):
        count = min(BLOCK, size - start)
        origin = draw.integers(len(real), size=count)
        own = slice(0, max(0, min(count, len(real) - start)))
        origin[own] = np.arange(start, start + own.stop)
        partners = draw.integers(NEIGHBOURS, size=(count, 2))
        chosen = np.column_stack([origin, near[origin, partners[:, 0]], near[origin, partners[:, 1]]])
        weights = draw.dirichlet([1.0, 1.0, 1.0], size=count).astype(np.float32)
        vectors = np.einsum("ij,ijk->ik", weights, real[chosen])
        vectors += draw.normal(scale=NOISE, size=vectors.shape).astype(np.float32)
        vectors[own] = real[origin[own]]
        yield origin, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fill(connection: Connection, real: Real, tenants: dict[str, int]) -> None:
    """The rows of search.chunks, before they have indexes."""
    size = sum(tenants.values())
    connection.execute(STAGE)
    with connection.cursor() as cursor:
        cursor.executemany("insert into stage.texts values (%s, %s)", list(enumerate(real.texts)))
        first = 0
        for tenant, count in tenants.items():
            cursor.execute("insert into stage.tenants values (%s, %s, %s)", (tenant, first, first + count))
            first += count
    draw = np.random.default_rng(size)
    order = draw.permutation(size).astype(np.int32)  # real vectors and their mixtures are spread over all tenants
    with connection.cursor().copy("copy stage.vectors from stdin (format binary)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        start = 0
        for origin, vectors in grow(real.vectors, size, draw):
            copy.write(_rows(order[start : start + len(origin)], origin, vectors))
            start += len(origin)
        copy.write(b"\xff\xff")
    connection.execute("analyze stage.vectors")
    partitions.create(connection, FAMILY, carry=False)
    names = {
        "table": Identifier("search", partitions.building_of(FAMILY)),
        "family": Literal(FAMILY),
        "releases": Literal(RELEASES),
    }
    connection.execute(SQL(FILL).format(**names))
    connection.execute(VERSION_ROW, (VERSION, FAMILY, size))


def finish(connection: Connection) -> None:
    """Indexes and graphs, as a build makes them."""
    with connection.transaction():
        partitions.complete(connection, FAMILY, above=indexing.HNSW_ABOVE)
        partitions.put_in_place(connection, FAMILY)


def _neighbours(real: Vectors) -> npt.NDArray[np.int64]:
    blocks = [real[start : start + 1000] @ real.T for start in range(0, len(real), 1000)]
    return np.concatenate([np.argsort(-block, axis=1)[:, 1 : NEIGHBOURS + 1] for block in blocks])


def _rows(ids: npt.NDArray[np.int32], origin: npt.NDArray[np.int64], vectors: Vectors) -> bytes:
    """Binary COPY of (int4, int4, halfvec): a hundred times faster than row by row."""
    dimensions = vectors.shape[1]
    fields = [
        ("columns", ">i2"), ("id_bytes", ">i4"), ("id", ">i4"), ("origin_bytes", ">i4"), ("origin", ">i4"),
        ("vector_bytes", ">i4"), ("dimensions", ">i2"), ("unused", ">i2"), ("vector", ">u2", (dimensions,)),
    ]  # fmt: skip
    rows = np.zeros(len(ids), dtype=np.dtype(fields))
    rows["columns"], rows["id_bytes"], rows["origin_bytes"] = 3, 4, 4
    rows["id"], rows["origin"] = ids, origin
    rows["vector_bytes"], rows["dimensions"] = 4 + 2 * dimensions, dimensions
    rows["vector"] = vectors.astype(np.float16).view(np.uint16)
    return rows.tobytes()
