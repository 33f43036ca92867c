"""`iotops up` as a person runs it: one start, shared by the tests of this module, ended by Ctrl-C in the last."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

COMMAND = [sys.executable, "-m", "iotops.cli.main"]


@dataclass(frozen=True)
class Running:
    home: Path
    environment: dict[str, str]
    process: "subprocess.Popen[str]"
    urls: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("up") / "home"
    ports = {f"IOTOPS_{name}_PORT": str(free_port()) for name in ("API", "UI", "AIRFLOW")}
    environment = {**os.environ, **ports, "IOTOPS_HOME": str(home)}
    environment.pop("IOTOPS_DATABASE_URL", None)
    with (home.parent / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "up", "--json"], env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (home.parent / "stderr").read_text()
        yield Running(home, environment, process, json.loads(line))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        process.stdout.close()  # type: ignore[union-attr]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_api_ui_and_airflow_answer(running: Running) -> None:
    assert httpx.get(f"{running.urls['api']}/healthz").status_code == 200
    assert "/v1/ask" in httpx.get(running.urls["openapi"]).json()["paths"]
    assert httpx.get(f"{running.urls['ui']}/_stcore/health").text == "ok"
    health = httpx.get(f"{running.urls['airflow']}/api/v2/monitor/health").json()
    assert health["scheduler"]["status"] == health["dag_processor"]["status"] == "healthy"


def test_a_home_without_an_index_is_alive_but_not_ready(running: Running) -> None:
    answer = httpx.get(f"{running.urls['api']}/readyz")
    assert not answer.is_success
    assert "iotops" in answer.json()["detail"]


def test_every_address_is_of_this_machine_only(running: Running) -> None:
    children = psutil.Process(running.process.pid).children(recursive=True)
    addresses = {address for process in children for address in listening(process)}
    assert addresses == {"127.0.0.1"}


def listening(process: psutil.Process) -> list[str]:
    try:
        return [c.laddr.ip for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN]
    except psutil.NoSuchProcess:  # the DAG processor reads each file in a process that soon ends
        return []


def test_a_second_up_on_the_same_home_is_refused_in_one_line(running: Running) -> None:
    ports = {f"IOTOPS_{name}_PORT": str(free_port()) for name in ("API", "UI", "AIRFLOW")}
    assert refusal({**running.environment, **ports}).startswith(f"iotops: iotops is up already on {running.home}")


def test_a_port_in_use_is_refused_in_one_line(running: Running, tmp_path: Path) -> None:
    port = running.environment["IOTOPS_API_PORT"]
    line = refusal({**running.environment, "IOTOPS_HOME": str(tmp_path / "other")})
    assert line == f"iotops: port {port} is in use: stop what listens there, or set IOTOPS_API_PORT to a free port"


def refusal(environment: dict[str, str]) -> str:
    done = subprocess.run([*COMMAND, "up"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()[-1]


def test_a_dag_runs_when_it_is_triggered(running: Running) -> None:
    """Tasks call back to the API server on its port, so this fails where they cannot find it."""
    with httpx.Client(base_url=running.urls["airflow"], timeout=30) as airflow:
        password = json.loads((running.home / "airflow" / "passwords.json").read_text())["admin"]
        token = airflow.post("/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
        airflow.headers["Authorization"] = f"Bearer {token}"
        runs = "/api/v2/dags/ingest_documents/dagRuns"
        started = airflow.post(runs, json={"logical_date": None})
        assert started.is_success, started.text
        address = f"{runs}/{started.json()['dag_run_id']}"
        deadline = time.monotonic() + 90
        while (state := airflow.get(address).json()["state"]) in ("queued", "running"):
            assert time.monotonic() < deadline
            psutil.wait_procs([], timeout=0.5)
        tasks = airflow.get(f"{address}/taskInstances").json()["task_instances"]
    assert state == "success"
    assert {task["task_id"]: task["state"] for task in tasks} == {"tenants_with": "success", "ingest": "skipped"}


def test_nobody_else_can_read_the_secrets(running: Running) -> None:
    files = [running.home / "airflow" / name for name in ("secrets.json", "passwords.json")]
    assert [oct(file.stat().st_mode & 0o777) for file in files] == ["0o600", "0o600"]


def test_ctrl_c_leaves_no_process_behind(running: Running) -> None:
    postmaster = int((running.home / "postgres" / "postmaster.pid").read_text().split()[0])
    before = [psutil.Process(postmaster), *psutil.Process(running.process.pid).children(recursive=True)]
    assert len(before) > 5
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    psutil.wait_procs(before, timeout=5)  # init needs a moment for those that were nobody's children
    assert [command(process) for process in before if process.is_running()] == []
    assert [command(process) for process in psutil.process_iter() if belongs_to(process, running.home)] == []


def command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def belongs_to(process: psutil.Process, home: Path) -> bool:
    try:
        return str(home) in " ".join(command(process)) or str(home) == process.environ().get("IOTOPS_HOME")
    except psutil.Error:
        return False
