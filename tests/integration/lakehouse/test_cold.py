"""Warm to cold and back: what Delta and the archive hold together is what was ever landed, at every moment."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pyarrow as pa
import pytest

from lakehouse import archive, cold
from lakehouse.bronze import TABLES, Bronze
from lakehouse.cold import archive_older, restore
from lakehouse.errors import CorruptObject, Misused, NotFound, ObjectStoreUnavailable
from lakehouse.ingest import ingest_telemetry
from lakehouse.objects import FolderStore, open_objects

START = datetime(2026, 10, 1, tzinfo=UTC)
RECORDED = datetime(2026, 11, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


def day(number: int) -> date:
    return (START + timedelta(days=number)).date()


def reading(number: int, days: float, tenant_id: str = "acme", **values: Any) -> Row:
    ts = START + timedelta(days=days)
    told = {"tenant_id": tenant_id, "dt": ts.date(), "device_id": "d", "metric": "m", "ts": ts, "value": number / 7}
    return told | {"source": "s", "object_sha256": "a" * 64, "row_number": number, "recorded_at": RECORDED} | values


def event(number: int, days: float, tenant_id: str = "acme") -> Row:
    told = {"tenant_id": tenant_id, "event_id": f"e{number}", "event_type": "alarm", "attributes": "{}", "source": "s"}
    when = {"ts": START + timedelta(days=days), "recorded_at": RECORDED}
    return told | when | {"object_sha256": "b" * 64, "row_number": number}


def land(bronze: Bronze, table: str, *rows: Row) -> set[tuple[Any, ...]]:
    version = bronze.append(table, pa.Table.from_pylist(list(rows), schema=TABLES[table]), [])
    told = pa.Table.from_pylist([row | {"bronze_version": version} for row in rows], schema=archive.SCHEMAS[table])
    return {(table, *row) for row in as_tuples(told)}


def as_tuples(rows: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows.to_pylist()]


def warm(bronze: Bronze) -> Counter[tuple[Any, ...]]:
    return Counter((table, *row) for table in archive.ROWS for row in as_tuples(bronze.changes(table)[0]))


def files(bronze: Bronze, tenant_id: str = "acme") -> list[archive.Part]:
    return [part for table in archive.ROWS for part in archive.parts(bronze, tenant_id, table)]


def cold_rows(bronze: Bronze, parts: Iterable[archive.Part] | None = None) -> Counter[tuple[Any, ...]]:
    found = [part for tenant in archive.tenants(bronze) for part in files(bronze, tenant)] if parts is None else parts
    return Counter((part.table, *row) for part in found for row in as_tuples(archive.read(bronze, part)))


class Interrupted(Exception):
    """In place of a process that ends there."""


class WatchedStore(FolderStore):
    """The folder; `before` and `after` are told of each file of a table or of the archive."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    def put_part(self, path: str, data: bytes | memoryview) -> None:
        self.before(path)
        super().put_part(path, data)
        self.after(path)


@pytest.fixture
def watched(tmp_path: Path) -> WatchedStore:
    return WatchedStore(tmp_path / "bronze")


@pytest.fixture
def watched_bronze(tmp_path: Path, watched: WatchedStore) -> Bronze:
    return Bronze((tmp_path / "bronze").as_uri(), watched)


def test_what_is_older_is_in_the_archive_and_no_longer_in_delta(anywhere: Bronze) -> None:
    old = land(anywhere, "telemetry", reading(1, 0), reading(2, 0.5), reading(3, 1, unit="°C"))
    old |= land(anywhere, "events", event(1, 0.3), event(2, 0.3, "other"))
    kept = land(anywhere, "telemetry", reading(4, 2), reading(5, 2, "other"))

    done = {one.table: one for one in archive_older(anywhere, day(2))}

    assert (done["telemetry"].days, done["telemetry"].files, done["telemetry"].rows) == (2, 2, 3)
    assert (done["events"].days, done["events"].files, done["events"].rows) == (2, 2, 2)
    assert warm(anywhere) == Counter(kept)
    assert cold_rows(anywhere) == Counter(old)
    assert [part.day for part in archive.parts(anywhere, "acme", "telemetry")] == [day(0), day(1)]
    assert [(one.days, one.files, one.rows) for one in archive_older(anywhere, day(2))] == [(0, 0, 0)] * 2


@pytest.mark.parametrize("moment", ["before the first", "after the first", "after the last", "while Delta is written"])
def test_a_run_that_was_cut_off_loses_nothing_and_the_next_doubles_nothing(
    watched_bronze: Bronze, watched: WatchedStore, moment: str
) -> None:
    ingested = land(watched_bronze, "telemetry", *(reading(n, n / 4) for n in range(12)))
    seen: list[str] = []

    def interrupt(path: str) -> None:
        seen.append(path)
        archived = sum("/archive/" in one for one in seen)
        first = {"before the first": 0, "after the first": 1, "after the last": 2}.get(moment)
        if archived == first or (moment == "while Delta is written" and path.startswith("telemetry/")):
            raise Interrupted

    if moment == "before the first":
        watched.before = lambda _: interrupt("")
    else:
        watched.after = interrupt
    with pytest.raises(Interrupted):
        archive_older(watched_bronze, day(2))
    watched.before = watched.after = lambda _: None
    assert warm(watched_bronze) == Counter(ingested)

    archive_older(watched_bronze, day(2))

    assert cold_rows(watched_bronze) + warm(watched_bronze) == Counter(ingested)
    assert [row[5] < START + timedelta(days=2) for row in warm(watched_bronze)] == [False] * 4
    assert len(files(watched_bronze)) == 2


def test_a_row_of_an_old_day_that_arrives_while_its_day_is_archived_stays_in_delta(
    watched_bronze: Bronze, watched: WatchedStore, tmp_path: Path
) -> None:
    ingested = land(watched_bronze, "telemetry", reading(1, 0), reading(2, 5))
    late: set[tuple[Any, ...]] = set()

    def arrive(path: str) -> None:
        if "/archive/" in path and not late:
            late.update(land(watched_bronze, "telemetry", reading(3, 0.5)))

    watched.after = arrive
    archive_older(watched_bronze, day(2))

    assert len(late) == 1
    assert late <= set(warm(watched_bronze))
    assert cold_rows(watched_bronze) + warm(watched_bronze) == Counter(ingested | late)

    archive_older(watched_bronze, day(2))  # a second file of that day, of what is new alone

    assert len(files(watched_bronze)) == 2
    assert cold_rows(watched_bronze) + warm(watched_bronze) == Counter(ingested | late)


def test_two_runs_at_once_archive_each_row_once_and_lose_none(anywhere: Bronze) -> None:
    ingested = land(anywhere, "telemetry", *(reading(n, n / 4) for n in range(12)))
    start = Barrier(2)

    def run(_: int) -> int:
        bronze = Bronze(anywhere.url, open_objects(anywhere.url))
        start.wait()
        return sum(one.rows for one in archive_older(bronze, day(2)))

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, range(2))) == 8
    assert cold_rows(anywhere) + warm(anywhere) == Counter(ingested)


def test_archived_days_come_back_once_with_the_versions_that_brought_them(anywhere: Bronze) -> None:
    ingested = land(anywhere, "telemetry", reading(1, 0), reading(2, 1), reading(3, 2))
    ingested |= land(anywhere, "telemetry", reading(1, 0, value=9.0), reading(4, 1, "other"))
    ingested |= land(anywhere, "events", event(1, 1))
    archive_older(anywhere, day(5))
    assert not warm(anywhere)

    done = restore(anywhere, "acme", day(0), day(1))
    again = restore(anywhere, "acme", day(0), day(1))

    assert (done.days, done.rows) == (2, {"telemetry": 3, "events": 1})
    assert again.rows == {"telemetry": 0, "events": 0}
    assert warm(anywhere) == Counter(row for row in ingested if row_of(row)["tenant_id"] == "acme" and row_day(row) < 2)
    before = files(anywhere)
    archive_older(anywhere, day(5))
    assert files(anywhere) == before
    assert not warm(anywhere)


def row_of(row: tuple[Any, ...]) -> Row:
    return dict(zip(archive.SCHEMAS[row[0]].names, row[1:], strict=True))


def row_day(row: tuple[Any, ...]) -> int:
    return int((row_of(row)["ts"] - START).days)


def test_two_who_restore_at_once_bring_each_row_back_once(anywhere: Bronze) -> None:
    ingested = land(anywhere, "telemetry", *(reading(n, n / 20) for n in range(20)))
    archive_older(anywhere, day(1))
    start = Barrier(2)

    def run(_: int) -> int:
        bronze = Bronze(anywhere.url, open_objects(anywhere.url))
        start.wait()
        return restore(bronze, "acme", day(0), day(0)).rows["telemetry"]

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, range(2))) == 20
    assert warm(anywhere) == Counter(ingested)


def test_a_large_day_is_read_in_pieces_and_restored_in_pieces(bronze: Bronze, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "PIECE_ROWS", 7)
    monkeypatch.setattr(archive, "FILE_BYTES", 3000)
    ingested = land(bronze, "telemetry", *(reading(n, n / 100) for n in range(99)))

    archive_older(bronze, day(1))

    parts = files(bronze)
    assert len(parts) > 2
    assert cold_rows(bronze) == Counter(ingested)
    assert restore(bronze, "acme", day(0), day(0)).rows["telemetry"] == 99
    assert warm(bronze) == Counter(ingested)


def test_a_file_whose_rows_are_archived_is_not_ingested_again(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    file = tmp_path / "a.csv"
    file.write_text("device_id,metric,ts,value\nd,m,2026-10-01T00:00:00Z,1\nd,m,2026-10-02T00:00:00Z,2\n")
    assert ingest_telemetry(bronze, "acme", file, now=now).rows == 2
    archive_older(bronze, day(9))
    again = ingest_telemetry(bronze, "acme", file, now=now)
    assert (again.landed, again.unchanged, again.rows) == (0, 1, 0)
    assert not warm(bronze)


def test_a_damaged_file_of_the_archive_is_named_and_not_believed(bronze: Bronze, tmp_path: Path) -> None:
    land(bronze, "telemetry", reading(1, 0))
    archive_older(bronze, day(1))
    (part,) = files(bronze)
    path = tmp_path / "bronze" / part.path
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(CorruptObject, match=part.path):
        restore(bronze, "acme", day(0), day(0))
    land(bronze, "telemetry", reading(2, 0))
    with pytest.raises(CorruptObject):
        archive_older(bronze, day(1))
    assert len(warm(bronze)) == 1


def test_days_that_the_archive_does_not_hold_are_named(bronze: Bronze) -> None:
    with pytest.raises(NotFound, match="it has none"):
        restore(bronze, "acme", day(0), day(1))
    land(bronze, "telemetry", reading(1, 0), reading(2, 3))
    archive_older(bronze, day(9))
    with pytest.raises(NotFound, match="its days are 2026-10-01 to 2026-10-04"):
        restore(bronze, "acme", day(1), day(2))
    with pytest.raises(Misused, match="ends after it begins"):
        restore(bronze, "acme", day(1), day(0))
    with pytest.raises(Misused, match="no tenant name"):
        restore(bronze, "../acme", day(0), day(1))


def test_an_archive_whose_file_has_gone_says_so(bronze: Bronze, tmp_path: Path) -> None:
    land(bronze, "telemetry", reading(1, 0))
    archive_older(bronze, day(1))
    (part,) = files(bronze)
    (tmp_path / "bronze" / part.path).unlink()
    with pytest.raises(ObjectStoreUnavailable):
        archive.read(bronze, part)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_in_which_order_the_tiers_together_hold_what_was_ingested(
    watched_bronze: Bronze, watched: WatchedStore, seed: int
) -> None:
    """25 steps a seed: rows of any day land, days are archived or restored, and one in four of these is cut off."""
    draw = random.Random(seed)  # noqa: S311 - the same sequence each time
    ingested: set[tuple[Any, ...]] = set()
    done = Counter(dict.fromkeys(("archive", "restore", "cut off"), 0))
    for step in range(25):
        does = draw.choice(["land", "land", "archive", "restore"])
        watched.after = cut_off_after(draw.randrange(1, 4)) if draw.random() < 0.25 else lambda _: None
        before = draw.randrange(8)
        try:
            if does == "land":
                watched.after = lambda _: None
                make, table = draw.choice([(reading, "telemetry"), (event, "events")])
                tenants = [draw.choice(["acme", "other"]) for _ in range(5)]
                rows = [make(step * 10 + n, draw.random() * 8, tenants[n]) for n in range(5)]
                ingested |= land(watched_bronze, table, *rows)
            elif does == "archive":
                archive_older(watched_bronze, day(before))
                assert [row for row in warm(watched_bronze) if row_day(row) < before] == []
            elif files(watched_bronze):
                held = [part.day for part in files(watched_bronze)]
                restore(watched_bronze, "acme", min(held), draw.choice(held))
            done[does] += 1
        except Interrupted:
            done["cut off"] += 1
        delta = warm(watched_bronze)
        assert max(delta.values(), default=1) == 1
        assert max(cold_rows(watched_bronze).values(), default=1) == 1
        assert set(delta) | set(cold_rows(watched_bronze)) == ingested
    assert min(done["archive"], done["restore"], len(ingested)) > 0


def cut_off_after(count: int) -> Callable[[str], None]:
    left = iter(range(count))

    def told(_: str) -> None:
        if next(left, None) is None:
            raise Interrupted

    return told
