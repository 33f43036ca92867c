from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.bronze import TABLES, Bronze, Commit
from lakehouse.maintenance import maintain


def land(bronze: Bronze, now: datetime, *numbers: int) -> None:
    rows = [
        {
            "tenant_id": "acme",
            "dt": now.date(),
            "device_id": "d",
            "metric": "m",
            "ts": now,
            "value": float(number),
            "source": "s",
            "object_sha256": "a" * 64,
            "row_number": number,
            "recorded_at": now,
        }
        for number in numbers
    ]
    bronze.commit("telemetry", lambda _: Commit(pa.Table.from_pylist(rows, TABLES["telemetry"]), {"at": numbers[-1]}))


def held(bronze: Bronze) -> list[tuple[Any, ...]]:
    rows = bronze.changes("telemetry")[0].to_pylist()
    return sorted((row["bronze_version"], row["row_number"], row["value"]) for row in rows)


def files(bronze: Bronze) -> list[Path]:
    return list(Path(bronze.table_uri("telemetry").removeprefix("file://")).glob("tenant_id=*/*.parquet"))


def test_small_files_become_one_and_old_ones_go_while_rows_and_memory_stay(bronze: Bronze, now: datetime) -> None:
    for number in range(5):
        land(bronze, now, number)
    before = held(bronze)
    done = maintain(bronze, kept_hours=0)
    assert [(one.table, one.compacted, one.written, one.removed) for one in done] == [("telemetry", 5, 1, 5)]
    assert held(bronze) == before
    assert bronze.snapshot("telemetry").position("at") == 4
    assert len(files(bronze)) == 1
    land(bronze, now, 9)
    assert held(bronze) == [*before, (bronze.version("telemetry"), 9, 9.0)]


def test_files_of_the_last_week_stay_for_those_who_read_them(bronze: Bronze, now: datetime) -> None:
    for number in range(3):
        land(bronze, now, number)
    snapshot = bronze.snapshot("telemetry")
    assert [one.removed for one in maintain(bronze)] == [0]
    assert snapshot.read().num_rows == 3


def test_care_for_a_bronze_without_need_of_it_changes_nothing(bronze: Bronze, now: datetime) -> None:
    land(bronze, now, 1)
    maintain(bronze)
    version = bronze.version("telemetry")
    assert [one.compacted for one in maintain(bronze)] == [0]
    assert bronze.version("telemetry") == version


def test_a_bronze_that_holds_nothing_needs_no_care(bronze: Bronze) -> None:
    assert maintain(bronze) == []
