import re
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import BadRecord, NotFound
from lakehouse.quarantine import Refusal, Refusals, find_refused, list_refused
from lakehouse.sources.files import SourceFile


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    path = tmp_path / "a.md"
    path.write_bytes(b"some bytes")
    return SourceFile(path, "a.md")


def refusals(bronze: Bronze, now: datetime, source: str = "test") -> Refusals:
    return Refusals(bronze, "acme", "documents", source, now)


def test_a_refused_file_is_kept_counted_and_recorded(bronze: Bronze, file: SourceFile, now: datetime) -> None:
    refused = refusals(bronze, now)
    with refused.catching(file):
        raise BadRecord("binary", "it is a picture")
    refused.record()
    assert (refused.files, refused.reasons) == (1, {"binary": 1})
    (row,) = list_refused(bronze, "acme")
    assert row == {
        "id": row["id"],
        "tenant_id": "acme",
        "source": "test",
        "path": "a.md",
        "record": None,
        "code": "binary",
        "reason": "it is a picture",
        "raw_sha256": row["raw_sha256"],
        "raw_size": 10,
        "raw_holds": "file",
        "stage": "documents",
        "flags": {},
        "resolution": None,
        "resolved_at": None,
        "recorded_at": now,
        "bronze_version": 1,
    }
    assert re.fullmatch("[0-9a-f]{16}", row["id"])
    assert bronze.objects.get("acme", row["raw_sha256"]) == b"some bytes"


def test_a_file_removed_while_it_is_read_is_recorded_without_bytes(
    bronze: Bronze, file: SourceFile, now: datetime
) -> None:
    refused = refusals(bronze, now)
    file.path.unlink()
    with refused.catching(file):
        file.path.read_bytes()
    refused.record()
    (row,) = list_refused(bronze, "acme")
    assert (row["code"], row["raw_sha256"], row["raw_size"]) == ("unreadable", None, 0)
    assert "No such file" in row["reason"]


def test_a_failure_that_is_not_the_files_is_not_blamed_on_it(
    bronze: Bronze, file: SourceFile, tmp_path: Path, now: datetime
) -> None:
    refused = refusals(bronze, now)
    with pytest.raises(FileNotFoundError), refused.catching(file):
        (tmp_path / "another").read_bytes()
    assert refused.files == 0


def test_the_list_can_be_narrowed(bronze: Bronze, file: SourceFile, now: datetime) -> None:
    for source, code in [("one", "binary"), ("one", "empty"), ("two", "empty")]:
        refused = refusals(bronze, now, source)
        with refused.catching(file):
            raise BadRecord(code, "a reason")
        refused.record()
    assert len(list_refused(bronze, "acme")) == 3
    assert [row["source"] for row in list_refused(bronze, "acme", code="empty")] == ["one", "two"]
    assert [row["code"] for row in list_refused(bronze, "acme", code="empty", source="two")] == ["empty"]
    assert list_refused(bronze, "globex") == []


def test_an_id_stays_the_same_and_tells_refusals_apart(bronze: Bronze, now: datetime) -> None:
    sha256 = bronze.objects.put("acme", b"x")
    for moment in (now, now + timedelta(hours=1)):
        refused = refusals(bronze, moment)
        for record in (1, 2):
            refused.add(Refusal("test", "a.jsonl", "bad_json", "it is not JSON", sha256, 1, record))
        refused.record()
    first, second = list_refused(bronze, "acme")
    assert (first["record"], second["record"], first["recorded_at"]) == (1, 2, now)
    assert first["id"] != second["id"]
    assert [row["record"] for row in find_refused(bronze, "acme", [second["id"]])] == [2]
    with pytest.raises(NotFound, match=r"id 'nothing': .*quarantine list"):
        find_refused(bronze, "acme", ["nothing"])


def test_a_record_refused_alone_keeps_its_own_bytes_and_what_was_said_of_it(bronze: Bronze, now: datetime) -> None:
    refused = Refusals(bronze, "acme", "telemetry", "kafka", now, {"device": "d1"})
    refused.add(Refusal("kafka", "readings/0", "bad_value", "no number", bronze.objects.put("acme", b"{}"), 2, 7))
    refused.record()
    (row,) = list_refused(bronze, "acme")
    assert (row["raw_holds"], row["flags"]) == ("record", {"device": "d1"})


def test_rows_that_others_wrote_without_saying_so_are_told_by_their_path(bronze: Bronze, now: datetime) -> None:
    same = {"tenant_id": "acme", "source": "s", "code": "c", "reason": "r", "raw_sha256": "0" * 64, "raw_size": 1}
    same |= {"stage": "telemetry", "recorded_at": now}
    rows = [same | {"path": "request", "record": 1}, same | {"path": "a.CSV", "record": 2}, same | {"path": "a.csv"}]
    bronze.append("quarantine", pa.Table.from_pylist(rows, schema=TABLES["quarantine"]), [])
    found = {(row["path"], row["record"]): row["raw_holds"] for row in list_refused(bronze, "acme")}
    assert found == {("request", 1): "record", ("a.CSV", 2): "file", ("a.csv", None): "file"}
