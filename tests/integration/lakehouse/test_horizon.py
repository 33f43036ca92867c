from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from lakehouse import archive, database
from lakehouse.archive import HISTORY
from lakehouse.bronze import TABLES, Bronze
from lakehouse.cold import archive_older
from lakehouse.errors import Refused
from lakehouse.horizon import newest_horizon, put_history
from lakehouse.landing import land

HORIZON = date(2026, 10, 5)
BEFORE, AFTER = datetime(2026, 10, 4, 23, 59, 59, tzinfo=UTC), datetime(2026, 10, 5, tzinfo=UTC)


def history(tenant_id: str = "acme", firmware: str = "1.0", recorded_at: datetime = AFTER) -> dict[str, pa.Table]:
    device = {"tenant_id": tenant_id, "device_id": "d"}
    rows = {
        "device_firmware": device | {"firmware": firmware, "valid_from": BEFORE, "recorded_at": recorded_at},
        "device_sightings": device | {"site": None, "model": "P", "first_ts": BEFORE, "last_ts": recorded_at},
    }
    return {table: pa.Table.from_pylist([row], schema=HISTORY[table]) for table, row in rows.items()}


def reading(ts: datetime, tenant_id: str = "acme") -> dict[str, Any]:
    told = {"tenant_id": tenant_id, "dt": ts.date(), "device_id": "d", "metric": "m", "ts": ts, "value": 1.0}
    return told | {"source": "s", "object_sha256": "a" * 64, "row_number": 1, "recorded_at": AFTER}


def append(bronze: Bronze, *rows: dict[str, Any]) -> None:
    bronze.append("telemetry", pa.Table.from_pylist(list(rows), schema=TABLES["telemetry"]), [])


def select(url: str, sql: str) -> list[tuple[Any, ...]]:
    with database.connect(url) as connection:
        return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]


def test_a_landing_that_begins_with_nothing_takes_over_what_bronze_states(anywhere: Bronze, database_url: str) -> None:
    put_history(anywhere, HORIZON, history())
    append(anywhere, reading(BEFORE), reading(AFTER), reading(BEFORE, "other"))

    landed = land(database_url, anywhere)

    assert (landed.rows["telemetry"], landed.older) == (1, {"telemetry": 2})
    assert select(database_url, "select ts from landing.telemetry") == [(AFTER,)]
    assert select(database_url, "select horizon from registry.retention") == [(HORIZON,)]
    assert select(database_url, "select tenant_id, firmware, valid_from from landing.retired_firmware") == [
        ("acme", "1.0", BEFORE)
    ]
    assert select(database_url, "select site, model, first_ts, last_ts from landing.retired_devices") == [
        (None, "P", BEFORE, AFTER)
    ]
    append(anywhere, reading(BEFORE))
    assert land(database_url, anywhere).older == {"telemetry": 1}


def test_what_a_run_left_half_written_is_not_taken_over(bronze: Bronze, database_url: str) -> None:
    archive.put(bronze, "acme", "device_firmware", HORIZON, [history()["device_firmware"]])
    append(bronze, reading(BEFORE))
    assert newest_horizon(bronze) is None
    assert land(database_url, bronze).older == {}


def test_two_runs_of_one_horizon_count_as_one(bronze: Bronze, database_url: str) -> None:
    put_history(bronze, HORIZON, history())
    put_history(bronze, HORIZON, history(recorded_at=BEFORE))
    append(bronze, reading(AFTER))
    land(database_url, bronze)
    assert select(database_url, "select recorded_at from landing.retired_firmware") == [(BEFORE,)]
    assert select(database_url, "select first_ts, last_ts from landing.retired_devices") == [(BEFORE, AFTER)]


def test_archived_days_are_not_missed_in_silence_by_a_new_database(bronze: Bronze, database_url: str) -> None:
    append(bronze, reading(BEFORE), reading(AFTER))
    archive_older(bronze, HORIZON)
    land(database_url, bronze)
    assert select(database_url, "select horizon from registry.retention") == [(HORIZON,)]


def test_a_history_of_devices_that_has_gone_from_bronze_is_named(bronze: Bronze, database_url: str) -> None:
    put_history(bronze, date(2026, 10, 4), history())
    put_history(bronze, HORIZON, history("other"))
    append(bronze, reading(AFTER))
    with pytest.raises(
        Refused, match="devices of 'acme' before 2026-10-05 is not in bronze any more: restore acme/arch"
    ):
        land(database_url, bronze)
    assert select(database_url, "select count(*) from landing.telemetry") == [(0,)]


def test_a_tenant_that_was_erased_does_not_stop_the_others(bronze: Bronze, database_url: str) -> None:
    put_history(bronze, HORIZON, history("other"))
    append(bronze, reading(AFTER))
    land(database_url, bronze)
    assert select(database_url, "select tenant_id from landing.retired_firmware") == [("other",)]
