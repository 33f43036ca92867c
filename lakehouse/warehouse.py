"""Landing → silver → gold, and the record of what gold was built from."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from lakehouse.bronze import Bronze
from lakehouse.database import Connection, connect
from lakehouse.dbt_process import RunDbt, hash_project, run_dbt
from lakehouse.errors import WarehouseNotBuilt
from lakehouse.landing import Landed, land

# Two dbt processes on one database rename each other's tables away.
BUILD_LOCK: Final = 0x10706502


@dataclass(frozen=True)
class Built:
    """What one run did. skipped: nothing was new, so gold is as the build before left it and dbt was not started."""

    landed: Landed
    skipped: bool
    snapshot: str
    models: int = 0
    tests: int = 0
    seconds: float = 0.0

    def describe(self) -> str:
        if self.skipped:
            return f"{self.landed.describe()}; gold is up to date, so dbt was not run (--full builds it anyway)"
        return (
            f"{self.landed.describe()}; gold built in {self.seconds:.1f} s: "
            f"{self.models} models, {self.tests} tests passed"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "landed": self.landed.to_json(),
            "skipped": self.skipped,
            "snapshot": self.snapshot,
            "models": self.models,
            "tests": self.tests,
            "seconds": round(self.seconds, 3),
        }


class _Build(NamedTuple):
    snapshot: str
    project_sha256: str
    finished: bool


def build_warehouse(
    database_url: str,
    bronze: Bronze,
    *,
    dbt_project: Path,
    work: Path,
    full: bool = False,
    dbt: RunDbt | None = None,
) -> Built:
    """Land, then build and test gold. Raises StepFailed naming each model or test that failed.

    full: run dbt although nothing is new, and build incremental tables from all of landing.
    dbt: how dbt is started, by default `run_dbt`; Airflow's task starts it through Cosmos.
    """
    with connect(database_url, autocommit=True) as connection, alone(connection):
        landed = land(database_url, bronze)
        last = _last_build(connection)
        now = _Build(_name_snapshot(landed.watermarks), hash_project(dbt_project), finished=True)
        if last == now and not full:
            return Built(landed, skipped=True, snapshot=now.snapshot)
        refresh = full or _holds_another_project(connection, now.project_sha256)
        build_id = _start(connection, now.project_sha256)
        started = time.monotonic()
        results = (dbt or run_dbt)(database_url, dbt_project, work, full_refresh=refresh)
        seconds = time.monotonic() - started
        built = _finish(connection, build_id)
        kinds = [result["unique_id"].split(".")[0] for result in results]
        return Built(landed, False, built, kinds.count("model"), kinds.count("test"), seconds)


def snapshot(connection: Connection) -> str:
    """The Delta versions that gold was built from, like `documents@3,telemetry@4`. Raises WarehouseNotBuilt."""
    row = connection.execute(
        "select snapshot from registry.builds where finished_at is not null order by build_id desc limit 1"
    ).fetchone()
    if row is None:
        raise WarehouseNotBuilt
    return str(row[0])


def _last_build(connection: Connection) -> _Build | None:
    """The last that was started, where its tables are still there."""
    row = connection.execute(
        "select coalesce(snapshot, ''), project_sha256, finished_at is not null from registry.builds "
        "where to_regclass('gold.documents') is not null order by build_id desc limit 1"
    ).fetchone()
    return _Build(*cast(tuple[str, str, bool], row)) if row else None


def _holds_another_project(connection: Connection, project_sha256: str) -> bool:
    """Incremental tables hold what the project of their time computed, also where its build failed midway."""
    row = connection.execute(
        "select coalesce(bool_or(project_sha256 <> %s), false) from registry.builds where build_id >= "
        "(select coalesce(max(build_id), 0) from registry.builds where finished_at is not null)",
        (project_sha256,),
    ).fetchone()
    return row is not None and bool(row[0])


def _start(connection: Connection, project_sha256: str) -> int:
    """Record that gold is being changed: until it is finished, no build is skipped because nothing is new."""
    row = connection.execute(
        "insert into registry.builds (project_sha256) values (%s) returning build_id", (project_sha256,)
    ).fetchone()
    return cast(tuple[int], row)[0]


def _finish(connection: Connection, build_id: int) -> str:
    """Record what gold was built from, as dbt itself read it when it started; returns that snapshot."""
    watermarks = connection.execute("select table_name, delta_version from silver.stg_landing__watermarks").fetchall()
    built = _name_snapshot(dict(cast(list[tuple[str, int]], watermarks)))
    connection.execute(
        "update registry.builds set snapshot = %s, finished_at = now() where build_id = %s", (built, build_id)
    )
    return built


def _name_snapshot(watermarks: Mapping[str, int]) -> str:
    return ",".join(f"{table}@{version}" for table, version in sorted(watermarks.items()) if version >= 0)


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    connection.execute("select pg_advisory_lock(%s)", (BUILD_LOCK,))
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (BUILD_LOCK,))
