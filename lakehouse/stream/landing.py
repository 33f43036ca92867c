"""A batch of messages to bronze. What it lands and how far it came are one commit, so a rerun finds where to go on."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.bronze import TABLES, Bronze, Commit, Snapshot
from lakehouse.errors import Refused
from lakehouse.sources.payloads import as_lines, sort_payloads
from lakehouse.sources.readings import Origin, Sorted
from lakehouse.stream.batch import MessageBatch, Stream

# Refused messages are stored one by one, and each waits for the disk: eight wait together.
WRITERS: Final = 8


@dataclass(frozen=True)
class LandedBatch:
    """messages: those that no table had seen. refused: by code, also where a run before had put them there."""

    messages: int
    readings: int
    events: int
    refused: Mapping[str, int]
    positions: Mapping[int, int]


def read_positions(snapshot: Snapshot, stream: Stream, partitions: Any) -> dict[int, int]:
    """The next offset to land, of each partition; 0 where none was landed yet."""
    known = snapshot.positions([stream.position_name(number) for number in partitions])
    return {number: known.get(stream.position_name(number), 0) for number in partitions}


def land_batch(bronze: Bronze, stream: Stream, batch: MessageBatch, identity: int, now: datetime) -> LandedBatch:
    """Quarantine, then events, then readings: the positions in `telemetry` say that all of a batch is there.

    Each table drops what it has already, so a batch may be landed again, also by a consumer that lost its partitions.
    """
    rows = _store_and_sort(bronze, stream, batch, now)
    refused = rows.refused
    if refused.num_rows:
        _land_rows(bronze, "quarantine", stream, batch, _quarantined(bronze, stream, batch, refused, now), refused)
    if rows.events.num_rows:
        _land_rows(bronze, "events", stream, batch, rows.events, rows.events)
    unseen = _land_readings(bronze, stream, batch, rows.readings, identity)
    return LandedBatch(
        messages=int(unseen.sum()),
        readings=int(unseen[_lines(rows.readings)].sum()),
        events=int(unseen[_lines(rows.events)].sum()),
        refused=Counter(refused["code"].filter(pa.array(unseen[_lines(refused)])).to_pylist()),
        positions=batch.ends,
    )


def _store_and_sort(bronze: Bronze, stream: Stream, batch: MessageBatch, now: datetime) -> Sorted:
    """The disk takes the messages, as one object, while they are read."""
    lines = as_lines(batch.payloads)
    origin = Origin(stream.tenant_id, stream.source, hashlib.sha256(lines).hexdigest(), now)
    with ThreadPoolExecutor(1) as storing:
        stored = storing.submit(bronze.objects.put, stream.tenant_id, lines)
        rows = sort_payloads(batch.payloads, origin)
        stored.result()
    return rows


def _land_rows(
    bronze: Bronze, table: str, stream: Stream, batch: MessageBatch, rows: pa.Table, numbered: pa.Table
) -> None:
    """Into a table whose positions are stored only where there are rows. numbered: has the line of each row."""
    lines = _lines(numbered)

    def decide(snapshot: Snapshot) -> Commit | None:
        unseen = batch.unlanded(read_positions(snapshot, stream, batch.ends))[lines]
        if not unseen.any():
            return None
        touched = np.unique(batch.partitions[lines][unseen]).tolist()
        positions = {stream.position_name(number): batch.ends[number] for number in touched}
        return Commit(rows if unseen.all() else rows.filter(pa.array(unseen)), positions)

    bronze.commit(table, decide)


def _land_readings(
    bronze: Bronze, stream: Stream, batch: MessageBatch, readings: pa.Table, identity: int
) -> npt.NDArray[np.bool_]:
    """Every batch, also one without readings: its positions are those that a consumer goes on from."""
    lines = _lines(readings)
    unseen = batch.first_seen

    def decide(snapshot: Snapshot) -> Commit | None:
        nonlocal unseen
        known = read_positions(snapshot, stream, batch.ends)
        _refuse_gap(stream, batch, known)
        unseen = batch.unlanded(known)
        ahead = {number: end for number, end in batch.ends.items() if end > known[number]}
        if not ahead:
            return None
        positions = {stream.position_name(number): end for number, end in ahead.items()}
        if snapshot.position(stream.identity_name) is None:
            positions[stream.identity_name] = identity
        return Commit(readings if unseen.all() else readings.filter(pa.array(unseen[lines])), positions)

    bronze.commit("telemetry", decide)
    return unseen


def _refuse_gap(stream: Stream, batch: MessageBatch, known: Mapping[int, int]) -> None:
    """Raises Refused where bronze holds less than when the partition was taken up: the messages between would be
    skipped."""
    for number, position in known.items():
        if position < batch.began[number]:
            raise Refused(
                f"bronze has {stream.path(number)} up to offset {position}, and had it up to {batch.began[number]} "
                "when this consumer began: it was replaced meanwhile; start the consumer again to go on from there"
            )


def _quarantined(bronze: Bronze, stream: Stream, batch: MessageBatch, refused: pa.Table, now: datetime) -> pa.Table:
    """Each refused message under its own bytes. refused: columns record (the line), code and reason."""
    lines = _lines(refused)
    payloads = [batch.payloads[line] for line in lines.tolist()]
    different = list(dict.fromkeys(payloads))
    with ThreadPoolExecutor(WRITERS) as writers:
        hashes = writers.map(lambda payload: bronze.objects.put(stream.tenant_id, payload), different)
        stored = dict(zip(different, hashes, strict=True))
    paths = {number: stream.path(number) for number in batch.ends}
    count, schema = len(payloads), TABLES["quarantine"]
    same = {"tenant_id": stream.tenant_id, "source": stream.source, "stage": "telemetry", "recorded_at": now}
    same |= {"raw_holds": "record"}
    columns = {one.name: pa.repeat(pa.scalar(same.get(one.name), one.type), count) for one in schema}
    columns |= {
        "path": pa.array([paths[number] for number in batch.partitions[lines].tolist()], pa.string()),
        "record": pa.array(batch.offsets[lines]),
        "code": refused["code"],
        "reason": refused["reason"],
        "raw_sha256": pa.array([stored[payload] for payload in payloads], pa.string()),
        "raw_size": pa.array([len(payload) for payload in payloads], pa.int64()),
    }
    return pa.table(columns).select(schema.names).cast(schema)


def record_lost(bronze: Bronze, stream: Stream, partition: int, first: int, end: int, now: datetime) -> None:
    """The broker deleted offsets `first` to `end` (exclusive) before they were read: a row in quarantine, once."""
    name = f"{stream.position_name(partition)}:lost"
    row = {
        "tenant_id": stream.tenant_id,
        "source": stream.source,
        "path": stream.path(partition),
        "record": first,
        "code": "lost_by_broker",
        "reason": f"the broker deleted offsets {first} to {end - 1} before they were read: lengthen its retention",
        "raw_size": 0,
        "raw_holds": "record",
        "stage": "telemetry",
        "recorded_at": now,
    }

    def decide(snapshot: Snapshot) -> Commit | None:
        if (snapshot.position(name) or 0) >= end:
            return None
        return Commit(pa.Table.from_pylist([row], schema=TABLES["quarantine"]), {name: end})

    bronze.commit("quarantine", decide)


def _lines(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Which message of the batch, counted from 0, each row came from."""
    name = "row_number" if "row_number" in rows.column_names else "record"
    lines: npt.NDArray[np.int64] = rows[name].to_numpy() - 1
    return lines
