"""Arrow tables into Postgres by binary COPY."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder

from lakehouse.database import Connection

END: Final = b"\xff\xff"


def copy_rows(connection: Connection, table: str, rows: pa.Table) -> int:
    """Into the columns of the same names; returns how many rows these were."""
    with copying(connection, table, rows.schema) as copy:
        copy.write(encode(rows))
    return len(rows)


@contextmanager
def copying(connection: Connection, table: str, schema: pa.Schema, *, freeze: bool = False) -> Iterator[psycopg.Copy]:
    """Takes rows of the schema as `encode` gives them.

    freeze: for a table that this transaction made. Else the first query that reads the rows afterwards marks each as
    committed and writes all pages once more, and into the log, as pages have checksums.
    """
    encoder = ArrowToPostgresBinaryEncoder(schema)
    target = f"{table} ({', '.join(schema.names)})"
    options = "format binary, freeze" if freeze else "format binary"
    with connection.cursor() as cursor, cursor.copy(f"copy {target} from stdin ({options})".encode()) as copy:
        copy.write(encoder.write_header())
        yield copy
        copy.write(END)


def encode(rows: pa.Table) -> bytes:
    """Without header and end. The encoder keeps up to 64 kB to itself until it is told that all is said."""
    encoder = ArrowToPostgresBinaryEncoder(rows.schema)
    encoder.write_header()
    batches = [encoder.write_batch(batch) for batch in rows.combine_chunks().to_batches()]
    return b"".join([*batches, encoder.finish().removesuffix(END)])
