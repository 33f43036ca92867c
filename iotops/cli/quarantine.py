"""`iotops quarantine list|show|redrive`."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse import database, tenants
from lakehouse.errors import BadRecord, Misused, NotFound

if TYPE_CHECKING:
    from lakehouse.bronze import Bronze

app = typer.Typer(help="What was refused on its way into bronze, why, and a second try.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(metavar="CODE", help="Only this code, for example not_utf8.")]
Source = Annotated[str | None, typer.Option(help="Only this source.")]


@app.command(name="list")
def list_(
    tenant: Tenant = "default",
    reason: Reason = None,
    source: Source = None,
    all_: Annotated[bool, typer.Option("--all", help="Also what was redriven or superseded since.")] = False,
    as_json: Json = False,
) -> None:
    """List refused files and records, oldest first. The raw bytes of each are kept as the object `raw_sha256`."""
    from lakehouse.quarantine import list_refused

    rows = list_refused(_bronze(tenant), tenant, code=reason, source=source, resolved=all_)
    show(rows, "\n".join(map(_line, rows)) or "nothing is in quarantine", as_json)


@app.command(name="show")
def show_(
    refusal: Annotated[str, typer.Argument(metavar="ID", help="As 'quarantine list' shows it.", show_default=False)],
    tenant: Tenant = "default",
    raw: Annotated[bool, typer.Option("--raw", help="Write the stored bytes to stdout, exactly, and no more.")] = False,
    as_json: Json = False,
) -> None:
    """One refusal, with the beginning of its bytes or the row of the file that it is about."""
    from lakehouse.excerpt import excerpt, printable
    from lakehouse.quarantine import find_refused
    from lakehouse.redriving.attempt import pieces

    bronze = _bronze(tenant)
    (row,) = find_refused(bronze, tenant, [refusal])
    if raw:
        try:
            for piece in pieces(bronze, tenant, row["raw_sha256"]):
                sys.stdout.buffer.write(piece)
        except BadRecord as error:
            raise NotFound(f"refusal {refusal} has no bytes to show: {error.reason}") from error
        return
    text = excerpt(bronze, row)
    lines = [f"{name}: {printable(str(value))}" for name, value in row.items() if value not in (None, {})]
    show({**row, "excerpt": text}, "\n".join([*lines, "", text]), as_json)


@app.command()
def redrive(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)] = None,
    tenant: Tenant = "default",
    reason: Reason = None,
    source: Source = None,
    all_: Annotated[bool, typer.Option("--all", help="Everything that is refused.")] = False,
    device: Annotated[str | None, typer.Option(help="Device of telemetry without such a column.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric of telemetry without such a column.")] = None,
    product: Annotated[str | None, typer.Option(help="Product, where a document names none.")] = None,
    version: Annotated[str | None, typer.Option(help="Release, where a document names none.")] = None,
    kind: Annotated[str | None, typer.Option(help="manual, runbook, release_note or incident.")] = None,
    as_json: Json = False,
) -> None:
    """Try refused bytes again, after a repair, or with options that were missing. What lands does so exactly once.

    Options of the first try still hold; those that are given here win.
    """
    from lakehouse.quarantine import find_refused, list_refused
    from lakehouse.redrive import redrive as try_again

    if not (ids or reason or source or all_):
        raise Misused("nothing says what to redrive: give an ID, --reason, --source or --all")
    bronze = _bronze(tenant)
    rows = find_refused(bronze, tenant, ids) if ids else list_refused(bronze, tenant)
    chosen = {row["id"] for row in rows if reason in (None, row["code"]) and source in (None, row["source"])}
    said = {"device": device, "metric": metric, "product": product, "version": version, "kind": kind}
    given = {name: value for name, value in said.items() if value}
    summary = try_again(bronze, tenant, chosen, now=datetime.now(UTC), said=given)
    show(summary.to_json(), summary.describe(), as_json)


def _bronze(tenant: str) -> "Bronze":
    """Raises UnknownTenant."""
    app = bootstrap()
    with database.transaction(app.database_url) as connection:
        tenants.require_tenant(connection, tenant)
    return app.bronze


def _line(row: dict[str, Any]) -> str:
    from lakehouse.excerpt import printable

    record = "" if row["record"] is None else f", row {row['record']}"
    resolution = f"  {row['resolution']}" if row["resolution"] else ""
    told = f"{row['code']}  {row['path']}{record}: {row['reason']}"
    return printable(f"{row['id']}  {row['recorded_at']:%Y-%m-%d %H:%M}{resolution}  {told}")
