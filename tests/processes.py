"""Parts of an installation as processes that are killed by SIGKILL and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

PATIENCE: Final = 60.0


@dataclass
class Process:
    """A part of the installation that runs until it is killed."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    running: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)

    def revive(self) -> None:
        """It ends by itself where it is started without a database."""
        if self.running is None or self.running.poll() is not None:
            self.start()

    def kill(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait()


@dataclass
class Postgres:
    """The embedded server with all its processes."""

    home: Path
    environment: dict[str, str]

    def start(self) -> None:
        command = [sys.executable, "-m", "iotops.cli.main", "db", "start"]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        postmaster = int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])
        family = [postmaster, *children_of(postmaster)]
        for pid in family:
            end(pid)
        wait_until(lambda: not any(is_alive(pid) for pid in family), "Postgres to be gone")


def children_of(parent: int) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent:
            yield int(folder.name)


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(int(PATIENCE / 0.02)):
        if condition():
            return
        Event().wait(0.02)
    raise AssertionError(f"waited {PATIENCE:g} s in vain for {what}")
