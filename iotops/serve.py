"""The servers of this installation: the API in this process, the page in one that takes its place."""

import os
import signal
import socket
import sys
from datetime import UTC, datetime

from iotops.bootstrap import App
from iotops.settings import REPOSITORY
from lakehouse.errors import Refused


def serve_api(app: App, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM, then returns. Requests under way are finished first."""
    import uvicorn

    from copilot_api.app import create_app
    from lakehouse.intake import Intake

    listening = _listen(host, port)
    intake = Intake(app.bronze, app.database_url)
    api = create_app(app.copilot, clock=lambda: datetime.now(UTC), intake=intake)
    config = uvicorn.Config(api, log_level="warning", timeout_graceful_shutdown=10)
    # uvicorn repeats the signal that stopped it, to the handlers that were there before: these end the process with 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    print(f"API on http://{host}:{listening.getsockname()[1]}, described at /openapi.json", flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def page_command(host: str, port: int, api: str) -> list[str]:
    """What runs the page; its other settings are in ui/.streamlit/config.toml."""
    page = str(REPOSITORY / "ui" / "page.py")
    options = ["--server.address", host, "--server.port", str(port)]
    return [sys.executable, "-m", "streamlit", "run", page, *options, "--", "--api", api]


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        # Python adds the address to the text of the system; a name that does not resolve has a negative number.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise Refused(f"cannot listen on {host}:{port} ({reason}): pass another --port or --host") from error
