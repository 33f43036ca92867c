"""`iotops ingest stream` as a process that is told to stop, or is killed."""

import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Event
from uuid import uuid4

import httpx
import pytest

from iotops.bootstrap import App
from lakehouse import database, tenants
from tests.broker import Broker, free_port
from tests.feed import reading

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def topic(broker: Broker, app: App) -> str:
    with database.transaction(app.database_url) as connection:
        tenants.create_tenant(connection, "acme")
    name = f"telemetry.{uuid4().hex[:8]}"
    broker.create_topic(name, 3)
    return name


@pytest.fixture
def start(broker: Broker, environment: dict[str, str], topic: str) -> Iterator[Run]:
    with ExitStack() as started:

        def run(*options: str) -> "subprocess.Popen[str]":
            command = [sys.executable, "-m", "iotops.cli.main", "ingest", "stream", "--tenant", "acme", "--json"]
            command += ["--brokers", broker.address, "--topic", topic, "--group", topic, "--session-seconds", "0.6"]
            process = subprocess.Popen(
                [*command, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield run


def values(app: App) -> list[int]:
    return sorted(int(value) for value in app.bronze.changes("telemetry")[0]["value"].to_pylist())


def metrics(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        Event().wait(0.05)
    raise AssertionError("it did not happen in time")


def test_told_to_stop_it_lands_what_it_has_and_ends_well(app: App, broker: Broker, topic: str, start: Run) -> None:
    for partition in range(3):
        broker.produce(topic, [reading(partition * 10_000 + number) for number in range(500)], partition)
    port = free_port()
    # It would wait half a minute for the batch to fill.
    process = start("--flush-seconds", "30", "--metrics-port", str(port), "--batch", "600")
    wait_for(lambda: len(values(app)) >= 1200)
    landed = f'iotops_stream_messages_total{{topic="{topic}"}} 1200.0'
    wait_for(lambda: landed in metrics(port))
    lags = re.findall(r"^iotops_stream_lag_messages{.*} (.*)$", metrics(port), re.M)
    assert sum(map(float, lags)) == 300
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["messages"] == 1500
    assert len(values(app)) == 1500


def test_killed_at_any_point_it_loses_nothing_and_doubles_nothing(
    app: App, broker: Broker, topic: str, start: Run
) -> None:
    seed = 20261101
    draw = random.Random(seed)  # noqa: S311 - decides when to kill, not what is secret
    sent = 9_000
    per_partition = sent // 3
    for partition in range(3):
        messages = [reading(partition * per_partition + number) for number in range(per_partition)]
        messages[5::10] = [b"bad"] * len(messages[5::10])
        messages[8::10] = [reading(number, event_type="alarm") for number in range(len(messages[8::10]))]
        broker.produce(topic, messages, partition)
    for _ in range(3):
        before = app.bronze.version("telemetry")
        process = start("--batch", "100")
        wait_for(lambda before=before: app.bronze.version("telemetry") != before)
        Event().wait(draw.uniform(0, 0.3))
        process.kill()
        process.communicate()
    assert 0 < len(values(app)) < sent * 0.8, f"seed {seed}: the kills came too late to show anything"
    process = start("--until-idle", "0.5")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert values(app) == [number for number in range(sent) if number % per_partition % 10 not in (5, 8)]
    events = app.bronze.changes("events")[0]
    assert events.num_rows == sent // 10
    refused = app.bronze.changes("quarantine")[0]
    places = list(zip(refused["path"].to_pylist(), refused["record"].to_pylist(), strict=True))
    expected = [(f"{topic}/{partition}", offset) for partition in range(3) for offset in range(5, per_partition, 10)]
    assert sorted(places) == sorted(expected)


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--tenant", "nobody"], 1, "tenant 'nobody' does not exist"),
        (["--topic", "nowhere"], 1, "topic 'nowhere' does not exist"),
        (["--batch", "0"], 2, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_consumed_is_told_in_one_line(options: list[str], code: int, told: str, start: Run) -> None:
    process = start(*options)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert told in err
    assert "Traceback" not in err
