"""Text of PDF and HTML files, entries of feeds, messages of exports, read by a worker process that serves many files.

It is replaced when one kills it.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from lakehouse.errors import BadRecord

TIMEOUT_SECONDS = 20.0
BYTES_A_SECOND = 5_000_000  # by which a large file has more time; exports are read at 20 to 60 MB/s
PIECE = 1 << 16


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

    def extract(self, kind: Literal["pdf", "html", "feed"], data: bytes) -> Extracted:
        """Raises BadRecord with the worker's reason, or with what became of the worker."""
        deadline = time.monotonic() + self.timeout_seconds
        try:
            self._send({"kind": kind, "size": len(data)}, data, deadline)
            reply = self._receive(deadline)
        except (TimeoutError, BrokenPipeError, EOFError) as error:
            raise self._give_up(error, self.timeout_seconds) from error
        if "code" in reply:
            raise BadRecord(reply["code"], reply["reason"])
        return Extracted(reply["text"], reply["title"] or None, reply["meta"])

    def stream(self, kind: Literal["chat"], path: Path, **options: str) -> Iterator[dict[str, Any]]:
        """Reply by reply what the worker reads in a file of any size, which it opens itself.

        The time that the caller takes between two replies does not count. Raises BadRecord like `extract`, also after
        some replies.
        """
        size = path.stat().st_size
        allowed = left = self.timeout_seconds + size / BYTES_A_SECOND
        has_ended = False
        try:
            request = {"kind": kind, "size": 0, "path": str(path.resolve()), "seconds": allowed} | options
            self._send(request, b"", time.monotonic() + left)
            while not has_ended:
                asked = time.monotonic()
                reply = self._receive(asked + left)
                left -= time.monotonic() - asked
                has_ended = "end" in reply or "code" in reply
                if "code" in reply:
                    raise BadRecord(reply["code"], reply["reason"])
                if not has_ended:
                    yield reply
        except (TimeoutError, BrokenPipeError, EOFError) as error:
            raise self._give_up(error, allowed) from error
        finally:
            if not has_ended:  # the worker still speaks of this file
                self._stop()

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
        replies = _descriptor(self._running().stdout)
        while b"\n" not in self._received:
            self._received += _read(replies, deadline)
        size, _, first = self._received.partition(b"\n")
        blocks, missing = [first], int(size) - len(first)
        while missing > 0:
            blocks.append(_read(replies, deadline))
            missing -= len(blocks[-1])
        self._received = b""
        if missing < 0:  # what follows is of the next reply
            blocks[-1], self._received = blocks[-1][:missing], blocks[-1][missing:]
        reply: dict[str, Any] = json.loads(b"".join(blocks))
        return reply

    def _running(self) -> subprocess.Popen[bytes]:
        if self._worker is None:
            self._worker = subprocess.Popen(
                [sys.executable, "-I", "-m", "lakehouse.sources.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
            os.set_blocking(_descriptor(self._worker.stdin), False)  # so that one that does not read cannot stop us
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
