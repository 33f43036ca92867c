"""A client of a bronze in S3: what it was told, and that in the end exactly that is there."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from lakehouse.bronze import Bronze
from lakehouse.errors import IotopsError
from lakehouse.maintenance import maintain
from lakehouse.s3 import S3Store
from tests.crashing import rows
from tests.fault_proxy import FaultProxy

PART = 5 << 20  # the least that S3 takes for a part but the last
ROWS = 7


@dataclass
class Client:
    """names: of the commits that it tried; objects: those that it tried to put."""

    bronze: Bronze
    folder: Path
    dice: random.Random
    names: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refusals: list[tuple[str, IotopsError]] = field(default_factory=list)

    def attempt(self, what: str, call: Callable[[], Any]) -> bool:
        """Whether it was acknowledged. Anything but one clear error is a failure of the test."""
        try:
            call()
        except IotopsError as error:
            self.refusals.append((what, error))
            return False
        return True

    def put(self, size: int) -> None:
        self.put_bytes(self.dice.randbytes(size))

    def put_bytes(self, data: bytes) -> None:
        sha256 = hashlib.sha256(data).hexdigest()
        self.objects[sha256] = data
        if len(data) < PART:
            done = self.attempt("put", lambda: self.bronze.objects.put("acme", data))
        else:
            path = self.folder / sha256
            path.write_bytes(data)
            done = self.attempt("put_file", lambda: self.bronze.objects.put_file("acme", path))
        if done:
            self.acknowledged.add(sha256)

    def append(self) -> None:
        self.append_named(self.dice.randbytes(32).hex())

    def append_named(self, name: str) -> None:
        self.names.append(name)
        if self.attempt("append", lambda: self.bronze.append_missing("telemetry", {name: rows(name, ROWS)})):
            self.acknowledged.add(name)

    def read(self) -> None:
        """What is read is whole; whether it is read is another matter."""
        self.attempt("read", lambda: self.check_rows(self.rows()))
        for sha256 in self.objects.keys() & self.acknowledged:
            self.attempt("get", lambda sha256=sha256: self.check_object(sha256))  # type: ignore[misc]

    def care(self) -> None:
        self.attempt("maintain", lambda: maintain(self.bronze, kept_hours=0))

    def rows(self) -> list[tuple[str, int]]:
        found = self.bronze.changes("telemetry")[0]
        return sorted(zip(found["object_sha256"].to_pylist(), found["row_number"].to_pylist(), strict=True))

    def check_rows(self, found: list[tuple[str, int]]) -> None:
        held = {name for name, _ in found}
        assert found == rows_of(held), "part of a commit, or one twice"
        assert self.acknowledged & set(self.names) <= held <= set(self.names)

    def check_object(self, sha256: str) -> None:
        data, store = self.objects[sha256], self.bronze.objects
        start = self.dice.randrange(len(data))
        end = self.dice.randrange(start, len(data) + 9)
        assert store.get("acme", sha256) == data
        assert store.get("acme", sha256, start, end) == data[start:end]
        assert store.get("acme", sha256, start) == data[start:]
        assert store.exists("acme", sha256)

    def settle(self, proxy: FaultProxy) -> None:
        """Nothing strikes any more: what is there is what was acknowledged or unknown; a rerun completes all of it."""
        proxy.strike()
        assert all("\n" not in str(error) for _, error in self.refusals)
        self.check_rows(self.rows())
        here = self.stored()
        assert self.objects.keys() & self.acknowledged <= here <= self.objects.keys()
        for sha256, data in self.objects.items():
            assert self.bronze.objects.put("acme", data) == sha256
            self.check_object(sha256)
        self.bronze.append_missing("telemetry", {name: rows(name, ROWS) for name in self.names})
        if any(what == "maintain" for what, _ in self.refusals):
            maintain(self.bronze, kept_hours=0)
        assert self.rows() == rows_of(set(self.names))
        assert self.stored() == self.objects.keys()

    def stored(self) -> set[str]:
        """Objects, as the store lists them without us."""
        assert isinstance(self.bronze.objects, S3Store)
        bucket = boto3.resource("s3").Bucket(self.bronze.objects.bucket)
        return {one.key.rpartition("/")[2] for one in bucket.objects.filter(Prefix="fleet/acme/objects/")}


def rows_of(names: set[str]) -> list[tuple[str, int]]:
    return sorted((name, number) for name in names for number in range(ROWS))
