"""What a Delta log remembers by name, all of it at once: delta-rs looks for one name by going through the whole log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs, parquet

from lakehouse.durable_log import DIGITS, ENTRY, LOG
from lakehouse.objects import folder_of

# With more names a checkpoint is read again: it has those no more that the table was allowed to forget.
MOST: Final = 500_000


@dataclass(frozen=True)
class Positions:
    """Application transaction id -> version, as of one version of the table."""

    version: int
    names: dict[str, int]


def read_positions(table: DeltaTable, before: Positions | None = None) -> Positions:
    """100,000 names take 0.3 s; one alone, by delta-rs, 6 ms. before: of an earlier version, which is used up."""
    if before and before.version == table.version():
        return before
    files = in_folder(table) or fs.PyFileSystem(DeltaStorageHandler.from_table(table._table))
    if before is None or len(before.names) > MOST:
        before = _read_checkpoint(files, table.version())
    for version in range(before.version + 1, table.version() + 1):
        before.names.update(_read_entry(files, version))
    return Positions(table.version(), before.names)


def in_folder(table: DeltaTable) -> fs.FileSystem | None:
    """The files of a table that lies in a folder, read by Arrow itself; None where it lies elsewhere.

    By way of delta-rs the threads of Arrow would call Python, and one that does so while the interpreter ends aborts
    the process.
    """
    root = table.table_uri
    return fs.SubTreeFileSystem(str(folder_of(root)), fs.LocalFileSystem()) if root.startswith("file://") else None


def _read_checkpoint(files: fs.FileSystem, version: int) -> Positions:
    """The newest one up to the version, which may lie in several files; -1 where there is none."""
    found: dict[int, list[str]] = {}
    for info in files.get_file_info(fs.FileSelector(LOG)):
        name = info.path.rpartition("/")[2]
        if ".checkpoint." in name and name.endswith(".parquet") and int(name[:DIGITS]) <= version:
            found.setdefault(int(name[:DIGITS]), []).append(info.path)
    if not found:
        return Positions(-1, {})
    known: dict[str, int] = {}
    for path in found[max(found)]:
        named = parquet.read_table(path, columns=["txn"], filesystem=files)["txn"].combine_chunks().drop_null()
        known.update(zip(named.field("appId").to_pylist(), named.field("version").to_pylist(), strict=True))
    return Positions(max(found), known)


def _read_entry(files: fs.FileSystem, version: int) -> Iterator[tuple[str, int]]:
    with files.open_input_file(f"{LOG}/{ENTRY.format(version)}") as entry:
        for line in entry.read().splitlines():
            if b'"txn"' in line and (named := json.loads(line).get("txn")):
                yield named["appId"], named["version"]
