"""A warehouse in SQL: what is served, and a candidate beside it with days that are new."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from lakehouse import database
from lakehouse.quality import gates
from lakehouse.quality.results import Result, find_run, results_of

FIRST: Final = date(2026, 9, 20)
SERVED_DAYS: Final = 29  # the newest of them is judged as well
NEW: Final = FIRST + timedelta(days=SERVED_DAYS)  # 2026-10-19
DAYS: Final = SERVED_DAYS + 2  # of the last there is only the beginning, as of a day that is under way
# 20 °C in the mean, warmer at noon, each device a little different, and never twice the same.
VALUE: Final = (
    "20 + n % 3 + 5 * sin(2 * pi() * hour / 24) + (hashtext(n::text || day::text || hour::text) % 100) / 200.0"
)

TABLES: Final = """
create table {0}.documents (tenant_id text, document_id text, text text, byte_start bigint, byte_end bigint);
create table {0}.fct_events (tenant_id text, event_id text, event_type text);
create table {0}.fct_readings (
    tenant_id text, device_id text, metric text, ts timestamptz, value double precision, unit text
);
"""
ROLL_UP: Final = """
create table {0}.fct_readings_hourly as
select tenant_id, device_id, metric, date_trunc('hour', ts, 'UTC') as hour, avg(value) as value_avg
from {0}.fct_readings group by 1, 2, 3, 4;
create table {0}.fct_readings_daily as
select
    tenant_id, device_id, metric, (ts at time zone 'UTC')::date as day, count(*) as reading_count,
    sum(value) as value_sum, min(value) as value_min, max(value) as value_max, avg(value) as value_avg,
    min(value) as last_value, min(unit) as unit, min(ts) as first_ts, max(ts) as last_ts
from {0}.fct_readings group by 1, 2, 3, 4;
"""


@dataclass(frozen=True)
class World:
    """A tenant's days are numbered from the first that is served; NEW is day 29."""

    connection: database.Connection
    url: str
    reports: Path
    now: datetime

    def sql(self, statement: str) -> list[Any]:
        cursor = self.connection.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def readings(
        self,
        tenant: str,
        days: range,
        *,
        schemas: tuple[str, ...] = ("gold", "gold_candidate"),
        devices: int = 6,
        hours: int = 24,
        metric: str = "temperature",
        unit: str = "°C",
        value: str = VALUE,
        a_day: int = 1,
    ) -> None:
        """`a_day` readings an hour of each device."""
        for schema in schemas:
            self.sql(
                f"insert into {schema}.fct_readings select '{tenant}', 'device-' || n, '{metric}', "
                f"(day::timestamp + hour * interval '1 hour' + part * interval '10 seconds') at time zone 'UTC', "
                f"{value}, '{unit}' from generate_series({days.start}, {days.stop - 1}) as number, "
                f"generate_series(1, {devices}) as n, generate_series(0, {hours - 1}) as hour, "
                f"generate_series(0, {a_day - 1}) as part, lateral (select date '{FIRST}' + number as day) as of_number"
            )

    def tenant(self, tenant: str, *, last: str = VALUE, **said: Any) -> None:
        """Served days, one new day that is whole with values by `last`, and the beginning of another."""
        self.readings(tenant, range(SERVED_DAYS), **said)
        self.readings(tenant, range(SERVED_DAYS, DAYS - 1), schemas=("gold_candidate",), value=last, **said)
        self.readings(tenant, range(DAYS - 1, DAYS), schemas=("gold_candidate",), **said | {"hours": 2})

    def roll_up(self) -> None:
        for schema in ("gold", "gold_candidate"):
            self.sql(ROLL_UP.format(schema))

    def reads(self, *days: date) -> None:
        """What a build says that it reads: these days, and the first version of landing."""
        self.sql("delete from registry.increments")
        self.sql("delete from registry.touched_days")
        self.sql(
            "insert into registry.increments select unnest('{telemetry,events,messages,documents}'::text[]), -1, 1"
        )
        for day in days:
            self.sql(f"insert into registry.touched_days values ('{day}')")

    def judge(self) -> dict[str, set[str]]:
        """The candidate of NEW and of the day after it."""
        self.roll_up()
        self.reads(NEW, NEW + timedelta(days=1))
        self.check_gold()
        return self.broken()

    def check_gold(self) -> list[str]:
        failures = gates.check_gold(self.url, now=self.now, reports=self.reports)
        return sorted(str(failure.tenant_id) for failure in failures)

    def check_bronze(self, later: timedelta = timedelta()) -> list[str]:
        failures = gates.check_bronze(self.url, now=self.now + later, reports=self.reports)
        return sorted(str(failure.tenant_id) for failure in failures)

    def results(self) -> list[Result]:
        with database.connect(self.url) as connection:
            return results_of(connection, find_run(connection).run_id)

    def broken(self) -> dict[str, set[str]]:
        """Expectations of the last run that do not hold, and whose rows break them."""
        found: dict[str, set[str]] = {}
        for result in self.results():
            if not result.success:
                found.setdefault(result.expectation, set()).add(str(result.tenant_id))
        return found

    def result(self, expectation: str, tenant: str) -> Result:
        (found,) = [r for r in self.results() if r.expectation.startswith(expectation) and r.tenant_id == tenant]
        return found


@pytest.fixture
def world(database_url: str, home: Path, now: datetime) -> Iterator[World]:
    with database.connect(database_url, autocommit=True) as connection:
        connection.execute("create schema if not exists gold")
        connection.execute("create schema gold_candidate")
        for schema in ("gold", "gold_candidate"):
            connection.execute(TABLES.format(schema))
        yield World(connection, database_url, home / "quality", now)
