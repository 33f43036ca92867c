from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from lakehouse.bronze import TABLES, AlreadyLanded, Bronze, equals
from lakehouse.objects import open_objects


def messages(now: datetime, *texts: str, tenant_id: str = "acme") -> pa.Table:
    rows = [
        {
            "tenant_id": tenant_id,
            "source": "it's a source",
            "channel": "ops",
            "message_id": text,
            "thread_id": "1",
            "ts": now,
            "text": text,
            "deleted": False,
            "object_sha256": "0" * 64,
            "recorded_at": now,
        }
        for text in texts
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["messages"])


def texts(bronze: Bronze, after: int | None = None, predicate: str | None = None) -> list[str]:
    return sorted(bronze.changes("messages", after, predicate)[0]["text"].to_pylist())


class TestEveryBronze:
    """Over a folder and over S3."""

    def test_rows_come_back_with_the_commit_that_brought_them(self, anywhere: Bronze, now: datetime) -> None:
        first = anywhere.append("messages", messages(now, "a", "b"), ["one"])
        second = anywhere.append("messages", messages(now, "c"), ["two"])
        rows, version = anywhere.changes("messages")
        assert version == second == anywhere.version("messages")
        assert dict(zip(rows["text"].to_pylist(), rows["bronze_version"].to_pylist(), strict=True)) == {
            "a": first,
            "b": first,
            "c": second,
        }
        assert rows.schema.names == [*TABLES["messages"].names, "bronze_version"]
        assert rows["ts"].to_pylist() == [now] * 3

    def test_only_what_came_after_a_version_is_read(self, anywhere: Bronze, now: datetime) -> None:
        first = anywhere.append("messages", messages(now, "a"), ["one"])
        second = anywhere.append("messages", messages(now, "b"), ["two"])
        assert texts(anywhere, after=first) == ["b"]
        assert texts(anywhere, after=second) == []
        assert anywhere.changes("messages", after=second)[1] == second

    def test_the_same_input_lands_once(self, anywhere: Bronze, now: datetime) -> None:
        assert anywhere.append_missing("messages", {"one": messages(now, "a")}) == {"one"}
        version = anywhere.version("messages")
        assert anywhere.append_missing("messages", {"one": messages(now, "a")}) == set()
        assert anywhere.version("messages") == version
        assert anywhere.append_missing("messages", {"one": messages(now, "a"), "two": messages(now, "b")}) == {"two"}
        assert texts(anywhere) == ["a", "b"]

    def test_an_input_that_is_in_the_table_is_refused_by_append(self, anywhere: Bronze, now: datetime) -> None:
        anywhere.append("messages", messages(now, "a"), ["one"])
        with pytest.raises(AlreadyLanded):
            anywhere.append("messages", messages(now, "a", "b"), ["two", "one"])
        assert texts(anywhere) == ["a"]
        assert anywhere.landed("messages", ["one", "two"]) == {"one"}

    def test_a_table_that_is_not_there_yet_is_empty(self, anywhere: Bronze) -> None:
        rows, version = anywhere.changes("telemetry")
        assert (rows.num_rows, version) == (0, -1)
        assert anywhere.version("telemetry") is None
        assert anywhere.landed("telemetry", ["one"]) == set()

    def test_writers_at_the_same_time_double_nothing_and_lose_nothing(self, bronze_url: str, now: datetime) -> None:
        def write(worker: int) -> set[str]:
            mine = Bronze(bronze_url, open_objects(bronze_url))
            return mine.append_missing(
                "messages", {"shared": messages(now, "shared"), f"own-{worker}": messages(now, f"own-{worker}")}
            )

        with ThreadPoolExecutor(4) as pool:
            landed = [name for names in pool.map(write, range(4)) for name in names]
        assert sorted(landed) == ["own-0", "own-1", "own-2", "own-3", "shared"]
        bronze = Bronze(bronze_url, open_objects(bronze_url))
        assert texts(bronze) == ["own-0", "own-1", "own-2", "own-3", "shared"]


def test_a_table_is_partitioned_by_tenant_alone_and_feeds_changes(bronze: Bronze, now: datetime) -> None:
    bronze.append("messages", messages(now, "a"), ["one"])
    metadata = DeltaTable(bronze.table_uri("messages")).metadata()
    assert metadata.partition_columns == ["tenant_id"]
    assert metadata.configuration["delta.enableChangeDataFeed"] == "true"


def test_a_compaction_brings_no_rows_again(bronze: Bronze, now: datetime) -> None:
    for number in range(3):
        bronze.append("messages", messages(now, str(number)), [str(number)])
    DeltaTable(bronze.table_uri("messages")).optimize.compact()
    assert texts(bronze) == ["0", "1", "2"]
    assert texts(bronze, after=3) == []


def test_what_landed_is_known_after_a_checkpoint(bronze: Bronze, now: datetime) -> None:
    bronze.append("messages", messages(now, "a"), ["one"])
    DeltaTable(bronze.table_uri("messages")).create_checkpoint()
    assert bronze.landed("messages", ["one", "two"]) == {"one"}


def test_a_predicate_takes_any_value_for_a_value(bronze: Bronze, now: datetime) -> None:
    bronze.append("messages", messages(now, "a"), ["one"])
    bronze.append("messages", messages(now, "b", tenant_id="globex"), ["two"])
    assert texts(bronze, predicate=equals("source", "it's a source")) == ["a", "b"]
    assert texts(bronze, predicate=equals("tenant_id", "acme")) == ["a"]
    assert texts(bronze, predicate=equals("tenant_id", "acme' or '1'='1")) == []


def test_an_empty_folder_is_not_made_by_looking(bronze: Bronze, tmp_path: Path) -> None:
    bronze.version("messages")
    bronze.changes("documents")
    assert not (tmp_path / "bronze").exists()
