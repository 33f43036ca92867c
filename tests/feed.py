"""A topic, what was consumed of it, and a store that fails where it is told to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from prometheus_client import CollectorRegistry

from lakehouse.bronze import Bronze
from lakehouse.errors import ObjectStoreUnavailable
from lakehouse.objects import FolderStore
from lakehouse.stream.batch import Stream
from lakehouse.stream.consumer import StreamOptions, StreamSummary, consume_stream
from lakehouse.stream.metrics import StreamMetrics
from tests.broker import Broker

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def reading(number: int, **others: Any) -> bytes:
    """Its value is its number."""
    row = {"ts": "2026-10-31T12:00:00Z", "device_id": f"d{number % 7}", "metric": "m", "value": number}
    return json.dumps(row | others).encode()


@dataclass
class Feed:
    """A topic, and what was consumed of it."""

    broker: Broker
    stream: Stream
    bronze: Bronze
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def produce(self, payloads: Sequence[bytes | None], partition: int = 0) -> None:
        self.broker.produce(self.stream.topic, payloads, partition)

    def consume(
        self,
        bronze: Bronze | None = None,
        *,
        stop: Event | None = None,
        stream: Stream | None = None,
        until_idle: float | None = 0.3,
        **options: Any,
    ) -> StreamSummary:
        given = {"session_seconds": 0.6, "flush_seconds": 0.2, "first_wait": 0.05, "group": self.stream.topic} | options
        self.registry = CollectorRegistry()
        return consume_stream(
            bronze or self.bronze,
            stream or self.stream,
            StreamOptions(self.broker.address, until_idle=until_idle, **given),
            stop=stop or Event(),
            metrics=StreamMetrics(self.registry),
            clock=lambda: NOW,
        )

    def values(self) -> list[int]:
        """Of the readings in bronze."""
        return sorted(int(value) for value in self.bronze.changes("telemetry")[0]["value"].to_pylist())

    def refused(self) -> list[dict[str, Any]]:
        rows = self.bronze.changes("quarantine")[0].to_pylist()
        return sorted(rows, key=lambda row: (row["path"], row["record"]))

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"topic": self.stream.topic, **labels})


class FailingStore(FolderStore):
    """A folder that cannot be written while `fails` says so of a name: an object's is `objects`, a part's its path."""

    def __init__(self, root: Path, fails: Callable[[str], bool]) -> None:
        super().__init__(root)
        self.fails = fails

    def put(self, tenant_id: str, data: bytes) -> str:
        self._check("objects")
        return super().put(tenant_id, data)

    def put_part(self, path: str, data: bytes | memoryview) -> None:
        self._check(path)
        super().put_part(path, data)

    def _check(self, name: str) -> None:
        if self.fails(name):
            raise ObjectStoreUnavailable(str(self.root), "no space left on device")
