from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from lakehouse.bronze import Bronze
from lakehouse.excerpt import excerpt, printable_bytes


def refusal(bronze: Bronze, path: Path, record: int | None, stage: str = "telemetry") -> dict[str, Any]:
    stored = {"raw_sha256": bronze.objects.put_file("acme", path), "raw_size": path.stat().st_size, "raw_holds": "file"}
    return stored | {"tenant_id": "acme", "path": path.name, "record": record, "stage": stage}


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    data = "é\n\t\x1b[2J\x00\u202e\x9b\r".encode() + b"\xff"
    assert printable_bytes(data) == "é\n\t\\x1b[2J\\x00\\u202e\\x9b\\r\\xff"


@pytest.mark.parametrize(
    ("name", "content", "record", "shown"),
    [
        ("a.csv", 'h\n\n"one\nline"\ntwo\n', 1, '"one\nline"'),
        ("a.csv", "h\n\n1\n\n2\n", 2, "2"),
        ("a.csv", "h\n1\n", 5, "row 5 cannot be cut out of the file"),
        ("a.jsonl", '{"a": 1}\n\n{"a": 3}\n', 3, '{"a": 3}'),
    ],
)
def test_a_row_of_a_file_is_shown_as_it_stands_there(
    name: str, content: str, record: int, shown: str, bronze: Bronze, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert excerpt(bronze, refusal(bronze, tmp_path / name, record)) == shown


def test_a_row_of_parquet_is_shown_as_json(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    parquet.write_table(pa.table({"a": [1, 2], "ts": [now, now]}), tmp_path / "a.parquet")
    assert excerpt(bronze, refusal(bronze, tmp_path / "a.parquet", 2)) == '{"a": 2, "ts": "2026-11-01 12:00:00+00:00"}'


def test_of_a_large_file_the_beginning_is_shown_and_how_much_more_there_is(bronze: Bronze, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"x" * 5_000)
    shown = excerpt(bronze, refusal(bronze, tmp_path / "a.md", None, "documents"))
    assert shown == "x" * 2_000 + "\n… and 3,000 bytes more (--raw writes all)"
