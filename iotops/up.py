"""`iotops up`: Airflow, API and UI as children of one supervisor, on 127.0.0.1, until Ctrl-C."""

import socket
import sys
from collections.abc import Callable
from dataclasses import replace

import httpx

from iotops.airflow import airflow_environment
from iotops.session import alone, running_database
from iotops.settings import Settings, child_environment
from iotops.supervisor import Service, Supervisor
from lakehouse.errors import Refused

# Two cores that other work keeps busy: everything is up after 35 s when they are idle.
READY_WITHIN = 240.0


def serve(settings: Settings, ready: Callable[[], None]) -> None:
    """Return never: raises StepFailed where a part ends by itself, KeyboardInterrupt where a person ends it."""
    with alone(settings.home):
        _refuse_taken_ports(settings)
        with running_database(settings) as database_url, Supervisor(settings.home / "logs") as supervisor:
            _start_all(settings, database_url, supervisor)
            ready()
            supervisor.watch()


def _start_all(settings: Settings, database_url: str, supervisor: Supervisor) -> None:
    environment = airflow_environment(settings, database_url)
    ours = our_services(settings, database_url)
    server, processor, scheduler = airflow_services(settings, environment)
    supervisor.start(*ours)
    supervisor.finish(_airflow("airflow-migrate", environment, "db", "migrate"))
    supervisor.start(server, processor)
    # The server's first call takes seconds; the first task, started by a scheduler, would give up waiting for it.
    supervisor.wait_healthy(server, seconds=READY_WITHIN)
    supervisor.start(scheduler)
    supervisor.wait_healthy(*ours, processor, scheduler, seconds=READY_WITHIN)


def our_services(settings: Settings, database_url: str) -> list[Service]:
    environment = child_environment(replace(settings, database_url=database_url))
    program = (sys.executable, "-m", "iotops.cli.main", "serve")
    return [
        Service("api", (*program, "api"), environment, f"http://127.0.0.1:{settings.api_port}/healthz"),
        Service("ui", (*program, "ui"), environment, f"http://127.0.0.1:{settings.ui_port}/_stcore/health"),
    ]


def airflow_services(settings: Settings, environment: dict[str, str]) -> tuple[Service, Service, Service]:
    """API server, DAG processor, scheduler. No triggerer: no task defers. No log server: it listens everywhere."""
    address = f"http://127.0.0.1:{settings.airflow_port}"
    server = _airflow("airflow-api-server", environment, "api-server")
    processor = _airflow("airflow-dag-processor", environment, "dag-processor")
    scheduler = _airflow("airflow-scheduler", environment, "scheduler", "--skip-serve-logs")
    monitor = f"{address}/api/v2/monitor/health"
    return (
        replace(server, health=f"{address}/execution/health"),
        replace(processor, health=monitor, ready=_part_is_healthy("dag_processor")),
        replace(scheduler, health=monitor, ready=_part_is_healthy("scheduler")),
    )


def _airflow(name: str, environment: dict[str, str], *arguments: str) -> Service:
    return Service(name, (sys.executable, "-m", "airflow", *arguments), environment)


def _part_is_healthy(part: str) -> Callable[[httpx.Response], bool]:
    """Scheduler and DAG processor listen nowhere: the API server reports the age of their heartbeats."""
    return lambda answer: bool(answer.is_success and answer.json()[part]["status"] == "healthy")


def _refuse_taken_ports(settings: Settings) -> None:
    ports = {
        "IOTOPS_API_PORT": settings.api_port,
        "IOTOPS_UI_PORT": settings.ui_port,
        "IOTOPS_AIRFLOW_PORT": settings.airflow_port,
    }
    for name, port in ports.items():
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                raise Refused(f"port {port} is in use: stop what listens there, or set {name} to a free port") from None
