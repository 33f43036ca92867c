"""`iotops tenant create|list`."""

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse import database, tenants

app = typer.Typer(help="Tenants of this installation.", no_args_is_help=True)


@app.command()
def create(tenant_id: str, as_json: Json = False) -> None:
    """Create a tenant; nothing happens where it exists."""
    with database.transaction(bootstrap().database_url) as connection:
        created = tenants.create_tenant(connection, tenant_id)
    text = f"tenant '{tenant_id}' {'created' if created else 'exists already'}"
    show({"tenant_id": tenant_id, "created": created}, text, as_json)


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List the tenants."""
    with database.transaction(bootstrap().database_url) as connection:
        names = tenants.list_tenants(connection)
    show(names, "\n".join(names), as_json)
