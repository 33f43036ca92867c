"""The consumer's side, against a broker that deletes: the mock cluster within librdkafka keeps 5 MB a partition."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer, TopicPartition

from lakehouse.errors import Refused
from lakehouse.stream.batch import MessageBatch, Stream
from lakehouse.stream.broker import open_consumer
from lakehouse.stream.reader import MOST_BYTES, Reader
from tests.feed import Feed, reading

Lost = list[tuple[int, int, int]]


@pytest.fixture
def forgetful() -> Producer:
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 5})
    for number in range(1500):
        cluster.produce("t", b"x" * 8000, partition=0)
        if number % 20 == 0:
            cluster.flush(10)
    assert cluster.flush(10) == 0
    return cluster


def reader_at(position: int, cluster: Producer, lost: Lost) -> Iterator[Reader]:
    address = next(f"{one.host}:{one.port}" for one in cluster.list_topics(timeout=10).brokers.values())
    consumer = open_consumer(address, "g")
    reader = Reader(consumer, address, Stream("acme", "s", "t"), lambda _: {0: position}, lambda *one: lost.append(one))
    reader.take(consumer, [TopicPartition("t", 0)])
    yield reader
    reader.close()


def test_messages_deleted_before_they_were_read_are_told_of_and_the_rest_is_read(forgetful: Producer) -> None:
    lost: Lost = []
    for reader in reader_at(3, forgetful, lost):
        batch = gathered(reader)
        first = int(batch.offsets[0])
        assert first > 3
        assert lost == [(0, 3, first)]
        assert batch.began == {0: 3}


def test_a_partition_never_read_begins_with_what_there_is(forgetful: Producer) -> None:
    lost: Lost = []
    for reader in reader_at(0, forgetful, lost):
        assert gathered(reader).offsets[0] > 0
        assert lost == []


def test_a_position_beyond_the_end_is_refused(forgetful: Producer) -> None:
    for reader in reader_at(5000, forgetful, []):
        with pytest.raises(Refused, match="--source"):
            gathered(reader)


def test_a_batch_of_large_messages_is_cut_off_by_their_size(feed: Feed) -> None:
    large = 900_000
    feed.produce([b"x" * large] * 60)
    reader = assigned(feed)
    batch = gathered(reader)
    assert MOST_BYTES <= len(batch) * large <= MOST_BYTES + 2 * large
    assert len(batch) + len(gathered(reader)) == 60
    reader.close()


def test_nothing_is_skipped_while_partitions_are_held(feed: Feed) -> None:
    feed.produce([reading(number) for number in range(3_000)])
    reader = assigned(feed)
    offsets: list[int] = []
    while len(offsets) < 3_000:
        offsets += gathered(reader, limit=1_000).offsets.tolist()
        for _ in range(3):
            reader.hold()
        reader.release()
    assert offsets == list(range(3_000))
    reader.close()


def assigned(feed: Feed) -> Reader:
    consumer = open_consumer(feed.broker.address, feed.stream.topic)
    reader = Reader(consumer, feed.broker.address, feed.stream, lambda _: {0: 0}, lambda *_: None)
    reader.take(consumer, [TopicPartition(feed.stream.topic, 0)])
    return reader


def gathered(reader: Reader, limit: int = 20_000) -> MessageBatch:
    for _ in range(40):
        batch = reader.gather(limit, 1.0, lambda: True)
        if batch is not None:
            return batch
    raise AssertionError("nothing came")
