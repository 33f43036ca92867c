"""A topic to each test."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from lakehouse.bronze import Bronze
from lakehouse.objects import FolderStore, open_objects
from lakehouse.stream.batch import Stream
from tests.broker import Broker
from tests.feed import FailingStore, Feed


@pytest.fixture
def new_feed(broker: Broker, bronze: Bronze) -> Callable[[int], Feed]:
    def create(partitions: int) -> Feed:
        topic = f"telemetry.{uuid4().hex[:8]}"
        broker.create_topic(topic, partitions)
        return Feed(broker, Stream("acme", f"kafka:{topic}", topic), bronze)

    return create


@pytest.fixture
def feed(new_feed: Callable[[int], Feed]) -> Feed:
    return new_feed(1)


@pytest.fixture
def failing(bronze: Bronze) -> Callable[[Callable[[str], bool]], Bronze]:
    """The same bronze, where some writes fail."""
    folder = open_objects(bronze.url)
    assert isinstance(folder, FolderStore)
    return lambda fails: Bronze(bronze.url, FailingStore(folder.root, fails))
