"""`iotops db start|stop|shell`: the Postgres under the home."""

import os

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse import database
from lakehouse.errors import Refused

app = typer.Typer(help="The embedded Postgres.", no_args_is_help=True)


@app.command()
def start(as_json: Json = False) -> None:
    """Start it (every command does so by itself) and print its URL."""
    url = bootstrap().database_url
    show({"url": url}, url, as_json)


@app.command()
def stop(as_json: Json = False) -> None:
    """Stop it; its data stays."""
    settings = bootstrap().settings
    if settings.database_url:
        raise Refused("IOTOPS_DATABASE_URL names a database that was not started here: stop it where it runs")
    stopped = database.stop_embedded(settings.home)
    show({"stopped": stopped}, "stopped" if stopped else "was not running", as_json)


@app.command()
def shell() -> None:
    """Open psql on the database."""
    url = bootstrap().database_url
    psql = database.psql_path()
    os.execv(psql, [psql, url])  # noqa: S606 - this process becomes psql
