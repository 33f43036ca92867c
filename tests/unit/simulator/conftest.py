"""One simulation for all tests of this folder, and its files read by means that the simulator does not use."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from simulator.simulation import simulate
from simulator.world import World, build_world

END = datetime(2026, 11, 1, tzinfo=UTC)
SEED = 7


@dataclass(frozen=True)
class Reading:
    tenant_id: str
    ts: datetime
    device_id: str
    metric: str
    value: float
    unit: str
    site: str
    model: str
    firmware: str


@dataclass(frozen=True)
class Simulated:
    out: Path
    truth: Path
    readings: list[Reading]
    events: list[dict[str, Any]]
    questions: list[dict[str, Any]]

    def series(self, tenant_id: str, device_id: str, metric: str) -> list[Reading]:
        mine = [r for r in self.readings if (r.tenant_id, r.device_id, r.metric) == (tenant_id, device_id, metric)]
        return sorted(mine, key=lambda reading: reading.ts)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        found = [question for question in self.questions if question["kind"] == kind]
        assert found
        return found


@pytest.fixture(scope="session")
def world() -> World:
    return build_world(seed=SEED, end=END, days=14, devices=24, interval_minutes=30)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    folder = tmp_path_factory.mktemp("simulated")
    out, truth = folder / "inbox", folder / "truth"
    simulate(out, truth, seed=SEED, end=END)
    questions = [json.loads(line) for line in (truth / "questions.jsonl").read_text("utf-8").splitlines()]
    return Simulated(out, truth, list(read_readings(out)), list(read_events(out)), questions)


def read_readings(out: Path) -> Iterator[Reading]:
    for path in sorted(out.glob("*/telemetry/readings/*/*")):
        for row in _rows(path):
            ts = row.pop("timestamp")
            moment = ts if isinstance(ts, datetime) else datetime.fromisoformat(ts)
            yield Reading(path.relative_to(out).parts[0], moment, **{**row, "value": float(row["value"])})


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def read_events(out: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(out.glob("*/telemetry/events/*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            yield {**row, "tenant_id": path.relative_to(out).parts[0], "ts": datetime.fromisoformat(row["ts"])}
