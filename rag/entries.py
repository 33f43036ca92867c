"""Rows of an index version → entries of its lexical files, bucket by bucket."""

from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, LiteralString

from psycopg.rows import args_row
from psycopg.sql import SQL, Identifier

from lakehouse.database import Connection
from rag import segments
from rag.changes import Changes, Key
from rag.checksums import VISIBLE, WRITTEN
from rag.lexical_files import bucket_count, bucket_of, can_grow, file_of, write
from rag.segments import Entry, Segment

ENTRIES: Final = """
with bucketed as (
    select *, ('x' || substr(md5(tenant_id || '/' || document_id), 1, 7))::bit(28)::int %% %(count)s as bucket
    from {table}
    where {rows}
)

select
    bucket,
    tenant_id,
    chunk_id,
    concat_ws(' ', title, array_to_string(heading_path, ' '), name) as head,
    concat_ws(' ', lead, text) as body,
    product,
    release_key,
    recorded_at,
    valid_to,
    kind,
    halfvec_send(embedding) as vector
from bucketed
where bucket = any(%(buckets)s)
order by bucket
"""


def write_files(connection: Connection, path: Path, table: str, number: int, chunks: int) -> None:
    """All files of a version, from its rows."""
    count = bucket_count(chunks)
    rows = _buckets(connection, table, number, count, range(count), VISIBLE)
    write(path, ((bucket, segments.make(entries)) for bucket, entries in rows), count)


def grow_files(
    connection: Connection, path: Path, table: str, number: int, chunks: int, base: Path, changes: Changes
) -> None:
    """Those buckets whose documents changed since the version at `base`; the others are shared with it.

    All are written from rows where that version's files are missing, have another number of buckets, or hold something
    else than its rows, as they do between an erasure and their own renewal.
    """
    count = bucket_count(chunks)
    if changes.added is None or not can_grow(base, count):
        return write_files(connection, path, table, number, chunks)
    gone: dict[int, set[Key]] = {}
    for document in changes.removed:
        gone.setdefault(bucket_of(*document, count), set()).add(document)
    touched = gone.keys() | {bucket_of(*document, count) for document in changes.added}
    added = _buckets(connection, table, number, count, touched, WRITTEN)
    written = write(path, _revised(base, count, gone, added), count, base)
    if written != chunks:
        write_files(connection, path, table, number, chunks)
    return None


def _revised(
    base: Path, count: int, gone: dict[int, set[Key]], added: Iterator[tuple[int, Iterator[Entry]]]
) -> Iterator[tuple[int, Segment]]:
    for bucket, entries in added:
        yield bucket, segments.revise(segments.read(file_of(base, bucket, count)), gone.get(bucket, set()), entries)


def _buckets(
    connection: Connection, table: str, number: int, count: int, wanted: Collection[int], rows: LiteralString
) -> Iterator[tuple[int, Iterator[Entry]]]:
    """Also those that none of the rows is of."""
    statement = SQL(ENTRIES).format(table=Identifier("search", table), rows=SQL(rows))
    said = {"number": number, "count": count, "buckets": sorted(wanted)}
    empty = set(wanted)
    with connection.transaction(), connection.cursor("entries", row_factory=args_row(_entry), binary=True) as cursor:
        cursor.itersize = 2000
        for bucket, found in groupby(cursor.execute(statement, said), key=lambda row: row[0]):
            empty.discard(bucket)
            yield bucket, (entry for _, entry in found)
    yield from ((bucket, iter(())) for bucket in sorted(empty))


def _entry(bucket: int, *columns: object) -> tuple[int, Entry]:
    return bucket, Entry(*columns)  # type: ignore[arg-type]  # the columns of ENTRIES
