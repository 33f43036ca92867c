"""What a table does with a batch that comes late, again, or after something is missing."""

from collections.abc import Sequence

import numpy as np
import pytest

from lakehouse.bronze import Bronze
from lakehouse.errors import Refused
from lakehouse.stream.batch import MessageBatch, Stream
from lakehouse.stream.landing import land_batch, read_positions, record_lost
from tests.feed import NOW, reading

STREAM = Stream("acme", "kafka:t", "t")
IDENTITY = 42


def batch_of(offsets: Sequence[int], began: int = 0, payloads: Sequence[bytes] | None = None) -> MessageBatch:
    """Of partition 0; the payload of each offset is a reading of that number, or an event, or bad."""
    return MessageBatch(
        payloads=payloads or [payload_at(offset) for offset in offsets],
        partitions=np.zeros(len(offsets), dtype=np.int64),
        offsets=np.array(offsets, dtype=np.int64),
        began={0: began},
    )


def payload_at(offset: int) -> bytes:
    return {3: b"bad %d" % offset, 4: reading(offset, event_type="alarm")}.get(offset % 5, reading(offset))


def landed(bronze: Bronze) -> tuple[list[int], int, list[int]]:
    values = sorted(int(value) for value in bronze.changes("telemetry")[0]["value"].to_pylist())
    refused = sorted(bronze.changes("quarantine")[0]["record"].to_pylist())
    return values, bronze.changes("events")[0].num_rows, refused


def test_a_consumer_that_lost_its_partition_doubles_nothing(bronze: Bronze) -> None:
    land_batch(bronze, STREAM, batch_of(range(10, 40)), IDENTITY, NOW)
    late = land_batch(bronze, STREAM, batch_of(range(10, 25)), IDENTITY, NOW)
    over = land_batch(bronze, STREAM, batch_of(range(20, 50)), IDENTITY, NOW)
    assert (late.messages, late.readings, late.events, dict(late.refused)) == (0, 0, 0, {})
    assert (over.messages, over.readings, over.events, dict(over.refused)) == (10, 6, 2, {"bad_row": 2})
    kinds = {number: number % 5 for number in range(10, 50)}
    assert landed(bronze) == (
        [number for number, kind in kinds.items() if kind < 3],
        8,
        [number for number, kind in kinds.items() if kind == 3],
    )


def test_what_arrives_again_within_a_batch_lands_once(bronze: Bronze) -> None:
    land_batch(bronze, STREAM, batch_of([0, 1, 2, 0, 1, 2, 3, 3, 4, 4]), IDENTITY, NOW)
    assert landed(bronze) == ([0, 1, 2], 1, [3])


def test_a_batch_without_readings_moves_the_position(bronze: Bronze) -> None:
    land_batch(bronze, STREAM, batch_of([0, 1], payloads=[b"bad", b""]), IDENTITY, NOW)
    assert read_positions(bronze.snapshot("telemetry"), STREAM, [0, 1]) == {0: 2, 1: 0}
    assert bronze.changes("telemetry")[0].num_rows == 0


def test_positions_and_rows_are_of_one_commit(bronze: Bronze) -> None:
    land_batch(bronze, STREAM, batch_of(range(3)), IDENTITY, NOW)
    version = bronze.version("telemetry")
    rows, _ = bronze.changes("telemetry")
    assert set(rows["bronze_version"].to_pylist()) == {version}
    assert bronze.snapshot("telemetry").position(STREAM.identity_name) == IDENTITY


def test_a_batch_whose_predecessor_is_missing_is_not_landed(bronze: Bronze) -> None:
    """As when bronze was replaced by an older copy while a consumer ran."""
    land_batch(bronze, STREAM, batch_of(range(5)), IDENTITY, NOW)
    with pytest.raises(Refused, match="up to offset 5, and had it up to 10"):
        land_batch(bronze, STREAM, batch_of(range(10, 15), began=10), IDENTITY, NOW)
    assert landed(bronze)[0] == [0, 1, 2]


def test_sources_of_one_topic_are_independent(bronze: Bronze) -> None:
    land_batch(bronze, STREAM, batch_of(range(5)), IDENTITY, NOW)
    land_batch(bronze, Stream("acme", "again", "t"), batch_of(range(5)), IDENTITY, NOW)
    land_batch(bronze, Stream("globex", "kafka:t", "t"), batch_of(range(5)), IDENTITY, NOW)
    assert landed(bronze) == ([0, 0, 0, 1, 1, 1, 2, 2, 2], 3, [3, 3, 3])


def test_what_the_broker_deleted_is_recorded_once(bronze: Bronze) -> None:
    for _ in range(2):
        record_lost(bronze, STREAM, 0, 5, 20, NOW)
    record_lost(bronze, STREAM, 0, 20, 30, NOW)
    rows = bronze.changes("quarantine")[0].to_pylist()
    assert [(row["path"], row["record"], row["code"]) for row in rows] == [
        ("t/0", 5, "lost_by_broker"),
        ("t/0", 20, "lost_by_broker"),
    ]
    assert "offsets 5 to 19" in rows[0]["reason"]
