"""`python -m tests.crashing`: forks a child for each request, which waits to be traced and then makes one commit.

A request is a line `bronze_url go ack phase`: the child waits until it can read the pipe `go`, and writes to the file
`ack` what it would tell its client. phase: `start`, or `log`, which waits where the log's entry is to be written, as
strace counts calls by thread and delta-rs writes in threads of its own. Forked, because imports take longer than the
rest.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import IotopsError
from lakehouse.objects import open_objects
from tests.forking import serve

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RAW = b"device,value\nd,1\n"
ROWS = 100


def rows(sha256: str, count: int = ROWS) -> pa.Table:
    constant = {"tenant_id": "acme", "dt": NOW.date(), "device_id": "d", "metric": "m", "ts": NOW, "source": "s"}
    return pa.Table.from_pylist(
        [
            constant | {"value": float(number), "object_sha256": sha256, "row_number": number, "recorded_at": NOW}
            for number in range(count)
        ],
        schema=TABLES["telemetry"],
    )


def commit(bronze_url: str) -> None:
    """What every ingest does: the raw bytes become an object, then their rows are committed under its name."""
    bronze = Bronze(bronze_url, open_objects(bronze_url))
    sha256 = bronze.objects.put("acme", RAW)
    bronze.append_missing("telemetry", {f"telemetry:acme:{sha256}": rows(sha256)})


def _child(bronze_url: str, go: str, ack: str, phase: str) -> None:
    def wait() -> None:
        Path(f"{go}.ready").write_bytes(b".")  # waits until it is read: another pipe
        Path(go).read_bytes()

    if phase == "start":
        wait()
    else:
        create = DeltaTable.create_write_transaction

        def waiting(*arguments: Any, **named: Any) -> None:
            wait()
            create(*arguments, **named)

        DeltaTable.create_write_transaction = waiting  # type: ignore[method-assign]
    try:
        commit(bronze_url)
        outcome = "acknowledged"
    except IotopsError as error:
        outcome = f"refused: {error}"
    Path(ack).write_text(outcome)


if __name__ == "__main__":
    serve(_child)
