"""Where a record stands in its file, held against the parsers that numbered it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.lineage.raw_records import LARGEST, Format, Held, hold, locate, reads_as
from lakehouse.objects import FolderStore
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.payloads import as_lines, cut_records
from lakehouse.sources.tabular import read_batches
from lakehouse.sources.telemetry_wire import read_telemetry

FIELDS = st.text(st.sampled_from('ab ,;"\n\r\té'), max_size=8)
ROWS = st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=8)
BLANK = st.sampled_from(["", "\n", "\r\n"])


def held(data: bytes, kind: Format) -> Held:
    return Held(data, kind, whole=True)


def cut(data: bytes, kind: Format, number: int) -> bytes | None:
    place = locate(held(data, kind), number)
    return None if place is None else data[slice(*place)]


def as_csv(rows: list[tuple[str, ...]], ends: str, blank: str, delimiter: str, bom: bool) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL)
    for row in rows:
        writer.writerow(row)
        text.write(blank)
    return b"\xef\xbb\xbf" * bom + text.getvalue().encode()


@settings(max_examples=100, deadline=None)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), BLANK, st.sampled_from(",;"), st.booleans())
def test_a_record_of_a_csv_is_the_one_that_the_parser_gave_that_number(
    tmp_path_factory: Any, rows: list[tuple[str, ...]], ends: str, blank: str, delimiter: str, bom: bool
) -> None:
    data = as_csv([("x", "y", "z"), *rows], ends, blank, delimiter, bom)
    path: Path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(data)
    parsed = {
        number: tuple(row.values())
        for batch in read_batches(path)
        for number, row in zip(batch.numbers.to_pylist(), batch.columns.to_pylist(), strict=True)
    }
    assert len(parsed) == len(rows)
    for number, values in parsed.items():
        record = cut(data, "csv", number)
        assert record is not None
        (found,) = csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter)
        assert tuple(found) == values


def test_rows_that_could_not_be_cut_count_as_they_do_in_the_parser(tmp_path: Path) -> None:
    data = b"a,b\n1,2\nbad\n\n3,4\n"
    (tmp_path / "a.csv").write_bytes(data)
    numbers = [number for batch in read_batches(tmp_path / "a.csv") for number in batch.numbers.to_pylist()]
    assert numbers == [1, 3]
    assert [cut(data, "csv", number) for number in (1, 2, 3, 4)] == [b"1,2", b"bad", b"3,4", None]


def test_blank_lines_of_json_lines_count(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbf{"a": 1}\n\n{"a": 2}'
    (tmp_path / "a.jsonl").write_bytes(data)
    numbers = [number for batch in read_batches(tmp_path / "a.jsonl") for number in batch.numbers.to_pylist()]
    assert [cut(data, "json_lines", number) for number in numbers] == [b'{"a": 1}', b'{"a": 2}']


def test_a_message_of_a_batch_is_the_line_of_its_number() -> None:
    data = as_lines([b'{"a":\n1}', b"bad", b'{"a": 2}'])
    assert cut(data, "json_lines", 3) == b'{"a": 2}'


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf [ {"a": "]\xc3\xa9"} ,\n {"a": 1},{"a": 1} ]',
        b'\n{"a": 1}\n\n{"a": 1}\n  {"a": 2}\n',
        b' {"a":\n 1}\n',
    ],
)
def test_a_record_of_a_request_is_found_where_it_stands(body: bytes) -> None:
    records = cut_records(body)
    places = [locate(held(body, "request"), number) for number in range(1, len(records) + 1)]
    assert [body[slice(*place)] for place in places if place] == records
    assert places == sorted(places, key=lambda place: place or (0, 0))
    assert len(set(places)) == len(records)
    assert locate(held(body, "request"), len(records) + 1) is None


def test_what_the_bound_cut_off_is_not_shown_as_a_record() -> None:
    data = b'{"a": 1}\n{"a": 2'
    assert locate(Held(data, "json_lines", whole=False), 1) == (0, 8)
    assert locate(Held(data, "json_lines", whole=False), 2) is None
    assert locate(held(data, "json_lines"), 2) == (9, 16)


def test_no_more_of_an_object_is_read_than_the_bound(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "bronze")
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(b"device,ts\n1,2\n")
        file.truncate(LARGEST + 10)
    sha256 = store.put_file("acme", tmp_path / "a.csv")
    found = hold(store, "acme", sha256, "file")
    assert found is not None
    assert (len(found.data), found.whole, found.format) == (LARGEST, False, "csv")
    assert hold(store, "acme", "0" * 64, "file") is None


def test_a_record_alone_says_what_its_file_said_or_it_is_told(tmp_path: Path) -> None:
    data = b'device;ts;value\n"a;b";2026-10-01T00:00:00Z;1.5\n"a;b";2026-10-01T00:01:00Z;2.5\n'
    with Extractor() as extractor:
        (tmp_path / "a.csv").write_bytes(data)
        (part,) = read_telemetry(extractor, tmp_path / "a.csv", None, "flow")
        row = part.readings.to_pylist()[1]
        kept, record = held(data, "csv"), cut(data, "csv", 2)
        assert record is not None
        assert reads_as(extractor, kept, record, row, "telemetry")
        assert not reads_as(extractor, kept, record, row | {"value": 3.0}, "telemetry")
        assert not reads_as(extractor, kept, b"nonsense", row, "telemetry")
        wide = json.dumps({"device": "a;b", "metric": "flow", "ts": "2026-10-01T00:01:00Z", "value": 2.5}).encode()
        assert reads_as(extractor, held(wide, "json_lines"), wide, row, "telemetry")
