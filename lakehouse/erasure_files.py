"""Files of bronze that go for good: objects, old Parquet files, and what names a tenant in the Delta logs."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs, parquet

from lakehouse.bronze import TABLES, Bronze, Commit, reaching
from lakehouse.durable_log import DIGITS, LOG
from lakehouse.erased import is_of_register
from lakehouse.objects import folder_of, object_key


class BronzeFiles:
    """By their paths below the root, wherever that is. Nothing else may write to bronze meanwhile."""

    def __init__(self, bronze: Bronze) -> None:
        self._bronze = bronze
        if bronze.url.startswith("file://"):
            folder_of(bronze.url).mkdir(parents=True, exist_ok=True)  # the handler wants the root to be there
        self._files = fs.PyFileSystem(DeltaStorageHandler(bronze.url, bronze.objects.delta_options()))

    def objects(self, tenant_id: str) -> dict[str, int]:
        """Hash → size."""
        found = {path.rpartition("/")[2]: size for path, size in self._below(f"{tenant_id}/objects")}
        return {name: size for name, size in found.items() if not name.startswith(".")}

    def remove_object(self, tenant_id: str, sha256: str) -> int:
        """Its size; 0 where it was gone."""
        return self._remove(object_key(tenant_id, sha256))

    def remove_tenant(self, tenant_id: str) -> int:
        """All objects, and what a write that was cut off left beside them."""
        freed = sum(self._remove(path) for path, _ in list(self._below(tenant_id)))
        if self._bronze.url.startswith("file://"):
            shutil.rmtree(folder_of(self._bronze.url) / tenant_id, ignore_errors=True)
        return freed

    def remove_leftovers(self, tenant_id: str) -> int:
        """Files that a write which was cut off left beside objects; they have no name yet."""
        paths = [path for path, _ in self._below(f"{tenant_id}/objects") if path.rpartition("/")[2].startswith(".new-")]
        return sum(self._remove(path) for path in paths)

    def drop_old_files(self, table: str) -> int:
        """What the newest version of the table does not name; returns how many files that were."""
        with reaching(self._bronze.url):
            target = self._open(table)
            dropped = target.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
        left = [path for path, _ in self._below(table) if path.rpartition("/")[2].startswith(".new-")]
        return len(dropped) + sum(1 for path in left if self._remove(path))

    def forget_tenant(self, table: str, tenant_id: str) -> None:
        """The table's log begins anew with a checkpoint that names neither files nor inputs of the tenant.

        Else the same input would be taken for landed if the tenant were created again.
        """
        self._bronze.commit(table, lambda _: Commit(TABLES[table].empty_table()))  # an entry without names
        with reaching(self._bronze.url):
            target = self._open(table)
            version = target.version()
            target.create_checkpoint()
            self._rewrite_checkpoint(table, version, tenant_id)
            older = [path for path, _ in self._below(f"{table}/{LOG}") if _version_of(path, version) < version]
            for path in sorted(older):
                self._remove(path)
        if self._bronze.url.startswith("file://"):
            shutil.rmtree(folder_of(f"{self._bronze.url}/{table}") / f"tenant_id={tenant_id}", ignore_errors=True)

    def _rewrite_checkpoint(self, table: str, version: int, tenant_id: str) -> None:
        path = f"{table}/{LOG}/{version:0{DIGITS}d}.checkpoint.parquet"
        with self._files.open_input_file(path) as file:
            actions = parquet.read_table(file)
        named = actions.select(["txn", "remove"]).to_pylist()
        kept = actions.take([number for number, action in enumerate(named) if not _names(action, tenant_id)])
        buffer = pa.BufferOutputStream()
        parquet.write_table(kept, buffer)
        data = buffer.getvalue().to_pybytes()
        self._replace(path, data)
        adds = kept.num_rows - kept["add"].null_count
        said = {"version": version, "size": kept.num_rows, "sizeInBytes": len(data), "numOfAddFiles": adds}
        self._replace(f"{table}/{LOG}/_last_checkpoint", json.dumps(said).encode())
        if self._bronze.url.startswith("file://"):
            os.sync()  # the entries that it stands for must not go before

    def _replace(self, path: str, data: bytes) -> None:
        """Whole or not at all: in a folder by a rename, in S3 by a copy."""
        beside = f"{path}.{uuid.uuid4().hex}"
        self._bronze.objects.put_part(beside, data)
        self._files.move(beside, path)

    def _open(self, table: str) -> DeltaTable:
        return DeltaTable(self._bronze.table_uri(table), storage_options=self._bronze.objects.delta_options())

    def _below(self, folder: str) -> Iterator[tuple[str, int]]:
        with reaching(self._bronze.url):
            found = self._files.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        return ((one.path, one.size) for one in found if one.is_file)

    def _remove(self, path: str) -> int:
        with reaching(self._bronze.url):
            size = self._files.get_file_info(path).size
            if size is None:
                return 0
            self._files.delete_file(path)
            return int(size)


def _version_of(path: str, otherwise: int) -> int:
    digits = path.rpartition("/")[2][:DIGITS]
    return int(digits) if digits.isdigit() else otherwise


def _names(action: dict[str, Any], tenant_id: str) -> bool:
    """Whether it says which inputs of the tenant have landed, or which of its files there were."""
    if action["txn"]:
        name = str(action["txn"]["appId"])
        return name.split(":")[1:2] == [tenant_id] and not is_of_register(name)
    return bool(action["remove"]) and dict(action["remove"]["partitionValues"] or ()).get("tenant_id") == tenant_id
