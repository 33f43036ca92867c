"""`iotops demo`: a simulated fleet through every DAG, questions about it, and the answers against the known truth.

Its data has a home of its own below the configured one, with an embedded Postgres and a bronze folder whatever the
environment names: a demo must not touch anybody's data. No part of it opens a TCP port.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from iotops.airflow import airflow_environment
from iotops.airflow_runs import DagRun, dag_runs
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

# The first needs no embedding, so it is quick; the last has no answer.
ORDER = ("telemetry", "lookup", "troubleshoot", "version-dependent", "three-source", "unanswerable")
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
    return replace(
        settings,
        home=home,
        database_url=None,
        bronze_url=(home / "bronze").as_uri(),
        inbox=home / "inbox",
        connectors=home / "connectors.yaml",
    )


def run_demo(configured: Settings, say: Callable[[str], None], show: Callable[["Answer"], None]) -> Demo:
    """Raises StepFailed, naming the log, where a DAG fails."""
    settings = demo_settings(configured)
    started = datetime.now(UTC)
    with (
        alone(settings.home),
        Footprint() as footprint,
        running_database(settings) as database_url,
        Supervisor(settings.home / "logs") as supervisor,
        closing(App(replace(settings, database_url=database_url))) as app,
    ):
        footprint.also(_postmaster(settings.home))
        log = supervisor.log("demo-airflow")
        with dag_runs(airflow_environment(settings, database_url), log) as runs:
            simulation = simulate(settings.inbox, settings.home / "truth", seed=SEED, end=END)
            _create_tenants(database_url, simulation)
            say(f"simulated {simulation.describe()}\nAirflow runs the DAGs, its log is {log}")
            answers, first = _ask_while_they_run(app, runs, simulation, say, show)
        scorecard = _scorecard(app, simulation, started)
        return Demo(tuple(answers), scorecard, first, footprint.largest, settings.home)


def _ask_while_they_run(
    app: App,
    runs: Iterator[DagRun],
    simulation: Simulation,
    say: Callable[[str], None],
    show: Callable[["Answer"], None],
) -> tuple[list["Answer"], float]:
    """Ask as soon as there is an index to ask; Airflow evaluates and promotes it meanwhile."""
    answers: list[Answer] = []
    first = 0.0
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(lambda: app.copilot)  # 2 s for the model, while the first DAGs run on the other core
        for run in runs:
            say(f"  {run.dag:<22} {run.seconds:>5.1f} s")
            if "search_index" in run.writes:
                opening.result()
                answers, first = _ask(app, simulation, show)
    return answers, first


def _postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def _create_tenants(database_url: str, simulation: Simulation) -> None:
    with database.transaction(database_url) as connection:
        for tenant_id in simulation.tenants:
            create_tenant(connection, tenant_id)


def _ask(app: App, simulation: Simulation, show: Callable[["Answer"], None]) -> tuple[list["Answer"], float]:
    """The answers to one question of each kind, and after how many seconds of this process the first citation came."""
    from rag import indexing
    from rag.answer import Question
    from rag.evaluation import read_cases

    with database.transaction(app.database_url) as connection:
        newest = indexing.list_versions(connection)[0].index_version
    answers, first = [], None
    for case in _one_of_each_kind(read_cases(simulation.truth)):
        question = Question(case.question, case.tenant_id, case.now or simulation.now)
        answer = app.copilot.ask(question, index_version=newest)
        show(answer)
        answers.append(answer)
        if first is None and answer.claims:
            first = time.time() - psutil.Process().create_time()
    if first is None:
        raise StepFailed("none of the questions was answered with a citation: see the answers above")
    return answers, first


def _one_of_each_kind(cases: list["Case"]) -> list["Case"]:
    return [next(case for case in cases if case.kind == kind) for kind in ORDER]


def _scorecard(app: App, simulation: Simulation, started: datetime) -> "Scorecard":
    """The one that rag_eval_pipeline has just kept, or a new one where the index was active already."""
    from iotops.promotion import SUITE
    from rag import evaluation, indexing

    with database.transaction(app.database_url) as connection:
        active = str(indexing.active_version(connection))
        kept = evaluation.load(connection, active, SUITE, since=started)
    cases = evaluation.read_cases(simulation.truth)
    return kept or evaluation.evaluate(app.copilot.ask, cases, now=simulation.now)
