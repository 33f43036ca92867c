from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import fs, parquet

from lakehouse import log_positions
from lakehouse.bronze import TABLES, VERSION, Bronze
from lakehouse.objects import open_objects
from lakehouse.snapshot import open_dataset


@pytest.fixture
def table(tmp_path: Path, now: datetime) -> DeltaTable:
    """Of a folder whose name a URL writes in another way, with a checkpoint."""
    url = (tmp_path / "a b").as_uri()
    bronze = Bronze(url, open_objects(url))
    rows = [{"tenant_id": "acme", "device_id": "a", "recorded_at": now}]
    bronze.append("telemetry", pa.Table.from_pylist(rows, schema=TABLES["telemetry"]), ["one"])
    made = DeltaTable(bronze.table_uri("telemetry"))
    made.create_checkpoint()
    return made


def test_files_in_a_folder_are_read_without_a_thread_of_arrow_in_python(
    table: DeltaTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that comes to Python while the interpreter ends aborts the process."""
    dataset = open_dataset(table, TABLES["telemetry"].append(VERSION))
    assert dataset.to_table()["device_id"].to_pylist() == ["a"]
    used: list[fs.FileSystem] = [dataset.filesystem]
    read_table = parquet.read_table
    monkeypatch.setattr(
        parquet, "read_table", lambda *given, **named: used.append(named["filesystem"]) or read_table(*given, **named)
    )
    assert log_positions.read_positions(table).names == {"one": 1}
    assert [type(one.base_fs) for one in used] == [fs.LocalFileSystem] * 2
