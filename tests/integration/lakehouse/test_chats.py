import json
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.bronze import Bronze
from lakehouse.chats import land_messages
from lakehouse.errors import MissingPath, ObjectStoreUnavailable
from lakehouse.ingest import IngestSummary, ingest_chats, ingest_documents
from lakehouse.messages import land_rows
from lakehouse.quarantine import list_refused

NOON = datetime(2026, 10, 3, 12, tzinfo=UTC)
Line = dict[str, Any]


def line(number: int, **values: Any) -> Line:
    ts = (NOON + timedelta(minutes=number)).isoformat()
    return {"channel": "ops", "message_id": f"m{number}", "author": "ana", "ts": ts, "text": f"text {number}"} | values


def write(path: Path, lines: Sequence[Line | bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def slack(path: Path, days: dict[str, list[Line]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("users.json", json.dumps([{"id": "U1", "team_id": "T9", "name": "ana"}]))
        archive.writestr("channels.json", json.dumps([{"id": "C1", "name": "ops"}]))
        for name, messages in days.items():
            archive.writestr(name, json.dumps(messages))
    return path


def said(second: int, text: str, **values: Any) -> Line:
    return {"type": "message", "user": "U1", "ts": f"{1791028800 + second}.000100", "text": text} | values


def messages(bronze: Bronze) -> list[str]:
    return sorted(bronze.changes("messages")[0]["text"].to_pylist())


def documents(bronze: Bronze) -> list[Line]:
    rows: list[Line] = bronze.changes("documents")[0].to_pylist()
    return sorted(rows, key=lambda row: (row["bronze_version"], row["path"]))


def live(bronze: Bronze) -> dict[str, str]:
    """Path and text of each conversation as it is now."""
    latest = {row["path"]: row for row in documents(bronze)}
    return {
        path: bronze.objects.get("acme", row["object_sha256"])[row["byte_start"] : row["byte_end"]].decode()
        for path, row in latest.items()
        if not row["deleted"]
    }


def versions(bronze: Bronze) -> list[int | None]:
    return [bronze.version(table) for table in ("messages", "documents", "quarantine")]


def test_messages_and_conversations_land_over_any_storage(anywhere: Bronze, tmp_path: Path, now: datetime) -> None:
    export = slack(tmp_path / "export.zip", {"ops/2026-10-03.json": [said(0, "hi <@U1>"), said(60, "again")]})
    summary = ingest_chats(anywhere, "acme", export, now=now)
    assert summary == IngestSummary("chats", read=1, landed=1, rows=2)
    assert live(anywhere) == {"ops/2026-10-03": "[2026-10-03 12:00] ana: hi @ana\n[2026-10-03 12:01] ana: again\n"}
    before = versions(anywhere)
    assert ingest_chats(anywhere, "acme", export, now=now) == IngestSummary("chats", read=1, unchanged=1)
    assert versions(anywhere) == before


def test_a_message_keeps_all_that_the_line_says(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    file = write(tmp_path / "a.jsonl", [line(1, thread_id="t1", edited_at="2026-10-03T13:00:00Z")])
    ingest_chats(bronze, "acme", file, now=now)
    (row,) = bronze.changes("messages")[0].to_pylist()
    assert row == {
        "tenant_id": "acme",
        "source": "jsonl",
        "channel": "ops",
        "message_id": "m1",
        "thread_id": "t1",
        "author": "ana",
        "ts": NOON + timedelta(minutes=1),
        "text": "text 1",
        "edited_at": NOON + timedelta(hours=1),
        "deleted": False,
        "object_sha256": row["object_sha256"],
        "recorded_at": now,
        "bronze_version": 1,
    }
    assert bronze.objects.get("acme", row["object_sha256"]) == file.read_bytes()


def test_a_conversation_is_a_document(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    file = write(tmp_path / "a.jsonl", [line(1, thread_id="t1"), line(2, thread_id="t1")])
    ingest_chats(bronze, "acme", file, now=now, classification="confidential")
    (row,) = documents(bronze)
    expected = {
        "tenant_id": "acme",
        "source": "jsonl",
        "path": "ops/t1",
        "kind": "chat_thread",
        "title": "#ops · text 1",
        "media_type": "text/plain",
        "extraction": "thread/1",
        "byte_start": 0,
        "valid_from": NOON + timedelta(minutes=1),
        "classification": "confidential",
        "deleted": False,
        "recorded_at": now,
    }
    assert {name: row[name] for name in expected} == expected
    assert bronze.objects.get("acme", row["raw_sha256"]) == file.read_bytes()


class TestALongerExport:
    def test_only_new_messages_land(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        day = [said(0, "one")]
        ingest_chats(bronze, "acme", slack(tmp_path / "week1.zip", {"ops/2026-10-03.json": day}), now=now)
        longer = slack(
            tmp_path / "week2.zip",
            {"ops/2026-10-03.json": [*day, said(60, "two")], "ops/2026-10-04.json": [said(90000, "three")]},
        )
        summary = ingest_chats(bronze, "acme", longer, now=now)
        assert (summary.landed, summary.rows) == (1, 2)
        assert messages(bronze) == ["one", "three", "two"]
        assert [row["path"] for row in documents(bronze)] == ["ops/2026-10-03", "ops/2026-10-03", "ops/2026-10-04"]

    def test_an_untouched_conversation_is_no_new_version(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        write(tmp_path / "a.jsonl", [line(1, thread_id="t1"), line(2, thread_id="t2")])
        ingest_chats(bronze, "acme", tmp_path / "a.jsonl", now=now)
        write(tmp_path / "b.jsonl", [line(1, thread_id="t1"), line(2, thread_id="t2"), line(3, thread_id="t2")])
        ingest_chats(bronze, "acme", tmp_path / "b.jsonl", now=now)
        assert [row["path"] for row in documents(bronze)] == ["ops/t1", "ops/t2", "ops/t2"]

    def test_an_edit_is_a_new_version_and_an_older_export_does_not_undo_it(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        old = slack(tmp_path / "old.zip", {"ops/2026-10-03.json": [said(0, "pump 7")]})
        new = slack(
            tmp_path / "new.zip", {"ops/2026-10-03.json": [said(0, "pump 9", edited={"ts": "1791029000.000000"})]}
        )
        ingest_chats(bronze, "acme", old, now=now)
        ingest_chats(bronze, "acme", new, now=now)
        assert ingest_chats(bronze, "acme", old, now=now).rows == 0
        assert messages(bronze) == ["pump 7", "pump 9"]
        assert "pump 9" in live(bronze)["ops/2026-10-03"]

    def test_a_message_that_became_a_thread_leaves_its_day(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        old = slack(tmp_path / "old.zip", {"ops/2026-10-03.json": [said(0, "anyone?")]})
        root = f"{1791028800}.000100"
        thread = [said(0, "anyone?", thread_ts=root), said(60, "yes", thread_ts=root)]
        ingest_chats(bronze, "acme", old, now=now)
        ingest_chats(bronze, "acme", slack(tmp_path / "new.zip", {"ops/2026-10-03.json": thread}), now=now)
        assert list(live(bronze)) == [f"ops/{root}"]
        ingest_chats(bronze, "acme", old, now=now)
        assert list(live(bronze)) == [f"ops/{root}"]

    def test_a_deletion_takes_the_message_out_and_stays(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        file = write(tmp_path / "a.jsonl", [line(1), line(2)])
        ingest_chats(bronze, "acme", file, now=now)
        write(tmp_path / "b.jsonl", [line(1, deleted=True)])
        ingest_chats(bronze, "acme", tmp_path / "b.jsonl", now=now)
        assert live(bronze) == {"ops/2026-10-03": "[2026-10-03 12:02] ana: text 2\n"}
        assert ingest_chats(bronze, "acme", file, now=now).rows == 0

    def test_the_last_line_about_a_message_counts(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        file = write(
            tmp_path / "a.jsonl", [line(1), line(1, text="better", edited_at=(NOON + timedelta(hours=1)).isoformat())]
        )
        assert ingest_chats(bronze, "acme", file, now=now).rows == 1
        assert messages(bronze) == ["better"]


def test_a_run_cut_off_after_its_messages_is_made_good(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    file = write(tmp_path / "a.jsonl", [line(1)])
    documents_folder = tmp_path / "bronze" / "documents"
    documents_folder.parent.mkdir()
    documents_folder.write_bytes(b"in the way")  # the commit of the conversations fails
    with pytest.raises(ObjectStoreUnavailable):
        ingest_chats(bronze, "acme", file, now=now)
    assert messages(bronze) == ["text 1"]
    documents_folder.unlink()
    ingest_chats(bronze, "acme", file, now=now)
    assert list(live(bronze)) == ["ops/2026-10-03"]


class TestSources:
    def test_a_name_given_by_hand_keeps_two_places_apart(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        file = write(tmp_path / "a.jsonl", [line(1)])
        ingest_chats(bronze, "acme", file, now=now, source="teams")
        ingest_chats(bronze, "acme", file, now=now, source="matrix")
        assert sorted(row["source"] for row in documents(bronze)) == ["matrix", "teams"]

    def test_tenants_do_not_share_messages(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        file = write(tmp_path / "a.jsonl", [line(1)])
        for tenant_id in ("acme", "globex"):
            assert ingest_chats(bronze, tenant_id, file, now=now).rows == 1

    def test_a_folder_may_hold_exports_of_several_kinds(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        folder = tmp_path / "chats"
        write(folder / "a.jsonl", [line(1)])
        slack(folder / "b.zip", {"ops/2026-10-03.json": [said(0, "hi")]})
        (folder / "notes.txt").write_text("not a chat")
        summary = ingest_chats(bronze, "acme", folder, now=now)
        assert summary == IngestSummary("chats", read=2, landed=2, ignored=1, rows=2)
        assert {row["source"] for row in documents(bronze)} == {"jsonl", "slack:T9"}

    def test_documents_of_the_same_source_and_conversations_leave_each_other_alone(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "a.md").write_text("# A\n")
        ingest_documents(bronze, "acme", tmp_path / "docs", now=now, source="plant")
        ingest_chats(bronze, "acme", write(tmp_path / "a.jsonl", [line(1)]), now=now, source="plant")
        assert ingest_documents(bronze, "acme", tmp_path / "docs", now=now, source="plant").deleted == 0
        assert sorted(live(bronze)) == ["a.md", "ops/2026-10-03"]


class TestWhatIsRefused:
    def test_a_bad_line_is_kept_with_its_number_and_the_rest_lands(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        file = write(tmp_path / "a.jsonl", [line(1), b"{broken", line(2), b'{"channel": "ops"}'])
        summary = ingest_chats(bronze, "acme", file, now=now)
        assert (summary.landed, summary.rows, summary.reasons) == (1, 2, {"bad_json": 1, "missing_field": 1})
        first, second = sorted(list_refused(bronze, "acme"), key=lambda row: row["record"])
        assert (first["path"], first["record"], first["code"], first["source"]) == ("a.jsonl", 2, "bad_json", "jsonl")
        assert bronze.objects.get("acme", first["raw_sha256"]) == b"{broken"
        assert (second["record"], second["reason"]) == (4, "it has no message_id and no ts and no text")

    def test_a_bad_day_of_an_export_is_left_out(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        export = slack(tmp_path / "export.zip", {"ops/2026-10-03.json": [said(0, "hi")]})
        with zipfile.ZipFile(export, "a") as archive:
            archive.writestr("ops/2026-10-04.json", "{broken")
        for _ in range(2):
            assert ingest_chats(bronze, "acme", export, now=now).reasons == {"bad_json": 1}
        (row,) = list_refused(bronze, "acme")
        assert (row["path"], row["record"]) == ("export.zip/ops/2026-10-04.json", None)
        assert bronze.objects.get("acme", row["raw_sha256"]) == b"{broken"

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("a.zip", b"no zip", "corrupt_zip"),
            ("a.jsonl", b"", "empty"),
            ("a.jsonl", b"\xff\xfe", "not_utf8"),
            ("a.jsonl", b"PK\x03\x04", "binary"),
        ],
    )
    def test_a_bad_file_is_refused_whole(
        self, name: str, content: bytes, code: str, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        folder = tmp_path / "chats"
        write(folder / "good.jsonl", [line(1)])
        (folder / name).write_bytes(content)
        summary = ingest_chats(bronze, "acme", folder, now=now)
        assert (summary.read, summary.landed, summary.unchanged, summary.reasons) == (2, 1, 0, {code: 1})

    def test_a_named_file_of_another_type_is_refused(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        summary = ingest_chats(bronze, "acme", write(tmp_path / "a.txt", [b"hi"]), now=now)
        assert summary.reasons == {"unsupported_type": 1}

    def test_a_missing_path_is_one_clear_line(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        with pytest.raises(MissingPath):
            ingest_chats(bronze, "acme", tmp_path / "nowhere", now=now)


def telegram(path: Path, name: str, *numbers: int, newest: int = 0) -> Path:
    said = {"type": "message", "from": "Ana", "from_id": "user1", "text": "hello"}
    messages = [said | {"id": number, "date_unixtime": str(1791028800 + number + newest)} for number in numbers]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"name": name, "type": "private_group", "id": 5, "messages": messages}, indent=1))
    return path


class TestExportsOfOtherChats:
    def test_a_folder_of_each_sort_lands_by_what_the_files_hold(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        folder = telegram(tmp_path / "chats" / "result.json", "Plant 7", 1).parent
        discord = {
            "guild": {"id": "869", "name": "Acme"},
            "channel": {"id": "885", "type": "GuildTextChat", "name": "general"},
            "messages": [{"id": "1", "type": "Default", "timestamp": "2026-10-03T12:00:00+00:00", "content": "hi"}],
        }
        (folder / "general.json").write_text(json.dumps(discord, indent=2))
        (folder / "inbox.mbox").write_bytes(
            b"From a@x Sat Oct  3 12:00:00 2026\nFrom: Bo <b@x>\nSubject: Pump 7\nMessage-ID: <1@x>\n\nIt is hot.\n"
        )
        (folder / "package.json").write_text('{"name": "x", "version": "1"}')
        summary = ingest_chats(bronze, "acme", folder, now=now)
        assert (summary.read, summary.landed, summary.rows) == (4, 3, 3)
        assert summary.reasons == {"not_a_chat_export": 1}
        assert {row["source"]: row["path"] for row in documents(bronze)} == {
            "telegram": "Plant 7/2026-10-03",
            "discord:869": "general/2026-10-03",
            "mbox": "inbox/1@x",
        }
        assert live(bronze)["inbox/1@x"] == "[2026-10-03 12:00] Bo: Pump 7 It is hot.\n"
        assert ingest_chats(bronze, "acme", folder, now=now).rows == 0

    def test_a_bad_message_is_kept_with_its_place_and_the_rest_lands(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        file = telegram(tmp_path / "a" / "result.json", "Plant 7", 1, 2)
        export = json.loads(file.read_text())
        export["messages"][0]["date_unixtime"] = "soon"
        file.write_text(json.dumps(export))
        summary = ingest_chats(bronze, "acme", file, now=now)
        assert (summary.rows, summary.reasons) == (1, {"bad_timestamp": 1})
        (row,) = list_refused(bronze, "acme")
        assert (row["path"], row["record"], row["source"]) == ("result.json/Plant 7", 1, "telegram")
        assert json.loads(bronze.objects.get("acme", row["raw_sha256"]))["date_unixtime"] == "soon"

    def test_a_chat_that_was_renamed_moves_and_is_not_doubled(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        old = telegram(tmp_path / "old" / "result.json", "Plant 7", 1, 2)
        new = telegram(tmp_path / "new" / "result.json", "Plant 8", 1, 2, 3)
        ingest_chats(bronze, "acme", old, now=now)
        ingest_chats(bronze, "acme", new, now=now)
        assert list(live(bronze)) == ["Plant 8/2026-10-03"]
        assert live(bronze)["Plant 8/2026-10-03"].count("hello") == 3
        before = versions(bronze)
        ingest_chats(bronze, "acme", old, now=now)  # older: it renames nothing back
        ingest_chats(bronze, "acme", new, now=now)
        assert versions(bronze) == before


class TestMessagesOfAnyProducer:
    @staticmethod
    def row(number: int, **values: Any) -> dict[str, Any]:
        ts = NOON + timedelta(minutes=number)
        content = {"author": "ana", "ts": ts, "text": f"text {number}", "edited_at": None, "deleted": False}
        named = {"channel": "ops", "message_id": f"m{number}", "thread_id": "t1", "object_sha256": "a" * 64}
        return named | content | values

    def land(self, bronze: Bronze, now: datetime, *rows: dict[str, Any]) -> list[str]:
        landed = land_messages(bronze, "acme", "http", rows, classification="internal", now=now)
        return [row["message_id"] for row in landed]

    def test_only_conversations_that_the_messages_touch_are_written(self, bronze: Bronze, now: datetime) -> None:
        self.land(bronze, now, self.row(1), self.row(2, thread_id="t2"))
        assert self.land(bronze, now, self.row(2, thread_id="t2"), self.row(3, thread_id="t2")) == ["m3"]
        assert [row["path"] for row in documents(bronze)] == ["ops/t1", "ops/t2", "ops/t2"]
        assert live(bronze)["ops/t2"].count("\n") == 2

    def test_the_thread_that_a_message_left_is_written_as_well(self, bronze: Bronze, now: datetime) -> None:
        self.land(bronze, now, self.row(1), self.row(2))
        self.land(bronze, now, self.row(2, thread_id="t2"))
        assert {path: text.count("\n") for path, text in live(bronze).items()} == {"ops/t1": 1, "ops/t2": 1}

    def test_a_run_cut_off_between_messages_and_conversations_is_healed_by_the_same_messages(
        self, bronze: Bronze, now: datetime
    ) -> None:
        self.land(bronze, now, self.row(1), self.row(2))
        moved = [self.row(2, thread_id="t2"), self.row(3, deleted=True)]
        land_rows(bronze, "acme", "http", moved, now)  # and no conversations
        assert live(bronze)["ops/t1"].count("\n") == 2
        assert self.land(bronze, now, *moved) == []
        assert {path: text.count("\n") for path, text in live(bronze).items()} == {"ops/t1": 1, "ops/t2": 1}

    def test_a_deletion_without_a_text_counts_also_for_a_message_that_was_edited(
        self, bronze: Bronze, now: datetime
    ) -> None:
        self.land(bronze, now, self.row(1, edited_at=NOON + timedelta(hours=1)))
        assert self.land(bronze, now, self.row(1, text="", deleted=True)) == ["m1"]
        assert live(bronze) == {}

    def test_two_versions_of_one_message_that_take_turns_land_once(self, bronze: Bronze, now: datetime) -> None:
        turns = [self.row(1, text="one"), self.row(1, text="two")]
        assert self.land(bronze, now, *turns) == ["m1"]
        assert self.land(bronze, now, *turns) == []

    def test_two_at_once_in_one_thread_leave_a_conversation_of_both(self, bronze: Bronze, now: datetime) -> None:
        self.land(bronze, now, self.row(0))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: self.land(bronze, now, self.row(number)), range(1, 9)))
        assert live(bronze)["ops/t1"].count("\n") == 9

    def test_no_messages_are_no_commit(self, bronze: Bronze, now: datetime) -> None:
        assert self.land(bronze, now) == []
        assert versions(bronze) == [None, None, None]


def test_a_true_export_lands_whole_and_once(bronze: Bronze, shared_data: Path, now: datetime) -> None:
    first = ingest_chats(bronze, "acme", shared_data / "chats" / "slack-export.zip", now=now)
    assert first.rows > 100
    assert first.quarantined == 0
    threads = live(bronze)
    assert sum(text.count("\n") for text in threads.values()) == first.rows
    assert not any("<@" in text or "&amp;" in text for text in threads.values())
    assert ingest_chats(bronze, "acme", shared_data / "chats" / "slack-export.zip", now=now).rows == 0
