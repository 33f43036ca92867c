"""A supervisor in a process of its own, over small real processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

# What a test's services are made of. Each writes its pid to a file named after it.
PROLOGUE = """
import os, sys, time
from pathlib import Path
from iotops.supervisor import Service, Supervisor, end_on_signals
from lakehouse.errors import StepFailed

FOLDER = Path(sys.argv[1])

def service(name, code):
    note = f"import os, pathlib; pathlib.Path({str(FOLDER)!r}, {name!r} + '.pid').write_text(str(os.getpid()))"
    return Service(name, (sys.executable, "-c", note + "\\n" + code), dict(os.environ))

def wait_for(*names):
    while not all((FOLDER / (name + ".pid")).exists() for name in names):
        time.sleep(0.02)

SLEEP = "import time; time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n" + SLEEP
end_on_signals()
"""

# A grandchild that leaves the session of its parent, and whose parent then ends: nothing but adoption still finds it.
DAEMON = """
import os, pathlib, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    {deaf}
    pathlib.Path({folder!r}, "daemon.pid").write_text(str(os.getpid()))
    time.sleep(600)
os.wait()
time.sleep(600)
"""


def supervise(folder: Path, body: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + body, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pids(folder: Path) -> dict[str, int]:
    return {path.stem: int(path.read_text()) for path in folder.glob("*.pid") if path.read_text()}


def alive(folder: Path) -> list[str]:
    return [
        name
        for name, pid in pids(folder).items()
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        psutil.wait_procs([], timeout=0.02)


def test_a_service_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        """
with Supervisor(FOLDER / "logs", grace=0.5) as supervisor:
    supervisor.start(service("deaf", DEAF), service("polite", SLEEP))
    wait_for("deaf", "polite")
print("left the context")
""",
    )
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "left the context\n"), err
    assert set(pids(tmp_path)) == {"deaf", "polite"}
    assert alive(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
@pytest.mark.parametrize("deaf", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_an_orphan_that_left_its_session_is_ended_too(tmp_path: Path, deaf: str) -> None:
    daemon = DAEMON.format(folder=str(tmp_path), deaf=deaf)
    process = supervise(
        tmp_path,
        f"""
with Supervisor(FOLDER / "logs", grace=0.5) as supervisor:
    supervisor.start(service("parent", {daemon!r}))
    wait_for("parent", "daemon")
""",
    )
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert set(pids(tmp_path)) == {"parent", "daemon"}
    assert alive(tmp_path) == []


def test_a_service_that_dies_is_named_with_its_last_words_and_the_others_are_stopped(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        """
try:
    with Supervisor(FOLDER / "logs") as supervisor:
        supervisor.start(service("steady", SLEEP))
        wait_for("steady")
        supervisor.start(service("fragile", "print('no disk left'); raise SystemExit(7)"))
        supervisor.watch()
except StepFailed as error:
    print(error)
""",
    )
    out, err = process.communicate(timeout=30)
    assert out.startswith("fragile ended with exit code 7"), err
    assert str(tmp_path / "logs" / "fragile.log") in out
    assert err == "fragile: no disk left\n"
    assert alive(tmp_path) == []


def test_a_step_that_fails_ends_the_start(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        """
with Supervisor(FOLDER / "logs") as supervisor:
    supervisor.finish(service("fine", "pass"))
    print("one step done")
    try:
        supervisor.finish(service("migration", "raise SystemExit('table is locked')"))
    except StepFailed as error:
        print(error)
""",
    )
    out, err = process.communicate(timeout=30)
    assert out.splitlines()[0] == "one step done", err
    assert out.splitlines()[1].startswith("migration ended with exit code 1")
    assert "table is locked" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_way_of_ending_it_stops_the_services(tmp_path: Path, number: signal.Signals) -> None:
    process = supervise(
        tmp_path,
        """
try:
    with Supervisor(FOLDER / "logs", grace=5) as supervisor:
        supervisor.start(service("steady", SLEEP))
        supervisor.watch()
except KeyboardInterrupt:
    print("stopped")
""",
    )
    until(lambda: pids(tmp_path))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "stopped\n"), err
    assert alive(tmp_path) == []


def test_a_second_ctrl_c_does_not_interrupt_the_stopping(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        """
try:
    with Supervisor(FOLDER / "logs", grace=1.0) as supervisor:
        supervisor.start(service("deaf", DEAF))
        wait_for("deaf")
        print("up", flush=True)
        supervisor.watch()
except KeyboardInterrupt:
    print("stopped")
""",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    for _ in range(5):
        psutil.wait_procs([psutil.Process(process.pid)], timeout=0.1)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "stopped\n"), err
    assert alive(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's death on Linux only")
def test_services_are_asked_to_stop_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        """
with Supervisor(FOLDER / "logs") as supervisor:
    supervisor.start(service("steady", SLEEP))
    supervisor.watch()
""",
    )
    until(lambda: pids(tmp_path))
    process.kill()
    process.communicate(timeout=30)
    until(lambda: alive(tmp_path) == [])


def test_what_ran_before_is_left_alone(tmp_path: Path) -> None:
    process = supervise(
        tmp_path,
        """
import subprocess
former = subprocess.Popen([sys.executable, "-c", SLEEP])
with Supervisor(FOLDER / "logs") as supervisor:
    supervisor.start(service("steady", SLEEP))
    wait_for("steady")
print(former.poll())
former.kill()
former.wait()
""",
    )
    out, err = process.communicate(timeout=30)
    assert out == "None\n", err
    assert alive(tmp_path) == []


def test_a_service_is_healthy_once_its_address_answers(tmp_path: Path) -> None:
    server = """
import http.server, time
time.sleep(0.5)
class Health(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Health.asked += 1
        self.send_response(200 if Health.asked > 2 else 503)
        self.end_headers()
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Health)
pathlib.Path(FOLDER, "port").write_text(str(server.server_port))
server.serve_forever()
""".replace("FOLDER", repr(str(tmp_path)))
    process = supervise(
        tmp_path,
        f"""
from dataclasses import replace
with Supervisor(FOLDER / "logs") as supervisor:
    web = service("web", {server!r})
    supervisor.start(web)
    while not (FOLDER / "port").exists():
        time.sleep(0.02)
    supervisor.wait_healthy(replace(web, health="http://127.0.0.1:" + (FOLDER / "port").read_text()), seconds=20)
    print("healthy")
    try:
        supervisor.wait_healthy(replace(web, health="http://127.0.0.1:1"), seconds=0.3)
    except StepFailed as error:
        print(error)
""",
    )
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[0] == "healthy", err
    assert out.splitlines()[1].startswith("web is not ready after 0 s")
