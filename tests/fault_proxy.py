"""An HTTP proxy before an S3 server, which strikes the requests that a test tells it to.

An operation is named as S3 names it, and by what it is about: `PUT object`, `UploadPart object`, `PUT log`, `LIST log`,
`GET part` ... (part: a data file of a table). The faults are listed in `tests/fault_server.py`, which is the proxy.
"""

import json
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlsplit

ANSWERS_WITHIN: Final = 60.0


@dataclass(frozen=True)
class Strike:
    """The `nth` request of that operation and the `times - 1` after it. operation `*`: each operation's own nth."""

    fault: str
    operation: str = "*"
    nth: int = 1
    times: int = 1
    retry_after: int = 0
    pid: int = 0


@dataclass(frozen=True)
class Chance:
    """Each request is struck with that probability; what befalls the nth of an operation depends on the seed alone."""

    seed: int
    rate: float
    faults: Sequence[str]


@dataclass(frozen=True)
class Asked:
    """One request: what it was, the fault that struck it ("" for none), and the server's status (0: no answer)."""

    operation: str
    fault: str
    status: int


@dataclass
class FaultProxy:
    """As tests see it."""

    endpoint: str
    process: "subprocess.Popen[str]"

    def strike(self, *strikes: Strike, chance: Chance | None = None) -> list[Asked]:
        """From now on. Returns what was asked since the last call; without arguments nothing is struck any more."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        told = {"strikes": [asdict(strike) for strike in strikes], "chance": asdict(chance) if chance else None}
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], ANSWERS_WITHIN)[0]:
            raise RuntimeError("the fault proxy does not answer")
        return [Asked(*asked) for asked in json.loads(self.process.stdout.readline())]


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Before the server at `http://127.0.0.1:port`; it passes everything on until it is told to strike."""
    command = [sys.executable, "-m", "tests.fault_server", str(urlsplit(upstream).port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield FaultProxy(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
        finally:
            process.kill()
