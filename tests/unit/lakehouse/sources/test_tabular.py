import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lakehouse.errors import BadRecord
from lakehouse.sources.batch import Batch
from lakehouse.sources.json_lines import LONGEST_LINE
from lakehouse.sources.tabular import read_batches


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(batches: list[Batch]) -> dict[int, dict[str, object]]:
    return {
        number: row
        for batch in batches
        for number, row in zip(batch.numbers.to_pylist(), batch.columns.to_pylist(), strict=True)
    }


def bad(batches: list[Batch]) -> dict[int, str]:
    return {row.number: row.reason for batch in batches for row in batch.bad}


def numbers_of(batch: Batch) -> list[int]:
    return [*batch.numbers.to_pylist(), *(row.number for row in batch.bad)]


def test_csv_cells_stay_the_text_that_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", '\ufeffts,"the value",note\n007,1.50,"two\nlines, one ""cell"""\n\n2,,NA\n')
    assert rows(list(read_batches(path))) == {
        1: {"ts": "007", "the value": "1.50", "note": 'two\nlines, one "cell"'},
        2: {"ts": "2", "the value": "", "note": "NA"},
    }


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(delimiter: str, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", f"ts{delimiter}value\n1{delimiter}2,5\n")
    assert rows(list(read_batches(path))) == {1: {"ts": "1", "value": "2,5"}}


def test_two_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "v,v,w\n1,2,3\n")
    assert rows(list(read_batches(path))) == {1: {"v": "1", "v.2": "2", "w": "3"}}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(widths=st.lists(st.sampled_from([1, 2, 2, 2, 3]), min_size=1, max_size=200), block=st.integers(20, 400))
def test_every_csv_row_has_its_number_whatever_the_block_size(widths: list[int], block: int, tmp_path: Path) -> None:
    lines = [",".join([str(number)] * width) for number, width in enumerate(widths, start=1)]
    path = write(tmp_path, "a.csv", "a,b\n" + "\n".join(lines) + "\n")
    batches = list(read_batches(path, block))
    good = rows(batches)
    assert {number for number, row in good.items() if row["a"] != str(number)} == set()
    assert set(good) == {number for number, width in enumerate(widths, start=1) if width == 2}
    assert set(bad(batches)) == {number for number, width in enumerate(widths, start=1) if width != 2}


def test_a_csv_row_too_long_for_a_block_is_refused_with_what_is_left(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a,b\n1,2\n3," + "x" * 5000 + "\n5,6\n")
    with pytest.raises(BadRecord, match="cannot be read as CSV") as refused:
        list(read_batches(path, block=100))
    assert refused.value.code == "bad_csv"


def test_json_lines_have_the_numbers_of_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"a": "x"}\n\n{"a": "y"}\nnot json\n[1]\n{"a": "z"}')
    batches = list(read_batches(path))
    assert rows(batches) == {1: {"a": "x"}, 3: {"a": "y"}, 6: {"a": "z"}}
    assert list(bad(batches)) == [4, 5]
    assert "not JSON" in bad(batches)[4]
    assert "no object" in bad(batches)[5]


def test_json_text_that_looks_like_a_time_stays_text(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.ndjson", '{"ts": "2026-01-01T00:00:00.25Z", "v": 1}\n{"ts": "2026-01-01 00:00:00", "v": 2.5}\n'
    )
    assert rows(list(read_batches(path))) == {
        1: {"ts": "2026-01-01T00:00:00.25Z", "v": 1.0},
        2: {"ts": "2026-01-01 00:00:00", "v": 2.5},
    }


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('{"v": 1}\n{"v": "one"}\n', ["1", "one"]),
        ('{"v": "1"}\n{"v": 2}\n', ["1", "2"]),
        ('{"v": {"x": 1}}\n{"v": true}\n', [None, "true"]),
        ('{"v": "a\\ud800b"}\n{"v": null}\n', ["a?b", None]),
    ],
)
def test_json_values_of_mixed_types_become_text(lines: str, expected: list[str | None], tmp_path: Path) -> None:
    batches = list(read_batches(write(tmp_path, "a.jsonl", lines)))
    assert [row["v"] for row in rows(batches).values()] == expected
    assert bad(batches) == {}


def test_json_that_nests_without_end_is_one_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n' + "[" * 100_000 + "\n")
    assert list(bad(list(read_batches(path)))) == [2]


def test_json_lines_are_cut_between_blocks_not_within_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", "".join(f'{{"a": {number}}}\n' for number in range(1, 500)))
    batches = list(read_batches(path, block=100))
    assert len(batches) > 10
    assert {number: row["a"] for number, row in rows(batches).items()} == {number: number for number in range(1, 500)}


def test_json_events_keep_their_objects(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"event_type": "x", "n": 1}\n{"event_type": "y", "m": [2]}\n')
    (batch,) = read_batches(path)
    assert batch.objects == ({"event_type": "x", "n": 1}, {"event_type": "y", "m": [2]})


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"v": [1.5, 2.5], "d": ["a", "b"]}), tmp_path / "a.parquet")
    assert rows(list(read_batches(tmp_path / "a.parquet"))) == {1: {"v": 1.5, "d": "a"}, 2: {"v": 2.5, "d": "b"}}


@pytest.mark.parametrize("damage", ["cut", "noise", "middle"])
def test_parquet_that_is_damaged_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"v": list(range(5000))}), path)
    data = path.read_bytes()
    broken = {"cut": data[:-9], "noise": os.urandom(500), "middle": data[:50] + os.urandom(400) + data[450:]}
    path.write_bytes(broken[damage])
    with pytest.raises(BadRecord, match="cannot be read as Parquet") as refused:
        list(read_batches(path))
    assert refused.value.code == "corrupt_parquet"


def test_parquet_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    parquet.write_table(pa.table({"d": broken}), tmp_path / "a.parquet")
    with pytest.raises(BadRecord, match="cannot be read as Parquet"):
        list(read_batches(tmp_path / "a.parquet"))


def test_rows_of_another_width_come_with_the_rows_around_them(tmp_path: Path) -> None:
    lines = [f"{number},{number}" if number % 7 else "x" for number in range(1, 400)]
    batches = list(read_batches(write(tmp_path, "a.csv", "a,b\n" + "\n".join(lines) + "\n"), block=200))
    told = [number for batch in batches for number in sorted(numbers_of(batch))]
    assert told == list(range(1, 400))


def test_before_a_cut_no_row_is_told_of_twice_or_not_at_all(tmp_path: Path) -> None:
    """What follows the last row that came is refused as one, so nothing beyond it may have come."""
    path = write(tmp_path, "a.csv", "a,b\n" + "1,1\nx\n" * 100 + "3," + "x" * 5000 + "\n5,6\n")
    came: list[int] = []

    def read() -> None:
        for batch in read_batches(path, block=100):
            came.extend(numbers_of(batch))

    with pytest.raises(BadRecord, match=r"after row 1\d\d it cannot be read") as refused:
        read()
    assert sorted(came) == list(range(1, max(came) + 1))
    assert f"after row {max(came)} " in refused.value.reason


def test_a_file_of_bad_rows_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(BadRecord) as refused:
        list(read_batches(write(tmp_path, "a.csv", "a,b\n" + "x\n" * 300_000)))
    assert refused.value.code == "too_many_bad"


def test_columns_without_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecord) as refused:
        list(read_batches(write(tmp_path, "a.csv", "c," * 20_000 + "\n")))
    assert refused.value.code == "too_many_columns"


def test_a_json_line_too_long_is_one_bad_row_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n{"a": "' + "x" * (LONGEST_LINE + (5 << 20)) + '"}\n{"a": 3}\n')
    batches = list(read_batches(path))
    assert {number: int(str(row["a"])) for number, row in rows(batches).items()} == {1: 1, 3: 3}
    assert list(bad(batches)) == [2]


@pytest.mark.parametrize("line", ["null", " null", "null\n1", "null\nnull"])
def test_json_that_ends_the_process_of_arrow_is_not_given_to_it(line: str, tmp_path: Path) -> None:
    batches = list(read_batches(write(tmp_path, "a.jsonl", f'{line}\n{{"a": 1}}\n')))
    assert set(bad(batches)) == set(range(1, line.count("\n") + 2))
    assert [row["a"] for row in rows(batches).values()] == ["1"]


def test_lines_of_many_different_names_do_not_become_as_many_columns(tmp_path: Path) -> None:
    lines = "".join(f'{{"ts": {number}, "n{number}": 1}}\n' for number in range(5_000))
    (batch,) = read_batches(write(tmp_path, "a.jsonl", lines))
    assert (batch.columns.column_names, batch.columns.num_rows) == (["ts"], 5_000)


def test_a_name_that_no_table_can_have_is_none(tmp_path: Path) -> None:
    (batch,) = read_batches(write(tmp_path, "a.jsonl", '{"\\ud800": 1, "v": 2}\n{"v": 3, "event_type": "x"}\n'))
    assert batch.columns.column_names == ["v", "event_type"]


def test_lines_without_a_name_are_rows(tmp_path: Path) -> None:
    (batch,) = read_batches(write(tmp_path, "a.jsonl", "{}\n{}\n"))
    assert (batch.columns.num_rows, batch.numbers.to_pylist()) == (2, [1, 2])
