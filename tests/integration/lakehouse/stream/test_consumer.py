"""Against a real broker: each message is in bronze once, whatever happens in between."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from confluent_kafka import Consumer, TopicPartition

from lakehouse.bronze import Bronze
from lakehouse.errors import BrokerUnavailable, NotFound, Refused
from lakehouse.stream.batch import Stream
from lakehouse.stream.consumer import StreamOptions, consume_stream
from lakehouse.stream.metrics import StreamMetrics
from tests.broker import free_port
from tests.feed import NOW, Feed, reading

NewFeed = Callable[[int], Feed]
Failing = Callable[[Callable[[str], bool]], Bronze]


def until_set(event: Event, stop: Event) -> None:
    assert event.wait(30)
    stop.set()


class TestLandingOnce:
    def test_a_consumer_goes_on_where_the_one_before_it_ended(self, new_feed: NewFeed) -> None:
        feed = new_feed(3)
        for partition in range(3):
            feed.produce([reading(partition * 1000 + number) for number in range(100)], partition)
        first = feed.consume(max_messages=130, batch=50)
        second = feed.consume(batch=7)
        third = feed.consume()
        assert (first.messages, second.messages, third.messages) == (130, 170, 0)
        assert feed.values() == [partition * 1000 + number for partition in range(3) for number in range(100)]

    def test_rows_name_the_stored_messages_by_object_and_line(self, feed: Feed) -> None:
        sent = [reading(0), reading(1, event_type="alarm"), reading(2)]
        feed.produce(sent)
        feed.consume()
        rows = [*feed.bronze.changes("telemetry")[0].to_pylist(), *feed.bronze.changes("events")[0].to_pylist()]
        stored = feed.bronze.objects.get("acme", rows[0]["object_sha256"]).split(b"\n")
        assert {row["row_number"]: stored[row["row_number"] - 1] for row in rows} == dict(enumerate(sent, start=1))
        assert {(row["tenant_id"], row["source"], row["recorded_at"]) for row in rows} == {
            ("acme", feed.stream.source, NOW)
        }

    def test_offsets_that_the_broker_keeps_are_not_believed(self, feed: Feed) -> None:
        feed.produce([reading(number) for number in range(20)])
        feed.consume(max_messages=5)
        other = Consumer({"bootstrap.servers": feed.broker.address, "group.id": feed.stream.topic})
        other.commit(offsets=[TopicPartition(feed.stream.topic, 0, 15)], asynchronous=False)
        other.close()
        feed.consume()
        assert feed.values() == list(range(20))

    def test_the_broker_is_told_how_far_bronze_is(self, feed: Feed) -> None:
        feed.produce([reading(number) for number in range(20)])
        feed.consume(max_messages=5)
        other = Consumer({"bootstrap.servers": feed.broker.address, "group.id": feed.stream.topic})
        assert other.committed([TopicPartition(feed.stream.topic, 0)], timeout=10)[0].offset == 5
        other.close()

    def test_two_consumers_share_a_topic_and_double_nothing(self, new_feed: NewFeed) -> None:
        feed = new_feed(4)
        for partition in range(4):
            feed.produce([reading(partition * 1000 + number) for number in range(200)], partition)
        one, two = Event(), Event()
        with ThreadPoolExecutor(2) as threads:
            # With a shorter session the broker for tests gives all partitions to the one and then to the other.
            options = {"until_idle": None, "batch": 20, "session_seconds": 2}
            runs = [threads.submit(feed.consume, stop=stop, **options) for stop in (one, two)]
            wait_for(lambda: len(feed.values()) == 800)
            for partition in range(4):
                feed.produce([reading(partition * 1000 + number) for number in range(200, 400)], partition)
            wait_for(lambda: len(feed.values()) == 1600)
            one.set()
            runs[0].result()
            for partition in range(4):
                feed.produce([reading(partition * 1000 + number) for number in range(400, 500)], partition)
            wait_for(lambda: len(feed.values()) == 2000)
            two.set()
        assert feed.values() == [partition * 1000 + number for partition in range(4) for number in range(500)]
        landed = [run.result().messages for run in runs]
        assert sum(landed) == 2000
        assert min(landed) > 0

    def test_messages_that_come_later_are_landed_too(self, feed: Feed) -> None:
        stop = Event()
        with ThreadPoolExecutor(1) as threads:
            run = threads.submit(feed.consume, stop=stop, until_idle=None)
            for count in range(1, 4):
                feed.produce([reading(number) for number in range((count - 1) * 10, count * 10)])
                wait_for(lambda count=count: len(feed.values()) == count * 10)
            stop.set()
        assert run.result().messages == 30
        assert feed.values() == list(range(30))


class TestRefusedMessages:
    POISON = (
        None,
        b"",
        b"\xff\xfe{}",
        b"not json",
        b"[1, 2]",
        b"[" * 100_000,
        b"x" * 1_100_000 + b"\n{}",
        json.dumps({"schema": 2, **json.loads(reading(0))}).encode(),
        json.dumps({"tenant_id": "globex", **json.loads(reading(0))}).encode(),
        reading(0, ts="yesterday"),
        reading(0, value="warm"),
        b'{"device_id": "\\u0000"}',
    )

    def test_each_is_kept_with_its_own_bytes_and_stops_no_other(self, feed: Feed) -> None:
        for number, poison in enumerate(self.POISON):
            feed.produce([reading(number), poison])
        summary = feed.consume()
        assert feed.values() == list(range(len(self.POISON)))
        refused = feed.refused()
        assert [(row["path"], row["record"]) for row in refused] == [
            (f"{feed.stream.topic}/0", 2 * number + 1) for number in range(len(self.POISON))
        ]
        kept = [feed.bronze.objects.get("acme", row["raw_sha256"]) for row in refused]
        assert kept == [poison or b"" for poison in self.POISON]
        assert [row["code"] for row in refused[-5:]] == [
            "unknown_schema",
            "other_tenant",
            "bad_timestamp",
            "bad_value",
            "missing_device",
        ]
        assert summary.quarantined == len(self.POISON)
        assert sum(feed.metric("iotops_stream_refused_total", code=code) for code in summary.refused) == 12

    def test_they_are_refused_once_over_restarts(self, feed: Feed) -> None:
        feed.produce([b"bad", reading(1), b"worse"] * 10)
        feed.consume(max_messages=13)
        feed.consume()
        feed.consume()
        assert [row["record"] for row in feed.refused()] == [n for n in range(30) if n % 3 != 1]


class TestBronzeThatDoesNotAnswer:
    def test_what_is_in_hand_waits_until_it_answers_again(self, feed: Feed, failing: Failing) -> None:
        feed.produce([reading(number) for number in range(300)])
        failures = iter([True] * 4)
        bronze = failing(lambda _: next(failures, False))
        summary = feed.consume(bronze, batch=50)
        assert summary.messages == 300
        assert feed.values() == list(range(300))
        assert feed.metric("iotops_stream_retries_total") == 4

    @pytest.mark.parametrize("table", ["quarantine", "events", "telemetry"])
    def test_a_crash_between_two_tables_doubles_nothing(self, feed: Feed, failing: Failing, table: str) -> None:
        sent = [reading(number) for number in range(30)]
        sent[3::10] = [reading(number, event_type="alarm") for number in range(3)]
        sent[7::10] = [b"bad"] * 3
        feed.produce(sent)
        stop = Event()

        def fails(name: str) -> bool:
            if name.startswith(table):
                stop.set()
            return name.startswith(table)

        interrupted = feed.consume(failing(fails), stop=stop)
        assert interrupted.unlanded == 30
        feed.consume(batch=11)
        assert feed.values() == [number for number in range(30) if number % 10 not in (3, 7)]
        assert sorted(feed.bronze.changes("events")[0]["row_number"].to_pylist()) != []
        assert feed.bronze.changes("events")[0].num_rows == 3
        assert [row["record"] for row in feed.refused()] == [7, 17, 27]

    def test_a_stop_leaves_to_the_next_run_what_could_not_be_landed(self, feed: Feed, failing: Failing) -> None:
        feed.produce([reading(number) for number in range(100)])
        stop, tried = Event(), Event()

        def fails(name: str) -> bool:
            tried.set()
            return True

        with ThreadPoolExecutor(1) as threads:
            threads.submit(until_set, tried, stop)
            summary = feed.consume(failing(fails), stop=stop, batch=40)
        assert summary.messages == 0
        assert summary.unlanded > 0
        assert "not landed" in summary.describe()
        assert feed.consume().messages == 100
        assert feed.values() == list(range(100))


class TestLag:
    def test_it_is_what_is_not_in_bronze_yet(self, new_feed: NewFeed) -> None:
        feed = new_feed(2)
        feed.produce([reading(number) for number in range(100)], 1)
        feed.consume(max_messages=30, batch=10)
        assert feed.metric("iotops_stream_lag_messages", partition="1") == 70
        feed.consume()
        assert feed.metric("iotops_stream_lag_messages", partition="1") == 0
        assert feed.metric("iotops_stream_lag_messages", partition="0") == 0
        assert feed.metric("iotops_stream_messages_total") == 70
        assert feed.metric("iotops_stream_rows_total", table="telemetry") == 70


class TestWhatDoesNotFit:
    def test_a_topic_made_anew_is_not_taken_for_the_one_before(self, feed: Feed) -> None:
        feed.produce([reading(number) for number in range(10)])
        feed.consume()
        feed.broker.delete_topic(feed.stream.topic)
        feed.broker.create_topic(feed.stream.topic)
        feed.produce([reading(number) for number in range(100, 120)])
        with pytest.raises(Refused, match="made anew") as refused:
            feed.consume()
        assert "--source" in str(refused.value)
        feed.consume(stream=Stream("acme", "again", feed.stream.topic))
        assert feed.values() == [*range(10), *range(100, 120)]

    def test_an_unknown_topic_is_named(self, feed: Feed) -> None:
        with pytest.raises(NotFound, match=r"topic 'nowhere' does not exist"):
            feed.consume(stream=Stream("acme", "s", "nowhere"))

    def test_a_broker_that_is_not_there_is_named(self, feed: Feed) -> None:
        address = f"127.0.0.1:{free_port()}"
        with pytest.raises(BrokerUnavailable, match=address):
            consume_stream(
                feed.bronze,
                feed.stream,
                StreamOptions(address),
                stop=Event(),
                metrics=StreamMetrics(feed.registry),
                clock=lambda: NOW,
            )


def wait_for(condition: Callable[[], bool], seconds: float = 40) -> None:
    """Polls, as nothing tells when a consumer in another thread is done."""
    pause = Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("it did not happen in time")
