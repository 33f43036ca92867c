"""`iotops quality …` as a person runs it, after a gate that did not hold."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest
from typer.testing import CliRunner, Result

from iotops.bootstrap import App
from iotops.cli.main import app as command
from lakehouse import database
from lakehouse.quality import gates

Run = Callable[..., Result]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    return lambda *arguments: CliRunner().invoke(command, ["quality", *arguments], env=environment)


@pytest.fixture
def refused(app: App, now: datetime) -> None:
    with database.connect(app.database_url) as connection:
        connection.execute(
            "insert into landing.documents values ('default', 's', 'p', 'manual', 't', %(sha)s, %(sha)s, 'text/plain', "
            "'x', 0, 9, null, null, null, null, 'internal', null, false, %(now)s, 1, 'one')",
            {"sha": "a" * 64, "now": now},
        )
    failures = gates.check_bronze(app.database_url, now=now, reports=app.settings.home / "quality")
    gates.open_incident(app.database_url, "bronze", failures, now=now)


@pytest.mark.usefixtures("refused")
def test_runs_and_incidents_are_listed_shown_and_accepted(run: Run) -> None:
    assert run("list").output.startswith("1  2026-11-01 12:00  bronze failed: ")
    (listed,) = json.loads(run("list", "--json").output)
    assert (listed["run_id"], listed["verdict"], listed["errors"]) == (1, "failed", 1)

    shown = run("show").output.splitlines()
    assert shown[1] == "  failed   landing.documents: text is as long as its bytes: 1 row of default"
    assert shown[2] == f"             {'a' * 64}, s"
    assert "  holds    landing.telemetry: value is a finite number" in shown
    results = json.loads(run("show", "1", "--tenant", "public", "--json").output)["results"]
    assert {result["verdict"] for result in results} == {"passed"}

    told = run("incidents").output
    assert told.startswith("bronze-1  open (opened 2026-11-01 12:00, last seen 2026-11-01 12:00)\n")
    assert "text is as long as its bytes: 1 row, such as default, aaaa" in told
    assert run("incidents", "--tenant", "public").output == "no gate has stopped anything\n"
    assert json.loads(run("accept", "bronze-1", "--json").output) == {"incident_id": "bronze-1", "accepted": 1}


def test_what_is_not_there_is_said_in_one_line(run: Run) -> None:
    assert run("list").output == "no gate has run yet: a build runs them\n"
    assert "the gates have no run yet" in str(run("show").exception)
    assert "no run 7" in str(run("show", "7").exception)
    assert "tenant 'nobody' does not exist" in str(run("show", "--tenant", "nobody").exception)
    assert "incident 'gold-9' is not known" in str(run("accept", "gold-9").exception)
