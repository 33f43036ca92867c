"""`iotops serve api|ui`."""

import os
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap

app = typer.Typer(help="Serve the API or the page, until Ctrl-C.", no_args_is_help=True)

Host = Annotated[str, typer.Option(help="The address to listen on. Neither server asks who calls: keep it local.")]


@app.command()
def api(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: IOTOPS_API_PORT.")] = None,
    host: Host = "127.0.0.1",
) -> None:
    """Serve the REST API."""
    from iotops.serve import serve_api

    parts = bootstrap()
    serve_api(parts, host, parts.settings.api_port if port is None else port)


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: IOTOPS_UI_PORT.")] = None,
    host: Host = "127.0.0.1",
    api: Annotated[str | None, typer.Option(help="URL of the API. Default: on this machine, IOTOPS_API_PORT.")] = None,
) -> None:
    """Serve the page, which asks the API."""
    from iotops.serve import page_command

    settings = bootstrap().settings
    command = page_command(host, port or settings.ui_port, api or f"http://127.0.0.1:{settings.api_port}")
    os.execv(command[0], command)  # noqa: S606 - this process becomes the page, so a signal to it stops the page
