"""`airflow backfill` and a missed deadline, by a scheduler with its executor, API server and DAG processor."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from iotops.airflow import airflow_environment, metadata_url
from iotops.bootstrap import App
from iotops.supervisor import Supervisor
from iotops.up import READY_WITHIN, airflow_services
from lakehouse import database
from lakehouse.content import content_hashes
from lakehouse.ingest import ingest_telemetry
from lakehouse.warehouse import build_warehouse

DAYS = ("2026-10-02", "2026-10-03", "2026-10-04")
# A run of real work that cannot be done within a second.
LATE = """
from datetime import timedelta
from airflow.sdk import dag
from dags.chain import SHARED
from dags.deadlines import done_within
from dags.gold import BuildGold

@dag(schedule=None, deadline=done_within(timedelta(seconds=1)), **SHARED)
def late() -> None:
    BuildGold(task_id="build", days="2026-10-02", promotes=True)

late()
"""

pytestmark = pytest.mark.long


@pytest.fixture
def airflow(app: App, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Runs a command of Airflow, next to a scheduler that sees rebuild_day and a DAG which is always late."""
    folder = tmp_path / "dags"
    folder.mkdir()
    shutil.copy(app.settings.dags_folder / "rebuild_day.py", folder)
    (folder / "late.py").write_text(LATE)
    settings = replace(app.settings, airflow_port=_free_port())
    environment = airflow_environment(settings, app.database_url) | {"AIRFLOW__CORE__DAGS_FOLDER": str(folder)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("db", "migrate")
    server, processor, scheduler = airflow_services(settings, environment)
    with Supervisor(tmp_path / "logs") as supervisor:
        for service in (server, processor, scheduler):
            supervisor.start(service)
            supervisor.wait_healthy(service, seconds=READY_WITHIN)
        yield run


def test_a_backfill_gives_each_day_as_it_was_and_a_run_that_is_late_is_told_of(
    app: App, airflow: Callable[..., str], tmp_path: Path
) -> None:
    rows = [f"pump-1,flow,{day}T{hour:02}:00:00Z,{hour / 7}" for day in DAYS for hour in range(24)]
    (tmp_path / "a.csv").write_text("\n".join(["device_id,metric,ts,value", *rows]))
    ingest_telemetry(app.bronze, "default", tmp_path / "a.csv", now=datetime(2026, 10, 5, tzinfo=UTC))
    work = app.settings.home / "dbt"
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=work)
    with database.connect(app.database_url) as connection:
        before = content_hashes(connection)
        connection.execute("update gold.fct_readings set value = -1")
        connection.execute("delete from gold.fct_readings_hourly")
    wait_for(lambda: "rebuild_day" in airflow("dags", "list", "--output", "plain"))

    airflow("backfill", "create", "--dag-id", "rebuild_day", "--from-date", DAYS[0], "--to-date", DAYS[2])
    wait_for(lambda: states(app, "dag_id = 'rebuild_day' and run_type = 'backfill'") == ["success"] * len(DAYS))

    with database.connect(app.database_url) as connection:
        assert content_hashes(connection) == before

    airflow("dags", "trigger", "late")
    wait_for(lambda: states(app, "dag_id = 'late'") == ["success"])
    told = Path(app.settings.home, "airflow", "logs", "executor_callbacks", "late")
    wait_for(lambda: any("is not done" in log.read_text() for log in told.rglob("*") if log.is_file()), seconds=60)


def states(app: App, condition: str) -> list[str]:
    with database.connect(metadata_url(app.database_url).replace("postgresql+psycopg", "postgresql")) as connection:
        rows = connection.execute(f"select state from dag_run where {condition}").fetchall()
    return [str(state) for (state,) in rows]


def wait_for(happened: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        Event().wait(1)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
