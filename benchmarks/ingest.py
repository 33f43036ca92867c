"""HTTP ingest beside a bare FastAPI endpoint that writes the same bytes: python -m benchmarks.ingest"""

import argparse
import http.client
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

from lakehouse import database
from tests.broker import free_port
from tests.processes import wait_until

BEGINNING: Final = datetime(2026, 11, 1, tzinfo=UTC)
DEVICES: Final = 50
# Each body becomes a file of its own; synced as ours is, or left to the system.
BARE: Final = """
import os, sys, uuid
from pathlib import Path
import uvicorn
from fastapi import FastAPI, Request

app, folder, synced = FastAPI(), Path(sys.argv[1]), sys.argv[3] == "synced"

def write(body):
    with (folder / uuid.uuid4().hex).open("wb") as file:
        file.write(body)
        if synced:
            file.flush()
            os.fsync(file.fileno())

async def read(request: Request):
    return await request.body()

from fastapi import Depends

@app.post("/v1/ingest/telemetry", status_code=202)
def take(body: bytes = Depends(read)):
    write(body)
    return {"accepted": body.count(b"\\n") + 1}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--records", type=int, default=200, help="In one request.")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    bodies = [_body(number, given.records) for number in range(given.requests)]
    home = Path(tempfile.mkdtemp(prefix="iotops-benchmark-"))
    database.start_embedded(home)
    print(
        f"{given.requests} requests of {given.records} records, {len(bodies[0]) / 1e3:.0f} kB, {given.clients} clients"
    )
    ratios: dict[str, list[float]] = {"synced": [], "unsynced": []}
    for number in range(given.rounds):
        with _bare(home, "unsynced") as port:
            unsynced = _load(port, bodies, given.clients)
        with _bare(home, "synced") as port:
            synced = _load(port, bodies, given.clients)
        with _ours(home) as port:
            ours = _load(port, [body.replace(b"b0-", b"b%d-" % number) for body in bodies], given.clients)
        ratios["synced"].append(ours / synced)
        ratios["unsynced"].append(ours / unsynced)
        print(
            f"bare {unsynced:,.0f} requests/s, bare with fsync {synced:,.0f}/s, into bronze {ours:,.0f}/s "
            f"({ours * given.records:,.0f} records/s): ratio {ours / unsynced:.2f} and {ours / synced:.2f}",
            flush=True,
        )
    for name, found in ratios.items():
        print(f"ratio to {name}: median {statistics.median(found):.2f}, from {min(found):.2f} to {max(found):.2f}")
    database.stop_embedded(home)
    shutil.rmtree(home)


def _body(number: int, records: int) -> bytes:
    """JSON lines of readings, like those of the simulator."""
    lines = [
        json.dumps(
            {
                "ts": (BEGINNING + timedelta(seconds=number)).isoformat(),
                "device_id": f"b0-{row % DEVICES}",
                "metric": f"m{row // DEVICES}",
                "value": row / 7,
                "unit": "degC",
                "site": "hall-1",
                "model": "TP-100",
                "firmware": "2.1.0",
            }
        ).encode()
        for row in range(records)
    ]
    return b"\n".join(lines)


def _load(port: int, bodies: list[bytes], clients: int) -> float:
    """Requests a second, all of them answered with 202."""

    def send(own: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for body in own:
            headers = {"content-type": "application/x-ndjson"}
            connection.request("POST", "/v1/ingest/telemetry", body, headers)
            answer = connection.getresponse()
            told = answer.read()
            if answer.status != 202:
                raise SystemExit(f"it was answered with {answer.status}: {told[:300]!r}")
        connection.close()

    send(bodies[:1])  # what is only done once, is done
    started = perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, [bodies[1:][number::clients] for number in range(clients)]))
    return (len(bodies) - 1) / (perf_counter() - started)


@contextmanager
def _bare(home: Path, mode: str) -> Iterator[int]:
    folder = Path(tempfile.mkdtemp(prefix="bare-", dir=home))
    port = free_port()
    with _serving([sys.executable, "-c", BARE, str(folder), str(port), mode], port, home):
        yield port
    shutil.rmtree(folder)


@contextmanager
def _ours(home: Path) -> Iterator[int]:
    port = free_port()
    with _serving([sys.executable, "-m", "iotops.cli.main", "serve", "api", "--port", str(port)], port, home):
        yield port


@contextmanager
def _serving(command: list[str], port: int, home: Path) -> Iterator[None]:
    with subprocess.Popen(["env", f"IOTOPS_HOME={home}", *command], stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: _answers(port), "the server to answer")
        yield
        server.send_signal(signal.SIGTERM)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/openapi.json")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
