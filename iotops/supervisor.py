"""Start services, notice the one that dies, and stop them all so that no process of theirs is left.

Each service leads a session of its own, so Ctrl-C in a terminal reaches only the supervisor. A service is told to stop
by SIGTERM, and what it started by the service. Whatever is still there after the grace period is killed: on Linux the
supervisor adopts orphans (PR_SET_CHILD_SUBREAPER), so a grandchild that left its session is found as well.
"""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import httpx
import psutil

from lakehouse.errors import StepFailed

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PAUSE = 0.2
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _succeeded(answer: httpx.Response) -> bool:
    return answer.is_success


@dataclass(frozen=True)
class Service:
    """health: a URL to poll. The service is ready when `ready` says so of its answer; without a URL, once started."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: str | None = None
    ready: Callable[[httpx.Response], bool] = _succeeded


class Supervisor:
    """A context: whatever was started inside is gone when it ends, however it ends."""

    def __init__(self, logs: Path, *, grace: float = 15.0) -> None:
        self.logs = logs
        self.grace = grace
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._before: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        self._before = set(psutil.Process().children(recursive=True))
        self.logs.mkdir(parents=True, exist_ok=True)
        _adopt_orphans(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ignore_endings()
        self.stop()
        _adopt_orphans(False)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def start(self, *services: Service) -> None:
        for service in services:
            with self.log(service.name).open("wb") as log:
                self._running[service.name] = subprocess.Popen(
                    service.command,
                    env=service.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )

    def finish(self, step: Service) -> None:
        """Run a service that ends by itself. Raises StepFailed where it fails, or another service dies meanwhile."""
        self.start(step)
        while (code := self._running[step.name].poll()) is None:
            self.check(apart_from=step.name)
            time.sleep(PAUSE)
        del self._running[step.name]
        if code != 0:
            raise self._failure(step.name, code)

    def check(self, *, apart_from: str | None = None) -> None:
        """Raises StepFailed where a service has ended."""
        for name, process in self._running.items():
            if name != apart_from and process.poll() is not None:
                raise self._failure(name, process.returncode)

    def wait_healthy(self, *services: Service, seconds: float) -> None:
        """Raises StepFailed where one is not healthy in time, or any dies."""
        waiting = [service for service in services if service.health]
        deadline = time.monotonic() + seconds
        while waiting := [service for service in waiting if not _healthy(service)]:
            self.check()
            if time.monotonic() > deadline:
                late = waiting[0]
                raise StepFailed(f"{late.name} is not ready after {seconds:.0f} s: see {self.log(late.name)}")
            time.sleep(PAUSE)

    def watch(self) -> None:
        """Return never: raises StepFailed where a service ends, KeyboardInterrupt where a person ends it."""
        while True:
            self.check()
            self._reap_adopted()
            time.sleep(5 * PAUSE)  # listing /proc five times a second would take 3 % of a core

    def stop(self) -> None:
        """Ask each service to stop, give it the grace period, then end what is left of it and of what it started."""
        left = self._descendants()
        for process in self._running.values():
            process.terminate()
        psutil.wait_procs([one for one in left if one.pid in self._pids()], timeout=self.grace)
        end = psutil.Process.terminate
        while left := [one for one in {*left, *self._descendants()} if one.is_running()]:
            for one in left:
                with suppress(psutil.NoSuchProcess):
                    end(one)
            psutil.wait_procs(left, timeout=2.0)
            end = psutil.Process.kill
        for process in self._running.values():
            process.wait()  # psutil has reaped it; this tells Popen
        self._running.clear()

    def _pids(self) -> set[int]:
        return {process.pid for process in self._running.values()}

    def _descendants(self) -> list[psutil.Process]:
        """Without those that were there before this context: they are not ours to end."""
        return [one for one in psutil.Process().children(recursive=True) if one not in self._before]

    def _reap_adopted(self) -> None:
        """An orphan that was adopted and has ended stays a zombie until it is waited for."""
        for one in psutil.Process().children():
            if one.pid not in self._pids() and one not in self._before and one.status() == psutil.STATUS_ZOMBIE:
                one.wait(timeout=0)

    def _failure(self, name: str, code: int) -> StepFailed:
        log = self.log(name)
        last = log.read_text(errors="replace").splitlines()[-15:]
        print("\n".join(f"{name}: {line}" for line in last), file=sys.stderr)
        return StepFailed(f"{name} ended with exit code {code}: its last lines are above, all of them in {log}")


def _healthy(service: Service) -> bool:
    try:
        answer = httpx.get(str(service.health), timeout=2.0, trust_env=False)
    except httpx.TransportError:
        return False
    return service.ready(answer)


def _adopt_orphans(adopt: bool) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def _die_with_parent() -> None:
    """A supervisor that is killed outright cannot stop anything: let the kernel ask its services to stop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def end_on_signals() -> None:
    """SIGTERM and SIGHUP end this process as Ctrl-C does. SIGINT is named too: a shell's background jobs ignore it."""
    for number in ENDINGS:
        signal.signal(number, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    _ignore_endings()
    raise KeyboardInterrupt


def _ignore_endings() -> None:
    """From here on this process only stops what it started; a second Ctrl-C must not interrupt that."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
