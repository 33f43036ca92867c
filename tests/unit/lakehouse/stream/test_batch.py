import numpy as np

from lakehouse.stream.batch import MessageBatch, Stream


def batch_of(*messages: tuple[int, int], began: dict[int, int] | None = None) -> MessageBatch:
    """Messages as (partition, offset)."""
    return MessageBatch(
        payloads=[b"{}"] * len(messages),
        partitions=np.array([partition for partition, _ in messages], dtype=np.int64),
        offsets=np.array([offset for _, offset in messages], dtype=np.int64),
        began=began or {},
    )


def test_positions_are_named_by_tenant_source_topic_and_partition() -> None:
    stream = Stream("acme", "kafka:t", "t")
    names = {stream.position_name(0), stream.position_name(1), stream.identity_name}
    names |= {Stream("globex", "kafka:t", "t").position_name(0), Stream("acme", "again", "t").position_name(0)}
    assert len(names) == 5


def test_a_batch_ends_after_the_highest_offset_of_each_partition() -> None:
    assert batch_of((0, 4), (2, 9), (0, 5), (2, 7)).ends == {0: 6, 2: 10}


def test_a_table_lacks_what_is_at_or_after_its_position() -> None:
    batch = batch_of((0, 4), (1, 4), (0, 5), (1, 5))
    assert batch.unlanded({0: 5, 1: 0}).tolist() == [False, True, True, True]
    assert batch.unlanded({0: 6, 1: 6}).tolist() == [False] * 4


def test_what_arrives_again_within_a_batch_counts_once() -> None:
    batch = batch_of((0, 4), (0, 5), (1, 4), (0, 4), (0, 5), (0, 6), (1, 5))
    assert batch.unlanded({}).tolist() == [True, True, True, False, False, True, True]


def test_gaps_between_offsets_are_no_matter() -> None:
    assert batch_of((0, 4), (0, 90), (0, 1000)).unlanded({0: 50}).tolist() == [False, True, True]
