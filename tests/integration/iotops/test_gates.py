"""A gate that does not hold, from bad rows to their correction, by dbt and Great Expectations themselves."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iotops.bootstrap import App
from iotops.gates import gates
from lakehouse import database
from lakehouse.content import content_hashes
from lakehouse.errors import NotReady, Refused
from lakehouse.ingest import ingest_telemetry
from lakehouse.quality.incidents import list_incidents
from lakehouse.warehouse import build_warehouse, promote

DAY = timedelta(days=1)


@pytest.fixture
def built(app: App, tmp_path: Path, now: datetime) -> App:
    """Gold of a first day."""
    ingest(app, tmp_path / "first.csv", now, [20.0, 21.0])
    build(app)
    return app


def ingest(app: App, file: Path, at: datetime, values: list[float], recorded_at: datetime | None = None) -> None:
    """Values of one oven before noon, a minute apart."""
    lines = [f"oven-1,temperature,{(at - number * DAY / 1440).isoformat()},{v},°C" for number, v in enumerate(values)]
    file.write_text("\n".join(["device_id,metric,ts,value,unit", *lines]) + "\n")
    ingest_telemetry(app.bronze, "default", file, now=recorded_at or at)


def build(app: App, **options: Any) -> None:
    work = app.settings.home / "dbt"
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=work, **options)


def gold(app: App) -> dict[str, str]:
    with database.transaction(app.database_url) as connection:
        return content_hashes(connection)


def values(app: App) -> list[Any]:
    with database.transaction(app.database_url) as connection:
        return connection.execute("select value from gold.fct_readings order by ts").fetchall()


def incidents(app: App) -> list[Any]:
    with database.transaction(app.database_url) as connection:
        return list_incidents(connection)


def test_a_gate_that_does_not_hold_keeps_the_gold_of_yesterday_until_the_rows_are_corrected(
    built: App, tmp_path: Path, now: datetime
) -> None:
    yesterday = gold(built)
    ingest(built, tmp_path / "second.csv", now + DAY, [22.0, 99_000.0])

    with pytest.raises(Refused) as refusal:
        build(built, gate=gates(built, now=now + DAY))

    (incident,) = incidents(built)
    told = str(refusal.value)
    assert "gold_candidate.fct_readings_daily: values are physically possible does not hold in 1 row" in told
    assert "oven-1, temperature, 2026-11-02 11:59:00+00, 99000" in told
    assert f"incident {incident.incident_id}" in told
    assert "\n" not in told
    assert (incident.is_open, incident.gate, incident.opened_at) == (True, "gold", now + DAY)
    assert gold(built) == yesterday
    assert values(built) == [(21.0,), (20.0,)]
    with pytest.raises(NotReady, match="no candidate that may be promoted"):
        promote(built.database_url)

    ingest(built, tmp_path / "corrected.csv", now + DAY, [22.0, 23.0], recorded_at=now + 2 * DAY)
    build(built, gate=gates(built, now=now + 2 * DAY))

    assert values(built) == [(21.0,), (20.0,), (23.0,), (22.0,)]
    (incident,) = incidents(built)
    assert incident.resolved_at == now + 2 * DAY
    assert {table for table, content in gold(built).items() if yesterday[table] != content} >= {
        "fct_readings",
        "fct_readings_hourly",
        "fct_readings_daily",
        "mart_device_health",
    }
