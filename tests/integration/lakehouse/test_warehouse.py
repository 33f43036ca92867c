import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pyarrow as pa
import pytest

from iotops.settings import REPOSITORY
from lakehouse import database
from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import StepFailed, WarehouseNotBuilt
from lakehouse.objects import FolderStore
from lakehouse.warehouse import Built, build_warehouse, snapshot

START = datetime(2026, 10, 1, tzinfo=UTC)
PROJECT = REPOSITORY / "dbt"


DOCUMENTS = """
create table gold_candidate.documents__new (
    tenant_id text not null, document_id text not null, kind text, object_sha256 text, text text,
    unique (tenant_id, document_id)
);
create view gold_candidate.documents as select * from gold_candidate.documents__new
"""


class FakeDbt:
    """dbt at its process boundary: makes what a build leaves for the next step, and keeps what it was asked."""

    def __init__(self, fails: bool = False) -> None:
        self.refreshed: list[bool] = []
        self.fails = fails

    def __call__(self, url: str, _project: Path, _work: Path, *, full_refresh: bool = False) -> list[dict[str, Any]]:
        self.refreshed.append(full_refresh)
        if self.fails:
            raise StepFailed("dbt build failed at test x (got 1 result)")
        with database.transaction(url) as connection:
            connection.execute(DOCUMENTS)
        return [{"unique_id": "model.iotops.documents", "status": "success"}]


@pytest.fixture
def bronze(tmp_path: Path) -> Bronze:
    return Bronze((tmp_path / "bronze").as_uri(), FolderStore(tmp_path / "bronze"))


def land_readings(bronze: Bronze, *minutes: int) -> None:
    rows = [
        {
            "tenant_id": "default",
            "dt": START.date(),
            "device_id": "d",
            "metric": "m",
            "ts": START + timedelta(minutes=minute),
            "value": float(minute),
            "source": "s",
            "object_sha256": "a" * 64,
            "row_number": minute,
            "recorded_at": START,
        }
        for minute in minutes
    ]
    bronze.append("telemetry", pa.Table.from_pylist(rows, schema=TABLES["telemetry"]), [])


def land_document(bronze: Bronze, kind: str) -> None:
    sha256 = bronze.objects.put("default", b"one")
    row = {
        "tenant_id": "default",
        "source": "docs",
        "path": "a.md",
        "kind": kind,
        "title": "A",
        "object_sha256": sha256,
        "raw_sha256": sha256,
        "media_type": "text/markdown",
        "extraction": "none",
        "byte_start": 0,
        "byte_end": 3,
        "classification": "internal",
        "deleted": False,
        "recorded_at": START,
    }
    bronze.append("documents", pa.Table.from_pylist([row], schema=TABLES["documents"]), [])


def build(url: str, bronze: Bronze, work: Path, **options: Any) -> Built:
    return build_warehouse(url, bronze, **{"dbt_project": PROJECT, "work": work, **options})


def select(url: str, sql: str) -> list[tuple[Any, ...]]:
    with database.connect(url) as connection:
        return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]


def test_a_build_lands_builds_tests_and_remembers_what_gold_is_of(
    database_url: str, bronze: Bronze, tmp_path: Path
) -> None:
    in_repository = sorted(PROJECT.rglob("*"))
    land_readings(bronze, 0, 1)
    with database.connect(database_url) as connection, pytest.raises(WarehouseNotBuilt, match="iotops warehouse build"):
        snapshot(connection)

    built = build(database_url, bronze, tmp_path / "dbt")

    assert built.describe().startswith("landed 2 rows (documents 0, events 0, messages 0, telemetry 2); gold built in ")
    assert built.describe().endswith(f"{built.models} models, {built.tests} tests passed")
    assert built.models > 10
    assert built.tests > 10
    assert built.snapshot == "telemetry@1"
    assert select(database_url, "select reading_count, value_avg from gold.fct_readings_hourly") == [(2, 0.5)]
    assert build(database_url, bronze, tmp_path / "dbt").skipped
    assert sorted(PROJECT.rglob("*")) == in_repository

    with database.transaction(database_url) as connection:
        connection.execute("update gold.fct_readings set value = 99")
    land_readings(bronze, 2)
    again = build(database_url, bronze, tmp_path / "dbt", full=True)

    assert again.snapshot == "telemetry@2"
    assert select(database_url, "select value from gold.fct_readings order by ts") == [(0.0,), (1.0,), (2.0,)]


def test_a_failed_test_is_one_line_that_names_it_and_no_build_is_skipped_after_it(
    database_url: str, bronze: Bronze, tmp_path: Path
) -> None:
    land_document(bronze, kind="novel")

    with pytest.raises(StepFailed) as failure:
        build(database_url, bronze, tmp_path / "dbt")

    assert "dbt build failed at test accepted_values_documents_kind" in str(failure.value)
    assert "Got 1 result" in str(failure.value)
    assert str(tmp_path / "dbt" / "logs" / "dbt.log") in str(failure.value)
    assert "\n" not in str(failure.value)
    with database.connect(database_url) as connection, pytest.raises(WarehouseNotBuilt):
        snapshot(connection)
    dbt = FakeDbt()
    assert not build(database_url, bronze, tmp_path / "dbt", dbt=dbt).skipped


def test_a_project_that_dbt_cannot_read_is_one_line_with_what_dbt_said(
    database_url: str, bronze: Bronze, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    (project / "models" / "gold" / "releases.sql").write_text("select * from {{ ref('nowhere') }}")

    with pytest.raises(StepFailed, match=r"dbt could not build the warehouse: .*nowhere") as failure:
        build(database_url, bronze, tmp_path / "dbt", dbt_project=project)
    assert "\n" not in str(failure.value)
    assert "Traceback" not in str(failure.value)


def test_dbt_is_not_started_where_nothing_is_new(database_url: str, bronze: Bronze, tmp_path: Path) -> None:
    dbt = FakeDbt()
    land_readings(bronze, 0)

    first = build(database_url, bronze, tmp_path, dbt=dbt)
    second = build(database_url, bronze, tmp_path, dbt=dbt)
    land_readings(bronze, 1)
    third = build(database_url, bronze, tmp_path, dbt=dbt)

    assert [first.skipped, second.skipped, third.skipped] == [False, True, False]
    assert "gold is up to date, so dbt was not run" in second.describe()
    assert dbt.refreshed == [True, False]
    assert [first.snapshot, second.snapshot, third.snapshot] == ["telemetry@1", "telemetry@1", "telemetry@2"]
    with database.connect(database_url) as connection:
        assert snapshot(connection) == "telemetry@2"


def test_a_changed_project_is_built_anew_although_nothing_was_landed(
    database_url: str, bronze: Bronze, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    dbt = FakeDbt()

    build(database_url, bronze, tmp_path, dbt=dbt, dbt_project=project)
    (project / "models" / "gold" / "releases.sql").write_text("select 1 as version")
    build(database_url, bronze, tmp_path, dbt=dbt, dbt_project=project)

    assert dbt.refreshed == [True, True]


def test_tables_that_a_failed_build_of_another_project_touched_are_built_anew(
    database_url: str, bronze: Bronze, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    releases = project / "models" / "gold" / "releases.sql"
    original, dbt = releases.read_text(), FakeDbt()

    build(database_url, bronze, tmp_path, dbt=dbt, dbt_project=project)
    releases.write_text("select 1 as version")
    with pytest.raises(StepFailed):
        build(database_url, bronze, tmp_path, dbt=FakeDbt(fails=True), dbt_project=project)
    releases.write_text(original)
    build(database_url, bronze, tmp_path, dbt=dbt, dbt_project=project)

    assert dbt.refreshed == [True, True]


def test_a_failed_build_is_tried_again_and_the_snapshot_stays_that_of_the_last_good_one(
    database_url: str, bronze: Bronze, tmp_path: Path
) -> None:
    land_readings(bronze, 0)
    build(database_url, bronze, tmp_path, dbt=FakeDbt())
    land_readings(bronze, 1)
    with pytest.raises(StepFailed):
        build(database_url, bronze, tmp_path, dbt=FakeDbt(fails=True))

    with database.connect(database_url) as connection:
        assert snapshot(connection) == "telemetry@1"
    assert build(database_url, bronze, tmp_path, dbt=FakeDbt()).snapshot == "telemetry@2"


def test_gold_that_was_dropped_is_built_again(database_url: str, bronze: Bronze, tmp_path: Path) -> None:
    build(database_url, bronze, tmp_path, dbt=FakeDbt())
    with database.transaction(database_url) as connection:
        connection.execute("drop schema gold cascade")

    assert not build(database_url, bronze, tmp_path, dbt=FakeDbt()).skipped


def test_builds_at_the_same_time_wait_for_each_other(database_url: str, bronze: Bronze, tmp_path: Path) -> None:
    land_readings(bronze, 0)
    dbt, ready = FakeDbt(), Barrier(3)

    def run(_: int) -> Built:
        ready.wait()
        return build(database_url, bronze, tmp_path, dbt=dbt)

    with ThreadPoolExecutor(3) as pool:
        built = list(pool.map(run, range(3)))

    assert sorted(one.skipped for one in built) == [False, True, True]
    assert dbt.refreshed == [True]
