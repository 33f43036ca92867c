import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse import database
from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import CorruptObject, DatabaseUnavailable, ObjectStoreUnavailable, Refused, StepFailed
from lakehouse.landing import land
from lakehouse.landing_texts import BATCH_DOCUMENTS
from lakehouse.objects import FolderStore, object_key

START = datetime(2026, 10, 1, tzinfo=UTC)


class CountingStore(FolderStore):
    """The folder, and how often each object was read from it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: Counter[str] = Counter()

    def get(self, tenant_id: str, sha256: str, start: int = 0, end: int | None = None) -> bytes:
        self.reads[sha256] += 1
        return super().get(tenant_id, sha256, start, end)


@pytest.fixture
def objects(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "bronze")


@pytest.fixture
def bronze(tmp_path: Path, objects: CountingStore) -> Bronze:
    return Bronze((tmp_path / "bronze").as_uri(), objects)


def reading(minute: int, **values: Any) -> dict[str, Any]:
    ts = START + timedelta(minutes=minute)
    return {
        "tenant_id": "default",
        "dt": ts.date(),
        "device_id": "d",
        "metric": "m",
        "ts": ts,
        "value": 1.5,
        "source": "s",
        "object_sha256": "a" * 64,
        "row_number": minute,
        "recorded_at": START,
    } | values


def document(path: str, sha256: str, **values: Any) -> dict[str, Any]:
    return {
        "tenant_id": "default",
        "source": "docs",
        "path": path,
        "kind": "manual",
        "title": path,
        "object_sha256": sha256,
        "raw_sha256": sha256,
        "media_type": "text/markdown",
        "extraction": "none",
        "byte_start": 0,
        "byte_end": 3,
        "classification": "internal",
        "deleted": False,
        "recorded_at": START,
    } | values


def append(bronze: Bronze, table: str, *rows: dict[str, Any]) -> int:
    return bronze.append(table, pa.Table.from_pylist(list(rows), schema=TABLES[table]), [])


def select(url: str, sql: str) -> list[tuple[Any, ...]]:
    with database.connect(url) as connection:
        return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]


def test_rows_land_as_they_are_with_the_delta_version_that_brought_them(database_url: str, bronze: Bronze) -> None:
    first = append(bronze, "telemetry", reading(0, unit="°C", firmware="2.1"))
    second = append(bronze, "telemetry", reading(1), reading(2))

    landed = land(database_url, bronze)

    assert landed.rows == {"documents": 0, "events": 0, "messages": 0, "telemetry": 3}
    assert landed.watermarks == {"documents": -1, "events": -1, "messages": -1, "telemetry": second}
    assert landed.describe() == "landed 3 rows (documents 0, events 0, messages 0, telemetry 3)"
    rows = select(
        database_url,
        "select dt, ts, value, unit, firmware, recorded_at, bronze_version from landing.telemetry order by ts",
    )
    assert rows[0] == (START.date(), START, 1.5, "°C", "2.1", START, first)
    assert [row[-1] for row in rows] == [first, second, second]


def test_every_table_of_bronze_has_its_place(database_url: str, bronze: Bronze, objects: CountingStore) -> None:
    common = {"tenant_id": "default", "source": "s", "object_sha256": "a" * 64, "recorded_at": START, "ts": START}
    append(
        bronze,
        "events",
        common | {"event_id": "e", "event_type": "alarm", "attributes": '{"code": 7}', "row_number": 1},
    )
    append(
        bronze,
        "messages",
        common
        | {"channel": "c", "message_id": "m", "thread_id": "t", "text": "hi", "deleted": False, "edited_at": START},
    )

    landed = land(database_url, bronze)

    assert landed.rows == {"documents": 0, "events": 1, "messages": 1, "telemetry": 0}
    assert select(database_url, "select event_id, attributes, device_id from landing.events") == [
        ("e", '{"code": 7}', None)
    ]
    assert select(database_url, "select text, deleted, edited_at from landing.messages") == [("hi", False, START)]


def test_a_second_run_lands_nothing_and_a_third_only_what_came_meanwhile(database_url: str, bronze: Bronze) -> None:
    append(bronze, "telemetry", reading(0))
    land(database_url, bronze)

    assert land(database_url, bronze).total == 0
    append(bronze, "telemetry", reading(1), reading(2))
    assert land(database_url, bronze).total == 2
    assert select(database_url, "select count(*), count(distinct ts) from landing.telemetry") == [(3, 3)]


def test_a_failure_before_the_watermark_has_moved_leaves_no_row_behind(database_url: str, bronze: Bronze) -> None:
    append(bronze, "telemetry", reading(0))
    with database.transaction(database_url) as connection:
        connection.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'the disk is full'; end $$"
        )
        connection.execute(
            "create trigger refuse before update on landing.watermarks for each row execute function refuse()"
        )

    with pytest.raises(
        StepFailed, match=r"landing 'documents' failed, and nothing of it was landed: .*the disk is full"
    ):
        land(database_url, bronze)
    with database.transaction(database_url) as connection:
        connection.execute("drop trigger refuse on landing.watermarks")
        connection.execute(
            "create trigger refuse before update on landing.watermarks for each row "
            "when (new.table_name = 'telemetry') execute function refuse()"
        )
    with pytest.raises(StepFailed, match="landing 'telemetry' failed") as failure:
        land(database_url, bronze)

    assert "\n" not in str(failure.value)
    assert select(database_url, "select count(*) from landing.telemetry") == [(0,)]
    with database.transaction(database_url) as connection:
        connection.execute("drop trigger refuse on landing.watermarks")
    assert land(database_url, bronze).total == 1


def test_the_text_of_a_document_is_the_stated_range_of_its_object(
    database_url: str, bronze: Bronze, objects: CountingStore
) -> None:
    sha256 = objects.put("default", b"\xef\xbb\xbfGr\xc3\xb6\xc3\x9fe 5")
    append(bronze, "documents", document("a.md", sha256, byte_start=3, byte_end=12))
    append(bronze, "documents", document("a.md", sha256, byte_start=3, byte_end=12, deleted=True))

    land(database_url, bronze)

    assert select(database_url, "select text, deleted from landing.documents order by deleted") == [
        ("Größe 5", False),
        ("", True),
    ]


def test_what_a_page_includes_lands_with_it(database_url: str, bronze: Bronze, objects: CountingStore) -> None:
    page = b'# Pump\n\n--8<-- "limits.md"\n'
    sha256, other = objects.put("default", page), objects.put("default", b"None.")
    append(bronze, "documents", document("docs/a.md", sha256, byte_end=len(page)), document("docs/b.md", other))

    land(database_url, bronze)

    (with_one,), (without,) = select(database_url, "select includes from landing.documents order by path")
    assert [include["heading_path"] for include in with_one] == [["Pump"]]
    assert with_one[0]["candidates"][:2] == ["docs/limits.md", "docs/_includes/limits.md"]
    assert without is None


def test_each_object_is_read_once_however_many_documents_share_it(
    database_url: str, bronze: Bronze, objects: CountingStore
) -> None:
    shared, other = objects.put("default", b"one"), objects.put("default", b"two")
    rows = [document(f"{i}.md", shared) for i in range(BATCH_DOCUMENTS - 1)] + [document("z.md", other)]
    append(bronze, "documents", *rows, document("later.md", other))

    land(database_url, bronze)

    texts = select(database_url, "select text, count(*) from landing.documents group by text order by text")
    assert texts == [("one", BATCH_DOCUMENTS - 1), ("two", 2)]
    assert objects.reads[shared] == 1
    assert objects.reads[other] == 2  # the last row is in a batch of its own


def test_an_object_that_is_not_what_its_name_says_stops_the_landing(
    database_url: str, bronze: Bronze, objects: CountingStore, tmp_path: Path
) -> None:
    sha256 = objects.put("default", b"one")
    stored = tmp_path / "bronze" / object_key("default", sha256)
    stored.chmod(0o644)
    stored.write_bytes(b"two")
    append(bronze, "documents", document("a.md", sha256))

    with pytest.raises(CorruptObject):
        land(database_url, bronze)
    assert select(database_url, "select count(*) from landing.documents") == [(0,)]


def test_a_bronze_file_that_is_gone_is_said_to_be_a_fault_of_the_object_store(
    database_url: str, bronze: Bronze, tmp_path: Path
) -> None:
    append(bronze, "telemetry", reading(0))
    for file in (tmp_path / "bronze" / "telemetry").rglob("*.parquet"):
        file.unlink()

    with pytest.raises(ObjectStoreUnavailable, match=r"\.parquet'.* No such file"):
        land(database_url, bronze)
    assert select(database_url, "select count(*) from landing.telemetry") == [(0,)]


def test_landings_at_the_same_time_land_each_row_once(database_url: str, bronze: Bronze) -> None:
    append(bronze, "telemetry", reading(0))
    land(database_url, bronze)  # from here on there is a watermark to wait for
    for minute in range(1, 9):
        append(bronze, "telemetry", reading(minute))

    with ThreadPoolExecutor(4) as pool:
        landed = list(pool.map(lambda _: land(database_url, bronze).total, range(4)))

    assert sorted(landed) == [0, 0, 0, 8]
    assert select(database_url, "select count(*) from landing.telemetry") == [(9,)]


def test_a_bronze_that_is_behind_the_database_is_refused(database_url: str, bronze: Bronze, tmp_path: Path) -> None:
    append(bronze, "telemetry", reading(0))
    land(database_url, bronze)
    empty = Bronze((tmp_path / "other").as_uri(), FolderStore(tmp_path / "other"))

    with pytest.raises(Refused, match="'telemetry' is at version -1, but version 1 is landed: point IOTOPS_BRONZE_URL"):
        land(database_url, empty)


def test_a_database_that_is_down_is_named_without_its_password(bronze: Bronze) -> None:
    with pytest.raises(DatabaseUnavailable) as failure:
        land("postgresql://me:secret@localhost:1/iotops", bronze)
    assert re.search(r"localhost:1/iotops does not answer .* start it", str(failure.value))
    assert "secret" not in str(failure.value)


class LosingStore(FolderStore):
    """The database's other connections are cut off while an object is read."""

    def __init__(self, root: Path, database_url: str) -> None:
        super().__init__(root)
        self.database_url = database_url

    def get(self, tenant_id: str, sha256: str, start: int = 0, end: int | None = None) -> bytes:
        with database.transaction(self.database_url) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        return super().get(tenant_id, sha256, start, end)


def test_a_database_that_goes_away_midway_is_named_and_nothing_is_landed_in_part(
    database_url: str, bronze: Bronze, objects: CountingStore
) -> None:
    append(bronze, "documents", document("a.md", objects.put("default", b"text")))
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        land(database_url, Bronze(bronze.url, LosingStore(objects.root, database_url)))
    assert select(database_url, "select count(*) from landing.documents") == [(0,)]
    assert land(database_url, bronze).rows["documents"] == 1
