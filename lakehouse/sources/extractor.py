"""Text of PDF and HTML files, read by one worker process that serves many files and is replaced when a file kills it."""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from lakehouse.errors import BadRecord

TIMEOUT_SECONDS = 20.0


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
            reason = (
                f"reading it took longer than {self.timeout_seconds:g} s: it is damaged, or made to keep a reader busy"
            )
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
        assert worker.stdin and worker.stdout  # noqa: S101 - for the type checker: both are pipes
        worker.stdin.write(json.dumps({"kind": kind, "size": len(data)}).encode() + b"\n" + data)
        worker.stdin.flush()
        received = bytearray()
        while (head := received.partition(b"\n"))[1] == b"" or len(head[2]) < int(head[0]):
            received += _read(worker.stdout.fileno(), deadline)
        return bytes(head[2])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._worker is None:
            self._worker = subprocess.Popen(
                [sys.executable, "-I", "-m", "lakehouse.sources.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._worker

    def _stop(self) -> None:
        if worker := self._worker:
            worker.kill()
            with worker:
                self._worker = None


def _read(descriptor: int, deadline: float) -> bytes:
    ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError
    if not (block := os.read(descriptor, 1 << 20)):
        raise EOFError
    return block
