"""A run of the DAG by Airflow, in a process of its own, over readings as gold has them."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from iotops.airflow import airflow_environment
from iotops.bootstrap import App
from iotops.settings import read_settings
from lakehouse import database

RUN = """
import sys
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
from dags.in_order import run

initdb()
report = run(DagBag(sys.argv[1]).dags["detect_anomalies"])
assert (report["state"], report["writes"]) == ("success", ["anomalies"]), report
"""


@pytest.mark.long
def test_a_run_leaves_what_it_found_in_the_database(environment: dict[str, str]) -> None:
    app = App(read_settings(environment))
    start = datetime(2026, 10, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=10 * at) for at in range(700) if not 300 < at < 444]
    with database.transaction(app.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("create schema gold")
        cursor.execute(
            "create table gold.fct_readings (tenant_id text, device_id text, metric text, ts timestamptz, "
            "value double precision, unit text, firmware text, recorded_at timestamptz)"
        )
        rows = [("default", "pump-1", "flow", ts, float(at % 7), "l/s", "1.0", start) for at, ts in enumerate(moments)]
        cursor.executemany("insert into gold.fct_readings values (%s, %s, %s, %s, %s, %s, %s, %s)", rows)

    command = [sys.executable, "-c", RUN, str(app.settings.dags_folder)]
    airflow = airflow_environment(app.settings, app.database_url)
    done = subprocess.run(command, env=airflow, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    with database.transaction(app.database_url) as connection:
        found = connection.execute("select device_id, kind, started_at from detection.anomalies").fetchall()
    assert found == [("pump-1", "gap", moments[300])]
