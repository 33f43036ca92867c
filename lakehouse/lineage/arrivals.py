"""By which way a commit of bronze brought rows, as its entry in the Delta log says."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from lakehouse.bronze import Bronze, reaching
from lakehouse.durable_log import ENTRY, LOG

# Documents and messages come as what differs from what is known of their source; such a commit names no input.
Way = Literal["file", "stream", "request", "redrive", "changes", "unknown"]
Versions = Callable[[], Collection[int]]
# The position of a partition; without a number it is the topic's identity.
PARTITION: Final = re.compile(r"stream:(?P<tenant>[^:]*):(?P<source>.*):(?P<topic>[^:]+):(?P<partition>\d+)")
PREFIXES: Final[Mapping[str, Way]] = {"telemetry": "file", "http": "request", "redrive": "redrive"}


@dataclass(frozen=True)
class Offsets:
    """Of one partition, the messages that a commit holds: from `first` to before `end`.

    first is None where nothing of the partition was landed before, or where the log no longer says.
    """

    topic: str
    partition: int
    first: int | None
    end: int


@dataclass(frozen=True)
class Arrival:
    """entry: of the Delta log, below the bronze root; None where it was cleaned up, and with it the way."""

    table: str
    bronze_version: int
    way: Way
    offsets: tuple[Offsets, ...] = ()
    entry: str | None = None


class Arrivals:
    """Of one bronze. Each commit is looked at once."""

    def __init__(self, bronze: Bronze) -> None:
        self._bronze = bronze
        self._files = fs.PyFileSystem(DeltaStorageHandler(bronze.url, bronze.objects.delta_options()))
        self._names = lru_cache(maxsize=None)(self._read_names)

    def of(self, table: str, version: int, tenant_id: str, source: str, telemetry: Versions) -> Arrival:
        """telemetry: tells the versions in which `telemetry` got rows of the same object."""
        path, names = self._names(table, version)
        if names is None:
            return Arrival(table, version, "unknown")
        ends = {
            (found["topic"], int(found["partition"])): (name, end)
            for name, end in names.items()
            if (found := PARTITION.fullmatch(name)) and (found["tenant"], found["source"]) == (tenant_id, source)
        }
        if not ends:
            ways = {PREFIXES.get(name.partition(":")[0], "unknown") for name in names} or {"changes"}
            return Arrival(table, version, ways.pop() if len(ways) == 1 else "unknown", entry=path)
        offsets = tuple(
            Offsets(*place, self._first(table, version, name, end, telemetry), end)
            for place, (name, end) in sorted(ends.items())
        )
        return Arrival(table, version, "stream", offsets, path)

    def _first(self, table: str, version: int, name: str, end: int, telemetry: Versions) -> int | None:
        for other in telemetry() if table != "telemetry" else ():
            if (self._names("telemetry", other)[1] or {}).get(name) == end:
                return self._before("telemetry", other, name)
        return self._before(table, version, name)

    def _before(self, table: str, version: int, name: str) -> int | None:
        """What was remembered by the name before that version."""
        uri, options = self._bronze.table_uri(table), self._bronze.objects.delta_options()
        with reaching(self._bronze.url):
            try:
                return DeltaTable(uri, version=version - 1, storage_options=options).transaction_version(name)
            except DeltaError:  # the log begins later
                return None

    def _read_names(self, table: str, version: int) -> tuple[str, dict[str, int] | None]:
        path = f"{table}/{LOG}/{ENTRY.format(version)}"
        with reaching(self._bronze.url):
            try:
                with self._files.open_input_stream(path) as entry:
                    lines = entry.read().splitlines()
            except FileNotFoundError:
                return path, None
        named: list[dict[str, Any]] = [json.loads(line)["txn"] for line in lines if b'"txn"' in line]
        return path, {one["appId"]: one["version"] for one in named}
