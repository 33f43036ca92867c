import json
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc
import pytest

from lakehouse.bronze import TABLES, Bronze, equals
from lakehouse.chats import ingest_chats
from lakehouse.connectors.cursors import move_cursor, read_cursor
from lakehouse.database import connect
from lakehouse.documents import ingest_documents
from lakehouse.erased import erased_among, remember
from lakehouse.erasure import Target, drop_old_files, erase_rows, make_plan
from lakehouse.erasure_files import BronzeFiles
from lakehouse.erasure_tables import erase_tables
from lakehouse.telemetry import ingest_telemetry

READING = "device_id,metric,ts,value\npump-1,flow,2026-10-01T00:00:00Z,1\n"


def erase(bronze: Bronze, target: Target, now: datetime) -> int:
    freed = erase_rows(bronze, make_plan(bronze, target), now=now)
    drop_old_files(bronze, target)
    return freed


def documents(bronze: Bronze, folder: Path, now: datetime, tenant_id: str = "acme", **texts: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text)
    ingest_documents(bronze, tenant_id, folder, source="manuals", now=now)


def messages(bronze: Bronze, path: Path, now: datetime, *said: tuple[str, str, str]) -> None:
    """said: id, thread and text."""
    lines = [
        {"channel": "ops", "message_id": name, "thread_id": thread, "ts": "2026-10-01T00:00:00Z", "text": text}
        for name, thread, text in said
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ingest_chats(bronze, "acme", path, source="chat", now=now)


def paths(bronze: Bronze, tenant_id: str = "acme") -> list[str]:
    return sorted(bronze.changes("documents", predicate=equals("tenant_id", tenant_id))[0]["path"].to_pylist())


def test_a_document_goes_and_what_another_one_names_stays(anywhere: Bronze, tmp_path: Path, now: datetime) -> None:
    documents(anywhere, tmp_path / "in", now, a="# A\n\nsame", b="# B\n\nother", c="# A\n\nsame")
    target = Target("acme", "manuals", "a.md")
    plan = make_plan(anywhere, target)
    (kept,) = plan.kept
    assert "other rows of the tenant name it" in kept
    assert plan.objects == {}
    assert erase(anywhere, target, now) == 0
    assert paths(anywhere) == ["b.md", "c.md"]
    freed = erase(anywhere, Target("acme", "manuals", "c.md"), now)
    assert freed == len("# A\n\nsame")
    assert len(BronzeFiles(anywhere).objects("acme")) == 1


def test_a_tenant_that_returns_lands_its_files_again(anywhere: Bronze, tmp_path: Path, now: datetime) -> None:
    (tmp_path / "a.csv").write_text(READING)
    for tenant_id in ("acme", "beta"):
        ingest_telemetry(anywhere, tenant_id, tmp_path / "a.csv", now=now)
        documents(anywhere, tmp_path / "in", now, tenant_id, a="# A\n\ntext")
    before = {table: anywhere.changes(table, predicate=equals("tenant_id", "beta"))[0] for table in TABLES}
    erase(anywhere, Target("acme"), now)
    for table, rows in before.items():
        assert anywhere.changes(table)[0].equals(rows)
    assert BronzeFiles(anywhere).objects("acme") == {}
    assert ingest_telemetry(anywhere, "beta", tmp_path / "a.csv", now=now).unchanged == 1
    assert ingest_telemetry(anywhere, "acme", tmp_path / "a.csv", now=now).landed == 1


def test_no_name_of_the_tenant_is_left_in_bronze(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    (tmp_path / "a.csv").write_text(READING)
    for tenant_id in ("zqacme", "beta"):
        ingest_telemetry(bronze, tenant_id, tmp_path / "a.csv", now=now)
    root = tmp_path / "bronze"
    (root / "zqacme" / "objects" / ".new-cut-off").write_text("half a file")
    erase(bronze, Target("zqacme"), now)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if b"zqacme" in path.read_bytes()] == []
    assert [path for path in root.rglob("*") if "zqacme" in path.name] == []


class CutOff(Bronze):
    """Ends where rows of one table were to be removed."""

    at: str

    def remove(self, table: str, doomed: pc.Expression) -> int:
        if table == self.at:
            raise KeyboardInterrupt
        return super().remove(table, doomed)


@pytest.mark.parametrize("table", ["documents", "quarantine", "messages"])
def test_an_erasure_that_was_cut_off_is_finished_by_a_second_run(
    bronze: Bronze, tmp_path: Path, now: datetime, table: str
) -> None:
    said = [("1", "2026-10-01", "zqsecret"), ("2", "t2", "other")]
    messages(bronze, tmp_path / "a.jsonl", now, *said)
    messages(bronze, tmp_path / "b.jsonl", now, ("1", "t1", "zqsecret"))
    target = Target("acme", "chat", "ops/t1")
    cut_off = CutOff(bronze.url, bronze.objects)
    cut_off.at = table
    with pytest.raises(KeyboardInterrupt):
        erase(cut_off, target, now)
    erase(bronze, target, now)
    assert paths(bronze) == ["ops/t2"]
    assert bronze.changes("messages")[0]["text"].to_pylist() == ["other"]
    files = [path for path in (tmp_path / "bronze").rglob("*") if path.is_file()]
    assert not any(b"zqsecret" in path.read_bytes() for path in files)


def test_an_export_that_holds_the_conversation_goes_though_no_row_names_it(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    one, two = ("1", "t1", "zqsecret"), ("2", "t2", "other")
    messages(bronze, tmp_path / "a.jsonl", now, one)
    messages(bronze, tmp_path / "b.jsonl", now, two)
    messages(bronze, tmp_path / "c.jsonl", now, one, two)  # brings nothing new
    plan = make_plan(bronze, Target("acme", "chat", "ops/t1"))
    assert sorted(plan.objects.values()) == ["chat export or reply of an API", "named by no row", "text or raw file"]
    erase(bronze, plan.target, now)
    held = BronzeFiles(bronze).objects("acme")
    assert not any(b"zqsecret" in bronze.objects.get("acme", sha256) for sha256 in held)
    assert len(held) == 2  # the other conversation, and the export that brought it


def test_a_conversation_that_once_held_the_message_is_written_anew(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    messages(bronze, tmp_path / "a.jsonl", now, ("1", "2026-10-01", "zqsecret"), ("2", "2026-10-01", "lunch"))
    messages(bronze, tmp_path / "b.jsonl", now, ("1", "t1", "zqsecret"))
    erase(bronze, Target("acme", "chat", "ops/t1"), now)
    rows = bronze.changes("documents")[0].to_pylist()
    assert [row["path"] for row in rows] == ["ops/2026-10-01"]
    assert bronze.objects.get("acme", rows[0]["object_sha256"]) == b"[2026-10-01 00:00] unknown: lunch\n"


def test_a_conversation_that_a_message_has_moved_to_is_written_anew_without_it(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    messages(bronze, tmp_path / "a.jsonl", now, ("1", "2026-10-01", "zqsecret"), ("2", "2026-10-01", "lunch"))
    messages(bronze, tmp_path / "b.jsonl", now, ("1", "t1", "zqsecret"), ("3", "t1", "closed"))
    erase(bronze, Target("acme", "chat", "ops/2026-10-01"), now)
    (row,) = bronze.changes("documents")[0].to_pylist()
    assert (row["path"], row["deleted"]) == ("ops/t1", False)
    assert bronze.objects.get("acme", row["object_sha256"]) == b"[2026-10-01 00:00] unknown: closed\n"
    assert bronze.changes("messages")[0]["text"].to_pylist() == ["closed"]


def test_a_message_of_the_same_id_in_another_channel_is_another_message(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    messages(bronze, tmp_path / "a.jsonl", now, ("1", "t1", "leak"))
    line = {"channel": "dev", "message_id": "1", "thread_id": "t1", "ts": "2026-10-01T00:00:00Z", "text": "build"}
    (tmp_path / "b.jsonl").write_text(json.dumps(line) + "\n")
    ingest_chats(bronze, "acme", tmp_path / "b.jsonl", source="chat", now=now)
    erase(bronze, Target("acme", "chat", "ops/t1"), now)
    assert paths(bronze) == ["dev/t1"]
    assert bronze.changes("messages")[0]["text"].to_pylist() == ["build"]


def test_an_erased_document_is_passed_over_and_another_path_is_not(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    documents(bronze, tmp_path / "in", now, a="# A\n\ntext", b="# B\n\ntext")
    remember(bronze, "acme", "manuals", "a.md")
    erase(bronze, Target("acme", "manuals", "a.md"), now)
    again = ingest_documents(bronze, "acme", tmp_path / "in", source="manuals", now=now)
    assert (again.erased, again.landed, again.deleted) == (1, 0, 0)
    assert paths(bronze) == ["b.md"]
    elsewhere = ingest_documents(bronze, "acme", tmp_path / "in", source="copies", now=now)
    assert (elsewhere.erased, elsewhere.landed) == (0, 2)


def test_the_register_outlives_the_tenant(bronze: Bronze, now: datetime) -> None:
    remember(bronze, "acme", "manuals", "a.md")
    erase(bronze, Target("acme"), now)
    assert erased_among(bronze, "acme", "manuals", ["a.md", "b.md"]) == {"a.md"}
    assert erased_among(bronze, "beta", "manuals", ["a.md"]) == set()


def test_a_cursor_forgets_the_document_and_nothing_else(bronze: Bronze, database_url: str) -> None:
    inner = json.dumps({"pages": {"https://a/x": {"etag": "1"}, "https://a/y": {"etag": "2"}}})
    target = Target("acme", "web:https://a", "https://a/x")
    with connect(database_url) as connection:
        for tenant_id in ("acme", "beta"):
            move_cursor(connection, tenant_id, target.source, json.dumps({"read_as": "1", "cursor": inner}))
        gone = erase_tables(connection, make_plan(bronze, target))
        left = json.loads(read_cursor(connection, "acme", target.source) or "")
        assert gone["registry.cursors"] == 1
        assert json.loads(left["cursor"]) == {"pages": {"https://a/y": {"etag": "2"}}}
        assert inner in json.loads(read_cursor(connection, "beta", target.source) or "").values()


def test_an_unknown_value_matches_nothing(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    """A row without flags is none that came out of the export."""
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe\xff")
    ingest_documents(bronze, "acme", tmp_path / "bad.md", source="manuals", now=now)
    messages(bronze, tmp_path / "a.jsonl", now, ("1", "t1", "leak"))
    erase(bronze, Target("acme", "chat", "ops/t1"), now)
    assert len(bronze.changes("quarantine", predicate=pc.field("path") == "bad.md")[0]) == 1
