"""`python -m tests.s3_writing`: forks a child for each request, which writes to bronze when it may, until it is killed.

A request is a line `bronze_url go ack name...`: the child waits until it can read the pipe `go`, then makes for each
name an object and a commit, and appends to the file `ack` what of it was acknowledged. Forked, because imports take
longer than the rest. Answered are its process id, and its status when it has ended.
"""

from pathlib import Path

from lakehouse.bronze import Bronze
from lakehouse.errors import IotopsError
from lakehouse.objects import open_objects
from tests.crashing import rows
from tests.forking import serve
from tests.s3_client import ROWS


def content(name: str) -> bytes:
    """More than fits into what the kernel keeps of one request, so that a kill may come half way through."""
    return name.encode() * 20_000


def _write(bronze_url: str, go: str, ack: str, *names: str) -> None:
    bronze = Bronze(bronze_url, open_objects(bronze_url))
    Path(go).read_bytes()
    with Path(ack).open("a") as told:
        for name in names:
            try:
                told.write(f"object {bronze.objects.put('acme', content(name))}\n")
                told.flush()
                bronze.append_missing("telemetry", {name: rows(name, ROWS)})
                told.write(f"commit {name}\n")
                told.flush()
            except IotopsError:
                continue


if __name__ == "__main__":
    serve(_write)
