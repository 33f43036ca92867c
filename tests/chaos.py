"""`python -m tests.chaos --kills 200 --events 100000 --seed 7`: consumer, API and Postgres are killed under load.

Real processes, each ended by SIGKILL and started again, while clients send numbered events to Kafka and to the API,
landing goes on, and dbt builds gold. Each client notes what it was told; at the end the numbers are looked for in
bronze, landing and gold.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final, LiteralString

import httpx
from confluent_kafka import KafkaError, Message, Producer

from iotops.settings import read_settings
from lakehouse import database, tenants
from lakehouse.bronze import Bronze
from lakehouse.errors import DatabaseUnavailable, StepFailed
from lakehouse.landing import land
from lakehouse.objects import open_objects
from tests.broker import Broker, free_port, running_broker
from tests.ledger import Ledger, Verdict, judge
from tests.processes import PATIENCE, Postgres, Process, wait_until

TENANT: Final = "acme"
TOPIC: Final = "telemetry.acme"
PARTITIONS: Final = 3
BEGINNING: Final = datetime(2026, 10, 1, tzinfo=UTC)
PARTS: Final = ("consumer", "api", "postgres")
BURST: Final = 40  # events that a client sends together
DEVICES: Final = 50
RESENT: Final = 0.1  # of the requests that were acknowledged
ABANDONED: Final = 0.3  # of those that met an error: the client never asks again


@dataclass(frozen=True)
class Plan:
    kills: int
    events: int
    seed: int


@dataclass(frozen=True)
class Report:
    """verdicts: of each place where the events were looked for. builds, landings: how they ended."""

    plan: Plan
    kills: dict[str, int]
    acknowledged: int
    unknown: int
    unknown_found: int
    builds: dict[str, int]
    landings: dict[str, int]
    verdicts: dict[str, Verdict]

    def describe(self) -> str:
        told = f"seed {self.plan.seed}: {self.kills}, {self.acknowledged} acknowledged, {self.unknown} unknown "
        told += f"({self.unknown_found} of them found), builds {self.builds}, landings {self.landings}\n"
        for place, verdict in self.verdicts.items():
            told += f"{place}: {', '.join(f'{len(found)} {name}' for name, found in asdict(verdict).items())}\n"
        return told + f"0 of {self.acknowledged} bounds the rate by 3/N = {3 / self.acknowledged:.1e} (95 %)"


def event(number: int) -> dict[str, Any]:
    """Every tenth is an event, the others are readings; no two share a key."""
    ts = (BEGINNING + timedelta(seconds=number)).isoformat()
    row: dict[str, Any] = {"ts": ts, "device_id": f"d{number % DEVICES}"}
    if number % 10 == 3:
        return row | {"event_id": f"e{number}", "event_type": "alarm", "message": str(number)}
    return row | {"metric": "m", "value": number}


class Fleet:
    """The installation under `home`, its broker, and clients that send until told to stop."""

    def __init__(self, home: Path, broker: Broker, plan: Plan) -> None:
        self.home, self.plan = home, plan
        self.ledger = Ledger(home / "history.jsonl")
        self.done = Event()
        self.port = free_port()
        self.broker = broker
        embedded = {**os.environ, "IOTOPS_HOME": str(home)}
        embedded.pop("IOTOPS_DATABASE_URL", None)
        self.postgres = Postgres(home, embedded)
        self.postgres.start()
        self.url = database.start_embedded(home)
        self.environment = embedded | {"IOTOPS_DATABASE_URL": self.url}
        url = read_settings(self.environment).bronze_url
        self.bronze = Bronze(url, open_objects(url))
        with database.transaction(self.url) as connection:
            tenants.create_tenant(connection, TENANT)
        consume = ["ingest", "stream", "--tenant", TENANT, "--brokers", broker.address, "--batch", "200"]
        self.consumer = self._process("consumer", *consume, "--session-seconds", "0.6", "--flush-seconds", "0.1")
        self.api = self._process("api", "serve", "api", "--port", str(self.port))
        self.served = 0  # requests acknowledged, which says that the API of now has done something
        self.numbers = count()
        self.builds: Counter[str] = Counter()
        self.landings: Counter[str] = Counter()
        self._lock = Lock()

    def _process(self, name: str, *arguments: str) -> Process:
        return Process(
            [sys.executable, "-m", "iotops.cli.main", *arguments], self.environment, self.home / f"{name}.log"
        )

    def take(self) -> list[int]:
        with self._lock:
            return [next(self.numbers) for _ in range(BURST)]

    def produce(self) -> None:
        """To Kafka, in bursts. The broker is not killed, so all of it is acknowledged soon."""
        producer = Producer({"bootstrap.servers": self.broker.address, "acks": "all", "linger.ms": 5, "log_level": 0})

        def delivered(number: int, error: KafkaError | None, _: Message) -> None:
            if error is None:
                self.ledger.acknowledged([number], "kafka")

        while not self.done.is_set():
            numbers = self.take()
            self.ledger.sent(numbers, "kafka")
            for number in numbers:
                payload = json_of(event(number))
                producer.produce(TOPIC, payload, partition=number % PARTITIONS, on_delivery=partial(delivered, number))
            producer.poll(0)
            self.done.wait(0.1)
        assert producer.flush(PATIENCE) == 0

    def post(self, name: str) -> None:
        """To the API, one by one. After an error the same request is sent again, or never: then nobody knows."""
        draw = random.Random(f"{self.plan.seed} {name}")  # noqa: S311 - decides what a client does
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=15) as client:
            for request in count():
                if self.done.is_set():
                    return
                numbers = self.take()
                self.ledger.sent(numbers, name)
                if self._insist(client, f"{name}-{request}", numbers, draw):
                    self.ledger.acknowledged(numbers, name)
                    self.served += 1
                    if draw.random() < RESENT:
                        self._insist(client, f"{name}-{request}", numbers, draw)

    def _insist(self, client: httpx.Client, key: str, numbers: list[int], draw: random.Random) -> bool:
        while not self.done.is_set():
            try:
                if self._ask(client, key, numbers):
                    return True
                if draw.random() < ABANDONED:
                    return False
            except httpx.ConnectError:  # it never left, so there is no doubt about it
                pass
            self.done.wait(0.05)
        return False

    def _ask(self, client: httpx.Client, key: str, numbers: list[int]) -> bool:
        body = b"\n".join(json_of(event(number)) for number in numbers)
        headers = {"Idempotency-Key": key, "content-type": "application/x-ndjson"}
        try:
            told = client.post("/v1/ingest/telemetry", params={"tenant_id": TENANT}, content=body, headers=headers)
        except httpx.ConnectError:
            raise
        except httpx.TransportError:
            return False
        assert told.status_code in (202, 503), told.text
        return told.status_code == 202

    def build(self) -> None:
        """dbt again and again, as the DAG would."""
        while not self.done.is_set():
            self.builds[self.build_once()] += 1

    def build_once(self) -> str:
        command = [sys.executable, "-m", "iotops.cli.main", "warehouse", "build", "--no-check"]
        with (self.home / "build.log").open("ab") as log:
            ended = subprocess.run(command, env=self.environment, stdout=log, stderr=log, check=False)
        return "failed" if ended.returncode else "done"

    def land(self) -> None:
        """So often that a kill of Postgres meets it."""
        while not self.done.wait(0.02):
            try:
                land(self.url, self.bronze)
                self.landings["done"] += 1
            except (DatabaseUnavailable, StepFailed) as error:
                self.landings[type(error).__name__] += 1

    def consumed(self) -> int:
        """What bronze says that came from Kafka."""
        snapshot = self.bronze.snapshot("telemetry")
        names = [f"stream:{TENANT}:kafka:{TOPIC}:{TOPIC}:{number}" for number in range(PARTITIONS)]
        return sum(snapshot.positions(names).values())


def run(home: Path, broker: Broker, plan: Plan) -> Report:
    """Raises AssertionError where a part does not come back, or a client is told what it should not be."""
    broker.create_topic(TOPIC, PARTITIONS)
    fleet = Fleet(home, broker, plan)
    with ExitStack() as ending, ThreadPoolExecutor(8) as pool:
        ending.callback(database.stop_embedded, home)
        for part in (fleet.consumer, fleet.api):
            ending.callback(part.kill)
            part.start()
        posting = [partial(fleet.post, name) for name in ("first", "second")]
        clients: list[Callable[[], None]] = [fleet.produce, *posting, fleet.build, fleet.land]
        working = [pool.submit(client) for client in clients]
        try:
            kills = _kill(fleet, working)
            wait_until(lambda: _enough(fleet, working), "the clients to have sent enough")
        finally:
            fleet.done.set()
        for client in working:
            client.result()
        return _settle(fleet, kills)


def _kill(fleet: Fleet, working: Sequence[Future[None]]) -> dict[str, int]:
    draw = random.Random(fleet.plan.seed)  # noqa: S311 - decides when to kill
    order = [PARTS[number % len(PARTS)] for number in range(fleet.plan.kills)]
    draw.shuffle(order)
    parts: dict[str, Process | Postgres] = {
        "consumer": fleet.consumer,
        "api": fleet.api,
        "postgres": fleet.postgres,
    }
    for number, name in enumerate(order, start=1):
        _wait_for_work(fleet, name, working)
        Event().wait(draw.uniform(0, 0.5))
        parts[name].kill()
        parts[name].start()
        acknowledged = len(fleet.ledger.of("acknowledged"))
        print(f"kill {number} of {len(order)}: {name}; {acknowledged} acknowledged", file=sys.stderr, flush=True)
    return dict(Counter(order))


def _wait_for_work(fleet: Fleet, name: str, working: Sequence[Future[None]]) -> None:
    """Until the part has done something since it was last started: a kill of one that only begins says little."""
    served, consumed, landed = fleet.served, fleet.consumed(), fleet.landings["done"]

    def has_worked() -> bool:
        _check(working)
        fleet.consumer.revive()
        fleet.api.revive()
        return {
            "api": lambda: fleet.served > served,
            "consumer": lambda: fleet.consumed() > consumed,
            "postgres": lambda: fleet.landings["done"] > landed,
        }[name]()

    wait_until(has_worked, f"{name} to work")


def _check(working: Sequence[Future[None]]) -> None:
    """A client ends early only by an error, which this raises."""
    for client in working:
        if client.done():
            client.result()


def _enough(fleet: Fleet, working: Sequence[Future[None]]) -> bool:
    _check(working)
    fleet.consumer.revive()
    fleet.api.revive()
    return len(fleet.ledger.of("acknowledged")) >= fleet.plan.events


def _settle(fleet: Fleet, kills: dict[str, int]) -> Report:
    """All that is under way is finished, gold is built, and the numbers are looked for."""
    fleet.consumer.kill()
    fleet.consumer.command += ["--until-idle", "1"]
    fleet.consumer.start()
    assert fleet.consumer.running is not None
    assert fleet.consumer.running.wait(PATIENCE) == 0, fleet.consumer.log.read_text()[-2000:]
    fleet.builds[fleet.build_once()] += 1
    built = fleet.build_once()
    assert built == "done", (fleet.home / "build.log").read_text()[-2000:]
    found = {"bronze": list(_in_bronze(fleet.bronze)), **_in_postgres(fleet.url)}
    unknown = fleet.ledger.of("unknown")
    return Report(
        plan=fleet.plan,
        kills=kills,
        acknowledged=len(fleet.ledger.of("acknowledged")),
        unknown=len(unknown),
        unknown_found=len(unknown & set(found["bronze"])),
        builds=dict(fleet.builds),
        landings=dict(fleet.landings),
        verdicts={place: judge(fleet.ledger, numbers) for place, numbers in found.items()},
    )


def _in_bronze(bronze: Bronze) -> Iterator[int]:
    yield from (int(value) for value in bronze.changes("telemetry")[0]["value"].to_pylist())
    yield from (int(message) for message in bronze.changes("events")[0]["message"].to_pylist())


def _in_postgres(url: str) -> dict[str, list[int]]:
    """hours: what the hourly sums count; of a reading that was counted twice they would tell, as a key's row cannot."""
    queries: dict[str, LiteralString] = {
        "landing": "select value::bigint from landing.telemetry union all select message::bigint from landing.events",
        "gold": "select value::bigint from gold.fct_readings union all select message::bigint from gold.fct_events",
    }
    with database.transaction(url) as connection:
        found = {place: [int(str(row[0])) for row in connection.execute(query)] for place, query in queries.items()}
        row = connection.execute("select sum(reading_count), sum(value_sum) from gold.fct_readings_hourly").fetchone()
        readings = [number for number in found["gold"] if number % 10 != 3]
        assert row is not None
        assert (int(str(row[0])), int(float(str(row[1])))) == (len(set(readings)), sum(set(readings)))
    return found


def json_of(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--events", type=int, default=30_000, help="At least so many are acknowledged.")
    parser.add_argument("--seed", type=int, default=20261121)
    given = parser.parse_args()
    plan = Plan(given.kills, given.events, given.seed)
    home = Path(tempfile.mkdtemp(prefix="iotops-chaos-"))
    with running_broker() as broker:
        report = run(home, broker, plan)
    print(report.describe())
    if not all(verdict.holds for verdict in report.verdicts.values()):
        sys.exit(f"it does not hold; the history is in {home}")
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
