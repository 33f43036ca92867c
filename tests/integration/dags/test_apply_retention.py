"""A run of the nightly DAGs by Airflow, in a process of its own, and what the commands say then."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iotops.airflow import airflow_environment
from iotops.bootstrap import App
from iotops.settings import read_settings
from lakehouse import archive, database
from lakehouse.ingest import ingest_telemetry

RUN = """
import sys
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
from dags.in_order import run

initdb()
dags = DagBag(sys.argv[1]).dags
for name in ("apply_retention", "maintain_bronze"):
    report = run(dags[name])
    assert report["state"] == "success", report
"""


@pytest.mark.long  # lakehouse/test_retention.py holds what the task calls
def test_a_nightly_run_takes_old_days_out_of_postgres_and_older_ones_out_of_delta(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"IOTOPS_HOT_DAYS": "30", "IOTOPS_WARM_DAYS": "60"}
    app = App(read_settings(environment))
    now = datetime.now(UTC)
    hot, warm, cold = (now - timedelta(days=days) for days in (10, 40, 100))
    (tmp_path / "a.csv").write_text(
        "\n".join(
            ["device_id,metric,ts,value", *(f"pump-1,flow,{moment.isoformat()},1" for moment in (hot, warm, cold))]
        )
    )
    ingest_telemetry(app.bronze, "default", tmp_path / "a.csv", now=now)

    done = execute(
        [sys.executable, "-c", RUN, str(app.settings.dags_folder)], airflow_environment(app.settings, app.database_url)
    )

    assert done.returncode == 0, done.stderr
    with database.connect(app.database_url) as connection:
        assert connection.execute("select ts from gold.fct_readings").fetchall() == [(hot,)]
        assert connection.execute("select first_seen_at from gold.dim_devices").fetchall() == [(cold,)]
    assert {row["ts"] for row in app.bronze.changes("telemetry")[0].to_pylist()} == {hot, warm}
    assert [part.day for part in archive.parts(app.bronze, "default", "telemetry")] == [cold.date()]
    log = Path(app.bronze.table_uri("telemetry").removeprefix("file://"), "_delta_log")
    assert list(log.glob("*.checkpoint.parquet")), "maintenance leaves a checkpoint"

    day = cold.date().isoformat()
    command = [sys.executable, "-m", "iotops.cli.main", "bronze"]
    restored = execute([*command, "restore", "--from", day, "--to", day], environment)
    again = execute([*command, "retain", "--json"], environment)
    nothing = execute([*command, "restore", "--from", day, "--to", day, "--tenant", "public"], environment)

    assert restored.stdout == "restored 1 rows of 1 days (events 0, telemetry 1)\n"
    said = json.loads(again.stdout)
    assert (said["horizon"], said["retired"]) == ((now - timedelta(days=30)).date().isoformat(), {})
    assert [one["rows"] for one in said["archived"]] == [0, 1]
    assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1)


def execute(command: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
