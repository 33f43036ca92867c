"""Text of PDF and HTML files, read by a worker process that serves many files and is replaced when one kills it."""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Literal

from lakehouse.errors import BadRecord

TIMEOUT_SECONDS = 20.0
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

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def extract(self, kind: Literal["pdf", "html"], data: bytes) -> Extracted:
        """Raises BadRecord with the worker's reason, or with what became of the worker."""
        deadline = time.monotonic() + self.timeout_seconds
        try:
            reply = json.loads(self._ask(kind, data, deadline))
        except TimeoutError as error:
            self._stop()
            reason = f"reading it took longer than {self.timeout_seconds:g} s: it is damaged, or made to take for ever"
            raise BadRecord("parser_timeout", reason) from error
        except (BrokenPipeError, EOFError) as error:
            self._stop()
            reason = "the program that reads such files crashed on it, or ran out of memory: export the file again"
            raise BadRecord("parser_crashed", reason) from error
        if "code" in reply:
            raise BadRecord(reply["code"], reply["reason"])
        return Extracted(reply["text"], reply["title"] or None, reply["meta"])

    def _ask(self, kind: str, data: bytes, deadline: float) -> bytes:
        worker = self._running()
        requests, replies = _descriptor(worker.stdin), _descriptor(worker.stdout)
        request = json.dumps({"kind": kind, "size": len(data)}).encode() + b"\n" + data
        _write(requests, request, deadline)
        received = b""
        while b"\n" not in received:
            received += _read(replies, deadline)
        size, _, first = received.partition(b"\n")
        blocks, missing = [first], int(size) - len(first)
        while missing > 0:
            blocks.append(_read(replies, deadline))
            missing -= len(blocks[-1])
        return b"".join(blocks)

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
