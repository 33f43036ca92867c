"""Bytes that were refused land once: whatever is cut off between landing and marking, however often it is tried."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from iotops.settings import REPOSITORY
from lakehouse import database
from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import Misused
from lakehouse.ingest import ingest_chats, ingest_documents, ingest_telemetry
from lakehouse.quarantine import Refusal, Refusals, list_refused
from lakehouse.redrive import Redriven, redrive
from lakehouse.redriving.attempt import Attempt
from lakehouse.redriving.documents import try_document
from lakehouse.redriving.telemetry import try_telemetry
from lakehouse.sources.extractor import Extractor
from lakehouse.warehouse import build_warehouse

HOUR = timedelta(hours=1)


def again(bronze: Bronze, now: datetime, *paths: str, **said: str) -> Redriven:
    """What is open, or of that these paths, an hour later."""
    ids = {row["id"] for row in list_refused(bronze, "acme") if not paths or row["path"] in paths}
    return redrive(bronze, "acme", ids, now=now + HOUR, said=said)


def rows(bronze: Bronze, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in bronze.changes(table)[0].to_pylist()]


def resolutions(bronze: Bronze) -> list[str | None]:
    return [row["resolution"] for row in list_refused(bronze, "acme", resolved=True)]


def refuse(bronze: Bronze, stage: str, path: str, data: bytes, now: datetime, **more: Any) -> str:
    """As a reader refused it that was not as good as the present one. Returns the object."""
    sha256 = bronze.objects.put("acme", data)
    source, flags = more.pop("source", "s"), more.pop("flags", None)
    refused = Refusals(bronze, "acme", stage, source, now, flags)
    refused.add(Refusal(source, path, "old_reader", "it could not be read then", sha256, len(data), **more))
    refused.record()
    return sha256


def refuse_rows(bronze: Bronze, file: Path, numbers: Sequence[int], now: datetime, code: str = "bad_value") -> str:
    """As above, for rows of a file whose other rows have landed."""
    sha256 = bronze.objects.put_file("acme", file)
    table = [
        {"tenant_id": "acme", "source": "s", "path": file.name, "record": number, "code": code, "reason": "then"}
        | {"raw_sha256": sha256, "raw_size": file.stat().st_size, "raw_holds": "file", "stage": "telemetry"}
        | {"recorded_at": now}
        for number in numbers
    ]
    bronze.append("quarantine", pa.Table.from_pylist(table, schema=TABLES["quarantine"]), [])
    return sha256


def attempt(bronze: Bronze, now: datetime, extractor: Extractor, said: Mapping[str, str] | None = None) -> Attempt:
    return Attempt(bronze, "acme", now, said or {}, list_refused(bronze, "acme", resolved=True), extractor)


class TestTelemetry:
    def test_a_flag_that_was_missing_lands_the_file(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        file = tmp_path / "pump-1.csv"
        file.write_text("ts,value\n2026-10-31,1\n2026-10-31,x\n")
        ingest_telemetry(bronze, "acme", file, now=now, metric="flow")
        assert again(bronze, now) == Redriven(still_refused=1)
        assert again(bronze, now, device="plant/{stem}") == Redriven(redriven=1)
        (row,) = rows(bronze, "telemetry")
        assert (row["device_id"], row["metric"], row["row_number"]) == ("plant/pump-1", "flow", 1)
        (bad,) = list_refused(bronze, "acme")
        assert (bad["record"], bad["code"], bad["flags"]) == (
            2,
            "bad_value",
            {"device": "plant/{stem}", "metric": "flow"},
        )
        summary = ingest_telemetry(bronze, "acme", file, now=now, metric="flow", device="plant/{stem}")
        assert summary.unchanged == 1  # ingest knows that it landed

    def test_rows_of_a_file_land_under_their_numbers_and_the_others_do_not_again(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        file = tmp_path / "a.csv"
        file.write_text("ts,device,metric,value\n2026-10-31,d,m,1\n2026-11-01,d,m,2\n\n2026-11-02,d,m,x\n")
        sha256 = refuse_rows(bronze, file, [2, 3], now)
        assert again(bronze, now) == Redriven(redriven=1, still_refused=1)
        (row,) = rows(bronze, "telemetry")
        assert (row["value"], row["row_number"], row["object_sha256"]) == (2.0, 2, sha256)
        (still,) = list_refused(bronze, "acme")
        assert (still["record"], still["reason"]) == (3, "value 'x' is no finite number")

    def test_an_event_lands_among_the_events(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        file = tmp_path / "a.jsonl"
        file.write_text('{"ts": 1}\n{"ts": "2026-10-31", "device": "d", "event_type": "alarm"}\n')
        refuse_rows(bronze, file, [2], now)
        assert again(bronze, now) == Redriven(redriven=1)
        assert [(row["event_type"], row["row_number"]) for row in rows(bronze, "events")] == [("alarm", 2)]

    def test_what_was_left_of_a_file_lands_from_its_first_unread_row(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        file = tmp_path / "a.parquet"
        table = pa.table(
            {"ts": ["2026-10-31"] * 4, "device": ["d"] * 4, "metric": ["m"] * 4, "value": ["1", "2", "x", "4"]}
        )
        parquet.write_table(table, file)
        refuse_rows(bronze, file, [2], now, code="corrupt_parquet")
        for _ in range(2):
            again(bronze, now)
        assert [row["row_number"] for row in rows(bronze, "telemetry")] == [2, 4]
        assert resolutions(bronze) == ["redriven", None]

    def test_a_record_with_bytes_of_its_own_lands(self, bronze: Bronze, now: datetime) -> None:
        data = b'{"ts": "2026-10-31", "device": "d",\n "value": 1}'
        sha256 = refuse(bronze, "telemetry", "readings/0", data, now, record=7, source="kafka")
        assert again(bronze, now) == Redriven(still_refused=1)
        assert again(bronze, now, metric="flow") == Redriven(redriven=1)
        (row,) = rows(bronze, "telemetry")
        assert (row["metric"], row["row_number"], row["object_sha256"], row["source"]) == ("flow", 7, sha256, "kafka")

    def test_records_of_a_request_are_tried_again(self, bronze: Bronze, now: datetime) -> None:
        for number, data in enumerate((b'{"ts": "2026-10-31", "device": "d", "value": 3}', b'{"ts": "soon"}'), start=1):
            refuse(bronze, "telemetry", "request", data, now, record=number, source="http")
        assert again(bronze, now, metric="flow") == Redriven(redriven=1, still_refused=1)
        assert [(row["value"], row["source"]) for row in rows(bronze, "telemetry")] == [(3.0, "http")]

    def test_a_request_that_was_refused_whole_lands_record_by_record(self, bronze: Bronze, now: datetime) -> None:
        body = b'[{"ts": "2026-10-31", "device": "d", "metric": "m", "value": 3}, {"ts": "soon"}]'
        sha256 = refuse(bronze, "telemetry", "request", body, now, source="http")
        refuse(bronze, "chats", "request", b'{"channel": "c", "message_id": "1", "ts": 1793448000, "text": "hi"}', now)
        refuse(bronze, "telemetry", "request", b"[{", now)
        assert again(bronze, now) == Redriven(redriven=2, still_refused=1)
        assert [(row["row_number"], row["object_sha256"]) for row in rows(bronze, "telemetry")] == [(1, sha256)]
        assert [(row["source"], row["text"]) for row in rows(bronze, "messages")] == [("s", "hi")]
        refused = list_refused(bronze, "acme")
        assert [(row["record"], row["code"], row["raw_holds"]) for row in refused] == [
            (None, "bad_json", "file"),
            (2, "missing_device", "record"),
        ]

    def test_a_landing_whose_mark_was_lost_is_only_marked(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        file = tmp_path / "a.csv"
        file.write_text("ts,value\n2026-10-31,1\n")
        refuse(bronze, "telemetry", "a.csv", file.read_bytes(), now)
        with Extractor() as extractor:
            said = {"device": "one", "metric": "m"}
            try_telemetry(attempt(bronze, now, extractor, said), list_refused(bronze, "acme"))
        assert resolutions(bronze) == [None]
        assert again(bronze, now, device="another", metric="m") == Redriven(redriven=1)
        assert [row["device_id"] for row in rows(bronze, "telemetry")] == ["one"]
        assert resolutions(bronze) == ["redriven"]

    def test_rows_and_records_whose_marks_were_lost_do_not_land_again(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        file = tmp_path / "a.jsonl"
        lines = [{"ts": "2026-10-31", "device": "d", "metric": "m", "value": 1}]
        lines += [{"ts": "2026-10-31", "device": "d", "event_type": "alarm"}]
        file.write_text("\n".join(map(json.dumps, lines)))
        refuse_rows(bronze, file, [1, 2], now)
        refuse(bronze, "telemetry", "readings/0", json.dumps(lines[0]).encode(), now, record=0, source="kafka")
        refused = list_refused(bronze, "acme")
        with Extractor() as extractor:
            for together in (refused[:1], refused[1:]):
                try_telemetry(attempt(bronze, now, extractor), together)
        landed = [bronze.version("telemetry"), bronze.version("events")]
        assert again(bronze, now) == Redriven(redriven=3)
        assert [bronze.version("telemetry"), bronze.version("events")] == landed
        assert sorted(row["row_number"] for row in rows(bronze, "telemetry")) == [0, 1]

    def test_a_file_of_which_no_bytes_were_kept_stays(self, bronze: Bronze, now: datetime) -> None:
        refused = Refusals(bronze, "acme", "telemetry", "s", now)
        refused.add(Refusal("s", "a.csv", "unreadable", "it cannot be read", None, 0))
        refused.record()
        assert again(bronze, now) == Redriven(still_refused=1)
        assert list_refused(bronze, "acme")[0]["reason"] == "it cannot be read"


class TestDocuments:
    def test_a_document_lands_with_what_was_said_of_it_and_what_is_said_now(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        folder = tmp_path / "runbooks"
        folder.mkdir()
        (folder / "a.md").write_bytes(b"")
        ingest_documents(bronze, "acme", folder, now=now, product="px", version="1", classification="secret")
        (empty,) = list_refused(bronze, "acme")
        assert empty["flags"]["product"] == "px"
        refuse(bronze, "documents", "a.md", b"# A", now, source=empty["source"], flags=empty["flags"])
        assert again(bronze, now, version="2") == Redriven(redriven=1, still_refused=1)
        (row,) = rows(bronze, "documents")
        assert [row[name] for name in ("title", "product", "version_from", "classification", "kind")] == [
            "A",
            "px",
            "2",
            "secret",
            "runbook",
        ]
        assert row["recorded_at"] == now + HOUR

    def test_an_old_version_does_not_supersede_what_was_ingested_since(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        refuse(bronze, "documents", "a.md", b"# Old", now)
        (tmp_path / "a.md").write_text("# New")
        ingest_documents(bronze, "acme", tmp_path / "a.md", now=now + HOUR / 2, source="s")
        assert again(bronze, now) == Redriven(superseded=1)
        assert [row["title"] for row in rows(bronze, "documents")] == ["New"]
        assert list_refused(bronze, "acme") == []
        refuse(bronze, "documents", "a.md", b"# Old", now + 2 * HOUR)  # it is the path's newest version again
        assert again(bronze, now + 3 * HOUR) == Redriven(redriven=1)
        assert [row["title"] for row in rows(bronze, "documents")] == ["New", "Old"]

    def test_a_document_that_is_gone_is_not_brought_back(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "a.md").write_text("# A")
        ingest_documents(bronze, "acme", tmp_path / "docs", now=now - HOUR, source="s")
        refuse(bronze, "documents", "a.md", b"# Later", now)
        (tmp_path / "docs" / "a.md").unlink()
        ingest_documents(bronze, "acme", tmp_path / "docs", now=now + HOUR / 2, source="s", allow_empty=True)
        assert again(bronze, now) == Redriven(superseded=1)
        assert [row["deleted"] for row in rows(bronze, "documents")] == [False, True]

    @pytest.mark.parametrize("order", [["one", "two"], ["two", "one"]])
    def test_versions_refused_one_after_the_other_end_with_the_last(
        self, order: list[str], bronze: Bronze, now: datetime
    ) -> None:
        """In whatever order they are redriven: one that came by a redrive is as old as its refusal."""
        refuse(bronze, "documents", "a.md", b"# one", now)
        refuse(bronze, "documents", "a.md", b"# two", now + HOUR / 2)
        sizes = {"one": 0, "two": 1}
        ids = [row["id"] for row in list_refused(bronze, "acme")]
        for number, name in enumerate(order, start=1):
            redrive(bronze, "acme", [ids[sizes[name]]], now=now + number * HOUR)
        assert rows(bronze, "documents")[-1]["title"] == "two"
        assert resolutions(bronze) == (["redriven"] * 2 if order[0] == "one" else ["superseded", "redriven"])

    def test_another_reason_is_told_and_the_next_ingest_does_not_refuse_it_twice(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        (tmp_path / "a.md").write_bytes(b"caf\xe9")
        refuse(bronze, "documents", "a.md", b"caf\xe9", now)
        (before,) = list_refused(bronze, "acme")
        for _ in range(2):
            assert again(bronze, now) == Redriven(still_refused=1)
        version = bronze.version("quarantine")
        ingest_documents(bronze, "acme", tmp_path / "a.md", now=now + 2 * HOUR, source="s")
        (row,) = list_refused(bronze, "acme")
        assert (row["id"], row["code"], row["recorded_at"]) == (before["id"], "not_utf8", now)
        assert bronze.version("quarantine") == version

    def test_an_object_that_is_gone_keeps_one_refusal_open_and_no_other(self, bronze: Bronze, now: datetime) -> None:
        refused = Refusals(bronze, "acme", "documents", "s", now)
        refused.add(Refusal("s", "a.md", "old_reader", "then", "0" * 64, 3))
        refused.record()
        refuse(bronze, "documents", "b.md", b"# B", now)
        assert again(bronze, now) == Redriven(redriven=1, still_refused=1)
        assert list_refused(bronze, "acme")[0]["code"] == "bytes_gone"

    def test_a_kind_that_nobody_knows_is_misuse(self, bronze: Bronze, now: datetime) -> None:
        with pytest.raises(Misused, match="poem"):
            again(bronze, now, kind="poem")


class TestChats:
    def message(self, number: int, text: str = "hi", ts: str = "2026-10-31T10:00:00Z") -> dict[str, Any]:
        return {"channel": "ops", "message_id": str(number), "ts": ts, "text": text}

    def test_a_line_lands_and_its_conversation_is_written_anew(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        lines = [json.dumps(self.message(1)), "{broken"]
        (tmp_path / "a.jsonl").write_text("\n".join(lines))
        ingest_chats(bronze, "acme", tmp_path / "a.jsonl", now=now, classification="secret")
        line = json.dumps(self.message(2, "later", "2026-10-31T11:00:00Z")).encode()
        refuse(bronze, "chats", "a.jsonl", line, now, record=3, source="jsonl", flags={"classification": "secret"})
        for expected in (Redriven(redriven=1, still_refused=1), Redriven(still_refused=1)):
            assert again(bronze, now) == expected
        assert sorted(row["text"] for row in rows(bronze, "messages")) == ["hi", "later"]
        last = rows(bronze, "documents")[-1]
        text = bronze.objects.get("acme", last["object_sha256"]).decode()
        assert text == "[2026-10-31 10:00] unknown: hi\n[2026-10-31 11:00] unknown: later\n"
        assert last["classification"] == "secret"

    def test_a_message_that_was_said_otherwise_since_stays_so(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        line = json.dumps(self.message(1, "old")).encode()
        refuse(bronze, "chats", "a.jsonl", line, now, record=1, source="jsonl")
        (tmp_path / "a.jsonl").write_text(json.dumps(self.message(1, "new")))
        ingest_chats(bronze, "acme", tmp_path / "a.jsonl", now=now + HOUR / 2)
        assert again(bronze, now) == Redriven(superseded=1)
        assert [row["text"] for row in rows(bronze, "messages")] == ["new"]

    def test_a_whole_file_lands_and_its_bad_lines_are_refused(self, bronze: Bronze, now: datetime) -> None:
        data = f"{json.dumps(self.message(1))}\n{{broken\n".encode()
        refuse(bronze, "chats", "a.jsonl", data, now, flags={"source": "team"})
        assert again(bronze, now) == Redriven(redriven=1)
        assert [row["source"] for row in rows(bronze, "messages")] == ["team"]
        (bad,) = list_refused(bronze, "acme")
        assert (bad["record"], bad["source"], bad["code"]) == (2, "team", "bad_json")

    def test_a_day_of_an_export_is_read_beside_its_lists_of_names(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        with zipfile.ZipFile(tmp_path / "e.zip", "w") as export:
            export.writestr("users.json", json.dumps([{"id": "U1", "name": "ann"}]))
            export.writestr("channels.json", "[]")
            export.writestr("ops/2026-10-31.json", json.dumps([{"ts": "1793448000", "user": "U1", "text": "hi"}, 5]))
        ingest_chats(bronze, "acme", tmp_path / "e.zip", now=now)
        (refused,) = list_refused(bronze, "acme")
        before = bronze.version("messages")
        assert again(bronze, now) == Redriven(still_refused=1)
        more = {**refused["flags"], "member": "ops/2026-10-30.json"}  # a day that could not be read then
        refuse(bronze, "chats", "e.zip/ops/2026-10-30.json", b"[]", now, source="slack", flags=more)
        assert again(bronze, now, "e.zip/ops/2026-10-30.json") == Redriven(redriven=1)
        assert bronze.version("messages") == before
        assert [row["author"] for row in rows(bronze, "messages")] == ["ann"]


def test_redriven_records_reach_gold_once(bronze: Bronze, database_url: str, tmp_path: Path, now: datetime) -> None:
    """Two runs, the first of them cut off after what it landed."""
    file = tmp_path / "pump-1.csv"
    file.write_text("ts,value\n2026-10-31,1\n2026-11-01,2\n")
    ingest_telemetry(bronze, "acme", file, now=now)
    refuse(bronze, "documents", "a.md", b"# A\n\nText.", now)
    line = {"channel": "ops", "message_id": "1", "ts": "2026-10-31T10:00:00Z", "text": "hi"}
    refuse(bronze, "chats", "a.jsonl", json.dumps(line).encode(), now, record=1, source="jsonl")
    said = {"device": "{stem}", "metric": "flow"}
    with Extractor() as extractor:
        cut_off = attempt(bronze, now + HOUR, extractor, said)
        open_ = {row["stage"]: row for row in list_refused(bronze, "acme")}
        assert try_document(cut_off, open_["documents"]) == "redriven"
        assert list(try_telemetry(cut_off, [open_["telemetry"]]).values()) == ["redriven"]
    build(database_url, bronze, tmp_path)
    before = gold(database_url)
    assert (before["readings"], before["documents"]) == ([("pump-1", 1.0), ("pump-1", 2.0)], [("A", None)])
    assert again(bronze, now + HOUR, **said) == Redriven(redriven=3)
    assert again(bronze, now + HOUR, **said) == Redriven()
    ids = [row["id"] for row in list_refused(bronze, "acme", resolved=True)]
    assert redrive(bronze, "acme", ids, now=now + 2 * HOUR, said=said) == Redriven()
    build(database_url, bronze, tmp_path)
    assert gold(database_url) == {
        "readings": before["readings"],
        "documents": [("#ops · hi", None), ("A", None)],
        "threads": [("ops", 1)],
    }


def build(database_url: str, bronze: Bronze, tmp_path: Path) -> None:
    build_warehouse(database_url, bronze, dbt_project=REPOSITORY / "dbt", work=tmp_path / "dbt")


def gold(database_url: str) -> dict[str, list[tuple[Any, ...]]]:
    queries = {
        "readings": "select device_id, value from gold.fct_readings order by ts",
        "documents": "select title, version_from from gold.documents order by title",
        "threads": "select channel, message_count from gold.fct_message_threads",
    }
    with database.connect(database_url) as connection:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}
