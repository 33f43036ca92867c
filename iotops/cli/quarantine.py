"""`iotops quarantine list`."""

from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse import database, tenants

app = typer.Typer(help="What was refused on its way into bronze, and why.", no_args_is_help=True)


@app.callback()
def _quarantine() -> None:
    """Keeps `list` a command of its own while it is the only one."""


@app.command(name="list")
def list_(
    tenant: Tenant = "default",
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="Only this code, for example not_utf8.")] = None,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    as_json: Json = False,
) -> None:
    """List refused files and records, oldest first. The raw bytes of each are kept as the object `raw_sha256`."""
    from lakehouse.quarantine import list_refused

    app = bootstrap()
    with database.transaction(app.database_url) as connection:
        tenants.require_tenant(connection, tenant)
    rows = list_refused(app.bronze, tenant, code=reason, source=source)
    lines = [
        f"{row['recorded_at']:%Y-%m-%d %H:%M}  {row['code']}  {row['path']}"
        f"{'' if row['record'] is None else ', row ' + str(row['record'])}: {row['reason']}"
        for row in rows
    ]
    show(rows, "\n".join(lines) or "nothing is in quarantine", as_json)
