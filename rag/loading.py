"""Gold → rows of an index version: documents are split, texts not seen before are embedded, chunks are copied in."""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import Any, Final, LiteralString

from pgvector import HalfVector
from psycopg.rows import class_row, tuple_row
from psycopg.sql import SQL, Identifier

from lakehouse.database import Connection
from rag.changes import ROW_MD5, Key
from rag.checksums import Total, checksum, digest, sum_of
from rag.context import release_key
from rag.embedder import Embedder
from rag.places import Place, places_of, telling_name
from rag.splitter import Chunk, embedding_text, split
from rag.version_order import version_key

# Chunks that are in memory with their texts and vectors at once: 2,000 are about 6 MB.
BATCH: Final = 2000
Progress = Callable[[int, int], None]  # documents and chunks done

DOCUMENTS: Final = f"""
select
    tenant_id, document_id, kind, title, text, object_sha256, byte_start, byte_end, product, version_from, version_to,
    valid_from, valid_to, recorded_at, classification, url, path, included_in, {ROW_MD5}::uuid as row_md5
from gold.documents
where %(all)s or (tenant_id, document_id) in (select * from unnest(%(tenants)s::text[], %(documents)s::text[]))
order by tenant_id collate "C", document_id collate "C"
"""

REMOVE_ALL: Final = "update {table} set removed = %(number)s where family = %(family)s and removed is null"
REMOVE: Final = """
update {table} set removed = %(number)s
where family = %(family)s and removed is null
    and (tenant_id, document_id) in (select * from unnest(%(tenants)s::text[], %(documents)s::text[]))
"""

CACHED: Final = "select text_sha256, embedding from search.embeddings where embedder = %s and text_sha256 = any(%s)"
REMEMBER: Final = "insert into search.embeddings values (%s, %s, %s) on conflict do nothing"

COLUMNS: Final[dict[LiteralString, LiteralString]] = {
    "family": "text", "added": "int8",
    "tenant_id": "text", "chunk_id": "text", "document_id": "text", "ordinal": "int4",
    "kind": "text", "title": "text", "heading_path": "text[]", "lead": "text", "text": "text", "object_sha256": "text",
    "byte_start": "int8", "byte_end": "int8", "product": "text", "version_from": "text", "version_to": "text",
    "version_key": "int8[]", "release_key": "text", "valid_from": "timestamptz", "valid_to": "timestamptz",
    "recorded_at": "timestamptz", "classification": "text", "url": "text", "name": "text", "embedding": "halfvec",
}  # fmt: skip
DOCUMENT_COLUMNS: Final[dict[LiteralString, LiteralString]] = {
    "family": "text", "added": "int8", "tenant_id": "text", "document_id": "text", "row_md5": "uuid", "chunks": "int4",
}  # fmt: skip


@dataclass(frozen=True)
class Document:
    tenant_id: str
    document_id: str
    kind: str
    title: str
    text: str
    object_sha256: str
    byte_start: int
    byte_end: int
    product: str | None
    version_from: str | None
    version_to: str | None
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    classification: str
    url: str | None
    path: str | None
    included_in: list[dict[str, Any]] | None
    row_md5: uuid.UUID


@dataclass(frozen=True)
class Row:
    """One row of search.chunks in the order of COLUMNS, without family, number and embedding."""

    tenant_id: str
    chunk_id: str
    document_id: str
    ordinal: int
    kind: str
    title: str
    heading_path: list[str]
    lead: str
    text: str
    object_sha256: str
    byte_start: int
    byte_end: int
    product: str | None
    version_from: str | None
    version_to: str | None
    version_key: list[int]
    release_key: str | None
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    classification: str
    url: str | None
    name: str


@dataclass(frozen=True)
class Target:
    """Where the rows of a build go."""

    family: str
    number: int
    table: str


@dataclass(frozen=True)
class Loaded:
    """`total` is of what was written, to be compared with what is read back."""

    total: Total
    embedded: int


def load(
    gold: Connection,
    cache: Connection,
    writer: Connection,
    target: Target,
    added: Sequence[Key] | None,
    embedder: Embedder,
    progress: Progress | None,
) -> Loaded:
    """Add these documents of gold, None for all. What is embedded is committed to the cache at once, come what may."""
    documents = chunks = embedded = total = 0
    for batch in _batches(gold, added):
        rows = [row for _, its in batch for row in its]
        texts = [embedding_text(row.title, tuple(row.heading_path), row.text, row.lead) for row in rows]
        vectors, computed = _vectors(cache, embedder, texts)
        place = (target.family, target.number)
        _copy(
            writer,
            target.table,
            COLUMNS,
            ((*place, *astuple(row), vector) for row, vector in zip(rows, vectors, strict=True)),
        )
        _copy(
            writer,
            "documents",
            DOCUMENT_COLUMNS,
            ((*place, d.tenant_id, d.document_id, d.row_md5, len(its)) for d, its in batch),
        )
        documents, chunks, embedded = documents + len(batch), chunks + len(rows), embedded + computed
        total += sum(
            checksum(row.tenant_id, row.chunk_id, row.byte_start, row.byte_end, row.text, vector)
            for row, vector in zip(rows, vectors, strict=True)
        )
        if progress:
            progress(documents, chunks)
    return Loaded(Total(chunks, digest(total)), embedded)


def remove(writer: Connection, target: Target, keys: Sequence[Key]) -> Total:
    """Take these documents out of this version and what follows; versions before it keep their rows."""
    said = {"family": target.family, "number": target.number, **_arrays(keys)}
    writer.execute(SQL(REMOVE).format(table=Identifier("search", "documents")), said)
    return sum_of(writer, SQL(REMOVE).format(table=Identifier("search", target.table)), said)


def remove_all(writer: Connection, target: Target) -> None:
    for table in ("documents", target.table):
        statement = SQL(REMOVE_ALL).format(table=Identifier("search", table))
        writer.execute(statement, {"family": target.family, "number": target.number})


def _batches(gold: Connection, added: Sequence[Key] | None) -> Iterator[list[tuple[Document, list[Row]]]]:
    """Documents with their chunks, BATCH chunks at a time or as many as one document has more."""
    count = 0
    batch: list[tuple[Document, list[Row]]] = []
    with gold.cursor("documents", row_factory=class_row(Document)) as cursor:
        cursor.itersize = 20  # a document may have 20 MB
        for document in cursor.execute(DOCUMENTS, {"all": added is None, **_arrays(added or [])}):
            rows = list(_rows(document))
            batch.append((replace(document, text=""), rows))
            count += len(rows)
            if count >= BATCH:
                yield batch
                count, batch = 0, []
    if batch:
        yield batch


def _rows(d: Document) -> Iterator[Row]:
    key = None if d.product is None else release_key(d.tenant_id, d.product, d.kind, d.version_from)
    numbers = [number for number in version_key(d.version_from or "") if number < 1 << 63]
    name = telling_name(d.path, d.kind, d.title, d.text)
    for ordinal, (place, chunk) in enumerate(_chunks(d)):
        yield Row(
            d.tenant_id, f"{d.document_id}.{ordinal}", d.document_id, ordinal, d.kind, place.title,
            [*place.heading_path, *chunk.heading_path], chunk.lead, chunk.text, d.object_sha256, chunk.byte_start,
            chunk.byte_end, d.product, d.version_from, d.version_to, numbers, key,
            d.valid_from, d.valid_to, d.recorded_at, d.classification, d.url, name,
        )  # fmt: skip


def _chunks(d: Document) -> Iterator[tuple[Place, Chunk]]:
    """Once for each place where a page includes it, the bytes each time being its own; else once, as it stands."""
    for place in places_of(d.title, d.included_in):
        for chunk in split(d.text, title=place.describe(), kind=d.kind, byte_start=d.byte_start):
            yield place, chunk


def _vectors(cache: Connection, embedder: Embedder, texts: Sequence[str]) -> tuple[list[HalfVector], int]:
    """A vector for each text, and how many of them had to be computed."""
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    with cache.cursor(row_factory=tuple_row, binary=True) as cursor:
        known: dict[bytes, HalfVector] = dict(cursor.execute(CACHED, (embedder.name, list(set(keys)))).fetchall())
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        computed = embedder.embed(list(missing.values()))
        fresh = {key: HalfVector(vector) for key, vector in zip(missing, computed, strict=True)}
        with cache.transaction(), cache.cursor() as cursor:
            cursor.executemany(REMEMBER, [(embedder.name, key, vector) for key, vector in fresh.items()])
        known |= fresh
    return [known[key] for key in keys], len(missing)


def _copy(
    writer: Connection,
    table: str,
    columns: Mapping[LiteralString, LiteralString],
    rows: Iterable[tuple[object, ...]],
) -> None:
    names = SQL(", ").join(map(Identifier, columns))
    statement = SQL("copy {} ({}) from stdin (format binary)").format(Identifier("search", table), names)
    with writer.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def _arrays(keys: Sequence[Key]) -> dict[str, list[str]]:
    return {"tenants": [tenant for tenant, _ in keys], "documents": [document for _, document in keys]}
