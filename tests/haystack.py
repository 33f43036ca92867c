"""Every file of an installation as bytes, and as what is packed in them: to find a string wherever it may be."""

import io
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from pyarrow import parquet

from lakehouse import database
from rag.lexical import Lexical
from rag.tokens import analyse

GIT = "connectors/git"


def holders(home: Path, database_url: str, needles: Collection[str]) -> dict[str, set[str]]:
    """Of each needle the files below the home that hold it, by path, and the tables of the database, by name."""
    found: dict[str, set[str]] = {needle: set() for needle in needles}
    for path in _files(home):
        parts = list(_parts(home, path))
        for needle in needles:
            if needle in path.name or any(needle.encode() in part for part in parts):
                found[needle].add(path.relative_to(home).as_posix())
    for needle in needles:
        found[needle] |= _indexes(home, needle) | _tables(database_url, needle)
    return found


def _files(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if path.is_file() and "models" not in path.relative_to(home).parts)


def _parts(home: Path, path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    yield data
    if data.startswith(b"PAR1"):
        yield "\n".join(str(column) for column in parquet.read_table(io.BytesIO(data)).to_pylist()).encode()
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if path.relative_to(home).as_posix().startswith(GIT):
        yield from _inflated(data)


def _inflated(data: bytes) -> Iterator[bytes]:
    """What git packs, wherever in the file it begins."""
    at = data.find(b"\x78")
    while at >= 0:
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[at:])
        at = data.find(b"\x78", at + 1)


def _indexes(home: Path, needle: str) -> set[str]:
    """Terms are kept as hashes; the index is asked for them."""
    terms = analyse(needle)
    folders = sorted((home / "indexes").glob("*/lexical"))
    return {
        f"{folder.relative_to(home)} (terms)"
        for folder in folders
        if terms and all(Lexical(folder, "any").frequencies(terms).values())
    }


def _tables(database_url: str, needle: str) -> set[str]:
    with database.transaction(database_url) as connection:
        names = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables "
            "where schemaname not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        return {
            str(name)
            for (name,) in names
            if connection.execute(
                f"select 1 from {name} as t where position(%s in t::text) > 0 limit 1",
                (needle,),
            ).fetchone()
        }
