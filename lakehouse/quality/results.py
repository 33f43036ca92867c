"""What the gates found, run by run, as it can be browsed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from lakehouse.database import Connection
from lakehouse.errors import NotFound
from lakehouse.quality.findings import FailedExpectation
from lakehouse.quality.rules import Rule

KEPT_DAYS: Final = 90
RUN_COLUMNS: Final = "run_id, gate, checked_at, seconds, passed, errors, warnings"
RESULT_COLUMNS: Final = (
    'gate, suite, "table", tenant_id, expectation, severity, success, observed, expected, unexpected_count, examples'
)

FORGET: Final = """
update quality.incidents
set failures = (
    select coalesce(jsonb_agg(f), '[]')
    from jsonb_array_elements(failures) as f
    where f ->> 'tenant_id' <> %(tenant_id)s
)
where failures @> jsonb_build_array(jsonb_build_object('tenant_id', %(tenant_id)s::text))
"""


@dataclass(frozen=True)
class Checked:
    """failures: one for each tenant; none where the rule holds."""

    rule: Rule
    failures: tuple[FailedExpectation, ...]


@dataclass(frozen=True)
class Run:
    """passed, errors, warnings: expectations, counted once however many tenants break them."""

    run_id: int
    gate: str
    checked_at: datetime
    seconds: float
    passed: int
    errors: int
    warnings: int

    @property
    def verdict(self) -> str:
        return "failed" if self.errors else "passed"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Result:
    gate: str
    suite: str
    table: str
    tenant_id: str | None
    expectation: str
    severity: str
    success: bool
    observed: str
    expected: str
    unexpected_count: int
    examples: list[dict[str, Any]]

    @property
    def verdict(self) -> str:
        return "passed" if self.success else {"error": "failed", "warn": "warning"}[self.severity]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def record(connection: Connection, gate: str, checked: Sequence[Checked], *, now: datetime, seconds: float) -> Run:
    """In the transaction of whoever calls. Runs of long ago are forgotten."""
    broken = [one.rule.severity for one in checked if one.failures]
    counts = (len(checked) - len(broken), broken.count("error"), broken.count("warn"))
    row = connection.execute(
        "insert into quality.runs (gate, checked_at, seconds, passed, errors, warnings) "
        "values (%s, %s, %s, %s, %s, %s) returning run_id",
        (gate, now, seconds, *counts),
    ).fetchone()
    run_id = int(str(row[0])) if row else 0
    with connection.cursor() as cursor:
        cursor.executemany(
            f"insert into quality.results (run_id, {RESULT_COLUMNS}, checked_at) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(run_id, gate, *values, now) for one in checked for values in _rows(one)],
        )
    connection.execute("delete from quality.runs where checked_at < %s - %s * interval '1 day'", (now, KEPT_DAYS))
    return Run(run_id, gate, now, seconds, *counts)


def _rows(checked: Checked) -> list[tuple[Any, ...]]:
    rule = checked.rule
    table = f"{rule.schema}.{rule.table}"
    if not checked.failures:
        return [(rule.suite, table, None, rule.name, rule.severity, True, "", "", 0, "[]")]
    return [
        (
            rule.suite,
            table,
            failure.tenant_id,
            rule.name,
            rule.severity,
            False,
            failure.findings[0].seen,
            failure.findings[0].expected,
            failure.rows,
            json.dumps([asdict(finding) for finding in failure.findings], default=str),
        )
        for failure in checked.failures
    ]


def list_runs(connection: Connection, *, limit: int = 50) -> list[Run]:
    """Newest first."""
    rows: list[Any] = connection.execute(
        f"select {RUN_COLUMNS} from quality.runs order by run_id desc limit %s", (limit,)
    ).fetchall()
    return [Run(*row) for row in rows]


def find_run(connection: Connection, run_id: int | None = None) -> Run:
    """The last one where none is named. Raises NotFound."""
    rows: list[Any] = connection.execute(
        f"select {RUN_COLUMNS} from quality.runs where run_id = coalesce(%s, run_id) order by run_id desc limit 1",
        (run_id,),
    ).fetchall()
    if not rows:
        named = f"no run {run_id}" if run_id else "no run yet"
        raise NotFound(f"the gates have {named}: 'iotops quality list' shows those there are, a build makes one")
    return Run(*rows[0])


def results_of(connection: Connection, run_id: int, tenant_id: str | None = None) -> list[Result]:
    """What failed first. With a tenant: its own rows, and the expectations that hold for all."""
    rows: list[Any] = connection.execute(
        f"select {RESULT_COLUMNS} from quality.results where run_id = %s "
        "and (%s::text is null or tenant_id is null or tenant_id = %s) "
        'order by success, severity, suite, "table", expectation, tenant_id',
        (run_id, tenant_id, tenant_id),
    ).fetchall()
    return [Result(*row) for row in rows]


def forget_findings(connection: Connection, tenant_id: str) -> dict[str, int]:
    """For the erasure of one document, which examples may name: all that was found of its tenant."""
    results = connection.execute("delete from quality.results where tenant_id = %s", (tenant_id,)).rowcount
    incidents = connection.execute(FORGET, {"tenant_id": tenant_id}).rowcount
    return {"quality.results": results, "quality.incidents": incidents}


def forget_tenant(connection: Connection, tenant_id: str) -> dict[str, int]:
    """For an erasure, in its transaction: rows that went, by table. The pages are written anew by `write_all`."""
    gone = {
        f"quality.{table}": connection.execute(
            f"delete from quality.{table} where tenant_id = %s", (tenant_id,)
        ).rowcount
        for table in ("results", "accepted", "arrivals", "units")
    }
    gone["quality.incidents"] = connection.execute(FORGET, {"tenant_id": tenant_id}).rowcount
    return gone
