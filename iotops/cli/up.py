"""`iotops up`."""

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from iotops.settings import Settings


def up(as_json: Json = False) -> None:
    """Serve API, UI and Airflow on this machine until Ctrl-C, and then leave no process behind."""
    from iotops.supervisor import end_on_signals
    from iotops.up import serve

    settings = bootstrap().settings
    end_on_signals()
    typer.echo(f"starting Postgres, Airflow, API and UI on {settings.home} (about 40 s) …", err=True)
    try:
        serve(settings, ready=lambda: _show_addresses(settings, as_json))
    except KeyboardInterrupt:
        typer.echo("everything is stopped", err=True)


def _show_addresses(settings: Settings, as_json: bool) -> None:
    from iotops.airflow import USER, airflow_password

    urls = {
        "ui": f"http://127.0.0.1:{settings.ui_port}",
        "api": f"http://127.0.0.1:{settings.api_port}",
        "openapi": f"http://127.0.0.1:{settings.api_port}/openapi.json",
        "airflow": f"http://127.0.0.1:{settings.airflow_port}",
    }
    text = (
        f"  ask      {urls['ui']}\n"
        f"  API      {urls['openapi']}\n"
        f"  Airflow  {urls['airflow']}  ({USER} / {airflow_password(settings)})\n"
        f"ready: what is put into {settings.inbox}/<tenant>/{{documents,chats,telemetry}} is read on the hour,\n"
        f"or when an ingest DAG is triggered. Logs are in {settings.home / 'logs'}. Ctrl-C stops everything."
    )
    show(urls, text, as_json)
