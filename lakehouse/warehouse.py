"""Landing → silver → gold: a candidate is built and tested beside what is served, and then promoted or left."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, cast

from lakehouse.bronze import Bronze
from lakehouse.database import Connection, connect
from lakehouse.dbt_process import RunDbt, dbt_at_hand, hash_project, run_dbt
from lakehouse.errors import NotReady, WarehouseNotBuilt
from lakehouse.increments import Increment, next_increment, publish, state
from lakehouse.insights import store_insights
from lakehouse.landing import Landed, has_news, land
from lakehouse.promotion import empty_candidate, patiently, promote_candidate

# Two dbt processes on one database rename each other's tables away.
BUILD_LOCK: Final = 0x10706502
# What is to hold of a candidate, beside dbt's tests, before it is promoted: it raises where it does not.
Gate = Callable[[str], object]


@dataclass(frozen=True)
class Built:
    """What one run did. skipped: nothing was new, so gold is as the build before left it and dbt was not started.

    build_id: of the candidate; None where there is none. days: those whose readings were made anew.
    """

    landed: Landed
    skipped: bool
    snapshot: str
    build_id: int | None = None
    days: int = 0
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
            "build_id": self.build_id,
            "days": self.days,
            "models": self.models,
            "tests": self.tests,
            "seconds": round(self.seconds, 3),
        }


def build_warehouse(
    database_url: str,
    bronze: Bronze,
    *,
    dbt_project: Path,
    work: Path,
    full: bool = False,
    as_of: datetime | None = None,
    days: Collection[date] = (),
    dbt: RunDbt | None = None,
    gate: Gate | None = None,
) -> Built:
    """Land, build and test a candidate, and promote it. Raises StepFailed naming each model or test that failed, and
    what the gate raises; gold then goes on serving what it served.

    full: build every table from all of landing, although nothing is new. days: make these anew as well.
    as_of: what "now" stands for in gold, by default when the latest row was recorded.
    dbt: how dbt is started, by default as a process that reads the project while rows land; Airflow's task starts it
    through Cosmos.
    """
    with connect(database_url, autocommit=True) as connection, alone(connection):
        built = _build(connection, database_url, bronze, dbt_project, work, full, as_of, days, dbt)
        if built.build_id is not None:
            if gate is not None:
                gate(database_url)
            _promote(connection, built.build_id)
        return built


def build_candidate(
    database_url: str,
    bronze: Bronze,
    *,
    dbt_project: Path,
    work: Path,
    full: bool = False,
    as_of: datetime | None = None,
    days: Collection[date] = (),
    dbt: RunDbt | None = None,
) -> Built:
    """As `build_warehouse`, up to the candidate, which lies in the schema `gold_candidate` until the next build."""
    with connect(database_url, autocommit=True) as connection, alone(connection):
        return _build(connection, database_url, bronze, dbt_project, work, full, as_of, days, dbt)


def promote(database_url: str, build_id: int | None = None) -> int:
    """Of the last build, where none is named; returns which.

    Raises NotReady where there is no candidate, where it is of another build by now, and where queries hold the tables
    that it replaces.
    """
    with connect(database_url, autocommit=True) as connection, alone(connection):
        return _promote(connection, build_id)


def _build(
    connection: Connection,
    database_url: str,
    bronze: Bronze,
    dbt_project: Path,
    work: Path,
    full: bool,
    as_of: datetime | None,
    days: Collection[date],
    dbt: RunDbt | None,
) -> Built:
    with ExitStack() as stack:
        if dbt is None:
            at_hand = has_news(connection, bronze)
            dbt = stack.enter_context(dbt_at_hand(database_url, dbt_project, work)) if at_hand else run_dbt
        landed = land(database_url, bronze)
        project_sha256 = hash_project(dbt_project)
        served = state(connection, project_sha256)
        increment = next_increment(connection, landed.watermarks, full=full or served.is_stale, as_of=as_of, days=days)
        if not increment.full and increment.is_empty(served):
            return Built(landed, skipped=True, snapshot=increment.snapshot)
        build_id = _start(connection, project_sha256, increment)
        started = time.monotonic()
        results = dbt(database_url, dbt_project, work, full_refresh=increment.full)
    store_insights(connection, bronze)
    connection.execute("update registry.builds set built_at = now() where build_id = %s", (build_id,))
    kinds = [result["unique_id"].split(".")[0] for result in results]
    return Built(
        landed,
        skipped=False,
        snapshot=increment.snapshot,
        build_id=build_id,
        days=len(increment.days),
        models=kinds.count("model"),
        tests=kinds.count("test"),
        seconds=time.monotonic() - started,
    )


def _promote(connection: Connection, build_id: int | None) -> int:
    row = connection.execute(
        "select build_id, full_build, built_at is not null, finished_at is not null "
        "from registry.builds order by build_id desc limit 1"
    ).fetchone()
    if row is None or not row[2] or build_id not in (None, row[0]):
        raise NotReady(
            "there is no candidate that may be promoted, or it is of another build by now: run 'iotops warehouse build'"
        )
    last, full = int(str(row[0])), bool(row[1])
    if row[3]:
        return last

    def step() -> None:
        with connection.transaction():
            promote_candidate(connection, full=full)
            publish(connection)
            connection.execute("update registry.builds set finished_at = now() where build_id = %s", (last,))

    patiently(step)
    return last


def withdraw(database_url: str) -> None:
    """The last build's candidate was refused: it stays to be looked at, and no promotion takes it."""
    with connect(database_url, autocommit=True) as connection:
        connection.execute(
            "update registry.builds set built_at = null "
            "where build_id = (select max(build_id) from registry.builds) and finished_at is null"
        )


def snapshot(connection: Connection) -> str:
    """The Delta versions that gold was built from, like `documents@3,telemetry@4`. Raises WarehouseNotBuilt."""
    row = connection.execute(
        "select snapshot from registry.builds where finished_at is not null order by build_id desc limit 1"
    ).fetchone()
    if row is None:
        raise WarehouseNotBuilt
    return str(row[0])


def _start(connection: Connection, project_sha256: str, increment: Increment) -> int:
    """Record what this build reads, and make room for its candidate."""
    with connection.transaction():
        empty_candidate(connection)
        increment.write(connection)
        row = connection.execute(
            "insert into registry.builds (project_sha256, snapshot, full_build, as_of) values (%s, %s, %s, %s) "
            "returning build_id",
            (project_sha256, increment.snapshot, increment.full, increment.as_of),
        ).fetchone()
    return cast(tuple[int], row)[0]


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    connection.execute("select pg_advisory_lock(%s)", (BUILD_LOCK,))
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (BUILD_LOCK,))
