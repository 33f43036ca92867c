"""A fleet on Kafka: the same readings and events as its files hold, each once."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import jsonschema
import pytest

from lakehouse.bronze import Bronze
from lakehouse.ingest import ingest_telemetry
from lakehouse.objects import open_objects
from lakehouse.stream.batch import Stream
from simulator.simulation import simulate
from simulator.stream import BrokerRefused, Streamed, history, simulate_stream
from simulator.world import build_world
from tests.broker import Broker, free_port, running_broker
from tests.feed import Feed

END = datetime(2026, 11, 1, tzinfo=UTC)
FLEET: dict[str, Any] = {"seed": 7, "end": END, "days": 7, "devices": 24}
KEY = ("device_id", "metric", "ts", "value", "unit", "site", "model", "firmware")


@pytest.fixture
def broker_of_own() -> Any:
    """The topics of a simulation are named by its tenants, so two tests would share them."""
    with running_broker() as running:
        yield running


def stream(broker: Broker, **limits: Any) -> Streamed:
    return simulate_stream(broker.address, **FLEET, partitions=3, **({"stop": Event()} | limits))


def test_all_of_the_history_is_streamed_once_and_lands_as_its_files_do(broker_of_own: Broker, tmp_path: Path) -> None:
    streamed = stream(broker_of_own)
    assert (streamed.acknowledged, streamed.failed) == (streamed.produced, 0)
    simulate(tmp_path / "inbox", tmp_path / "truth", **FLEET)
    for topic in streamed.topics:
        tenant = topic.removeprefix("telemetry.")
        by_file, by_stream = (open_bronze(tmp_path / f"{tenant}-{way}") for way in ("file", "stream"))
        ingest_telemetry(by_file, tenant, tmp_path / "inbox" / tenant / "telemetry", now=END)
        feed = Feed(broker_of_own, Stream(tenant, "kafka", topic), by_stream)
        summary = feed.consume(until_idle=1.0)
        assert summary.quarantined == 0
        assert readings(by_stream) == readings(by_file)
        assert events(by_stream) == events(by_file)


def open_bronze(folder: Path) -> Bronze:
    return Bronze(folder.as_uri(), open_objects(folder.as_uri()))


def readings(bronze: Bronze) -> Counter[tuple[Any, ...]]:
    rows = bronze.changes("telemetry")[0]
    return Counter(zip(*(rows[name].to_pylist() for name in KEY), strict=True))


def events(bronze: Bronze) -> Counter[tuple[Any, ...]]:
    rows = bronze.changes("events")[0]
    return Counter(zip(*(rows[name].to_pylist() for name in ("event_id", "device_id", "ts", "message")), strict=True))


def test_with_a_limit_the_history_starts_over_and_every_message_follows_the_schema(broker_of_own: Broker) -> None:
    world = build_world(**FLEET, interval_minutes=30)
    once = [telegram.payload for telegram in history(world, timedelta(days=7), endless=False)]
    limit = len(once) + 500
    assert stream(broker_of_own, messages=limit).acknowledged == limit
    twice = [json.loads(one.payload) for one in islice(history(world, timedelta(days=7), endless=True), limit)]
    schema = json.loads(files("lakehouse.stream").joinpath("telemetry.v1.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for message in twice:
        validator.validate(message)
    times = [message.get("ts") or message["timestamp"] for message in twice]
    assert times == sorted(times)
    assert len({json.dumps(message) for message in twice}) == limit


def test_it_ends_when_it_is_told_to(broker_of_own: Broker) -> None:
    stop = Event()
    stop.set()
    assert stream(broker_of_own, stop=stop, duration=60.0).acknowledged < 100


def test_it_keeps_to_a_rate(broker_of_own: Broker) -> None:
    streamed = stream(broker_of_own, messages=40, rate=100.0)
    assert streamed.acknowledged == 40
    assert streamed.seconds >= 0.39


def test_a_broker_that_does_not_answer_is_named() -> None:
    with pytest.raises(BrokerRefused):
        simulate_stream(f"127.0.0.1:{free_port()}", **FLEET, partitions=1, stop=Event())


def test_the_command_streams_for_as_long_as_it_is_told(broker_of_own: Broker, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "iotops.cli.main", "simulate", "--stream", "--brokers", broker_of_own.address]
    limits = ["--rate", "200", "--duration", "0.5", "--partitions", "2", "--json"]
    done = subprocess.run([*command, *limits], env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["topics"] == ["telemetry.acme", "telemetry.globex"]
    assert 0 < said["acknowledged"] <= 101
    assert said["failed"] == 0
