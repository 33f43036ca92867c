"""`iotops anomalies detect|list`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse import database, tenants
from lakehouse.errors import Misused

if TYPE_CHECKING:
    from lakehouse.anomalies.evidence import Anomaly

app = typer.Typer(help="What is wrong in the readings of gold, with its evidence.", no_args_is_help=True)

KINDS = ("gap", "stuck", "drift", "level", "spike", "shape")
Moment = Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; without an offset it is UTC.")]
OneOrAll = Annotated[str | None, typer.Option("--tenant", help="Only this tenant; all of them without it.")]


@app.command()
def detect(
    tenant: OneOrAll = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="Readings up to here count, and what is silent by then is. [default: a tenant's newest reading]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Examine every device that has readings which were not seen before, and replace what was found on it."""
    from lakehouse.anomalies.detection import detect as run

    def say(name: str, done: int, of: int) -> None:
        typer.echo(f"{name}: {done} of {of} devices", err=True)

    until = _moment("--as-of", as_of)
    done = run(bootstrap().database_url, tenant_id=tenant, as_of=until, progress=say)
    show(done.to_json(), done.describe(), as_json)


@app.command(name="list")
def list_(
    tenant: Tenant = "default",
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="|".join(KINDS), help="Only this kind.")] = None,
    since: Moment = None,
    as_json: Json = False,
) -> None:
    """List what was found, oldest first; with --since, what was not over by then. JSON carries the whole evidence."""
    from lakehouse.anomalies.detection import anomalies

    if kind not in (None, *KINDS):
        raise Misused(f"'{kind}' is no kind of anomaly: use one of {', '.join(KINDS)}")
    begin = _moment("--since", since)
    with database.transaction(bootstrap().database_url) as connection:
        tenants.require_tenant(connection, tenant)
        found = anomalies(connection, tenant, device=device, kind=kind, since=begin)
    show([one.to_json() for one in found], "\n".join(map(_line, found)) or "nothing was found", as_json)


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misused(f"{option} '{text}' is no time: write it like 2026-11-01T12:00:00Z") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _line(found: "Anomaly") -> str:
    what = f"{found.device_id} {found.metric or '(all metrics)'}"
    seen = f"{found.measure} {found.seen:.6g}, expected {found.expected_low:.6g} to {found.expected_high:.6g}"
    more = len(found.findings) - 1
    others = f", with {more} more {'finding' if more == 1 else 'findings'}" if more else ""
    when = f"{found.started_at:%Y-%m-%d %H:%M} to {found.ended_at:%Y-%m-%d %H:%M}"
    return f"{found.anomaly_id}  {when}  {found.kind:5}  {what}: {seen}{others}"
