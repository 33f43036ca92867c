"""`iotops quality list|show|incidents|accept`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse import database, tenants

if TYPE_CHECKING:
    from lakehouse.quality.incidents import Incident
    from lakehouse.quality.results import Result, Run

app = typer.Typer(help="What the gates of the warehouse found, and what they stopped.", no_args_is_help=True)

OneTenant = Annotated[str | None, typer.Option("--tenant", help="Only rows of this tenant; by default of all.")]


@app.command(name="list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many runs.")] = 20,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Taken for uniformity: a run covers all.")] = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """List runs of the gates, newest first."""
    from lakehouse.quality.results import list_runs

    with database.transaction(bootstrap().database_url) as connection:
        runs = list_runs(connection, limit=limit)
    lines = [_run_line(run) for run in runs]
    show([run.to_json() for run in runs], "\n".join(lines) or "no gate has run yet: a build runs them", as_json)


@app.command(name="show")
def show_(
    run: Annotated[int | None, typer.Argument(help="As 'quality list' shows it; by default the last.")] = None,
    tenant: OneTenant = None,
    as_json: Json = False,
) -> None:
    """One run: what holds, what does not, and which rows are meant."""
    from lakehouse.quality.results import find_run, results_of

    with database.transaction(bootstrap().database_url) as connection:
        if tenant is not None:
            tenants.require_tenant(connection, tenant)
        found = find_run(connection, run)
        results = results_of(connection, found.run_id, tenant)
    lines = [_run_line(found), *(line for result in results for line in _result_lines(result))]
    told = {**found.to_json(), "results": [result.to_json() for result in results]}
    show(told, "\n".join(lines), as_json)


@app.command()
def incidents(tenant: OneTenant = None, as_json: Json = False) -> None:
    """List incidents, open ones first. The first run of a gate that passes resolves its own."""
    from lakehouse.quality.incidents import list_incidents

    with database.transaction(bootstrap().database_url) as connection:
        if tenant is not None:
            tenants.require_tenant(connection, tenant)
        found = list_incidents(connection, tenant)
    lines = [line for incident in found for line in _incident_lines(incident)]
    show([one.to_json() for one in found], "\n".join(lines) or "no gate has stopped anything", as_json)


@app.command()
def accept(
    incident: Annotated[str, typer.Argument(metavar="ID", help="As 'quality incidents' shows it.", show_default=False)],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Taken for uniformity: an incident has all.")] = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """Take what an incident names for true: these places stop nothing any more. Others of the same kind still do."""
    from lakehouse.quality.incidents import accept_incident

    with database.transaction(bootstrap().database_url) as connection:
        count = accept_incident(connection, incident, now=datetime.now(UTC))
    told = f"accepted {count} places of {incident}: 'iotops warehouse build' takes them in and resolves it"
    show({"incident_id": incident, "accepted": count}, told, as_json)


def _run_line(run: "Run") -> str:
    counted = f"{run.passed} hold, {run.errors} failed, {run.warnings} warn"
    return f"{run.run_id}  {run.checked_at:%Y-%m-%d %H:%M}  {run.gate} {run.verdict}: {counted} ({run.seconds:.1f} s)"


def _result_lines(result: "Result") -> list[str]:
    if result.success:
        return [f"  holds    {result.table}: {result.expectation}"]
    rows = f"{_rows(result.unexpected_count)} of {result.tenant_id}"
    head = f"  {result.verdict:<7}  {result.table}: {result.expectation}: {rows}"
    return [head, *(line for finding in result.examples for line in _finding_lines(finding))]


def _finding_lines(finding: dict[str, Any]) -> list[str]:
    measured = f": {finding['seen']}, expected {finding['expected']}" if finding["seen"] else ""
    place = ", ".join(str(value) for value in finding["keys"].values())
    return [f"             {place}{measured}", *(f"               {row}" for row in finding["examples"])]


def _incident_lines(incident: "Incident") -> list[str]:
    until = f"resolved {incident.resolved_at:%Y-%m-%d %H:%M}" if incident.resolved_at else "open"
    seen = f"opened {incident.opened_at:%Y-%m-%d %H:%M}, last seen {incident.last_seen_at:%Y-%m-%d %H:%M}"
    failures = [
        f"  {one['schema']}.{one['table']}: {one['expectation']}: {_rows(one['rows'])}, such as "
        + "; ".join(one["examples"])
        for one in incident.failures
    ]
    return [f"{incident.incident_id}  {until} ({seen})", *failures]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
