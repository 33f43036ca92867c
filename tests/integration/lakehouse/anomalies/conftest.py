"""Readings in a table as gold has it, without the seconds that dbt takes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse import database
from lakehouse.anomalies.series import Floats

START = datetime(2026, 10, 1, tzinfo=UTC)
STEP = timedelta(minutes=10)

Write = Callable[..., None]


@pytest.fixture
def write(database_url: str) -> Write:
    """Puts values of a device and metric, from reading `first` on; a value that is there is replaced."""
    with database.transaction(database_url) as connection:
        connection.execute("create schema gold")
        connection.execute(
            "create table gold.fct_readings (tenant_id text, device_id text, metric text, ts timestamptz, "
            "value double precision, unit text, firmware text, recorded_at timestamptz, "
            "primary key (tenant_id, device_id, metric, ts))"
        )

    def put(device: str, metric: str, values: Floats, *, first: int = 0, tenant: str = "default", day: int = 0) -> None:
        recorded = START + timedelta(days=30 + day)
        rows = [
            (tenant, device, metric, START + STEP * (first + at), float(value), "°C", "1.0", recorded)
            for at, value in enumerate(values)
        ]
        with database.transaction(database_url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "insert into gold.fct_readings values (%s, %s, %s, %s, %s, %s, %s, %s) "
                "on conflict (tenant_id, device_id, metric, ts) do update "
                "set value = excluded.value, recorded_at = excluded.recorded_at",
                rows,
            )

    return put
