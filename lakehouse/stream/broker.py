"""What a stream asks of the broker: whether the topic is there, which one it is, and how its partitions are read."""

import logging
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from lakehouse.errors import BrokerUnavailable, NotFound, Refused
from lakehouse.stream.batch import Stream

ANSWERS_WITHIN: Final = 6.0
# A group waits this long for a consumer that was killed; some brokers also let the first one wait for half of it.
SESSION_SECONDS: Final = 10.0
# What librdkafka holds ahead of us: at most this much over all partitions, and the wait where it is full, by default a
# second, which made the consumer read 35,000 messages/s in place of 250,000.
QUEUED_KILOBYTES: Final = 32 * 1024
QUEUED_MESSAGES: Final = 100_000
FULL_QUEUE_WAIT_MS: Final = 20

log = logging.getLogger(__name__)
# librdkafka says each failed connection many times; what concerns a person is said by us.
_librdkafka = logging.getLogger(f"{__name__}.librdkafka")
_librdkafka.setLevel(logging.CRITICAL)


def identify_topic(brokers: str, topic: str) -> int:
    """A number that another topic of the same name would not have; 0 where the broker is too old to tell.

    Raises BrokerUnavailable, and NotFound where the topic does not exist.
    """
    admin = AdminClient({"bootstrap.servers": brokers}, logger=_librdkafka)
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWERS_WITHIN)[topic].result()
    except KafkaException as error:
        raise _explained(brokers, topic, error.args[0]) from error
    identity = described.topic_id
    # Positions in Delta are signed 64-bit integers, so half of the identity's 128 bits are kept, less the sign.
    return 0 if identity is None else (identity.get_least_significant_bits() & (2**63 - 1))


def open_consumer(brokers: str, group: str, session_seconds: float = SESSION_SECONDS) -> Consumer:
    """Positions come from bronze, so nothing is committed by itself, and a position that is not there is an error."""
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "session.timeout.ms": int(session_seconds * 1000),
            "heartbeat.interval.ms": int(session_seconds * 100),
            "queued.max.messages.kbytes": QUEUED_KILOBYTES,
            "queued.min.messages": QUEUED_MESSAGES,
            "fetch.queue.backoff.ms": FULL_QUEUE_WAIT_MS,
        },
        logger=_librdkafka,
    )


def check_identity(stream: Stream, known: int | None, found: int) -> None:
    """Raises Refused where the positions in bronze are those of a topic that is gone."""
    if known and found and known != found:
        raise _made_anew(stream)


def first_kept(consumer: Consumer, stream: Stream, partition: int, position: int) -> int:
    """Where to go on, after the broker said that it has no message at `position`.

    Above `position` where it deleted what was not read yet. Raises Refused where the partition ends before it.
    """
    low, high = consumer.get_watermark_offsets(TopicPartition(stream.topic, partition), timeout=ANSWERS_WITHIN)
    if position > high:
        raise _made_anew(stream)
    return max(low, position)


def explain(brokers: str, topic: str, error: KafkaError) -> None:
    """Raises what a consumer cannot go on after; librdkafka itself tries again after all else."""
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART or error.fatal() or error.code() in DENIED:
        raise _explained(brokers, topic, error)
    log.warning("Kafka at %s: %s", brokers, error.str())


DENIED: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
)


def _explained(brokers: str, topic: str, error: KafkaError) -> BrokerUnavailable | NotFound:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return NotFound(
            f"topic '{topic}' does not exist on the Kafka broker at {brokers}: create it, or correct --topic"
        )
    return BrokerUnavailable(brokers, error.str())


def _made_anew(stream: Stream) -> Refused:
    return Refused(
        f"topic '{stream.topic}' was made anew since source '{stream.source}' read it, so its offsets mean other "
        "messages: consume it under another --source"
    )
