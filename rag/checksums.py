"""A sum over chunks, so that what is added and what goes can be added and taken away, in any order."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

from pgvector import HalfVector
from psycopg.sql import SQL, Composed, Identifier

from lakehouse.database import Connection

# Of each chunk, the first 60 bits of a hash of all that must not change.
TOTAL: Final = """
select count(*), coalesce(sum(('x' || substr(md5(concat_ws('|', {columns})), 1, 15))::bit(60)::bigint), 0)
from {rows}
"""
RETURNING: Final = "with changed as ({change} returning *) {total}"
SUMMED: Final = "tenant_id, chunk_id, byte_start, byte_end, md5(text)"
WITH_VECTORS: Final = SUMMED + ", md5(halfvec_send(embedding))"

VISIBLE: Final = "added <= %(number)s and (removed is null or removed > %(number)s)"
WRITTEN: Final = "added = %(number)s"


@dataclass(frozen=True)
class Total:
    """Of some chunks: how many, and their sum modulo 2^64 in hexadecimal digits."""

    chunks: int = 0
    checksum: str = f"{0:016x}"

    def __add__(self, other: "Total") -> "Total":
        return Total(self.chunks + other.chunks, digest(int(self.checksum, 16) + int(other.checksum, 16)))

    def __sub__(self, other: "Total") -> "Total":
        return Total(self.chunks - other.chunks, digest(int(self.checksum, 16) - int(other.checksum, 16)))


def read_total(
    connection: Connection, table: str, number: int, rows: LiteralString = VISIBLE, *, vectors: bool = True
) -> Total:
    """Of the rows of a version as they are stored: all of them (VISIBLE) or those that it added (WRITTEN).

    vectors: False leaves them out. Their last bits hang on the texts that were embedded beside theirs, so an index that
    grew and one that is made at once may differ in them.
    """
    return _total(
        connection,
        SQL(TOTAL).format(
            columns=SQL(WITH_VECTORS if vectors else SUMMED),
            rows=SQL("{} where {}").format(Identifier("search", table), SQL(rows)),
        ),
        {"number": number},
    )


def count_chunks(connection: Connection, table: str, number: int) -> int:
    statement = SQL("select count(*) from {} where {}").format(Identifier("search", table), SQL(VISIBLE))
    row = connection.execute(statement, {"number": number}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return int(str(row[0]))


def sum_of(connection: Connection, change: Composed, said: Mapping[str, object]) -> Total:
    """Of the rows of search.chunks that an update or a delete changes, which this executes."""
    total = SQL(TOTAL).format(columns=SQL(WITH_VECTORS), rows=SQL("changed"))
    return _total(connection, SQL(RETURNING).format(change=change, total=total), said)


def _total(connection: Connection, statement: Composed, said: Mapping[str, object]) -> Total:
    row = connection.execute(statement, said).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return Total(int(str(row[0])), digest(int(str(row[1]))))


def checksum(tenant_id: str, chunk_id: str, byte_start: int, byte_end: int, text: str, vector: HalfVector) -> int:
    """What TOTAL sums, of one chunk that is about to be written."""
    fields = (tenant_id, chunk_id, byte_start, byte_end, _md5(text.encode()), _md5(vector.to_binary()))
    return int(_md5("|".join(map(str, fields)).encode())[:15], 16)


def digest(total: int) -> str:
    return f"{total % (1 << 64):016x}"


def table_of(family: str) -> str:
    """The partition of search.chunks that holds a family."""
    return f"chunks_{family}"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
