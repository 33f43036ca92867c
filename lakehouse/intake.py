"""What is sent in requests, to bronze. Requests of telemetry that arrive together share one commit."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa

from lakehouse import database, tenants
from lakehouse.bronze import TABLES, Bronze, Commit, Snapshot
from lakehouse.chats import ingest_chats
from lakehouse.documents import ingest_documents
from lakehouse.errors import BadRecord, BodyRefused, KeyReused, Misused
from lakehouse.sources.payloads import as_lines, cut_records, sort_payloads
from lakehouse.sources.readings import Origin, Sorted
from lakehouse.summary import IngestSummary

# The last one says that all of a request is there.
ORDER: Final = ("quarantine", "events", "telemetry")
# So many requests share a commit at most; the web server runs no more at once.
MOST: Final = 64
# Each different bad record is stored by itself, and waits for the disk: with more, the body is refused as a whole.
MOST_BAD: Final = 1_000
TOO_MANY_BAD: Final = BadRecord(
    "too_many_bad", "more than 1,000 different records of it are bad, so none was taken: correct it and send it again"
)
# Seconds in which a tenant that exists is taken to exist still. A connection takes 5 ms, as long as 200 records.
ASKED_AGAIN: Final = 1.0


@dataclass(frozen=True)
class RefusedRecord:
    """record: which of the request, counted from 1; None for the body as a whole."""

    record: int | None
    code: str
    reason: str


@dataclass(frozen=True)
class Receipt:
    """What became of a request, once it is durable.

    object_sha256: the body as an object, where it is kept as one. repeated: all of it had been taken before.
    """

    object_sha256: str | None
    accepted: int
    refused: tuple[RefusedRecord, ...]
    repeated: bool


@dataclass(frozen=True)
class _Request:
    """name, stamp: the position by which the tables remember it, and the number that tells its body from others."""

    name: str
    stamp: int
    object_sha256: str
    rows: Mapping[str, pa.Table]
    refused: tuple[RefusedRecord, ...]
    done: "Future[Receipt]"


class Intake:
    """One thread writes telemetry; those that call wait for it. `close` ends it when the requests under way are done.

    Every call names a tenant (UnknownTenant where it does not exist) and may name its request by a key: sent again
    with the same body it adds nothing, with another body it is refused (KeyReused).
    """

    def __init__(self, bronze: Bronze, database_url: str) -> None:
        self._bronze = bronze
        self._database_url = database_url
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()
        self._seen: dict[str, float] = {}  # tenants, and until when they are not asked for

    def telemetry(
        self, tenant_id: str, body: bytes, *, now: datetime, key: str | None = None, source: str = "http"
    ) -> Receipt:
        """Returns when every record of the body is in bronze or in quarantine. Without a key the body names itself.

        Raises BodyRefused where the body as a whole is no list of records.
        """
        payloads = self._cut(tenant_id, body, "telemetry", source, now)
        sha256 = self._bronze.objects.put(tenant_id, body)
        rows = sort_payloads(payloads, Origin(tenant_id, source, sha256, now))
        if len({payloads[number - 1] for number in rows.refused["record"].to_pylist()}) > MOST_BAD:
            raise self._refuse_body(tenant_id, body, "telemetry", source, now, TOO_MANY_BAD)
        request = _Request(
            name=f"http:{tenant_id}:telemetry:{_digest(key.encode()) if key is not None else f'body:{sha256}'}",
            stamp=_stamp(sha256),
            object_sha256=sha256,
            rows={
                "quarantine": self._refuse(tenant_id, source, payloads, rows.refused, now),
                "events": rows.events,
                "telemetry": rows.readings,
            },
            refused=_refused(rows),
            done=Future(),
        )
        self._start()
        self._waiting.put(request)
        return request.done.result()

    def messages(
        self, tenant_id: str, body: bytes, *, now: datetime, key: str | None = None, source: str = "http"
    ) -> Receipt:
        """Chat messages, one JSON object each, as `iotops ingest chats` reads them from a file of JSON lines.

        refused: at most the first `quarantine.SHOWN`; all are in quarantine.
        """
        payloads = self._cut(tenant_id, body, "chats", source, now)
        self._claim(tenant_id, "messages", key, body)
        if not payloads:
            return Receipt(None, 0, (), repeated=False)
        with TemporaryDirectory(prefix="iotops-intake-") as folder:
            path = Path(folder, "request.jsonl")
            path.write_bytes(as_lines(payloads))
            summary = ingest_chats(self._bronze, tenant_id, path, now=now, source=source)
        if TOO_MANY_BAD.code in summary.reasons:
            raise BodyRefused("more than 1,000 of its records are bad, those before them were taken: correct the rest")
        accepted = len(payloads) - summary.quarantined
        refused = tuple(RefusedRecord(one.record, one.code, one.reason) for one in summary.refused)
        return Receipt(None, accepted, refused, repeated=accepted > 0 and summary.rows == 0)

    def document(
        self, tenant_id: str, name: str, data: bytes, *, now: datetime, key: str | None = None, **said: Any
    ) -> IngestSummary:
        """One file, by its name within the source. said: source, product, version, kind, classification.

        A later file of the same name supersedes it.
        """
        self._require(tenant_id)
        if not name or Path(name).name != name or name.startswith("."):
            raise Misused(f"'{name[:100]}' is no name for a document: use a file name with its extension, no folders")
        self._claim(tenant_id, "documents", key, name.encode() + b"\0" + data)
        with TemporaryDirectory(prefix="iotops-intake-") as folder:
            path = Path(folder, name)
            path.write_bytes(data)
            return ingest_documents(self._bronze, tenant_id, path, now=now, **said)

    def _require(self, tenant_id: str) -> None:
        if time.monotonic() < self._seen.get(tenant_id, 0.0):
            return
        with database.transaction(self._database_url) as connection:
            tenants.require_tenant(connection, tenant_id)
        self._seen[tenant_id] = time.monotonic() + ASKED_AGAIN

    def _cut(self, tenant_id: str, body: bytes, stage: str, source: str, now: datetime) -> list[bytes]:
        self._require(tenant_id)
        try:
            return cut_records(body)
        except BadRecord as refused:
            raise self._refuse_body(tenant_id, body, stage, source, now, refused) from refused

    def _refuse_body(
        self, tenant_id: str, body: bytes, stage: str, source: str, now: datetime, refused: BadRecord
    ) -> BodyRefused:
        """The body as a whole is in quarantine, and nothing of it was taken."""
        sha256 = self._bronze.objects.put(tenant_id, body)
        row = {"tenant_id": tenant_id, "source": source, "path": "request", "stage": stage, "recorded_at": now}
        row |= {"code": refused.code, "reason": refused.reason, "raw_sha256": sha256, "raw_size": len(body)}
        rows = pa.Table.from_pylist([row], schema=TABLES["quarantine"])
        self._bronze.append_missing("quarantine", {f"http:{tenant_id}:{stage}:refused:{sha256}": rows})
        return BodyRefused(refused.reason)

    def _claim(self, tenant_id: str, endpoint: str, key: str | None, body: bytes) -> None:
        """Messages and documents add nothing when they are sent again, so a key only has to be kept from other bodies.

        The table of what was refused remembers it: that one is written by every endpoint.
        """
        if key is None:
            return
        name, stamp = f"http:{tenant_id}:{endpoint}:{_digest(key.encode())}", _stamp(_digest(body))

        def decide(snapshot: Snapshot) -> Commit | None:
            known = snapshot.position(name)
            if known not in (None, stamp):
                raise KeyReused
            return (
                Commit(TABLES["quarantine"].empty_table(), {name: stamp}, forgettable=True) if known is None else None
            )

        self._bronze.commit("quarantine", decide)

    def close(self) -> None:
        if self._writer is not None:
            self._waiting.put(None)
            self._writer.join()

    def _start(self) -> None:
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="intake", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        going = True
        while going:
            together = self._take()
            going = None not in together
            requests = [request for request in together if request is not None]
            try:
                receipts = _land(self._bronze, requests)
            except Exception as error:  # noqa: BLE001 - each caller raises it, and the thread serves the next
                for request in requests:
                    request.done.set_exception(error)
                continue
            for request in requests:
                found = receipts[id(request)]
                if isinstance(found, Receipt):
                    request.done.set_result(found)
                else:
                    request.done.set_exception(found)

    def _take(self) -> list[_Request | None]:
        together = [self._waiting.get()]
        while together[-1] is not None and len(together) < MOST:
            try:
                together.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return together

    def _refuse(
        self, tenant_id: str, source: str, payloads: Sequence[bytes], refused: pa.Table, now: datetime
    ) -> pa.Table:
        """Each refused record with its own bytes as an object."""
        rows, stored_as = [], {}
        for row in refused.to_pylist():
            raw = payloads[row["record"] - 1]
            if raw not in stored_as:
                stored_as[raw] = self._bronze.objects.put(tenant_id, raw)
            stored = {"raw_sha256": stored_as[raw], "raw_size": len(raw)}
            constant = {"tenant_id": tenant_id, "source": source, "path": "request", "stage": "telemetry"}
            rows.append({**constant, **row, **stored, "recorded_at": now})
        return pa.Table.from_pylist(rows, schema=TABLES["quarantine"])


def _land(bronze: Bronze, requests: Sequence[_Request]) -> dict[int, Receipt | KeyReused]:
    """By the identity of each request."""
    tables = [table for table in ORDER if table == ORDER[-1] or any(one.rows[table].num_rows for one in requests)]
    known: dict[str, int] = {}
    if len(tables) > 1:  # what the last table holds needs nothing from those before it
        known = bronze.snapshot(ORDER[-1]).positions({request.name for request in requests})
    new: dict[str, _Request] = {}  # of several of one name the first
    for request in requests:
        if request.name not in known:
            new.setdefault(request.name, request)
    for table in tables:
        bronze.commit(table, _missing(table, new, known))
    return {id(request): _outcome(request, known.get(request.name), new.get(request.name)) for request in requests}


def _missing(table: str, new: Mapping[str, _Request], known: dict[str, int]) -> Callable[[Snapshot], Commit | None]:
    """A request of which the table holds its part already was cut off before the last table had it.

    known: what the last table remembers, and is told here anew, as another process may have been faster.
    """

    def decide(snapshot: Snapshot) -> Commit | None:
        found = snapshot.positions(new)
        if table == ORDER[-1]:
            known.update(found)
            wanted = {name: request for name, request in new.items() if name not in found}
        else:
            wanted = {
                name: request
                for name, request in new.items()
                if found.get(name) != request.stamp and request.rows[table].num_rows
            }
        if not wanted:
            return None
        rows = pa.concat_tables(request.rows[table] for request in wanted.values())
        return Commit(rows, {name: request.stamp for name, request in wanted.items()}, forgettable=True)

    return decide


def _outcome(request: _Request, known: int | None, landed: _Request | None) -> Receipt | KeyReused:
    stamp = known if known is not None else landed.stamp if landed else None
    if stamp != request.stamp:
        return KeyReused()
    accepted = request.rows["telemetry"].num_rows + request.rows["events"].num_rows
    return Receipt(
        request.object_sha256, accepted, request.refused, repeated=landed is not request or known is not None
    )


def _refused(rows: Sorted) -> tuple[RefusedRecord, ...]:
    found = (RefusedRecord(row["record"], row["code"], row["reason"]) for row in rows.refused.to_pylist())
    return tuple(sorted(found, key=lambda refused: refused.record or 0))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stamp(sha256: str) -> int:
    """So much of a hash as fits where a table keeps a position."""
    return int(sha256[:15], 16)
