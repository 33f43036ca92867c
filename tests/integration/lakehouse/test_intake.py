"""Requests into bronze: durable when answered, once whatever is repeated, refused records with their bytes."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from lakehouse.bronze import Bronze
from lakehouse.errors import BodyRefused, KeyReused, Misused, UnknownTenant
from lakehouse.intake import Intake


@pytest.fixture
def intake(bronze: Bronze, database_url: str) -> Iterator[Intake]:
    intake = Intake(bronze, database_url)
    yield intake
    intake.close()


def reading(minute: int = 0, **others: Any) -> dict[str, Any]:
    return {
        "device_id": "pump-07",
        "metric": "pressure_bar",
        "ts": f"2026-11-01T{minute // 60:02}:{minute % 60:02}:00Z",
        "value": 1.5,
    } | others


def body(*rows: Any) -> bytes:
    return json.dumps(rows).encode()


def held(bronze: Bronze, table: str) -> list[dict[str, Any]]:
    return list(bronze.changes(table)[0].to_pylist())


class TestTelemetry:
    def test_what_is_answered_is_in_bronze(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        sent = body(reading(), reading(1, event_type="restarted"), reading(2))
        receipt = intake.telemetry("default", sent, now=now)
        assert (receipt.accepted, receipt.refused, receipt.repeated) == (3, (), False)
        assert [(row["row_number"], row["source"]) for row in held(bronze, "telemetry")] == [(1, "http"), (3, "http")]
        assert [row["event_type"] for row in held(bronze, "events")] == ["restarted"]
        assert bronze.objects.get("default", receipt.object_sha256) == sent

    def test_a_refused_record_is_named_and_its_bytes_are_kept(
        self, intake: Intake, bronze: Bronze, now: datetime
    ) -> None:
        receipt = intake.telemetry("default", body(reading(), reading(ts="never")), now=now)
        assert receipt.accepted == 1
        assert [(refused.record, refused.code) for refused in receipt.refused] == [(2, "bad_timestamp")]
        row = held(bronze, "quarantine")[0]
        assert json.loads(bronze.objects.get("default", row["raw_sha256"])) == reading(ts="never")

    def test_a_request_sent_again_adds_nothing(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        sent = body(reading(), reading(1, event_type="restarted"), {"no": "reading"})
        first = intake.telemetry("default", sent, now=now, key="7")
        again = intake.telemetry("default", sent, now=now, key="7")
        assert (first.repeated, again.repeated) == (False, True)
        assert (again.accepted, again.refused) == (first.accepted, first.refused)
        assert [len(held(bronze, table)) for table in ("telemetry", "events", "quarantine")] == [1, 1, 1]

    def test_a_request_without_a_key_is_known_by_its_body(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        intake.telemetry("default", body(reading()), now=now)
        assert intake.telemetry("default", body(reading()), now=now).repeated
        assert not intake.telemetry("default", body(reading(1)), now=now).repeated
        assert len(held(bronze, "telemetry")) == 2

    def test_a_key_with_another_body_is_refused_and_adds_nothing(
        self, intake: Intake, bronze: Bronze, now: datetime
    ) -> None:
        intake.telemetry("default", body(reading()), now=now, key="7")
        with pytest.raises(KeyReused):
            intake.telemetry("default", body(reading(1, event_type="x"), {"no": "reading"}), now=now, key="7")
        assert [len(held(bronze, table)) for table in ("telemetry", "events", "quarantine")] == [1, 0, 0]

    def test_keys_of_two_tenants_are_two_keys(self, intake: Intake, now: datetime) -> None:
        intake.telemetry("default", body(reading()), now=now, key="7")
        assert not intake.telemetry("public", body(reading(1)), now=now, key="7").repeated

    def test_a_request_cut_off_between_tables_is_completed_when_sent_again(
        self, intake: Intake, bronze: Bronze, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = body(reading(), reading(1, event_type="restarted"), {"no": "reading"})
        commit, tables = Bronze.commit, []

        def cut_off(self: Bronze, table: str, decide: Any) -> int | None:
            tables.append(table)
            if tables == ["quarantine", "events", "telemetry"]:
                raise OSError("the disk is gone")
            return commit(self, table, decide)

        monkeypatch.setattr(Bronze, "commit", cut_off)
        with pytest.raises(OSError, match="gone"):
            intake.telemetry("default", sent, now=now)
        assert [len(held(bronze, table)) for table in ("telemetry", "events", "quarantine")] == [0, 1, 1]
        assert not intake.telemetry("default", sent, now=now).repeated
        assert [len(held(bronze, table)) for table in ("telemetry", "events", "quarantine")] == [1, 1, 1]

    def test_many_at_once_land_each_once_in_few_commits(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        ready = threading.Barrier(16)

        def send(number: int) -> bool:
            ready.wait()
            return intake.telemetry("default", body(reading(number // 2)), now=now, key=str(number // 2)).repeated

        with ThreadPoolExecutor(16) as pool:
            repeated = list(pool.map(send, range(64)))
        assert sorted(repeated) == [False] * 32 + [True] * 32
        assert sorted(row["ts"].minute for row in held(bronze, "telemetry")) == list(range(32))
        assert (bronze.version("telemetry") or 0) < 32

    def test_a_body_that_is_no_list_is_kept_whole(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        for _ in range(2):
            with pytest.raises(BodyRefused, match="no JSON array"):
                intake.telemetry("default", b"[1", now=now)
        rows = held(bronze, "quarantine")
        assert [(row["code"], row["record"]) for row in rows] == [("bad_json", None)]
        assert bronze.objects.get("default", rows[0]["raw_sha256"]) == b"[1"

    def test_a_body_with_too_many_different_bad_records_is_kept_whole_and_none_is_taken(
        self, intake: Intake, bronze: Bronze, now: datetime
    ) -> None:
        alike = body(reading(), *[{"a": 1}] * 1_500)
        assert intake.telemetry("default", alike, now=now).accepted == 1
        sent = body(reading(5), *({"a": number} for number in range(1_001)))
        with pytest.raises(BodyRefused, match="none was taken"):
            intake.telemetry("default", sent, now=now)
        assert len(held(bronze, "telemetry")) == 1
        (whole,) = [row for row in held(bronze, "quarantine") if row["code"] == "too_many_bad"]
        assert bronze.objects.get("default", whole["raw_sha256"]) == sent

    def test_no_records_at_all_are_no_error(self, intake: Intake, now: datetime) -> None:
        assert intake.telemetry("default", b"[]", now=now).accepted == 0
        assert intake.messages("default", b"[]", now=now).accepted == 0

    def test_too_many_bad_messages_are_said_to_be_so(self, intake: Intake, now: datetime) -> None:
        with pytest.raises(BodyRefused, match=r"more than 1,000 of its records are bad"):
            intake.messages("default", b"{}\n" * 1_500, now=now)

    def test_an_unknown_tenant_gets_nothing_stored(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        with pytest.raises(UnknownTenant):
            intake.telemetry("nobody", body(reading()), now=now)
        assert bronze.version("telemetry") is None


class TestMessages:
    def test_messages_land_once_with_their_conversation(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        message = {"channel": "ops", "message_id": "1", "ts": "2026-11-01T08:00:00Z", "author": "ada", "text": "Leak!"}
        sent = body(message, {"channel": "ops"})
        first = intake.messages("default", sent, now=now, key="1")
        assert (first.accepted, [one.code for one in first.refused], first.repeated) == (1, ["missing_field"], False)
        assert intake.messages("default", sent, now=now, key="1").repeated
        assert [row["text"] for row in held(bronze, "messages")] == ["Leak!"]
        assert [row["kind"] for row in held(bronze, "documents")] == ["chat_thread"]

    def test_a_key_with_another_body_is_refused(self, intake: Intake, now: datetime) -> None:
        intake.messages("default", body({"channel": "a"}), now=now, key="1")
        with pytest.raises(KeyReused):
            intake.messages("default", body({"channel": "b"}), now=now, key="1")


class TestDocuments:
    def test_a_document_is_superseded_by_the_next_of_its_name(
        self, intake: Intake, bronze: Bronze, now: datetime
    ) -> None:
        for text in ("# Pump\n\nOld.", "# Pump\n\nNew.", "# Pump\n\nNew."):
            intake.document("default", "pump.md", text.encode(), now=now, source="upload", product="P-200")
        rows = held(bronze, "documents")
        assert [(row["path"], row["source"], row["product"]) for row in rows] == [("pump.md", "upload", "P-200")] * 2
        assert bronze.objects.get("default", rows[1]["raw_sha256"]) == b"# Pump\n\nNew."

    @pytest.mark.parametrize("name", ["", "../x.md", "a/b.md", ".hidden.md"])
    def test_a_name_that_is_a_path_is_refused(self, intake: Intake, now: datetime, name: str) -> None:
        with pytest.raises(Misused, match="file name"):
            intake.document("default", name, b"# x\n\ny", now=now)

    def test_other_documents_of_the_source_stay(self, intake: Intake, bronze: Bronze, now: datetime) -> None:
        intake.document("default", "a.md", b"# A\n\na", now=now)
        intake.document("default", "b.md", b"# B\n\nb", now=now)
        assert [row["deleted"] for row in held(bronze, "documents")] == [False, False]
