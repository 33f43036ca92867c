from datetime import datetime
from pathlib import Path

import pytest

from lakehouse.bronze import Bronze
from lakehouse.errors import BadRecord
from lakehouse.quarantine import Refusals, list_refused
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
        "tenant_id": "acme",
        "source": "test",
        "path": "a.md",
        "record": None,
        "code": "binary",
        "reason": "it is a picture",
        "raw_sha256": row["raw_sha256"],
        "raw_size": 10,
        "stage": "documents",
        "recorded_at": now,
    }
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
