"""Messages taken from a topic together, and which of them a table does not have yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Message(Protocol):
    """What is read of a `confluent_kafka.Message`."""

    def value(self) -> bytes | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...


@dataclass(frozen=True)
class Stream:
    """One topic as one source of one tenant."""

    tenant_id: str
    source: str
    topic: str

    @property
    def identity_name(self) -> str:
        """The position that holds which topic of this name was read, see `lakehouse.stream.broker`."""
        return f"stream:{self.tenant_id}:{self.source}:{self.topic}"

    def position_name(self, partition: int) -> str:
        """The position that holds the next offset to land."""
        return f"{self.identity_name}:{partition}"

    def path(self, partition: int) -> str:
        return f"{self.topic}/{partition}"


@dataclass(frozen=True)
class MessageBatch:
    """Entry n of payloads, partitions and offsets is message n, in the order of arrival.

    began: of each partition, the position that it was consumed from; all before it must be landed.
    """

    payloads: Sequence[bytes]
    partitions: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    began: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.payloads)

    @cached_property
    def ends(self) -> dict[int, int]:
        """The next offset of each partition after these messages."""
        found = np.unique(self.partitions).tolist()
        return {number: int(self.offsets[self.partitions == number].max()) + 1 for number in found}

    @cached_property
    def first_seen(self) -> npt.NDArray[np.bool_]:
        """False for what arrived again within the batch, as it does when a partition is taken away and given back."""
        first = np.ones(len(self), dtype=np.bool_)
        for number in self.ends:
            (where,) = np.nonzero(self.partitions == number)
            offsets = self.offsets[where]
            first[where[1:]] = offsets[1:] > np.maximum.accumulate(offsets)[:-1]
        return first

    def unlanded(self, positions: Mapping[int, int]) -> npt.NDArray[np.bool_]:
        """Which messages a table with these positions has not seen."""
        lowest = np.zeros(max(self.ends) + 1, dtype=np.int64)
        for number, position in positions.items():
            if number in self.ends:
                lowest[number] = position
        unseen: npt.NDArray[np.bool_] = self.first_seen & (self.offsets >= lowest[self.partitions])
        return unseen


def make_batch(messages: Sequence[Message], began: Mapping[int, int]) -> MessageBatch:
    """An empty payload, which Kafka calls a tombstone, is kept as one of no bytes."""
    return MessageBatch(
        payloads=[message.value() or b"" for message in messages],
        partitions=np.array([message.partition() for message in messages], dtype=np.int64),
        offsets=np.array([message.offset() for message in messages], dtype=np.int64),
        began=dict(began),
    )
