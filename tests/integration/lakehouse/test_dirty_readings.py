"""What devices get wrong, and the rows of gold that it ends in: a tenant a case, all in two builds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iotops.settings import REPOSITORY
from lakehouse import database
from lakehouse.bronze import Bronze
from lakehouse.ingest import ingest_telemetry
from lakehouse.objects import FolderStore
from lakehouse.warehouse import build_warehouse

HEAD = "timestamp,device_id,metric,value,unit,firmware"
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
Files = dict[str, list[tuple[datetime, list[str]]]]

# Tenant → files: when each was recorded, and its lines.
FIRST: Files = {
    "units": [
        (NOON, ["2026-10-01T10:00:00Z,d,temperature,77,°F,1.0", "2026-10-01T10:10:00Z,d,temperature,25,°C,1.0"]),
        (NOON, ["2026-10-01T10:20:00Z,d,temperature,298.15,K,1.0", "2026-10-01T10:30:00Z,d,battery,3300,mV,1.0"]),
        # The first reading once more, by a gateway that converts.
        (NOON + timedelta(hours=1), ["2026-10-01T10:00:00Z,d,temperature,25,°C,1.0"]),
    ],
    "clocks": [
        (NOON, ["2026-10-01T11:59:00Z,good,temperature,1,°C,1.0", "2026-10-01T12:04:00Z,good,temperature,2,°C,1.0"]),
        (NOON, ["2026-10-01T15:00:00Z,ahead,temperature,3,°C,2.0", "2099-01-01T00:00:00Z,ahead,temperature,4,°C,2.0"]),
        (NOON, ["2026-10-01T11:00:00Z,ahead,temperature,5,°C,1.0", "1970-01-01T00:00:09Z,unset,temperature,6,°C,1.0"]),
    ],
    "twice": [
        (NOON, ["2026-10-01T10:00:00Z,d,temperature,1,°C,1.0", "2026-10-01T10:00:00Z,d,temperature,1,°C,1.0"]),
        (NOON + timedelta(hours=1), ["2026-10-01T10:00:00Z,d,temperature,1,°C,1.0"]),
        # Corrected at two; the file of the correction comes in before the one that it corrects.
        (NOON + timedelta(hours=2), ["2026-10-01T10:10:00Z,d,temperature,9,°C,1.0"]),
        (NOON, ["2026-10-01T10:10:00Z,d,temperature,2,°C,1.0"]),
    ],
    "late": [(NOON + timedelta(days=1), ["2026-10-02T10:00:00Z,d,temperature,8,°C,1.1"])],
}
SECOND: Files = {
    # A day late, and of a time before all that is known.
    "late": [
        (NOON + timedelta(days=2), ["2026-10-01T10:00:00Z,d,temperature,2,°C,1.0"]),
        (NOON + timedelta(days=2), ["2026-10-02T09:00:00Z,d,temperature,4,°C,1.0"]),
    ]
}


@pytest.fixture(scope="module")
def gold(server: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Rows of gold by a statement."""
    folder = tmp_path_factory.mktemp("dirty")
    bronze = Bronze((folder / "bronze").as_uri(), FolderStore(folder / "bronze"))
    name = f"dirty_{folder.name[-1]}"
    with database.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template template_iotops")
    url = server.replace("/postgres?", f"/{name}?")
    for files in (FIRST, SECOND):
        ingest(bronze, folder, files)
        build_warehouse(url, bronze, dbt_project=REPOSITORY / "dbt", work=folder / "dbt")

    def rows(sql: str) -> list[Any]:
        with database.connect(url) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]

    yield rows
    with database.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def ingest(bronze: Bronze, folder: Path, files: Files) -> None:
    for tenant_id, parts in files.items():
        for number, (recorded_at, lines) in enumerate(parts):
            file = folder / f"{tenant_id}-{number}-{recorded_at:%d%H}.csv"
            file.write_text("\n".join([HEAD, *lines]) + "\n")
            ingest_telemetry(bronze, tenant_id, file, now=recorded_at)


def test_mixed_units_are_one_unit_and_the_same_reading_in_two_is_one(gold: Any) -> None:
    assert gold(
        "select to_char(ts at time zone 'UTC', 'HH24:MI'), value, unit, recorded_at from gold.fct_readings "
        "where tenant_id = 'units' and metric = 'temperature' order by ts"
    ) == [("10:00", 25.0, "°C", NOON), ("10:10", 25.0, "°C", NOON), ("10:20", 25.0, "°C", NOON)]
    assert gold("select value, unit from gold.fct_readings where tenant_id = 'units' and metric = 'battery'") == [
        (3.3, "V")
    ]
    assert gold(
        "select value_min, value_max, unit from gold.fct_readings_daily "
        "where tenant_id = 'units' and metric = 'temperature'"
    ) == [(25.0, 25.0, "°C")]


def test_a_time_that_cannot_be_true_is_set_aside_and_moves_nothing(gold: Any) -> None:
    assert gold("select device_id, value from gold.fct_readings where tenant_id = 'clocks' order by value") == [
        ("good", 1.0),
        ("good", 2.0),
        ("ahead", 5.0),
    ]
    assert gold(
        "select device_id, value, reason from gold.fct_readings_set_aside where tenant_id = 'clocks' order by value"
    ) == [("ahead", 3.0, "clock ahead"), ("ahead", 4.0, "clock ahead"), ("unset", 6.0, "clock not set")]
    assert gold(
        "select firmware, last_seen_at from gold.dim_devices where tenant_id = 'clocks' and device_id = 'ahead'"
    ) == [("1.0", NOON - timedelta(hours=1))]


def test_what_was_said_twice_counts_once_and_a_correction_that_came_first_stands(gold: Any) -> None:
    assert gold("select value, recorded_at from gold.fct_readings where tenant_id = 'twice' order by ts") == [
        (1.0, NOON),
        (9.0, NOON + timedelta(hours=2)),
    ]
    assert gold("select reading_count, value_sum from gold.fct_readings_hourly where tenant_id = 'twice'") == [
        (2, 10.0)
    ]


def test_late_readings_are_in_their_day_and_in_the_history_of_their_device(gold: Any) -> None:
    assert gold(
        "select day::text, reading_count, value_avg from gold.fct_readings_daily where tenant_id = 'late' order by day"
    ) == [("2026-10-01", 1, 2.0), ("2026-10-02", 2, 6.0)]
    assert gold(
        "select firmware, valid_from from gold.dim_device_firmware where tenant_id = 'late' order by valid_from"
    ) == [("1.0", NOON - timedelta(hours=2)), ("1.1", NOON + timedelta(hours=22))]
