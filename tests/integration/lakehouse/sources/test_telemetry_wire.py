"""Files of telemetry that are read by the worker: what comes back is the same, and what it does is its own affair."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.extractor import ENVIRONMENT, Extractor
from lakehouse.sources.rows import Rows
from lakehouse.sources.telemetry_wire import numbers_of, read_telemetry

HEADER = "ts,device_id,metric,value"


@pytest.fixture
def extractor() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


def write(path: Path, rows: int, bad: str = "") -> Path:
    lines = (f"2026-10-31T12:00:00Z,d{number % 9},temp,{number}" for number in range(1, rows + 1))
    path.write_text("\n".join([HEADER, *lines, bad]) + "\n")
    return path


def read(extractor: Extractor, path: Path) -> list[Rows]:
    return list(read_telemetry(extractor, path, None, None))


def worker() -> psutil.Process:
    (found,) = (child for child in psutil.Process().children() if "lakehouse.sources.worker" in child.cmdline())
    return found


def test_rows_come_in_batches_with_the_numbers_of_the_file(extractor: Extractor, tmp_path: Path) -> None:
    parts = read(extractor, write(tmp_path / "a.csv", 200_000, "soon,d,m,1"))
    assert len(parts) > 1
    numbers = pa.concat_tables(part.readings for part in parts)["row_number"].to_pylist()
    assert numbers == list(range(1, 200_001))
    assert parts[-1].refused.to_pylist()[0]["record"] == 200_001
    assert [numbers_of(part)[0] for part in parts[1:]] == [numbers_of(part)[1] + 1 for part in parts[:-1]]


def test_a_worker_that_dies_in_the_middle_is_the_end_of_that_file_alone(extractor: Extractor, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 400_000)
    reading = read_telemetry(extractor, path, None, None)
    next(reading)
    worker().kill()
    with pytest.raises(BadRecord) as refused:
        list(reading)
    assert refused.value.code == "parser_crashed"
    assert sum(part.readings.num_rows for part in read(extractor, path)) == 400_000


def test_a_refusal_leaves_the_worker_for_the_next_file(extractor: Extractor, tmp_path: Path) -> None:
    good, empty = write(tmp_path / "a.csv", 10), tmp_path / "b.csv"
    empty.write_text("a,b\n1,2\n")
    read(extractor, good)
    before = worker().pid
    with pytest.raises(BadRecord, match="it has no column"):
        read(extractor, empty)
    read(extractor, good)
    assert worker().pid == before


def test_pandas_is_not_loaded_and_none_of_our_keys_is_known(
    extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    read(extractor, write(tmp_path / "a.csv", 10))
    assert not any("pandas" in entry.path for entry in worker().memory_maps())
    assert worker().environ().keys() - {"LC_CTYPE"} == ENVIRONMENT.keys()


NONSENSE: dict[str, Any] = {
    "no-arrow": "[b'x', b'y', b'z']",
    "two-tables": "[pack(READINGS), pack(EVENTS)]",
    "other-columns": "[pack(EVENTS), pack(READINGS), pack(REFUSED)]",
    "no-text": "[pack(READINGS), pack(EVENTS), pack(REFUSED, broken)]",
    "numbers-again": "[pack(READINGS), pack(EVENTS), pack(REFUSED, refused)]",
}
TAKEN_OVER = """
import sys
import pyarrow as pa
from lakehouse.sources import worker
from lakehouse.sources.rows import EVENTS, READINGS, REFUSED

def pack(schema, table=None):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(schema.empty_table() if table is None else table)
    return sink.getvalue()

refused = pa.table({"record": [0], "code": ["c"], "reason": ["r"]}, REFUSED)
text = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\\xff"]).buffers())
broken = pa.table({"record": pa.array([1]), "code": text, "reason": text}, REFUSED)
sys.stdin.buffer.readline()
worker._send(sys.stdout.buffer, {}, tuple(NONSENSE))
worker._send(sys.stdout.buffer, {"end": True, "tired": False})
"""


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE.keys())
def test_what_a_worker_that_was_taken_over_says_is_checked(said: str, extractor: Extractor, tmp_path: Path) -> None:
    speaking = [sys.executable, "-c", TAKEN_OVER.replace("NONSENSE", said)]
    extractor._worker = subprocess.Popen(speaking, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    with pytest.raises(BadRecord) as refused:
        read(extractor, write(tmp_path / "a.csv", 10))
    assert refused.value.code == "parser_crashed"


@pytest.mark.parametrize("said", ["999999999999\\n", "-1\\n", "x\\n", "2\\n[]", "9" * 100_000])
def test_a_reply_that_is_none_neither_fills_the_memory_nor_ends_us(
    said: str, extractor: Extractor, tmp_path: Path
) -> None:
    speaking = [sys.executable, "-c", f"import sys; sys.stdin.readline(); sys.stdout.write('{said}')"]
    extractor._worker = subprocess.Popen(speaking, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    with pytest.raises(BadRecord) as refused:
        read(extractor, write(tmp_path / "a.csv", 10))
    assert refused.value.code == "parser_crashed"
