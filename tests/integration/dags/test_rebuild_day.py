"""A day made anew by Airflow, in a process of its own, and what Airflow keeps of deadlines."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from iotops.airflow import airflow_environment
from iotops.bootstrap import App
from lakehouse import database
from lakehouse.content import content_hashes
from lakehouse.ingest import ingest_telemetry
from lakehouse.warehouse import build_warehouse

NOW = datetime(2026, 10, 5, tzinfo=UTC)
DAYS = ("2026-10-02", "2026-10-03", "2026-10-04")
TAMPERING = (
    "update gold.fct_readings set value = -1 where (ts at time zone 'UTC')::date = %s::date and device_id = 'pump-1'",
    "delete from gold.fct_readings where (ts at time zone 'UTC')::date = %s::date and device_id = 'pump-2'",
    "delete from gold.fct_readings_hourly where (hour at time zone 'UTC')::date = %s::date",
    "update gold.fct_readings_daily set value_max = 9 where day = %s::date",
)
# Deadlines as Airflow keeps them, and each callback called as an executor calls it.
RUN = """
import json, sys
from datetime import datetime
from airflow.dag_processing.dagbag import DagBag
from airflow.models.deadline_alert import DeadlineAlert
from airflow.sdk.execution_time.callback_supervisor import execute_callback
from airflow.utils.db import initdb
from airflow.utils.session import create_session
import structlog

initdb()
dag = DagBag(sys.argv[1]).dags["rebuild_day"]
state = dag.test(logical_date=datetime.fromisoformat(sys.argv[3] + "T00:00:00+00:00")).state
with create_session() as session:
    alerts = {one.name: one.callback_def["__data__"] for one in session.query(DeadlineAlert)}
context = {"dag_run": {"dag_id": "some_dag", "dag_run_id": "some_run"}}
for one in alerts.values():
    kwargs = {**one["kwargs"], "context": context}
    one["called"] = execute_callback(one["path"], kwargs, "", None, structlog.get_logger())
json.dump({"state": str(state), "alerts": alerts}, open(sys.argv[2], "w"))
"""


@pytest.mark.long
def test_a_day_made_anew_is_the_day_as_it_was_and_what_was_changed_in_gold_is_put_right(
    app: App, environment: dict[str, str], tmp_path: Path
) -> None:
    rows = [
        f"pump-{device},flow,{day}T{hour:02}:00:00Z,{device + hour / 7}"
        for day in DAYS
        for device in range(3)
        for hour in range(24)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["device_id,metric,ts,value", *rows]))
    ingest_telemetry(app.bronze, "default", tmp_path / "a.csv", now=NOW)
    work = app.settings.home / "dbt"
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=work)
    with database.connect(app.database_url) as connection:
        before = content_hashes(connection)
        for statement in TAMPERING:
            connection.execute(statement, (DAYS[1],))
        connection.commit()
        assert {name for name, one in content_hashes(connection).items() if one != before[name]} == {
            "fct_readings",
            "fct_readings_daily",
            "fct_readings_hourly",
        }

    report, log = run_in_airflow(app, tmp_path / "report.json", DAYS[1])

    assert report["state"] == "success"
    assert {name: (one["path"], one["called"]) for name, one in report["alerts"].items()} == {
        "done within 0:30:00": ("dags.deadlines.report_late", [True, None]),
        "done within 1:00:00": ("dags.deadlines.report_late", [True, None]),
    }
    assert "some_dag (run some_run) is not done 60 minutes after it was queued" in log
    with database.connect(app.database_url) as connection:
        assert content_hashes(connection) == before
        made_anew = connection.execute("select day from registry.touched_days").fetchall()
        assert made_anew == [(date.fromisoformat(DAYS[1]),)]


def run_in_airflow(app: App, report: Path, day: str) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(app.settings.dags_folder), str(report), day],
        env=airflow_environment(app.settings, app.database_url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(report.read_text()), done.stdout + done.stderr
