import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def iotops(environment: dict[str, str], *arguments: str | Path) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "iotops.cli.main", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120)


def as_json(environment: dict[str, str], *arguments: str | Path) -> Any:
    done = iotops(environment, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pump-1.csv"
    path.write_text('ts,value\n2026-10-31,1\n"2026-11-01",\x1b[31mx\n')
    return path


def test_a_refusal_is_listed_shown_and_redriven(environment: dict[str, str], file: Path) -> None:
    iotops(environment, "ingest", "telemetry", file, "--metric", "flow")
    (row,) = as_json(environment, "quarantine", "list")
    assert iotops(environment, "quarantine", "list").stdout.decode().startswith(row["id"])
    shown = iotops(environment, "quarantine", "show", row["id"]).stdout.decode()
    assert "code: missing_column\n" in shown
    assert shown.endswith('ts,value\n2026-10-31,1\n"2026-11-01",\\x1b[31mx\n\n')
    assert iotops(environment, "quarantine", "show", row["id"], "--raw").stdout == file.read_bytes()

    done = iotops(environment, "quarantine", "redrive", row["id"], "--device", "{stem}")
    assert done.stdout.decode() == "quarantine: 1 redriven, 0 still refused, 0 superseded\n"
    (bad,) = as_json(environment, "quarantine", "list")
    assert (bad["record"], bad["code"]) == (2, "bad_value")
    told = iotops(environment, "quarantine", "list").stdout.decode()
    assert told.rstrip().endswith("bad_value  pump-1.csv, row 2: value '\\x1b[31mx' is no finite number")
    assert as_json(environment, "quarantine", "show", bad["id"])["excerpt"] == '"2026-11-01",\\x1b[31mx'
    assert [one["resolution"] for one in as_json(environment, "quarantine", "list", "--all")] == ["redriven", None]
    counts = {"redriven": 0, "still_refused": 1, "superseded": 0}
    assert as_json(environment, "quarantine", "redrive", "--reason", "bad_value") == counts
    assert as_json(environment, "quarantine", "redrive", "--all", "--source", "another") == counts | {
        "still_refused": 0
    }


def test_an_unknown_id_is_one_clear_line(environment: dict[str, str]) -> None:
    for verb in ("show", "redrive"):
        done = iotops(environment, "quarantine", verb, "0123456789abcdef")
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.decode() == (
            "iotops: nothing in quarantine has the id '0123456789abcdef': "
            "'iotops quarantine list --all' shows the ids\n"
        )


def test_a_redrive_of_nothing_in_particular_is_misuse(environment: dict[str, str]) -> None:
    done = iotops(environment, "quarantine", "redrive", "--device", "d1")
    assert done.returncode == 2
    assert done.stderr.decode().startswith("iotops: nothing says what to redrive")
