"""The same readings and events as the files hold, as messages to Kafka: one topic a tenant, keyed by device."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import chain, count, islice
from operator import itemgetter
from threading import Event
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from simulator.telemetry_files import event_record, iso, reading_record, rows_of
from simulator.world import World, build_world

SCHEMA: Final = 1
ANSWERS_WITHIN: Final = 6.0
SETTLED_WITHIN: Final = 30.0
# How long a wish to stop may stay unnoticed between two messages.
TICK: Final = 0.1
POLLED_EVERY: Final = 1_000

Record = dict[str, object]
Dated = tuple[datetime, str, Record]


class BrokerRefused(Exception):
    """The broker does not answer, or does not take what is sent."""


@dataclass(frozen=True)
class Streamed:
    """acknowledged: what the broker said that it has. failed: what it may have or not."""

    topics: tuple[str, ...]
    produced: int
    acknowledged: int
    failed: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def describe(self) -> str:
        told = f"{self.acknowledged} messages acknowledged in {self.seconds:.1f} s on {', '.join(self.topics)}"
        return f"{told}, {self.failed} not acknowledged" if self.failed else told


@dataclass(frozen=True)
class Telegram:
    """A message before it is sent."""

    topic: str
    key: bytes
    payload: bytes


def simulate_stream(
    brokers: str,
    *,
    seed: int,
    end: datetime,
    days: int,
    devices: int,
    partitions: int,
    rate: float | None = None,
    duration: float | None = None,
    messages: int | None = None,
    stop: Event,
) -> Streamed:
    """The whole history once, where neither duration nor messages limit it; with a limit it starts over, later in time.

    rate: messages a second; as fast as they are taken where it is None. Raises BrokerRefused, and ValueError as the
    simulation of files does.
    """
    world = build_world(seed=seed, end=end, days=days, devices=devices, interval_minutes=30)
    topics = tuple(f"telemetry.{tenant.tenant_id}" for tenant in world.fleet.tenants)
    create_topics(brokers, topics, partitions)
    endless = duration is not None or messages is not None
    telegrams = islice(history(world, timedelta(days=days), endless), messages)
    return _send(brokers, topics, telegrams, rate, duration, stop)


def create_topics(brokers: str, topics: tuple[str, ...], partitions: int) -> None:
    """Those that are there stay as they are."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    new = [NewTopic(topic, num_partitions=partitions, replication_factor=-1) for topic in topics]
    for created in admin.create_topics(new, operation_timeout=ANSWERS_WITHIN, request_timeout=ANSWERS_WITHIN).values():
        try:
            created.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerRefused(error.args[0].str()) from error


def history(world: World, length: timedelta, endless: bool) -> Iterator[Telegram]:
    """In the order of time. Each further round is the same history, moved on by its length."""
    once = sorted(chain(_readings(world), _events(world)), key=itemgetter(0))
    for round_ in count() if endless else range(1):
        for ts, tenant_id, record in once:
            yield _telegram(ts + round_ * length, tenant_id, record, f"+{round_}" if round_ else "")


def _readings(world: World) -> Iterator[Dated]:
    for series in world.series:
        for row in rows_of(series):
            yield row[0], series.device.tenant_id, reading_record(row)


def _events(world: World) -> Iterator[Dated]:
    for event in world.events:
        yield event.ts, event.device.tenant_id, event_record(event)


def _telegram(ts: datetime, tenant_id: str, record: Record, suffix: str) -> Telegram:
    clock = "ts" if "ts" in record else "timestamp"
    body = {"schema": SCHEMA, "tenant_id": tenant_id, **record, clock: iso(ts)}
    if "event_id" in body:
        body["event_id"] = f"{body['event_id']}{suffix}"
    payload = json.dumps(body, ensure_ascii=False).encode()
    return Telegram(f"telemetry.{tenant_id}", str(record["device_id"]).encode(), payload)


class _Sending:
    """Counts what the broker says of each message."""

    def __init__(self, brokers: str) -> None:
        self.producer = Producer({"bootstrap.servers": brokers, "acks": "all", "linger.ms": 5, "log_level": 0})
        self.produced = self.acknowledged = self.failed = 0

    def send(self, telegram: Telegram) -> None:
        while True:
            try:
                self.producer.produce(telegram.topic, telegram.payload, telegram.key, on_delivery=self._delivered)
            except BufferError:  # librdkafka's queue is full: wait for the broker
                self.producer.poll(0.1)
            else:
                self.produced += 1
                return

    def settle(self) -> None:
        """Whatever is still on its way after this was not acknowledged."""
        self.producer.flush(SETTLED_WITHIN)
        self.failed = self.produced - self.acknowledged

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self.acknowledged += error is None


def _send(
    brokers: str,
    topics: tuple[str, ...],
    telegrams: Iterator[Telegram],
    rate: float | None,
    duration: float | None,
    stop: Event,
) -> Streamed:
    sending = _Sending(brokers)
    began = time.monotonic()
    end = None if duration is None else began + duration
    for telegram in telegrams:
        if rate is not None:
            while sending.produced >= rate * (time.monotonic() - began) and not stop.is_set():
                sending.producer.poll(min(TICK, 1 / rate))
        elif sending.produced % POLLED_EVERY == 0:
            sending.producer.poll(0)
        if stop.is_set() or (end is not None and time.monotonic() >= end):
            break
        sending.send(telegram)
    sending.settle()
    return Streamed(topics, sending.produced, sending.acknowledged, sending.failed, time.monotonic() - began)
