"""`iotops bronze maintain|retain|restore`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show

app = typer.Typer(help="The tables that everything is made from.", no_args_is_help=True)

AllTenants = Annotated[str | None, typer.Option("--tenant", help="Taken for uniformity: tables hold all tenants.")]
First = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day (UTC).")]
Last = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day (UTC).")]


@app.command()
def maintain(
    kept_hours: Annotated[int, typer.Option(min=0, help="How long files stay that no version names any more.")] = 168,
    tenant: AllTenants = None,  # noqa: ARG001 - as its help says
    as_json: Json = False,
) -> None:
    """Compact small files and remove old ones. No row changes."""
    from lakehouse.maintenance import maintain as run

    done = run(bootstrap().bronze, kept_hours=kept_hours)
    text = "\n".join(table.describe() for table in done) or "bronze holds no table yet"
    show([table.to_json() for table in done], text, as_json)


@app.command()
def retain(
    tenant: AllTenants = None,  # noqa: ARG001 - as its help says
    as_json: Json = False,
) -> None:
    """Take readings and events out of Postgres after IOTOPS_HOT_DAYS, and out of Delta after IOTOPS_WARM_DAYS."""
    from iotops.retaining import retain as run

    done = run(bootstrap(), now=datetime.now(UTC))
    show(done.to_json(), done.describe(), as_json)


@app.command()
def restore(first: First, last: Last, tenant: Tenant = "default", as_json: Json = False) -> None:
    """Bring archived days back into the Delta tables. The next `retain` takes them out again, so allow for more days
    in IOTOPS_WARM_DAYS to keep them there."""
    from lakehouse.cold import restore as run

    done = run(bootstrap().bronze, tenant, first.date(), last.date())
    show(done.to_json(), done.describe(), as_json)
