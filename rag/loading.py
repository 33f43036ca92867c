"""Gold → rows of an index version: documents are split, texts not seen before are embedded, chunks are copied in."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Final, LiteralString

from pgvector import Vector
from psycopg.rows import class_row, tuple_row
from psycopg.sql import SQL, Composed, Identifier

from lakehouse.database import Connection
from rag.context import release_key, version_key
from rag.embedder import Embedder
from rag.splitter import embedding_text, split

# Chunks that are in memory with their texts and vectors at once: 2,000 are about 6 MB.
BATCH: Final = 2000
Progress = Callable[[int, int], None]  # documents and chunks done

# All that an index is made of; `text` is left out because the object's hash and the bytes stand for it.
SNAPSHOT: Final = """
select
    md5(coalesce(string_agg(md5(row(
        tenant_id, document_id, kind, title, object_sha256, byte_start, byte_end, product, version_from, version_to,
        valid_from at time zone 'UTC', valid_to at time zone 'UTC', recorded_at at time zone 'UTC', classification, url
    )::text), '' order by tenant_id collate "C", document_id collate "C"), ''))
from gold.documents
"""

DOCUMENTS: Final = """
select
    tenant_id, document_id, kind, title, text, object_sha256, byte_start, byte_end, product, version_from, version_to,
    valid_from, valid_to, recorded_at, classification, url
from gold.documents
order by tenant_id collate "C", document_id collate "C"
"""

CACHED: Final = "select text_sha256, embedding from search.embeddings where embedder = %s and text_sha256 = any(%s)"
REMEMBER: Final = "insert into search.embeddings values (%s, %s, %s) on conflict do nothing"

COLUMNS: Final[dict[LiteralString, LiteralString]] = {
    "index_version": "text", "tenant_id": "text", "chunk_id": "text", "document_id": "text", "ordinal": "int4",
    "kind": "text", "title": "text", "heading_path": "text[]", "lead": "text", "text": "text", "object_sha256": "text",
    "byte_start": "int8", "byte_end": "int8", "product": "text", "version_from": "text", "version_to": "text",
    "version_key": "int8[]", "release_key": "text", "valid_from": "timestamptz", "valid_to": "timestamptz",
    "recorded_at": "timestamptz", "classification": "text", "url": "text", "embedding": "vector",
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


@dataclass(frozen=True)
class Row:
    """One row of search.chunks in the order of COLUMNS, without index version and embedding."""

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


@dataclass(frozen=True)
class Loaded:
    """`checksum` is of what was written, to be compared with what is read back."""

    documents: int = 0
    chunks: int = 0
    embedded: int = 0
    checksum: str = ""


# Of each chunk, the first 60 bits of a hash of all that must not change; added up, so that the order does not matter.
CHECKSUM: Final = """
select count(*), coalesce(sum(('x' || substr(md5(concat_ws('|', {columns})), 1, 15))::bit(60)::bigint), 0) from {table}
"""
SUMMED: Final = "tenant_id, chunk_id, byte_start, byte_end, md5(text)"
WITH_VECTORS: Final = SUMMED + ", md5(vector_send(embedding))"


def take_snapshot(connection: Connection) -> str:
    """A hash of what gold.documents says. The transaction keeps seeing these rows."""
    connection.execute("set transaction isolation level repeatable read read only")
    return str(_one_row(connection, SNAPSHOT)[0])


def read_checksum(connection: Connection, table: str, *, vectors: bool = True) -> tuple[int, str]:
    """Number of chunks in the table, and their checksum as `load` computes it.

    vectors: False leaves them out. Their last bits (up to 1e-7) hang on the texts that were embedded beside theirs, so
    an index that grew and one that is made at once differ in them.
    """
    columns = SQL(WITH_VECTORS if vectors else SUMMED)
    count, total = _one_row(connection, SQL(CHECKSUM).format(columns=columns, table=Identifier("search", table)))
    return int(str(count)), _digest(int(str(total)))


def load(
    gold: Connection,
    cache: Connection,
    writer: Connection,
    index_version: str,
    table: str,
    embedder: Embedder,
    progress: Progress | None,
) -> Loaded:
    """Fill `table` from gold. What is embedded is committed to the cache at once, whatever becomes of the rest."""
    documents = chunks = embedded = total = 0
    for count, rows in _batches(gold):
        texts = [embedding_text(row.title, tuple(row.heading_path), row.text, row.lead) for row in rows]
        vectors, computed = _vectors(cache, embedder, texts)
        _copy(
            writer, table, [(index_version, *astuple(row), vector) for row, vector in zip(rows, vectors, strict=True)]
        )
        documents, chunks, embedded = documents + count, chunks + len(rows), embedded + computed
        total += sum(map(_checksum, rows, vectors))
        if progress:
            progress(documents, chunks)
    return Loaded(documents, chunks, embedded, _digest(total))


def _checksum(row: Row, vector: Vector) -> int:
    fields = (
        row.tenant_id,
        row.chunk_id,
        row.byte_start,
        row.byte_end,
        _md5(row.text.encode()),
        _md5(vector.to_binary()),
    )
    return int(_md5("|".join(map(str, fields)).encode())[:15], 16)


def _digest(total: int) -> str:
    return f"{total % (1 << 64):016x}"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _batches(gold: Connection) -> Iterator[tuple[int, list[Row]]]:
    """Number of documents and their chunks, BATCH chunks at a time or as many as one document has more."""
    count = 0
    rows: list[Row] = []
    with gold.cursor("documents", row_factory=class_row(Document)) as cursor:
        cursor.itersize = 20  # a document may have 20 MB
        for document in cursor.execute(DOCUMENTS):
            rows.extend(_rows(document))
            count += 1
            if len(rows) >= BATCH:
                yield count, rows
                count, rows = 0, []
    if count:
        yield count, rows


def _rows(d: Document) -> Iterator[Row]:
    key = None if d.product is None else release_key(d.tenant_id, d.product, d.kind, d.version_from)
    numbers = [number for number in version_key(d.version_from or "") if number < 1 << 63]
    for chunk in split(d.text, title=d.title, kind=d.kind, byte_start=d.byte_start):
        yield Row(
            d.tenant_id, f"{d.document_id}.{chunk.ordinal}", d.document_id, chunk.ordinal, d.kind, d.title,
            list(chunk.heading_path), chunk.lead, chunk.text, d.object_sha256, chunk.byte_start, chunk.byte_end,
            d.product, d.version_from, d.version_to, numbers, key,
            d.valid_from, d.valid_to, d.recorded_at, d.classification, d.url,
        )  # fmt: skip


def _vectors(cache: Connection, embedder: Embedder, texts: Sequence[str]) -> tuple[list[Vector], int]:
    """A vector for each text, and how many of them had to be computed."""
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    with cache.cursor(row_factory=tuple_row, binary=True) as cursor:
        known: dict[bytes, Vector] = dict(cursor.execute(CACHED, (embedder.name, list(set(keys)))).fetchall())
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        computed = embedder.embed(list(missing.values()))
        fresh = {key: Vector(vector) for key, vector in zip(missing, computed, strict=True)}
        with cache.transaction(), cache.cursor() as cursor:
            cursor.executemany(REMEMBER, [(embedder.name, key, vector) for key, vector in fresh.items()])
        known |= fresh
    return [known[key] for key in keys], len(missing)


def _copy(writer: Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    columns = SQL(", ").join(map(Identifier, COLUMNS))
    statement = SQL("copy {} ({}) from stdin (format binary)").format(Identifier("search", table), columns)
    with writer.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(COLUMNS.values()))
        for row in rows:
            copy.write_row(row)


def _one_row(connection: Connection, statement: LiteralString | Composed) -> tuple[object, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return row
