"""What one question reads: each table as one version of it, each object and each commit once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakehouse.bronze import Bronze
from lakehouse.database import Connection
from lakehouse.lineage import raw_records
from lakehouse.lineage.arrivals import Arrival, Arrivals, Way
from lakehouse.lineage.bronze_rows import BronzeTable, matching
from lakehouse.lineage.raw_records import LARGEST, Held
from lakehouse.sources.extractor import Extractor


@dataclass
class Inquiry:
    """built_from: the Delta version of each table that gold was built from."""

    connection: Connection
    bronze: Bronze
    extractor: Extractor
    built_from: Mapping[str, int]
    _arrivals: Arrivals = field(init=False)
    _tables: dict[str, BronzeTable] = field(default_factory=dict)
    _held: dict[tuple[str, str], Held | None] = field(default_factory=dict)
    _left: int = LARGEST

    def __post_init__(self) -> None:
        self._arrivals = Arrivals(self.bronze)

    def table(self, name: str) -> BronzeTable:
        if name not in self._tables:
            self._tables[name] = BronzeTable(self.bronze, name)
        return self._tables[name]

    def is_in_gold(self, table: str, version: int) -> bool:
        return version <= self.built_from.get(table, version)

    def arrival(self, table: str, version: int, tenant_id: str, source: str, object_sha256: str) -> Arrival:
        """Of events the log tells only where batches with other events ended; the readings of the object know more."""

        def telemetry() -> tuple[int, ...]:
            same = matching(tenant_id, {"object_sha256": object_sha256, "source": source})
            return tuple(version for one in self.table("telemetry").ranges(same) for version in one.versions)

        return self._arrivals.of(table, version, tenant_id, source, telemetry)

    def hold(self, tenant_id: str, object_sha256: str, way: Way) -> Held | None:
        """None where it is gone, or where this question has read its fill."""
        name = (tenant_id, object_sha256)
        if name not in self._held:
            if self._left <= 0:
                return None
            self._held[name] = raw_records.hold(self.bronze.objects, tenant_id, object_sha256, way)
            self._left -= len(held.data) if (held := self._held[name]) else 0
        return self._held[name]

    def path(self, tenant_id: str, object_sha256: str) -> str | None:
        """Of a file of telemetry bronze keeps it only where a row of it was refused."""
        same = matching(tenant_id, {"raw_sha256": object_sha256, "raw_holds": "file"})
        return next((str(row["path"]) for row in self.table("quarantine").rows(same)), None)
