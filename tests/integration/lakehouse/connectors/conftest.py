from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.bronze import Bronze
from lakehouse.connectors.origins import Site, Target
from lakehouse.connectors.retrying import Patience
from lakehouse.manifest import Flags
from tests.website import Website, website

Rows = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """The seconds that a connector would have slept."""
    return []


@pytest.fixture
def here(database_url: str, bronze: Bronze, tmp_path: Path, now: datetime, waits: list[float]) -> Site:
    patience = Patience(attempts=3, answer_seconds=1.0, wait=waits.append, jitter=lambda: 1.0)
    return Site(database_url, bronze, tmp_path / "mirrors", now, patience)


@pytest.fixture
def target() -> Target:
    return Target("default", Flags(product="P"))


@pytest.fixture
def rows(bronze: Bronze) -> Rows:
    """The manifest in the order in which it landed, and by path within a commit."""

    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = bronze.changes("documents")[0].to_pylist()
        return sorted(found, key=lambda row: (row["bronze_version"], row["path"]))

    return read
