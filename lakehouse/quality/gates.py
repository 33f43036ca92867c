"""The gates of the warehouse: landing before dbt reads it, and a candidate before it is promoted.

A gate judges, records, writes the page, and resolves its open incident where nothing fails. Who called it opens the
incident, or has `stop_at_bronze` and `stop_at_gold` do both.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from lakehouse.database import Connection, connect
from lakehouse.errors import Refused
from lakehouse.quality import bronze_profiles, bronze_rules, gold_profiles, gold_rules
from lakehouse.quality.engine import source_on, validate, warm
from lakehouse.quality.findings import FailedExpectation, Finding, failed
from lakehouse.quality.incidents import open_incident, resolve_incident
from lakehouse.quality.report import write_report
from lakehouse.quality.results import Checked, record
from lakehouse.quality.rules import Rule

__all__ = ["check_bronze", "check_gold", "open_incident", "stop_at_bronze", "stop_at_gold", "warm"]

BRONZE: Final = "bronze"
GOLD: Final = "gold"
KEEPS: Final = {
    BRONZE: "dbt is not run, and gold goes on serving what it served",
    GOLD: "the candidate is not promoted, and gold goes on serving what it served",
}


@dataclass(frozen=True)
class Gate:
    name: str
    rules: tuple[Rule, ...]


def check_bronze(database_url: str, *, now: datetime, reports: Path) -> list[FailedExpectation]:
    """What stops the build: errors, not warnings. None is good."""
    return _check(database_url, Gate(BRONZE, bronze_rules.RULES), now=now, reports=reports)


def check_gold(
    database_url: str, *, schema: str = "gold_candidate", now: datetime, reports: Path
) -> list[FailedExpectation]:
    """What stops the promotion: errors, not warnings. None is good. Raises WarehouseNotBuilt."""
    rules = tuple(replace(rule, schema=schema, rows=rule.rows.replace("{schema}", schema)) for rule in gold_rules.RULES)
    return _check(database_url, Gate(GOLD, rules), now=now, reports=reports)


def stop_at_bronze(database_url: str, *, now: datetime, reports: Path, build_id: int | None = None) -> None:
    """Raises Refused where the gate does not hold, after an incident was opened or taken up again."""
    _stop(database_url, BRONZE, check_bronze(database_url, now=now, reports=reports), now, reports, build_id)


def stop_at_gold(
    database_url: str, *, schema: str = "gold_candidate", now: datetime, reports: Path, build_id: int | None = None
) -> None:
    """Raises Refused where the gate does not hold, after an incident was opened or taken up again."""
    failures = check_gold(database_url, schema=schema, now=now, reports=reports)
    _stop(database_url, GOLD, failures, now, reports, build_id)


def refusal(gate: str, failures: Sequence[FailedExpectation], incident_id: str) -> Refused:
    """One line: what does not hold, in which rows, what is kept, what to do, and where to read on."""
    remedies = dict.fromkeys(failure.remedy for failure in failures if failure.remedy)
    return Refused(
        f"the {gate} gate does not hold: {' | '.join(map(str, failures))}. {KEEPS[gate]} (incident {incident_id}). "
        f"To do: {'; '.join(remedies)}. 'iotops quality show' names the rows, 'iotops quality accept {incident_id}' "
        "takes them for true; then run 'iotops warehouse build'"
    )


def _stop(
    database_url: str,
    gate: str,
    failures: list[FailedExpectation],
    now: datetime,
    reports: Path,
    build_id: int | None,
) -> None:
    if failures:
        incident_id = open_incident(database_url, gate, failures, now=now, build_id=build_id)
        write_report(database_url, reports)
        raise refusal(gate, failures, incident_id)


def _check(database_url: str, gate: Gate, *, now: datetime, reports: Path) -> list[FailedExpectation]:
    started = time.monotonic()
    with connect(database_url) as connection:
        connection.execute("set timezone to 'UTC'")
        connection.execute("set jit to off")  # compiling takes longer than these queries do
        if gate.name == BRONZE:
            bronze_profiles.prepare(connection, now)
        else:
            gold_profiles.prepare(connection, gate.rules[0].schema)
        with source_on(connection) as source:
            judged = list(validate(source, gate.name, gate.rules))
        checked = [Checked(rule, tuple(_failures(connection, rule, places))) for rule, places in judged]
        run = record(connection, gate.name, checked, now=now, seconds=time.monotonic() - started)
        if not run.errors:
            resolve_incident(connection, gate.name, now=now)
        connection.commit()
    write_report(database_url, reports, run.run_id)
    return [failure for one in checked for failure in one.failures if failure.severity == "error"]


def _failures(connection: Connection, rule: Rule, places: list[Mapping[str, Any]]) -> list[FailedExpectation]:
    """One for each tenant whose rows break the rule."""
    by_tenant = groupby(sorted(places, key=lambda place: str(place["tenant_id"])), key=lambda place: place["tenant_id"])
    found = []
    for tenant_id, group in by_tenant:
        of_tenant = list(group)
        findings = tuple(_finding(connection, rule, place) for place in of_tenant)
        rows = int(of_tenant[0]["all_rows"])
        found.append(
            failed(
                rule.table,
                rule.schema,
                rule.name,
                rule.severity,
                tenant_id,
                rows,
                remedy=rule.remedy,
                findings=findings,
            )
        )
    return found


def _finding(connection: Connection, rule: Rule, place: Mapping[str, Any]) -> Finding:
    examples: tuple[str, ...] = ()
    if rule.rows:
        said = {"tenant_id": place["tenant_id"], **place["keys"]}
        rows = connection.execute(rule.rows, said).fetchall()
        examples = tuple(str(row[0]) for row in rows)
    return Finding(place["keys"], int(place["rows"]), place["seen"] or "", place["expected"] or "", examples)
