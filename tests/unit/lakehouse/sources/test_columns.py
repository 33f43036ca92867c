from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.sources.columns import as_numbers, as_texts, as_times, cast_or_null

NOON = datetime(2026, 10, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-31T12:00:00Z",
        "2026-10-31T12:00:00z",
        "2026-10-31 12:00:00",
        "2026-10-31 12:00",
        "2026-10-31T12:00:00.000000000",
        "2026-10-31T12:00:00.0000000Z",
        "2026-10-31T14:00:00+02:00",
        "2026-10-31T14:00:00+0200",
        "2026-10-31 12:00:00 UTC",
        " 2026-10-31T12:00:00Z ",
        "1793448000",
        "1793448000.0",
        "1793448000000",
        "1793448000000000",
        "1793448000000000000",
    ],
)
def test_one_instant_is_read_however_it_is_written(text: str) -> None:
    assert as_times(pa.array([text])).to_pylist() == [NOON]


def test_a_day_is_its_first_instant() -> None:
    assert as_times(pa.array(["2026-10-31"])).to_pylist() == [datetime(2026, 10, 31, tzinfo=UTC)]


def test_parts_of_a_second_are_kept_to_the_microsecond() -> None:
    texts = pa.array(["2026-10-31T12:00:00.1234567Z", "1793448000.123456", "2026-10-31 12:00:00.5"])
    assert [time.microsecond for time in as_times(texts).to_pylist()] == [123456, 123456, 500000]


def test_what_is_no_time_is_null_and_its_neighbours_are_not() -> None:
    texts = pa.array(
        ["2026-10-31T12:00:00Z", "soon", None, "", "2026-13-01", "12:00", "31.10.2026", "2026-10-31 12:00"]
    )
    assert as_times(texts).to_pylist() == [NOON, None, None, None, None, None, None, NOON]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([NOON], pa.timestamp("us", "UTC")),
        pa.array([NOON], pa.timestamp("ns", "America/New_York")),
        pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array([1793448000123456789 // 10**9], pa.int64()),
        pa.array([1793448000.0]),
        pa.array([Decimal("1793448000")]),
    ],
)
def test_a_typed_column_needs_no_text(column: Any) -> None:
    assert as_times(column).to_pylist() == [NOON]


def test_nanoseconds_are_cut_off_not_refused() -> None:
    assert as_times(pa.array([1793448000_000000999], pa.timestamp("ns"))).to_pylist() == [NOON]


def test_dates_are_times_too() -> None:
    assert as_times(pa.array([date(2026, 10, 31)])).to_pylist() == [datetime(2026, 10, 31, tzinfo=UTC)]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e30, -1e30])
def test_a_number_beyond_all_calendars_is_no_time(number: float) -> None:
    assert as_times(pa.array([number])).to_pylist() == [None]


def test_a_time_that_python_cannot_hold_is_no_time() -> None:
    assert as_times(pa.array(["9999-12-31T23:59:59-05:00", "0000-12-31"])).to_pylist() == [None, None]


def test_numbers_are_read_from_text_and_kept_as_numbers() -> None:
    assert as_numbers(pa.array([" 1.5", "1e3", "-2", "+3", "x", "", "1,5", "0x10"])).to_pylist() == [
        *(1.5, 1000.0, -2.0, 3.0),
        *(None, None, None, None),
    ]
    assert as_numbers(pa.array([1, 2])).to_pylist() == [1.0, 2.0]
    assert as_numbers(pa.array([Decimal("1.25")])).to_pylist() == [1.25]
    assert as_numbers(pa.array([True])).to_pylist() == [None]


def test_text_is_trimmed_and_blank_is_null() -> None:
    assert as_texts(pa.array([" a ", "  ", "", None, "a\x00b", "\x00"])).to_pylist() == [
        "a",
        None,
        None,
        None,
        "ab",
        None,
    ]
    assert as_texts(pa.array([1, 2])).to_pylist() == ["1", "2"]
    assert as_texts(pa.array(["a", "a"]).dictionary_encode()).to_pylist() == ["a", "a"]
    assert as_texts(pa.array([b"a", b"\xff"])).to_pylist() == ["a", None]
    assert as_texts(pa.array([[1], None])).to_pylist() == [None, None]
    assert as_texts(pa.nulls(2)).to_pylist() == [None, None]


def test_one_bad_value_costs_only_itself() -> None:
    texts = ["1"] * 1000
    texts[0] = texts[500] = texts[999] = "x"
    numbers = cast_or_null(pa.array(texts), pa.float64()).to_pylist()
    assert [position for position, number in enumerate(numbers) if number is None] == [0, 500, 999]
