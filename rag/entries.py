"""Rows of an index version → entries of its lexical files, bucket by bucket."""

from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from psycopg.rows import args_row
from psycopg.sql import SQL, Identifier

from lakehouse.database import Connection
from rag.changes import Changes
from rag.checksums import VISIBLE
from rag.lexical_files import Entry, bucket_count, bucket_of, can_grow, write

ENTRIES: Final = """
with bucketed as (
    select *, ('x' || substr(md5(tenant_id || '/' || document_id), 1, 7))::bit(28)::int %% %(count)s as bucket
    from {table}
    where {visible}
)

select
    bucket,
    tenant_id,
    chunk_id,
    concat_ws(' ', title, array_to_string(heading_path, ' ')) as head,
    concat_ws(' ', lead, text) as body,
    product,
    release_key,
    recorded_at,
    valid_to
from bucketed
where bucket = any(%(buckets)s)
order by bucket, tenant_id collate "C", chunk_id collate "C"
"""


def write_files(connection: Connection, path: Path, table: str, number: int, chunks: int) -> None:
    """All files of a version, from its rows."""
    count = bucket_count(chunks)
    write(path, _buckets(connection, table, number, count, range(count)), count)


def grow_files(
    connection: Connection, path: Path, table: str, number: int, chunks: int, base: Path, changes: Changes
) -> None:
    """Those buckets whose documents changed since the version at `base`; the others are shared with it.

    All are written where that version's files are missing, have another number of buckets, or hold something else than
    its rows, as they do between an erasure and their own renewal.
    """
    count = bucket_count(chunks)
    if changes.added is None or not can_grow(base, count):
        return write_files(connection, path, table, number, chunks)
    touched = {bucket_of(tenant, document, count) for tenant, document in (*changes.removed, *changes.added)}
    written = write(path, _buckets(connection, table, number, count, touched), count, base)
    if written != chunks:
        write_files(connection, path, table, number, chunks)
    return None


def _buckets(
    connection: Connection, table: str, number: int, count: int, wanted: Collection[int]
) -> Iterator[tuple[int, Iterator[Entry]]]:
    """Also those that have become empty."""
    statement = SQL(ENTRIES).format(table=Identifier("search", table), visible=SQL(VISIBLE))
    said = {"number": number, "count": count, "buckets": sorted(wanted)}
    empty = set(wanted)
    with connection.transaction(), connection.cursor("entries", row_factory=args_row(_entry)) as cursor:
        cursor.itersize = 2000
        for bucket, rows in groupby(cursor.execute(statement, said), key=lambda row: row[0]):
            empty.discard(bucket)
            yield bucket, (entry for _, entry in rows)
    yield from ((bucket, iter(())) for bucket in sorted(empty))


def _entry(bucket: int, *columns: object) -> tuple[int, Entry]:
    return bucket, Entry(*columns)  # type: ignore[arg-type]  # the columns of ENTRIES
