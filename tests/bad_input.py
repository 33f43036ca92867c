"""Ingests a folder of bad files, watches what it costs, and looks for files that bronze knows nothing of."""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from iotops.bootstrap import App
from lakehouse.bronze import Bronze
from lakehouse.chats import read_chat
from lakehouse.errors import BadRecord
from lakehouse.ingest import IngestSummary, ingest_chats, ingest_documents, ingest_telemetry
from lakehouse.quarantine import list_refused
from lakehouse.sources.files import SourceFile

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
# Sorts behind all others.
GOOD = {
    "telemetry": ("~good.csv", "ts,device_id,metric,value\n2026-10-31T12:00:00Z,behind,temp,1\n"),
    "documents": ("~good.md", "# Behind them all\n\nText.\n"),
    "chats": ("~good.jsonl", '{"channel":"c","message_id":"1","ts":"2026-10-31T12:00:00Z","text":"behind them all"}\n'),
}
INGEST: dict[str, Callable[..., IngestSummary]] = {
    "telemetry": ingest_telemetry,
    "documents": ingest_documents,
    "chats": ingest_chats,
}
HELD_IN = {
    "telemetry": (("telemetry", "object_sha256"), ("events", "object_sha256")),
    "documents": (("documents", "raw_sha256"),),
    "chats": (("messages", "object_sha256"),),
}


@dataclass
class Cost:
    """Of one ingest. seconds: of its slowest file, where it tells when it is done with one; else of all of them."""

    seconds: float = 0.0
    own_memory: int = 0
    worker_memory: int = 0


@dataclass
class Ingested:
    app: App
    folders: dict[str, Path] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)

    @property
    def bronze(self) -> Bronze:
        return self.app.bronze

    def ingest(self, stage: str) -> None:
        before = time.monotonic()
        with watching() as cost:

            def progress(_done: int, _all: int) -> None:
                nonlocal before
                cost.seconds = max(cost.seconds, time.monotonic() - before)
                before = time.monotonic()

            told = {"progress": progress} if stage != "chats" else {}
            INGEST[stage](self.bronze, "default", self.folders[stage], now=NOW, **told)
            progress(0, 0)
        self.costs[stage] = cost


@contextmanager
def watching() -> Iterator[Cost]:
    """What this process and the worker take beyond what they have when idle; 0 where the system does not tell."""
    cost, done = Cost(), threading.Event()
    idle = psutil.Process().memory_info().rss
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    sampler = threading.Thread(target=_sample_workers, args=(cost, done))
    sampler.start()
    try:
        yield cost
    finally:
        done.set()
        sampler.join()
        cost.own_memory = _peak(os.getpid()) - idle


def _sample_workers(cost: Cost, done: threading.Event) -> None:
    """Each is 13 MB when idle; that is not taken off."""
    while not done.wait(0.01):
        for child in psutil.Process().children():
            with suppress(psutil.Error, OSError):
                if "lakehouse.sources.worker" in child.cmdline():
                    cost.worker_memory = max(cost.worker_memory, _peak(child.pid))


def _peak(process: int) -> int:
    if sys.platform != "linux":
        return 0
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)


def unaccounted(bronze: Bronze, stage: str, folder: Path) -> list[str]:
    """Files of which bronze holds neither a row nor a refusal, or a refusal without the bytes."""
    landed = landed_hashes(bronze, stage)
    refused = [row for row in list_refused(bronze, "default") if row["stage"] == stage]
    assert all(row["code"] and row["reason"] for row in refused)
    # Of an archive, a member is refused; of two files of the same bytes perhaps the first alone.
    kept = {row["raw_sha256"] for row in refused}
    members = {row["path"].partition("/")[0] for row in refused}
    messages = {(row["channel"], row["message_id"]) for row in bronze.changes("messages")[0].to_pylist()}
    missing = []
    for file in sorted(folder.iterdir()):
        sha256 = hash_of(file)
        is_kept = (sha256 in kept or file.name in members) and bronze.objects.exists("default", sha256)
        if not (sha256 in landed or is_kept or (stage == "chats" and says_only(messages, file))):
            missing.append(file.name)
    return missing


def says_only(messages: set[tuple[str, str]], file: Path) -> bool:
    """Another file brought them before."""
    try:
        said = {(one.channel, one.message_id) for one in read_chat(SourceFile(file, file.name)).messages}
    except BadRecord:
        return False
    return bool(said) and said <= messages


def landed_hashes(bronze: Bronze, stage: str) -> set[str]:
    found: set[str] = set()
    for table, column in HELD_IN[stage]:
        found |= set(bronze.changes(table)[0][column].unique().to_pylist())
    return found


def hash_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
