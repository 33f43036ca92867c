import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from lakehouse.bronze import TABLES, AlreadyLanded, Bronze, Commit, Snapshot, equals
from lakehouse.errors import Refused
from lakehouse.maintenance import maintain
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


def texts(bronze: Bronze, after: int | None = None, predicate: pc.Expression | None = None) -> list[str]:
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


class TestRemoval:
    def test_rows_that_match_are_gone_and_others_keep_their_version(self, anywhere: Bronze, now: datetime) -> None:
        anywhere.append("messages", messages(now, "a", "b"), ["one"])
        anywhere.append("messages", messages(now, "a", tenant_id="other"), ["two"])
        third = anywhere.append("messages", messages(now, "a", "c"), ["three"])
        assert anywhere.remove("messages", equals("tenant_id", "acme") & equals("text", "a")) == 2
        rows, version = anywhere.changes("messages")
        assert version == third + 1
        assert set(zip(*(rows[name].to_pylist() for name in ("tenant_id", "text", "bronze_version")), strict=True)) == {
            ("acme", "b", third - 2),
            ("other", "a", third - 1),
            ("acme", "c", third),
        }
        assert texts(anywhere, after=third - 1) == ["c"]
        assert anywhere.landed("messages", ["one", "two", "three"]) == {"one", "two", "three"}

    def test_where_nothing_matches_nothing_is_committed(self, anywhere: Bronze, now: datetime) -> None:
        assert anywhere.remove("messages", equals("text", "a")) == 0
        version = anywhere.append("messages", messages(now, "a"), ["one"])
        assert anywhere.remove("messages", equals("text", "b")) == 0
        assert anywhere.remove("messages", equals("author", "nobody")) == 0  # no row has an author
        assert (anywhere.version("messages"), texts(anywhere)) == (version, ["a"])

    def test_a_row_whose_value_is_unknown_is_no_match_and_stays(self, bronze: Bronze, now: datetime) -> None:
        known = messages(now, "a").set_column(5, "author", pa.array(["ana"]))
        bronze.append("messages", pa.concat_tables([known, messages(now, "b")]), ["one"])
        assert bronze.remove("messages", equals("author", "ana")) == 1
        assert texts(bronze) == ["b"]

    def test_it_takes_what_was_compacted_and_outlives_a_vacuum(self, bronze: Bronze, now: datetime) -> None:
        for name in "abc":
            bronze.append("messages", messages(now, name), [name])
        maintain(bronze, kept_hours=0)
        assert bronze.remove("messages", equals("text", "b")) == 1
        maintain(bronze, kept_hours=0)
        assert texts(bronze) == ["a", "c"]
        files = Path(DeltaTable(bronze.table_uri("messages")).table_uri.removeprefix("file://")).rglob("*.parquet")
        assert len([file for file in files if "_delta_log" not in file.parts]) == 1

    def test_removals_and_writers_at_the_same_time_do_what_each_would_alone(
        self, bronze_url: str, now: datetime
    ) -> None:
        bronze = Bronze(bronze_url, open_objects(bronze_url))
        bronze.append("messages", messages(now, *(f"old {number}" for number in range(6))), ["first"])

        def work(number: int) -> int:
            own = Bronze(bronze_url, open_objects(bronze_url))
            own.append("messages", messages(now, f"new {number}"), [f"{number}"])
            return own.remove("messages", equals("text", f"old {number}"))

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(work, range(6))) == [1] * 6
        assert texts(bronze) == [f"new {number}" for number in range(6)]


@pytest.mark.parametrize("checkpoints", [False, True])
def test_many_names_are_looked_up_as_single_ones_are(anywhere: Bronze, now: datetime, checkpoints: bool) -> None:
    wanted = {f"name {number}": number for number in range(100)}
    for start in range(0, 100, 20):
        part = {name: number for name, number in wanted.items() if start <= number < start + 20}
        anywhere.commit("messages", lambda _, part=part: Commit(messages(now, "a"), part))  # type: ignore[misc]
        if checkpoints and start == 60:
            options = anywhere.objects.delta_options()
            DeltaTable(anywhere.table_uri("messages"), storage_options=options).create_checkpoint()
    anywhere.commit("messages", lambda _: Commit(messages(now, "b"), {"name 7": 1007}))
    snapshot = anywhere.snapshot("messages")
    asked = [*wanted, "another"]
    assert snapshot.positions(asked) == wanted | {"name 7": 1007}
    assert snapshot.positions(asked) == {
        name: position for name in asked if (position := snapshot.position(name)) is not None
    }


def test_a_table_is_partitioned_by_tenant_alone(bronze: Bronze, now: datetime) -> None:
    rows = pa.concat_tables([messages(now, "a"), messages(now, "b", tenant_id="globex")])
    bronze.append("messages", rows, ["one"])
    assert DeltaTable(bronze.table_uri("messages")).metadata().partition_columns == ["tenant_id"]
    assert texts(bronze) == ["a", "b"]
    assert texts(bronze, predicate=equals("tenant_id", "globex")) == ["b"]


def test_rows_keep_the_version_that_brought_them_when_their_files_and_the_log_of_that_time_are_gone(
    bronze: Bronze, now: datetime
) -> None:
    for number in range(3):
        bronze.append("messages", messages(now, str(number)), [str(number)])
    table = DeltaTable(bronze.table_uri("messages"))
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    table.create_checkpoint()
    for entry in Path(bronze.table_uri("messages").removeprefix("file://"), "_delta_log").glob("*[0-2].json"):
        entry.unlink()
    rows, version = bronze.changes("messages")
    assert list(zip(rows["text"].to_pylist(), rows["bronze_version"].to_pylist(), strict=True)) == [
        ("0", 1),
        ("1", 2),
        ("2", 3),
    ]
    assert texts(bronze, after=2) == ["2"]
    assert texts(bronze, after=version) == []


def test_a_position_is_kept_with_the_rows_or_without_any(bronze: Bronze, now: datetime) -> None:
    bronze.commit("messages", lambda _: Commit(messages(now, "a"), {"stream:0": 7}))
    assert bronze.snapshot("messages").position("stream:0") == 7
    bronze.commit("messages", lambda _: Commit(messages(now), {"stream:0": 9}))
    assert bronze.snapshot("messages").position("stream:0") == 9
    assert texts(bronze) == ["a"]


def test_it_is_decided_again_where_another_writer_was_faster(bronze: Bronze, now: datetime) -> None:
    bronze.append("messages", messages(now, "first"), ["first"])
    seen: list[list[str]] = []

    def decide(snapshot: Snapshot) -> Commit:
        if not seen:
            bronze.append("messages", messages(now, "faster"), ["faster"])
        seen.append(sorted(snapshot.read()["text"].to_pylist()))
        return Commit(messages(now, "mine"))

    assert bronze.commit("messages", decide) == bronze.version("messages")
    assert seen == [["first"], ["faster", "first"]]
    assert texts(bronze) == ["faster", "first", "mine"]


def test_what_another_writer_brought_between_two_commits_is_known_to_the_second(bronze: Bronze, now: datetime) -> None:
    names = [f"name {number}" for number in range(10)]
    other = Bronze(bronze.url, bronze.objects)
    for number, name in enumerate(names):
        writer = (bronze, other)[number % 2]
        assert writer.append_missing("messages", {one: messages(now, one) for one in names[: number + 1]}) == {name}
    assert texts(bronze) == names


def test_a_table_that_took_the_place_of_the_one_before_is_read_anew(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    def land(*names: str) -> set[str]:
        return bronze.append_missing("messages", {name: messages(now, name) for name in names})

    assert land("a", "b", "c", "g") == {"a", "b", "c", "g"}
    assert land("a", "b", "c", "h") == {"h"}
    elsewhere = (tmp_path / "elsewhere").as_uri()
    another = Bronze(elsewhere, open_objects(elsewhere))
    for name in ("c", "d", "e"):
        another.append_missing("messages", {name: messages(now, name)})
    shutil.rmtree(tmp_path / "bronze")
    (tmp_path / "elsewhere").rename(tmp_path / "bronze")
    assert land("a", "c", "f", "g") == {"a", "f", "g"}
    assert texts(bronze) == ["a", "c", "d", "e", "f", "g"]


def test_the_log_holds_no_text_of_a_row(bronze: Bronze, now: datetime) -> None:
    bronze.append("messages", messages(now, "the-secret"), ["one"])
    log = Path(bronze.table_uri("messages").removeprefix("file://"), "_delta_log")
    assert not [entry for entry in log.iterdir() if b"the-secret" in entry.read_bytes()]


def test_a_log_entry_that_a_power_cut_tore_is_taken_aside(bronze: Bronze, now: datetime) -> None:
    bronze.append("messages", messages(now, "a"), ["one"])
    log = Path(bronze.table_uri("messages").removeprefix("file://"), "_delta_log")
    (log / f"{2:020d}.json").write_bytes(b'{"commitInfo":{"timest')
    assert texts(bronze) == ["a"]
    bronze.append("messages", messages(now, "b"), ["two"])
    assert texts(bronze) == ["a", "b"]
    assert [entry.name for entry in log.glob("*.torn")] == [f"{2:020d}.json.torn"]


def test_a_table_without_versions_in_its_rows_is_refused(bronze: Bronze, now: datetime) -> None:
    old = TABLES["messages"]
    Path(bronze.table_uri("messages").removeprefix("file://")).mkdir(parents=True)
    DeltaTable.create(bronze.table_uri("messages"), schema=old, partition_by=["tenant_id"])
    with pytest.raises(Refused, match="ingest its sources again"):
        bronze.changes("messages")


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
