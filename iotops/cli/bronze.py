"""`iotops bronze maintain`."""

from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show

app = typer.Typer(help="The tables that everything is made from.", no_args_is_help=True)

AllTenants = Annotated[str | None, typer.Option("--tenant", help="Taken for uniformity: tables hold all tenants.")]


@app.callback()
def nouns() -> None:
    """Keeps `maintain` a verb: typer drops the name of a command that is alone."""


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
