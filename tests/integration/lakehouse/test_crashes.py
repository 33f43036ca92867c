"""One commit, cut off at each of its writes, renames and syncs: by a kill, and by a disk that answers EIO."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.bronze import Bronze
from lakehouse.objects import open_objects
from tests.crashing import RAW, ROWS, commit, rows
from tests.durability import Disk, trace

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace"),
]

CALLS = {
    "write": "write,pwrite64,writev",
    "rename": "rename,renameat,renameat2,link,linkat",
    "fsync": "fsync,fdatasync",
}
FAULTS = {"killed": "signal=KILL", "EIO": "error=EIO"}
MOST = 60
PATIENCE = 3  # seconds


@dataclass
class Server:
    process: "subprocess.Popen[str]"
    folder: Path

    def attempt(self, bronze_url: str, phase: str, fault: str) -> tuple[str, bool]:
        """What a client would be told ("" where nothing was said), and whether the fault struck."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        go, ready, ack, log = (self.folder / name for name in ("go", "go.ready", "ack", "log"))
        for path in (go, ready, ack, log):
            path.unlink(missing_ok=True)
        os.mkfifo(go)
        os.mkfifo(ready)
        self.process.stdin.write(f"{bronze_url} {go} {ack} {phase}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        ready.read_bytes()
        names = fault.partition(":")[0]
        command = ["strace", "-f", "-p", str(pid), "-o", str(log), "-e", f"trace={names}", "-e", f"inject={fault}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            go.write_bytes(b".")
            # The fault may strike what wakes a thread, and the child waits for ever: then that is where it is killed.
            seconds_since = 0
            while not select.select([self.process.stdout], [], [], 1.0)[0]:
                seconds_since += "(INJECTED)" in log.read_text()
                if seconds_since == PATIENCE:
                    os.kill(pid, signal.SIGKILL)
            status = int(self.process.stdout.readline())
        struck = os.WIFSIGNALED(status) or "(INJECTED)" in log.read_text()
        return ack.read_text() if ack.exists() else "", struck


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.crashing"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process, tmp_path_factory.mktemp("crashes"))
        process.kill()


@pytest.mark.parametrize("phase", ["start", "log"])
@pytest.mark.parametrize(
    ("fault", "calls"),
    [  # a disk that refuses to write is tried at 60 places, which takes a minute
        pytest.param(fault, calls, marks=[pytest.mark.long] if (fault, calls) == ("EIO", "write") else [])
        for fault in FAULTS
        for calls in CALLS
    ],
)
def test_a_commit_cut_off_anywhere_is_there_whole_or_not_at_all(
    server: Server, tmp_path: Path, fault: str, calls: str, phase: str
) -> None:
    before = tmp_path / "before"
    earlier = open_bronze(before)
    earlier.append("telemetry", rows("e" * 64, 3), ["earlier"])
    outcomes = []
    for number in range(1, MOST):
        here = tmp_path / f"bronze-{number}"
        shutil.copytree(before, here)
        told, struck = server.attempt(here.as_uri(), phase, f"{CALLS[calls]}:{FAULTS[fault]}:when={number}")
        if not struck:
            assert told == "acknowledged"
            break
        outcomes.append(told)
        bronze = open_bronze(here)
        held = landed(bronze)
        assert held in (set(), set(range(ROWS))), "a part of it landed"
        if told == "acknowledged":
            assert held, "what was acknowledged is not there"
        commit(here.as_uri())
        assert landed(bronze) == set(range(ROWS))
        assert bronze.changes("telemetry")[0].num_rows == ROWS + 3
        sha256 = bronze.changes("telemetry")[0]["object_sha256"][-1].as_py()
        assert bronze.objects.get("acme", sha256) == RAW
    else:
        pytest.fail(f"the commit makes more than {MOST} calls of {CALLS[calls]}")
    assert outcomes, "the fault never struck"


@pytest.mark.parametrize("is_first", [True, False])
def test_what_is_acknowledged_would_survive_a_power_cut(tmp_path: Path, is_first: bool) -> None:
    """By the calls that a commit makes: bytes and names are synced, and what the log names before the log itself."""
    folder = tmp_path / "bronze"
    if not is_first:
        open_bronze(folder).append("telemetry", rows("e" * 64, 3), ["earlier"])
    code = f"from tests.crashing import commit; commit({folder.as_uri()!r})"
    disk, logged = Disk(), 0
    for call in trace(code, tmp_path / "strace.log"):
        disk.see(call)
        if call.name == "link" and call.paths[1].endswith(".json"):
            logged += 1
            named = {path for path in disk.lost(folder) if "_delta_log" not in path}
            assert not named, f"the log names what a power cut could take: {named}"
    assert logged == (2 if is_first else 1)
    assert disk.lost(folder) == set()


def open_bronze(folder: Path) -> Bronze:
    return Bronze(folder.as_uri(), open_objects(folder.as_uri()))


def landed(bronze: Bronze) -> set[int]:
    table = bronze.changes("telemetry")[0].to_pylist()
    return {row["row_number"] for row in table if row["object_sha256"] != "e" * 64}
