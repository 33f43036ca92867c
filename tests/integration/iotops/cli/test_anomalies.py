import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse import database


def iotops(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "iotops.cli.main", "anomalies", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def silent_pump(database_url: str) -> None:
    """pump-1 falls silent for a day on the third."""
    start = datetime(2026, 10, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=10 * at) for at in range(700) if not 300 < at < 444]
    with database.transaction(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("create schema gold")
        cursor.execute(
            "create table gold.fct_readings (tenant_id text, device_id text, metric text, ts timestamptz, "
            "value double precision, unit text, firmware text, recorded_at timestamptz)"
        )
        rows = [("default", "pump-1", "flow", ts, float(at % 7), "l/s", "1.0", start) for at, ts in enumerate(moments)]
        cursor.executemany("insert into gold.fct_readings values (%s, %s, %s, %s, %s, %s, %s, %s)", rows)


@pytest.mark.usefixtures("silent_pump")
def test_a_silence_is_detected_listed_and_told(environment: dict[str, str]) -> None:
    done = iotops(environment, "detect")
    assert done.stdout == "1 of 1 devices examined (557 readings): 1 anomalies stand\n"
    assert done.stderr == "default: 1 of 1 devices\n"
    assert json.loads(iotops(environment, "detect", "--json").stdout)["examined"] == 0

    (row,) = json.loads(iotops(environment, "list", "--json", "--device", "pump-1", "--kind", "gap").stdout)
    assert (row["metric"], row["started_at"]) == (None, "2026-10-03T02:00:00+00:00")
    assert row["ended_at"] == "2026-10-04T02:00:00+00:00"
    told = iotops(environment, "list").stdout
    assert told.startswith(f"{row['anomaly_id']}  2026-10-03 02:00 to 2026-10-04 02:00  gap    pump-1 (all metrics): ")
    assert iotops(environment, "list", "--since", "2026-10-05").stdout == "nothing was found\n"
    as_of = iotops(environment, "detect", "--as-of", "2026-10-02T12:00:00Z", "--tenant", "default", "--json")
    assert json.loads(as_of.stdout)["anomalies"] == 0


def test_what_is_refused_or_misused_is_one_clear_line(environment: dict[str, str]) -> None:
    for code, *arguments in (
        (1, "detect"),
        (1, "list", "--tenant", "nobody"),
        (2, "list", "--kind", "odd"),
        (2, "list", "--since", "soon"),
        (2, "detect", "--as-of", "tomorrow"),
    ):
        done = iotops(environment, *map(str, arguments))
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
