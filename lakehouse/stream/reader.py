"""The consumer's side of a stream: partitions that are given and taken away, and their messages in batches."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from lakehouse.stream.batch import MessageBatch, Stream, make_batch
from lakehouse.stream.broker import explain, first_kept

# How long a wish to stop may stay unnoticed while nothing arrives.
SLICE: Final = 0.25
# A batch is cut off after so many bytes, and so many messages are taken at once, so that messages of a megabyte each do
# not fill the memory.
MOST_BYTES: Final = 32 << 20
AT_ONCE: Final = 4_000

FindPositions = Callable[[Sequence[int]], Mapping[int, int] | None]
RecordLost = Callable[[int, int, int], None]


@dataclass
class Reader:
    """find_positions: where to begin with partitions just assigned; None where we are to stop.

    record_lost: told of a partition, the first offset that was deleted unread, and the first that is kept.
    """

    consumer: Consumer
    brokers: str
    stream: Stream
    find_positions: FindPositions
    record_lost: RecordLost
    assigned: bool = False
    _next: dict[int, int] = field(default_factory=dict)
    _began: dict[int, int] = field(default_factory=dict)
    _ends_seen: dict[int, int] = field(default_factory=dict)
    _kept: list[Message] = field(default_factory=list)
    _held: bool = False
    _typical: int = 1 << 20  # bytes of a message, until some were seen

    def subscribe(self) -> None:
        self.consumer.subscribe([self.stream.topic], on_assign=self.take, on_revoke=self._on_revoke)

    def gather(self, limit: int, seconds: float, go_on: Callable[[], bool]) -> MessageBatch | None:
        """At most `limit` messages: what comes in the `seconds` after the first, and as long as `go_on` says so, which
        is asked a few times a second. None where none comes."""
        messages, self._kept = self._kept, []
        deadline = time.monotonic() + seconds
        size = sum(map(len, messages))
        while len(messages) < limit and size < MOST_BYTES and go_on():
            rest = SLICE if not messages else min(SLICE, deadline - time.monotonic())
            if rest <= 0:
                break
            fitting = max(1, (MOST_BYTES - size) // self._typical)
            found = self._consume(min(limit - len(messages), AT_ONCE, fitting), rest)
            if not messages:
                if not found:
                    return None
                deadline = time.monotonic() + seconds
            if found:
                taken = sum(map(len, found))
                messages += found
                size += taken
                self._typical = taken // len(found) + 1
        if not messages:
            return None
        batch = make_batch(messages, self._began)
        self._began.update(batch.ends)
        self._next.update({number: end for number, end in batch.ends.items() if number in self._next})
        return batch

    def hold(self) -> None:
        """Stay in the group, and let nothing more come."""
        self.consumer.pause(self.consumer.assignment())
        self._held = True
        # A message may be on its way out already. To drop it would be to skip it.
        self._kept += self._consume(1, 0)

    def release(self) -> None:
        if self._held:
            self.consumer.resume(self.consumer.assignment())
            self._held = False

    def acknowledge(self, positions: Mapping[int, int]) -> None:
        """For others to see: nothing is read from there."""
        ours = [
            TopicPartition(self.stream.topic, number, end) for number, end in positions.items() if number in self._next
        ]
        if ours:
            self.consumer.commit(offsets=ours, asynchronous=True)

    def at_end(self) -> bool:
        """Whether all that is in our partitions was gathered."""
        return self.assigned and all(self._ends_seen.get(number, -1) >= end for number, end in self._next.items())

    def high_watermarks(self) -> dict[int, int]:
        """Of our partitions, as their last fetch said."""
        asked = {number: TopicPartition(self.stream.topic, number) for number in self._next}
        found = {number: self.consumer.get_watermark_offsets(one, cached=True) for number, one in asked.items()}
        return {number: marks[1] for number, marks in found.items() if marks and marks[1] >= 0}

    def close(self) -> None:
        """Leaves the group."""
        self.consumer.close()

    def take(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        positions = self.find_positions([one.partition for one in partitions])
        if positions is None:
            consumer.unassign()
            return
        self._next = dict(positions)
        self._began.update(positions)
        self._ends_seen = {}
        self.assigned = True
        topic = self.stream.topic
        # Offset 0 may be deleted already where nothing was ever read.
        consumer.assign([TopicPartition(topic, number, at or OFFSET_BEGINNING) for number, at in positions.items()])

    def _on_revoke(self, _consumer: Consumer, _partitions: Sequence[TopicPartition]) -> None:
        self._next = {}

    def _consume(self, count: int, seconds: float) -> list[Message]:
        found = self.consumer.consume(count, seconds)
        good = [message for message in found if message.error() is None]
        if len(good) != len(found):
            for message in found:
                if (error := message.error()) is not None:
                    self._heed(error, message)
        return good

    def _heed(self, error: KafkaError, message: Message) -> None:
        number, offset = message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF and number is not None:
            self._ends_seen[number] = offset or 0
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and number is not None and offset is not None:
            self._go_on_from_first_kept(number, offset)
        else:
            explain(self.brokers, self.stream.topic, error)

    def _go_on_from_first_kept(self, number: int, position: int) -> None:
        if number not in self._next:
            return
        kept = first_kept(self.consumer, self.stream, number, position)
        if kept > position:
            self.record_lost(number, position, kept)
        self._restart(number, kept)

    def _restart(self, number: int, offset: int) -> None:
        """By a new assignment: a partition that came to an error cannot be sought in."""
        places = self.consumer.position([TopicPartition(self.stream.topic, one) for one in self._next])
        for place in places:
            if place.partition == number:
                place.offset = offset
            elif place.offset < 0:  # nothing of it came yet
                place.offset = self._next[place.partition] or OFFSET_BEGINNING
        self.consumer.assign(places)
