"""Immutable bytes, named by their SHA-256: `<root>/<tenant_id>/objects/<sha256[:2]>/<sha256>` in a folder or in S3."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit

from lakehouse.durable_log import make_folder, sync
from lakehouse.errors import CorruptObject, Misused, ObjectStoreUnavailable, UnknownObject
from lakehouse.tenants import NAME

SHA256 = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 20


class ObjectStore(Protocol):
    """Putting the same bytes twice changes nothing; an object that is there is never written again."""

    def put(self, tenant_id: str, data: bytes) -> str:
        """The SHA-256 that names the bytes from now on."""
        ...

    def put_file(self, tenant_id: str, path: Path) -> str:
        """The same for a file of any size, in constant memory."""
        ...

    def get(self, tenant_id: str, sha256: str, start: int = 0, end: int | None = None) -> bytes:
        """`object[start:end]`. A full read is checked against the hash: CorruptObject where it differs.

        Raises UnknownObject where nothing is stored under that name.
        """
        ...

    def exists(self, tenant_id: str, sha256: str) -> bool: ...

    def put_part(self, path: str, data: bytes | memoryview) -> None:
        """A file of a table, at a path below the root that no other file ever had; durable on return."""
        ...

    def delta_options(self) -> dict[str, str]:
        """What `deltalake` must be told to reach the same place."""
        ...


def open_objects(bronze_url: str) -> ObjectStore:
    """The store behind a `file://` or `s3://` URL. Nothing is read or written yet."""
    parts = urlsplit(bronze_url)
    if parts.scheme == "file":
        return FolderStore(folder_of(bronze_url))
    if parts.scheme == "s3" and parts.netloc:
        from lakehouse.s3 import S3Store

        return S3Store(bucket=parts.netloc, prefix=parts.path.strip("/"))
    raise Misused(f"'{bronze_url}' is no place for bronze: use file:///folder or s3://bucket/prefix")


def folder_of(file_url: str) -> Path:
    return Path(unquote(urlsplit(file_url).path))


def object_key(tenant_id: str, sha256: str) -> str:
    """The path below the root. Names from outside become paths here only, so they are checked here."""
    if not NAME.fullmatch(tenant_id):
        raise Misused(f"'{tenant_id}' is no tenant name, so it names no folder of objects")
    if not SHA256.fullmatch(sha256):
        raise Misused(f"'{sha256}' is no SHA-256 (64 of 0-9 and a-f), so it names no object")
    return f"{tenant_id}/objects/{sha256[:2]}/{sha256}"


def check_hash(sha256: str, data: bytes, where: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CorruptObject(sha256, where)
    return data


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FolderStore:
    """Objects below a folder. Each is written beside its place, synced, and then linked into it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, tenant_id: str, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        target = self._path(tenant_id, sha256)
        if not target.exists():
            with self._writing(target.parent) as file:
                file.write(data)
                self._publish(file, target)
        return sha256

    def put_file(self, tenant_id: str, path: Path) -> str:
        sha256 = hash_file(path)
        target = self._path(tenant_id, sha256)
        if target.exists():
            return sha256
        copied = hashlib.sha256()
        with path.open("rb") as source, self._writing(target.parent) as file:
            while block := source.read(BLOCK):
                copied.update(block)
                file.write(block)
            sha256 = copied.hexdigest()  # another one where the file grew meanwhile: the bytes stored decide
            self._publish(file, self._path(tenant_id, sha256))
        return sha256

    def get(self, tenant_id: str, sha256: str, start: int = 0, end: int | None = None) -> bytes:
        path = self._path(tenant_id, sha256)
        try:
            with path.open("rb") as file:
                if start == 0 and end is None:
                    return check_hash(sha256, file.read(), str(path))
                file.seek(start)
                return file.read() if end is None else file.read(max(0, end - start))
        except FileNotFoundError as error:
            raise UnknownObject(tenant_id, sha256) from error
        except OSError as error:
            raise ObjectStoreUnavailable(str(self.root), error) from error

    def exists(self, tenant_id: str, sha256: str) -> bool:
        return self._path(tenant_id, sha256).exists()

    def put_part(self, path: str, data: bytes | memoryview) -> None:
        target = self.root / path
        with self._writing(target.parent) as file:
            file.write(data)
            self._publish(file, target)

    def delta_options(self) -> dict[str, str]:
        return {}

    def _path(self, tenant_id: str, sha256: str) -> Path:
        return self.root / object_key(tenant_id, sha256)

    @contextmanager
    def _writing(self, folder: Path) -> Iterator[IO[bytes]]:
        """A file that is gone at the end of the block, unless it was published."""
        try:
            make_folder(folder)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-") as file:
                yield file
        except OSError as error:
            raise ObjectStoreUnavailable(str(self.root), error) from error

    def _publish(self, file: IO[bytes], target: Path) -> None:
        """All of it or nothing: synced under its own name first, then linked to the one that readers know."""
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
        make_folder(target.parent)
        with _already_there_is_fine():
            os.link(file.name, target)
        sync(target.parent)


@contextmanager
def _already_there_is_fine() -> Iterator[None]:
    """Another writer of the same bytes was first."""
    try:
        yield
    except FileExistsError:
        return
