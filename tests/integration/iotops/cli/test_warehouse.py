import json
import subprocess
import sys
from pathlib import Path

from iotops.bootstrap import App
from lakehouse.ingest import ingest_telemetry


def iotops(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iotops.cli.main", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_build_says_what_it_landed_and_built_and_a_second_that_nothing_was_new(
    app: App, environment: dict[str, str], tmp_path: Path, now: object
) -> None:
    readings = tmp_path / "readings.csv"
    readings.write_text("ts,device_id,metric,value\n2026-10-01T00:00:00Z,pump-1,pressure,1.5\n")
    ingest_telemetry(app.bronze, "default", readings, now=now)  # type: ignore[arg-type]

    first = iotops(environment, "warehouse", "build", "--json", "--tenant", "default")
    second = iotops(environment, "warehouse", "build")

    assert first.returncode == 0, first.stderr
    built = json.loads(first.stdout)
    assert built["landed"]["rows"] == {"documents": 0, "events": 0, "messages": 0, "telemetry": 1}
    assert (built["skipped"], built["checked"]) == (False, True)
    assert built["snapshot"].startswith("telemetry@")
    assert built["tests"] > 10
    assert second.stdout.startswith("landed 0 rows")
    assert "gold is up to date" in second.stdout
    assert (app.settings.home / "dbt" / "target" / "manifest.json").exists()


def test_a_database_that_is_down_is_one_line_and_exit_code_1(environment: dict[str, str]) -> None:
    refused = iotops(
        environment | {"IOTOPS_DATABASE_URL": "postgresql://me:secret@localhost:1/x"}, "warehouse", "build"
    )

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("iotops: the database at localhost:1/x does not answer")
    assert "secret" not in refused.stderr
