"""Bronze to gold beside a bare COPY of the same rows, the next day beside the whole, and one tenant's health.

`python -m benchmarks.warehouse`: 10 million readings of 1,000 devices of 100 tenants, three metrics every half hour for
70 days, as the simulator's devices send them; a Postgres of its own. `--metrics 1 --minutes 10` has as many a day, in a
third of the series-hours; `--days 7` tries it out.

The bare COPY is binary, of the same Arrow batches by the same encoder, into one table without index that has the
columns of gold.fct_readings. What it is compared with lands the rows, settles them by key, makes hours, days, sightings
and every other table of gold, tests them and promotes them.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from iotops.settings import REPOSITORY
from lakehouse import database
from lakehouse.bronze import TABLES, Bronze
from lakehouse.copying import copying, encode
from lakehouse.database import start_embedded, stop_embedded
from lakehouse.landing_days import SLICE_ROWS
from lakehouse.objects import open_objects
from lakehouse.warehouse import Built, build_warehouse

START: Final = datetime(2026, 7, 1, tzinfo=UTC)
DEVICES, TENANTS = 1_000, 100
METRICS: Final = {"cpu_temperature": "°C", "latency": "ms", "signal": "dBm"}
GOLD: Final = ("tenant_id", "device_id", "metric", "ts", "value", "unit", "firmware", "site", "model", "object_sha256")
QUERIES: Final = 400
HEALTH: Final = "select * from gold.mart_device_health where tenant_id = %s"


@dataclass(frozen=True)
class Shape:
    """days: of readings. metrics: how many each device sends. every: how often."""

    days: int
    metrics: int
    every: timedelta

    @property
    def stamps(self) -> int:
        return int(timedelta(days=1) / self.every)


def readings_of(day: int, shape: Shape) -> pa.Table:
    """In the order of time, as they come in; a file a tenant and day."""
    counts = (shape.stamps, DEVICES, shape.metrics)
    stamp, device, metric = (index.ravel() for index in np.meshgrid(*map(np.arange, counts), indexing="ij"))
    start = np.datetime64((START + timedelta(days=day)).replace(tzinfo=None), "us")
    ts = start + stamp * np.timedelta64(shape.every) + (device % 590).astype("timedelta64[s]")
    values = np.random.default_rng(day).normal(50, 4, len(ts)).round(2)
    tenant = device % TENANTS
    columns = {
        "tenant_id": _named(tenant, [f"tenant-{number:03d}" for number in range(TENANTS)]),
        "dt": pa.array(ts.astype("datetime64[D]")),
        "device_id": _named(device, [f"gw-{number:04d}" for number in range(DEVICES)]),
        "metric": _named(metric, METRICS.keys()),
        "ts": pa.array(ts).cast(pa.timestamp("us", "UTC")),
        "value": pa.array(values),
        "unit": _named(metric, METRICS.values()),
        "site": _named(device % 7, [f"site-{number}" for number in range(7)]),
        "model": _named(device % 3, ["Meridian G5", "Meridian G6", "Meridian G7"]),
        "firmware": _named((device + day // 30) % 4, ["2.6", "2.7", "3.0", "3.0.2"]),
        "source": _named(np.zeros_like(device), ["files"]),
        "object_sha256": _named(tenant, [f"{day:032x}{number:032x}" for number in range(TENANTS)]),
        "row_number": pa.array(np.arange(len(ts))),
        "recorded_at": pa.array(np.full(len(ts), start + np.timedelta64(25, "h"))).cast(pa.timestamp("us", "UTC")),
    }
    return pa.table(columns).select(TABLES["telemetry"].names).cast(TABLES["telemetry"])


def _named(index: Any, names: Any) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(list(names))).cast(pa.string())


def bare_copy(url: str, shape: Shape) -> float:
    """Seconds of the COPY alone: the batches are made between the parts that are timed."""
    columns = [*GOLD, "recorded_at"]
    types = {"ts": "timestamptz", "value": "double precision", "recorded_at": "timestamptz"}
    with database.connect(url, autocommit=True) as connection:
        connection.execute("drop table if exists public.bare")
        spelt = ", ".join(f"{name} {types.get(name, 'text')}" for name in columns)
        connection.execute(f"create table public.bare ({spelt})")
    seconds = 0.0
    with database.connect(url) as connection:
        for day in range(shape.days):
            batches = readings_of(day, shape).select(columns).combine_chunks().to_batches(max_chunksize=SLICE_ROWS)
            started = time.perf_counter()
            with copying(connection, "public.bare", batches[0].schema) as copy:
                for batch in batches:
                    copy.write(encode(pa.Table.from_batches([batch])))
            seconds += time.perf_counter() - started
        started = time.perf_counter()
        connection.commit()
        seconds += time.perf_counter() - started
    with database.connect(url, autocommit=True) as connection:
        connection.execute("drop table public.bare")
    return seconds


def timed(step: Callable[[], Built]) -> tuple[Built, float]:
    started = time.perf_counter()
    return step(), time.perf_counter() - started


def health(url: str) -> tuple[float, float, str]:
    """Milliseconds of one tenant's devices, median and p95, on one connection as a server keeps them; and the plan."""
    seconds = []
    with database.connect(url, autocommit=True) as connection:
        for number in range(QUERIES):
            started = time.perf_counter()
            rows = connection.execute(HEALTH, (f"tenant-{number % TENANTS:03d}",)).fetchall()
            seconds.append(time.perf_counter() - started)
            if len(rows) != DEVICES // TENANTS:
                raise SystemExit(f"a tenant has {len(rows)} devices in gold")
        plan = connection.execute(f"explain (costs off) {HEALTH}", ("tenant-042",)).fetchall()
    return (
        1000 * statistics.median(seconds),
        1000 * statistics.quantiles(seconds, n=20)[-1],
        "\n".join(f"    {row[0]}" for row in plan),
    )


def slowest(work: Path, count: int = 6) -> str:
    """What dbt itself measured."""
    results = json.loads((work / "target" / "run_results.json").read_text())["results"]
    first = sorted(results, key=lambda result: -result["execution_time"])[:count]
    return ", ".join(f"{one['unique_id'].split('.')[2][:40]} {one['execution_time']:.1f} s" for one in first)


def plan_of_a_day(url: str, work: Path, day: int) -> str:
    """The plan that copies a day's readings, which came once."""
    date = START + timedelta(days=day)
    compiled = work / "target" / "compiled" / "iotops" / "models" / "gold" / "fct_readings.sql"
    received = compiled.read_text().partition("with of_day as (")[2].partition("),")[0]
    with database.connect(url, autocommit=True) as connection:
        connection.execute("set enable_bitmapscan = off")
        sql = received.replace("__day__", f"{date:%F}")
        plan = connection.execute(f"explain (costs off) {sql}").fetchall()  # type: ignore[call-overload]
    return "\n".join(f"    {str(row[0])[:140]}" for row in plan)


@contextmanager
def installation() -> Iterator[tuple[str, Path]]:
    """The embedded server starts as another user where this one is root, who must be able to enter."""
    folder = Path(tempfile.mkdtemp(prefix="iotops-bench-"))
    folder.chmod(0o755)
    try:
        url = start_embedded(folder)
        with database.connect(url) as connection:
            database.apply_schema(connection, (REPOSITORY / "lakehouse" / "schema.sql").read_text())
        yield url, folder
    finally:
        stop_embedded(folder)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=70)
    parser.add_argument("--metrics", type=int, default=3, choices=(1, 2, 3))
    parser.add_argument("--minutes", type=int, default=30)
    given = parser.parse_args()
    shape = Shape(given.days, given.metrics, timedelta(minutes=given.minutes))
    with installation() as (url, folder):
        bronze = Bronze((folder / "bronze").as_uri(), open_objects((folder / "bronze").as_uri()))
        for day in range(shape.days):
            bronze.append("telemetry", readings_of(day, shape), [])
        rows = shape.days * shape.stamps * DEVICES * shape.metrics
        print(f"{rows:,} readings of {DEVICES:,} devices of {TENANTS} tenants are in bronze: {shape}", flush=True)

        def build() -> Built:
            return build_warehouse(url, bronze, dbt_project=REPOSITORY / "dbt", work=folder / "dbt")

        before = bare_copy(url, shape)
        print(f"bare COPY: {before:.1f} s, {rows / before:,.0f} rows a second", flush=True)
        built, full = timed(build)
        print(f"bronze to gold: {full:.1f} s, {rows / full:,.0f} rows a second")
        print(f"  {built.models} models and {built.tests} tests")
        print(f"  slowest: {slowest(folder / 'dbt')}", flush=True)
        after = bare_copy(url, shape)
        print(f"bare COPY again: {after:.1f} s")
        print(f"RATIO to a bare COPY: {(before + after) / 2 / full:.2f}", flush=True)
        # As autovacuum does until the next day: else its work on ten million new rows is measured with that day.
        with database.connect(url, autocommit=True) as connection:
            connection.execute("vacuum (analyze)")
            connection.execute("checkpoint")
        bronze.append("telemetry", readings_of(shape.days, shape), [])
        built, increment = timed(build)
        print(f"the next day: {increment:.1f} s, {built.days} day made anew")
        print(f"  slowest: {slowest(folder / 'dbt')}")
        print(f"  plan of its readings:\n{plan_of_a_day(url, folder / 'dbt', shape.days)}")
        print(f"SHARE of the whole: {100 * increment / full:.1f} %", flush=True)
        median, p95, plan = health(url)
        print(f"HEALTH of one tenant among {TENANTS}: median {median:.2f} ms, p95 {p95:.2f} ms\n{plan}")
    os.sync()


if __name__ == "__main__":
    main()
