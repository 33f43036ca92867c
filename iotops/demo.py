"""`iotops demo`: a simulated fleet through every DAG, questions about it, and the answers against the known truth.

Its data has a home of its own below the configured one, with an embedded Postgres and a bronze folder whatever the
environment names: a demo must not touch anybody's data. No part of it opens a TCP port.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from iotops.airflow import airflow_environment
from iotops.bootstrap import App
from iotops.footprint import Footprint
from iotops.session import alone, running_database
from iotops.settings import Settings
from iotops.supervisor import Supervisor
from lakehouse import database
from lakehouse.errors import StepFailed
from lakehouse.tenants import create_tenant
from simulator.simulation import Simulation, simulate

if TYPE_CHECKING:
    from rag.answer import Answer
    from rag.evaluation import Case, Scorecard

SEED = 7
END = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Demo:
    """first_answer: seconds from the start of this process to the first answer with a citation."""

    answers: tuple["Answer", ...]
    scorecard: "Scorecard"
    first_answer: float
    largest_process: int
    home: Path

    def to_json(self) -> dict[str, Any]:
        return {
            "answers": [answer.to_json() for answer in self.answers],
            "scorecard": self.scorecard.to_json(),
            "first_cited_answer_seconds": round(self.first_answer, 1),
            "largest_process_bytes": self.largest_process,
            "home": str(self.home),
        }


def demo_settings(settings: Settings) -> Settings:
    home = settings.home / "demo"
    return replace(settings, home=home, database_url=None, bronze_url=(home / "bronze").as_uri(), inbox=home / "inbox")


def run_demo(configured: Settings, say: Callable[[str], None], show: Callable[["Answer"], None]) -> Demo:
    """Raises StepFailed, naming the log, where a DAG fails."""
    settings = demo_settings(configured)
    with (
        alone(settings.home),
        Footprint() as footprint,
        running_database(settings) as database_url,
        Supervisor(settings.home / "logs") as supervisor,
    ):
        footprint.also(_postmaster(settings.home))
        app = App(replace(settings, database_url=database_url))
        with _airflow(app, supervisor.log("demo-airflow")) as dags:
            simulation = simulate(settings.inbox, settings.home / "truth", seed=SEED, end=END)
            say(f"simulated {simulation.describe()}")
            _create_tenants(database_url, simulation)
            for report in dags:
                say(f"  {report['dag']:<22} {report['seconds']:>5.1f} s")
        from rag.evaluation import evaluate, read_cases

        cases = read_cases(simulation.truth)
        answers, first = _ask(app, _one_of_each_kind(cases), simulation.now, show)
        scorecard = evaluate(app.copilot.ask, cases, now=simulation.now)
        return Demo(tuple(answers), scorecard, first, footprint.largest, settings.home)


def _postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def _create_tenants(database_url: str, simulation: Simulation) -> None:
    with database.transaction(database_url) as connection:
        for tenant_id in simulation.tenants:
            create_tenant(connection, tenant_id)


@contextmanager
def _airflow(app: App, log: Path) -> Iterator[Iterator[dict[str, Any]]]:
    """Airflow gets ready while the fleet is simulated; iterating lets the DAGs run and gives a report of each."""
    environment = airflow_environment(app.settings, app.database_url)
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
        yield _reports(process, log)


def _reports(process: "subprocess.Popen[str]", log: Path) -> Iterator[dict[str, Any]]:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
    for line in process.stdout:
        report = json.loads(line)
        if report.get("ready"):
            process.stdin.write("go\n")
            process.stdin.flush()
        elif report.get("state") == "success":
            yield report
        else:
            raise StepFailed(f"{_why(report)}: Airflow's log of this run is {log}")
    if code := process.wait():
        raise StepFailed(f"Airflow ended with exit code {code}: its log of this run is {log}")


def _why(report: dict[str, Any]) -> str:
    if "import_errors" in report:
        return f"{', '.join(sorted(report['import_errors']))} cannot be imported"
    return f"DAG {report['dag']} failed at {', '.join(report['failed']) or 'no task'}"


def _one_of_each_kind(cases: list["Case"]) -> list["Case"]:
    return list({case.kind: case for case in reversed(cases)}.values())[::-1]


def _ask(
    app: App, cases: list["Case"], now: datetime, show: Callable[["Answer"], None]
) -> tuple[list["Answer"], float]:
    """The answers, and when the first with a citation came, in seconds from the start of this process."""
    from rag.answer import Question

    answers, first = [], None
    for case in cases:
        answer = app.copilot.ask(Question(case.question, case.tenant_id, case.now or now))
        show(answer)
        answers.append(answer)
        if first is None and answer.claims:
            first = time.time() - psutil.Process().create_time()
    if first is None:
        raise StepFailed("none of the questions was answered with a citation: see the answers above")
    return answers, first
