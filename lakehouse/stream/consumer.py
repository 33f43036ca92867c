"""`iotops ingest stream`: gather a batch while the one before it lands, until asked to stop."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from datetime import datetime
from threading import Event
from typing import Any, Final

from lakehouse.bronze import Bronze
from lakehouse.errors import ObjectStoreUnavailable
from lakehouse.stream.batch import MessageBatch, Stream
from lakehouse.stream.broker import SESSION_SECONDS, check_identity, identify_topic, open_consumer
from lakehouse.stream.landing import LandedBatch, land_batch, read_positions, record_lost
from lakehouse.stream.metrics import StreamMetrics
from lakehouse.stream.reader import SLICE, Reader

# A broker gives partitions to others when a consumer has not asked for five minutes.
PATIENCE: Final = 30.0
LONGEST_WAIT: Final = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamOptions:
    """until_idle: end when all there is was landed and nothing came for so many seconds.

    first_wait: seconds before a batch is tried again that bronze did not take; doubled each time.
    """

    brokers: str
    group: str = "iotops"
    batch: int = 20_000
    flush_seconds: float = 1.0
    until_idle: float | None = None
    max_messages: int | None = None
    session_seconds: float = SESSION_SECONDS
    first_wait: float = 0.5
    progress_seconds: float = 5.0


@dataclass
class StreamSummary:
    """unlanded: messages in hand when a stop came while bronze did not answer; they will be read again."""

    topic: str
    messages: int = 0
    readings: int = 0
    events: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    unlanded: int = 0

    def add(self, landed: LandedBatch) -> None:
        self.messages += landed.messages
        self.readings += landed.readings
        self.events += landed.events
        self.refused.update(landed.refused)

    @property
    def quarantined(self) -> int:
        return sum(self.refused.values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"refused": dict(sorted(self.refused.items())), "quarantined": self.quarantined}

    def describe(self) -> str:
        reasons = ", ".join(f"{code} {count}" for code, count in sorted(self.refused.items()))
        parts = [
            f"{self.topic}: {self.messages} messages landed ({self.readings} readings, {self.events} events)",
            f"{self.quarantined} quarantined" + (f" ({reasons})" if reasons else ""),
        ]
        if self.lost:
            parts.append(f"{self.lost} deleted by the broker before they were read")
        if self.unlanded:
            parts.append(f"{self.unlanded} not landed as bronze did not answer: they will be read again")
        return ", ".join(parts)


@dataclass(frozen=True)
class Progress:
    """rate: messages a second since the last one. lag: messages of our partitions that are not in bronze."""

    messages: int
    rate: float
    lag: int


def consume_stream(
    bronze: Bronze,
    stream: Stream,
    options: StreamOptions,
    *,
    stop: Event,
    metrics: StreamMetrics,
    clock: Callable[[], datetime],
    progress: Callable[[Progress], None] | None = None,
) -> StreamSummary:
    """Raises BrokerUnavailable, NotFound for an unknown topic, and Refused where bronze and topic do not fit."""
    identity = identify_topic(options.brokers, stream.topic)
    check_identity(stream, bronze.snapshot("telemetry").position(stream.identity_name), identity)
    run = _Run(bronze, stream, options, stop, metrics, clock, identity, progress)
    return run.until_done()


class _Run:
    def __init__(
        self,
        bronze: Bronze,
        stream: Stream,
        options: StreamOptions,
        stop: Event,
        metrics: StreamMetrics,
        clock: Callable[[], datetime],
        identity: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.bronze, self.stream, self.options, self.stop = bronze, stream, options, stop
        self.metrics, self.clock, self.identity, self.progress = metrics, clock, identity, progress
        consumer = open_consumer(options.brokers, options.group, options.session_seconds)
        self.reader = Reader(consumer, options.brokers, stream, self._find_positions, self._record_lost)
        self.summary = StreamSummary(stream.topic)
        self.landed: dict[int, int] = {}
        self.gathered = 0
        self.landing: tuple[MessageBatch, Future[LandedBatch]] | None = None
        self.last_arrival = time.monotonic()
        self.told = (time.monotonic(), 0)

    def until_done(self) -> StreamSummary:
        with ThreadPoolExecutor(1, thread_name_prefix="landing") as self.lander:
            try:
                self.reader.subscribe()
                while not (self.stop.is_set() or self._is_done()):
                    self._step()
                self._settle()
                self._report()
            finally:
                self.reader.close()
        return self.summary

    def _step(self) -> None:
        batch = self.reader.gather(self._wanted(), self.options.flush_seconds, self._may_go_on)
        if batch is not None:
            self.gathered += len(batch)
            self.last_arrival = time.monotonic()
            if self._settle():
                self._land(batch)
            else:
                self.summary.unlanded += len(batch)
        self._report()

    def _may_go_on(self) -> bool:
        """Between two looks for messages. A batch that did not land is dealt with before more is gathered."""
        if self.landing and self.landing[1].done():
            if self.landing[1].exception():
                return False
            self._settle()
            self._report()
        return not self.stop.is_set()

    def _wanted(self) -> int:
        most = self.options.max_messages
        return self.options.batch if most is None else min(self.options.batch, most - self.gathered)

    def _is_done(self) -> bool:
        if self.options.max_messages is not None and self.gathered >= self.options.max_messages:
            return True
        if self.options.until_idle is None or self.landing or not self.reader.at_end():
            return False
        return time.monotonic() - self.last_arrival >= self.options.until_idle

    def _land(self, batch: MessageBatch) -> None:
        self.landing = batch, self.lander.submit(self._land_timed, batch)

    def _land_timed(self, batch: MessageBatch) -> LandedBatch:
        with self.metrics.seconds.labels(self.stream.topic).time():
            return land_batch(self.bronze, self.stream, batch, self.identity, self.clock())

    def _settle(self) -> bool:
        """Waits for the batch on its way. False where it cannot land and we are to stop: then none after it may."""
        tries = 0
        while self.landing:
            batch, future = self.landing
            if not wait([future], timeout=PATIENCE).done:
                self.reader.hold()
                continue
            try:
                self._account(future.result())
            except ObjectStoreUnavailable as error:
                if not self._wait_for_bronze(tries, error):
                    self.summary.unlanded += len(batch)
                    self.landing = None
                    return False
                tries += 1
                self._land(batch)
            else:
                self.landing = None
        self.reader.release()
        return True

    def _account(self, landed: LandedBatch) -> None:
        topic = self.stream.topic
        self.summary.add(landed)
        self.landed.update(landed.positions)
        self.reader.acknowledge(landed.positions)
        self.metrics.messages.labels(topic).inc(landed.messages)
        self.metrics.rows.labels(topic, "telemetry").inc(landed.readings)
        self.metrics.rows.labels(topic, "events").inc(landed.events)
        for code, count in landed.refused.items():
            self.metrics.refused.labels(topic, code).inc(count)

    def _wait_for_bronze(self, tries: int, error: ObjectStoreUnavailable) -> bool:
        """False where a stop came meanwhile. The group is not left: the partitions stay ours."""
        delay = min(LONGEST_WAIT, self.options.first_wait * 2**tries)
        log.warning("%s; waiting %.1f s, and nothing is read meanwhile", error, delay)
        self.metrics.retries.labels(self.stream.topic).inc()
        end = time.monotonic() + delay
        while (rest := end - time.monotonic()) > 0:
            if self.stop.wait(min(SLICE, rest)):
                return False
            self.reader.hold()
        return not self.stop.is_set()

    def _find_positions(self, partitions: Sequence[int]) -> Mapping[int, int] | None:
        """Called while the group waits for us to take the partitions, so nothing is polled here."""
        tries = 0
        while True:
            try:
                positions = read_positions(self.bronze.snapshot("telemetry"), self.stream, partitions)
            except ObjectStoreUnavailable as error:
                delay = min(LONGEST_WAIT, self.options.first_wait * 2**tries)
                log.warning("%s; waiting %.1f s to learn where to begin", error, delay)
                self.metrics.retries.labels(self.stream.topic).inc()
                tries += 1
                if self.stop.wait(delay):
                    return None
            else:
                self.landed = dict(positions)
                self.last_arrival = time.monotonic()
                return positions

    def _record_lost(self, partition: int, first: int, end: int) -> None:
        log.warning("%s: the broker deleted offsets %d to %d unread", self.stream.path(partition), first, end - 1)
        record_lost(self.bronze, self.stream, partition, first, end, self.clock())
        self.summary.lost += end - first
        self.metrics.lost.labels(self.stream.topic).inc(end - first)

    def _report(self) -> None:
        lags = {
            number: max(0, high - self.landed[number])
            for number, high in self.reader.high_watermarks().items()
            if number in self.landed
        }
        self.metrics.lag.clear()
        for number, lag in lags.items():
            self.metrics.lag.labels(self.stream.topic, str(number)).set(lag)
        now, (then, before) = time.monotonic(), self.told
        if self.progress and now - then >= self.options.progress_seconds:
            done = self.summary.messages
            self.progress(Progress(done, (done - before) / (now - then), sum(lags.values())))
            self.told = now, done
