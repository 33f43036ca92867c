"""Every DAG run once by a process of its own (`dags/in_order.py`), and what it reports of each."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import StepFailed


@dataclass(frozen=True)
class DagRun:
    """A run that succeeded. writes: the names of the assets that the DAG's tasks have as outlets."""

    dag: str
    writes: tuple[str, ...]
    seconds: float


@contextmanager
def dag_runs(environment: Mapping[str, str], log: Path) -> Iterator[Iterator[DagRun]]:
    """On entering, Airflow gets ready; iterating then lets the DAGs run. Raises StepFailed, naming the log."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "dags.in_order"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            yield _reported(process, log)
        except BaseException:
            process.terminate()  # leaving the context waits for it
            raise


def _reported(process: "subprocess.Popen[str]", log: Path) -> Iterator[DagRun]:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
    for line in process.stdout:
        report = json.loads(line)
        if report.get("ready"):
            process.stdin.write("go\n")
            process.stdin.flush()
        elif report.get("state") == "success":
            yield DagRun(report["dag"], tuple(report["writes"]), report["seconds"])
        else:
            raise StepFailed(f"{_why(report)}: Airflow's log of this run is {log}")
    if code := process.wait():
        raise StepFailed(f"Airflow ended with exit code {code}: its log of this run is {log}")


def _why(report: dict[str, Any]) -> str:
    if "import_errors" in report:
        return f"{', '.join(sorted(report['import_errors']))} cannot be imported"
    causes = [f"{task} ({cause})" for task, cause in report["causes"].items()]
    return f"DAG {report['dag']} failed at {', '.join(causes) or 'no task'}"
