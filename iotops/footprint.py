"""The largest resident memory of any process that a command runs, watched while it runs."""

import resource
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import psutil

# Twice a second: psutil reads all of /proc to find descendants, ~10 ms a time.
INTERVAL = 0.5
# getrusage counts kilobytes, on macOS bytes.
UNIT = 1 if sys.platform == "darwin" else 1024


class Footprint:
    """A context. Samples find processes that are still running, getrusage the peaks of this one and of those reaped."""

    def __init__(self) -> None:
        self._largest = 0
        self._also: list[int] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="footprint", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def also(self, pid: int) -> None:
        """Watch this process and what it starts too: a daemon is no descendant."""
        self._also.append(pid)

    @property
    def largest(self) -> int:
        """Bytes."""
        usage = (resource.getrusage(who).ru_maxrss * UNIT for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return max(self._largest, *usage)

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL):
            roots = [psutil.Process(), *(psutil.Process(pid) for pid in self._also if psutil.pid_exists(pid))]
            self._largest = max(self._largest, *(_resident(family(roots))))


def family(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def _resident(processes: list[psutil.Process]) -> list[int]:
    sizes = [0]
    for process in processes:
        try:
            sizes.append(process.memory_info().rss)
        except psutil.NoSuchProcess:
            continue  # it ended between the listing and the reading
    return sizes
