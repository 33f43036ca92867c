import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from lakehouse import database
from lakehouse.bronze import Bronze
from lakehouse.connectors.cursors import read_cursor
from lakehouse.connectors.origins import Site, Target, from_folder
from lakehouse.connectors.protocol import Change, Changes, Connector
from lakehouse.connectors.sync import sync_documents
from lakehouse.documents import Intake
from lakehouse.errors import OriginUnavailable
from lakehouse.manifest import Flags
from lakehouse.objects import open_objects
from lakehouse.summary import IngestSummary

Rows = Callable[[], list[dict[str, Any]]]


class Shelf:
    """An origin in memory whose cursor is the number of what changed so far."""

    source = "shelf"

    def __init__(self) -> None:
        self.log: list[tuple[str, bytes | None]] = []
        self.asked: list[str | None] = []
        self.fetched = 0
        self.breaks_at: int | None = None
        self.at_a_time = 10_000

    def put(self, name: str, content: bytes | None) -> None:
        self.log.append((name, content))

    def list_changes(self, cursor: str | None) -> Changes:
        self.asked.append(cursor)
        start = int(cursor or 0)
        end = min(len(self.log), start + self.at_a_time)
        latest = dict(self.log[start:end])
        changes = [Change(name, content is None, {"content": str(content)}) for name, content in latest.items()]
        return Changes(changes, str(end), more=end < len(self.log))

    def fetch(self, change: Change) -> bytes:
        if self.fetched == self.breaks_at:
            raise OriginUnavailable("the shelf", "it fell down")
        self.fetched += 1
        return dict(self.log)[change.name] or b""


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    for name in "abc":
        shelf.put(f"{name}.md", f"# {name}\n".encode())
    return shelf


Sync = Callable[..., IngestSummary]


@pytest.fixture
def sync(here: Site) -> Sync:
    def run(connector: Connector[bytes], flags: Flags = Flags(), bronze: Bronze = here.bronze) -> IngestSummary:  # noqa: B008
        intake = Intake(bronze, "default", connector, "the shelf", flags, here.now)
        return sync_documents(here.database_url, intake)

    return run


@pytest.fixture
def cursor(here: Site) -> Callable[[], str | None]:
    def read() -> str | None:
        with database.transaction(here.database_url) as connection:
            stored = read_cursor(connection, "default", "shelf")
        return json.loads(stored)["cursor"] if stored else None

    return read


def test_it_goes_on_from_where_it_was(sync: Sync, shelf: Shelf, rows: Rows) -> None:
    assert sync(shelf).landed == 3
    shelf.put("b.md", b"# B\n")
    shelf.put("c.md", None)
    assert sync(shelf) == IngestSummary("documents", read=1, landed=1, deleted=1)
    assert shelf.asked == [None, "3"]
    assert [(row["path"], row["deleted"]) for row in rows()][3:] == [("b.md", False), ("c.md", True)]


def test_what_was_read_before_the_origin_failed_is_kept_and_nothing_is_doubled(
    sync: Sync, shelf: Shelf, rows: Rows, cursor: Any
) -> None:
    shelf.breaks_at = 2
    with pytest.raises(OriginUnavailable, match=r"the shelf does not answer .* run it again to go on"):
        sync(shelf)
    assert [row["path"] for row in rows()] == ["a.md", "b.md"]
    assert cursor() is None
    shelf.breaks_at = None
    assert sync(shelf) == IngestSummary("documents", read=3, landed=1, unchanged=2)
    assert [row["path"] for row in rows()] == ["a.md", "b.md", "c.md"]
    assert cursor() == "3"


def test_a_run_that_dies_after_landing_is_made_good_by_the_next(
    sync: Sync, shelf: Shelf, rows: Rows, cursor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lakehouse.connectors.sync.move_cursor", die)
        with pytest.raises(KeyboardInterrupt):
            sync(shelf)
    assert (len(rows()), cursor()) == (3, None)
    assert sync(shelf) == IngestSummary("documents", read=3, unchanged=3)
    assert (len(rows()), cursor()) == (3, "3")


def test_the_cursor_moves_with_each_listing(sync: Sync, shelf: Shelf, rows: Rows, cursor: Any) -> None:
    shelf.at_a_time = 2
    shelf.breaks_at = 2
    with pytest.raises(OriginUnavailable):
        sync(shelf)
    assert cursor() == "2"
    shelf.breaks_at = None
    sync(shelf)
    assert shelf.asked == [None, "2", "2"]
    assert len(rows()) == 3


def test_many_documents_land_in_portions(sync: Sync, shelf: Shelf, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        shelf.put(f"{number}.md", f"# {number}\n".encode())
    monkeypatch.setattr("lakehouse.documents.PORTION", 4)
    assert sync(shelf).landed == 10
    assert len({row["bronze_version"] for row in rows()}) == 3


def test_large_documents_land_in_smaller_portions(
    sync: Sync, shelf: Shelf, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.documents.PORTION_BYTES", 8)
    assert sync(shelf).landed == 3
    assert len({row["bronze_version"] for row in rows()}) == 2


def test_other_flags_read_all_of_it_again(sync: Sync, shelf: Shelf, rows: Rows) -> None:
    sync(shelf)
    assert sync(shelf, Flags(product="P")).landed == 3
    assert [row["product"] for row in rows()] == [None] * 3 + ["P"] * 3


def test_a_bronze_that_was_lost_is_filled_again(sync: Sync, shelf: Shelf, tmp_path: Path) -> None:
    sync(shelf)
    url = (tmp_path / "new-bronze").as_uri()
    assert sync(shelf, bronze=Bronze(url, open_objects(url))).landed == 3


def test_a_second_run_waits_for_the_first(sync: Sync, shelf: Shelf) -> None:
    second_asks, second = Event(), Shelf()
    second.log = shelf.log

    class Slow(Shelf):
        def fetch(self, change: Change) -> bytes:
            assert not second_asks.wait(0.2)  # it cannot, while this run holds the source
            return super().fetch(change)

    class Impatient(Shelf):
        def list_changes(self, cursor: str | None) -> Changes:
            second_asks.set()
            return super().list_changes(cursor)

    first, other = Slow(), Impatient()
    first.log = other.log = shelf.log[:1]
    with ThreadPoolExecutor(2) as pool:
        started = Event()
        slow = pool.submit(lambda: (started.set(), sync(first))[1])
        started.wait()
        while not first.asked:
            pass
        quick = pool.submit(sync, other)
        assert (slow.result().landed, quick.result().landed) == (1, 0)
    assert other.asked == ["1"]


def test_a_folder_is_an_origin_like_any_other(here: Site, target: Target, tmp_path: Path, rows: Rows) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n")
    (folder / "b.md").write_text("# B\n")
    assert from_folder(here, target, folder) == IngestSummary("documents", read=2, landed=2)
    (folder / "b.md").unlink()
    later = replace(here, now=here.now.replace(hour=13))
    assert from_folder(later, target, folder) == IngestSummary("documents", read=1, unchanged=1, deleted=1)
    assert {row["source"] for row in rows()} == {f"folder:{folder}"}
