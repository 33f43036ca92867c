"""The consumer beside a bare confluent-kafka loop, and its lag after a burst: python -m benchmarks.stream"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from prometheus_client import CollectorRegistry

from lakehouse import database
from lakehouse.bronze import Bronze
from lakehouse.objects import open_objects
from lakehouse.stream.batch import Stream
from lakehouse.stream.broker import SESSION_SECONDS, open_consumer
from lakehouse.stream.consumer import StreamOptions, consume_stream
from lakehouse.stream.metrics import StreamMetrics
from simulator.stream import history
from simulator.world import build_world
from tests.broker import Broker, running_broker

END: Final = datetime(2026, 11, 1, tzinfo=UTC)
PARTITIONS: Final = 3
TENANT: Final = "default"
FEW: Final = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--burst", type=int, default=100_000)
    given = parser.parse_args()
    payloads = _payloads(given.messages)
    print(f"{len(payloads):,} messages of {sum(map(len, payloads)) / len(payloads):.0f} bytes, {PARTITIONS} partitions")
    with running_broker() as broker:
        _fill(broker, "telemetry.rate", payloads)
        taken = _bare(len(payloads), _consumer_of_defaults(broker))
        print(f"bare loop with the settings that confluent-kafka comes with: {len(payloads) / taken:,.0f}/s")
        ratios = [_round(broker, len(payloads), number) for number in range(given.rounds)]
        print(f"ratio: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
        _burst(broker, payloads[: given.burst])


def _payloads(count: int) -> list[bytes]:
    """What the simulator streams, without the events and of one tenant."""
    world = build_world(seed=7, end=END, days=14, devices=60, interval_minutes=30)
    readings = (one.payload for one in history(world, timedelta(days=14), True) if b"event_type" not in one.payload)
    names = [tenant.tenant_id.encode() for tenant in world.fleet.tenants]
    return [
        payload.replace(b'"tenant_id": "%b"' % name, b'"tenant_id": "default"')
        for payload in islice(readings, count)
        for name in names
        if b'"tenant_id": "%b"' % name in payload
    ]


def _fill(broker: Broker, topic: str, payloads: Sequence[bytes]) -> None:
    broker.create_topic(topic, PARTITIONS)
    for partition in range(PARTITIONS):
        broker.produce(topic, payloads[partition::PARTITIONS], partition)


def _round(broker: Broker, count: int, number: int) -> float:
    """Ours by the bare loop with the same settings: messages a second, of both from the subscription on."""
    bare = count / _bare(count, open_consumer(broker.address, f"bare-{number}", SESSION_SECONDS))
    ours = count / _ours(broker, count, f"ours-{number}")
    print(f"bare loop {bare:,.0f}/s, into bronze {ours:,.0f}/s, ratio {ours / bare:.2f}", flush=True)
    return ours / bare


def _consumer_of_defaults(broker: Broker) -> Consumer:
    return Consumer({"bootstrap.servers": broker.address, "group.id": "defaults"})


def _bare(count: int, consumer: Consumer) -> float:
    """Takes each message's bytes and does nothing with them."""

    def from_the_beginning(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign([TopicPartition(one.topic, one.partition, OFFSET_BEGINNING) for one in partitions])

    consumer.subscribe(["telemetry.rate"], on_assign=from_the_beginning)
    started, seen = perf_counter(), 0
    while seen < count:
        seen += len([message.value() for message in consumer.consume(10_000, 1) if not message.error()])
    taken = perf_counter() - started
    consumer.close()
    return taken


def _ours(broker: Broker, count: int, group: str) -> float:
    folder = Path(tempfile.mkdtemp(prefix="iotops-benchmark-"))
    bronze = Bronze(folder.as_uri(), open_objects(folder.as_uri()))
    started = perf_counter()
    summary = consume_stream(
        bronze,
        Stream(TENANT, "kafka:telemetry.rate", "telemetry.rate"),
        StreamOptions(broker.address, group=group, max_messages=count),
        stop=Event(),
        metrics=StreamMetrics(CollectorRegistry()),
        clock=lambda: datetime.now(UTC),
    )
    taken = perf_counter() - started
    if (summary.readings, summary.quarantined) != (count, 0):
        raise SystemExit(f"it was not all landed: {summary.describe()}")
    shutil.rmtree(folder)
    return taken


def _burst(broker: Broker, payloads: Sequence[bytes]) -> None:
    """Into a consumer that is idle, a process of its own. Its lag is what bronze does not have yet."""
    home = Path(tempfile.mkdtemp(prefix="iotops-benchmark-"))
    database.start_embedded(home)
    topic = "telemetry.burst"
    _fill(broker, topic, payloads[:FEW])
    command = ["env", f"IOTOPS_HOME={home}", sys.executable, "-m", "iotops.cli.main", "ingest", "stream"]
    bronze = Bronze((home / "bronze").as_uri(), open_objects((home / "bronze").as_uri()))
    stream = Stream(TENANT, f"kafka:{topic}", topic)
    names = [stream.position_name(number) for number in range(PARTITIONS)]

    def landed() -> int:
        return sum(bronze.snapshot("telemetry").positions(names).values())

    def wait_for(count: int) -> float:
        while landed() < count:
            Event().wait(0.05)
        return perf_counter()

    with subprocess.Popen([*command, "--brokers", broker.address, "--topic", topic]) as consumer:
        wait_for(FEW)
        started = perf_counter()
        for partition in range(PARTITIONS):
            broker.produce(topic, payloads[partition::PARTITIONS], partition)
        sent = perf_counter()
        done = wait_for(FEW + len(payloads) - FEW)
        consumer.terminate()
    print(
        f"burst of {len(payloads):,}, acknowledged in {sent - started:.1f} s: "
        f"lag below {FEW:,} {done - started:.1f} s after its first message, {max(0.0, done - sent):.1f} s after its "
        "last"
    )
    database.stop_embedded(home)
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
