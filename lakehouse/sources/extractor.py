"""What documents, feeds, chats and telemetry hold, read by a worker process that serves many files.

It is replaced when one kills it.
"""

import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from lakehouse.errors import BadRecord

TIMEOUT_SECONDS = 20.0
# By which a large file has more time: exports are read at 20 to 60 MB/s, files of events at 5 MB/s.
BYTES_A_SECOND = {"chat": 5_000_000, "row": 500_000, "telemetry": 500_000}
PIECE = 1 << 16
PIPE = 1 << 20  # the most that a user may ask of Linux
LARGEST_REPLY = 256 << 20  # a worker that was taken over is not to fill our memory
# All that it knows of ours, so none of our keys. Memory that it has used once is to be given back before the next file.
ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),  # the same code as ours
}
# What a worker does that hangs, is gone, or says nonsense.
FAILURES = (TimeoutError, BrokenPipeError, EOFError, ValueError)


@dataclass(frozen=True)
class Extracted:
    text: str
    title: str | None
    meta: dict[str, str]


class Extractor:
    """Use as a context: the worker starts with the first file and ends with the block."""

    def __init__(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.timeout_seconds = timeout_seconds
        self._worker: subprocess.Popen[bytes] | None = None
        self._received = b""

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def extract(self, kind: Literal["pdf", "html", "feed", "front_matter"], data: bytes) -> Extracted:
        """Raises BadRecord with the worker's reason, or with what became of the worker."""
        request = {"kind": kind, "size": len(data)}
        (reply,) = self._ask(request, data, self.timeout_seconds, self.timeout_seconds)
        return Extracted(reply["text"], reply["title"] or None, reply["meta"])

    def stream(
        self, kind: Literal["chat", "row", "telemetry"], path: Path, **options: str | int | None
    ) -> Iterator[dict[str, Any]]:
        """Reply by reply what the worker reads in a file of any size, which it opens itself.

        The time that the caller takes between two replies does not count. Raises BadRecord like `extract`, also after
        some replies.
        """
        allowed = self.timeout_seconds + path.stat().st_size / BYTES_A_SECOND[kind]
        patience = allowed if kind == "chat" else self.timeout_seconds  # some chats are read to their end first
        request = {"kind": kind, "size": 0, "path": str(path.resolve()), "seconds": allowed} | options
        yield from self._ask(request, b"", allowed, patience)

    def _ask(self, request: dict[str, Any], data: bytes, allowed: float, patience: float) -> Iterator[dict[str, Any]]:
        """patience: seconds for one reply; allowed: for all of them."""
        left, has_ended = allowed, False
        refused: BadRecord | None = None
        try:
            self._send(request, data, time.monotonic() + patience)
            while True:
                asked = time.monotonic()
                reply = self._receive(asked + min(left, patience))
                left -= time.monotonic() - asked
                if "code" in reply:
                    refused = BadRecord(reply["code"], reply["reason"])
                elif "end" in reply:
                    has_ended = not reply["tired"]
                    break
                else:
                    yield reply
        except FAILURES as error:
            raise refused or self._give_up(error, min(allowed, patience)) from error
        finally:
            if not has_ended:  # the worker still speaks of this file, or is better replaced
                self._stop()
        if refused:
            raise refused

    def _give_up(self, error: Exception, seconds: float) -> BadRecord:
        self._stop()
        if isinstance(error, TimeoutError):
            reason = f"reading it took longer than {seconds:g} s: it is damaged, or made to take for ever"
            return BadRecord("parser_timeout", reason)
        reason = "the program that reads such files crashed on it, or ran out of memory: export the file again"
        return BadRecord("parser_crashed", reason)

    def _send(self, request: dict[str, Any], data: bytes, deadline: float) -> None:
        requests = _descriptor(self._running().stdin)
        _write(requests, json.dumps(request).encode() + b"\n" + data, deadline)

    def _receive(self, deadline: float) -> dict[str, Any]:
        """Raises ValueError for what is no reply."""
        while b"\n" not in self._received and len(self._received) < PIECE:
            self._received += _read(_descriptor(self._running().stdout), deadline)
        size, _, self._received = self._received.partition(b"\n")
        reply: dict[str, Any] = json.loads(self._take(int(size), deadline))
        if not isinstance(reply, dict):
            raise ValueError(f"{type(reply)} is no reply")
        if "attached" in reply:
            sizes = [int(size) for size in reply["attached"]]
            whole = memoryview(self._take(sum(sizes), deadline))
            ends = list(accumulate(sizes))
            reply["attached"] = [whole[end - size : end] for size, end in zip(sizes, ends, strict=True)]
        return reply

    def _take(self, size: int, deadline: float) -> bytearray:
        if not 0 <= size <= LARGEST_REPLY:
            raise ValueError(f"a reply of {size} bytes")
        taken = bytearray(size)
        at = min(size, len(self._received))
        taken[:at], self._received = self._received[:at], self._received[at:]
        replies = _descriptor(self._running().stdout)
        while at < size:
            _wait(replies, select.POLLIN, deadline)
            if not (count := os.readv(replies, [memoryview(taken)[at:]])):
                raise EOFError
            at += count
        return taken

    def _running(self) -> subprocess.Popen[bytes]:
        if self._worker is None:
            self._worker = subprocess.Popen(
                [sys.executable, "-s", "-P", "-m", "lakehouse.sources.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=ENVIRONMENT,
            )
            os.set_blocking(_descriptor(self._worker.stdin), False)  # so that one that does not read cannot stop us
            if sys.platform == "linux":
                with suppress(PermissionError):  # a user with many pipes has to do with small ones
                    fcntl.fcntl(_descriptor(self._worker.stdout), fcntl.F_SETPIPE_SZ, PIPE)
        return self._worker

    def _stop(self) -> None:
        if worker := self._worker:
            worker.kill()
            with worker:
                self._worker = None
        self._received = b""


def _descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise EOFError
    return pipe.fileno()


def _write(descriptor: int, data: bytes, deadline: float) -> None:
    rest = memoryview(data)
    while rest:
        _wait(descriptor, select.POLLOUT, deadline)
        rest = rest[os.write(descriptor, rest[:PIECE]) :]


def _read(descriptor: int, deadline: float) -> bytes:
    _wait(descriptor, select.POLLIN, deadline)
    if not (block := os.read(descriptor, 1 << 20)):
        raise EOFError
    return block


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()  # select() fails for descriptors above 1023
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
