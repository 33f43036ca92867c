"""Columns of any type to text, numbers and instants, a whole column at a time. What cannot be one is null."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

TIME: Final = pa.timestamp(
    "us", tz="UTC"
)  # as bronze has it; to import bronze would cost the worker 1.3 GB of mappings
CLOCK: Final = r"\d{2}:\d{2}"
ZONED: Final = r"(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
EPOCH: Final = r"^-?\d{9,19}(?:\.\d+)?$"
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds of the years 1 to 9999


def as_texts(column: Any) -> Any:
    """Trimmed; null where it is blank. Without NUL, which Postgres cannot hold."""
    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    text = column if pa.types.is_string(column.type) else cast_or_null(column, pa.string())
    text = pc.utf8_trim_whitespace(text)
    if pc.any(pc.match_substring(text, "\x00")).as_py():
        text = pc.replace_substring(text, "\x00", "")
    return pc.if_else(pc.equal(text, ""), None, text)


def as_numbers(column: Any) -> Any:
    """NaN and infinities stay, for the caller to refuse."""
    sort = column.type
    if pa.types.is_integer(sort) or pa.types.is_floating(sort) or pa.types.is_decimal(sort):
        return pc.cast(column, pa.float64(), safe=False)
    return cast_or_null(as_texts(column), pa.float64())


def as_times(column: Any) -> Any:
    """UTC where no zone is named. Numbers count seconds, milli-, micro- or nanoseconds, by their size."""
    sort = column.type
    if pa.types.is_timestamp(sort):
        microseconds = pa.timestamp("us", tz=sort.tz)
        # Nanoseconds are cut off; a coarser unit is checked, as it could overflow.
        times = pc.cast(column, microseconds, safe=False) if sort.unit == "ns" else cast_or_null(column, microseconds)
        times = times.cast(TIME) if sort.tz else pc.assume_timezone(times, "UTC")
    elif pa.types.is_date(sort):
        times = pc.assume_timezone(cast_or_null(column, pa.timestamp("us")), "UTC")
    elif pa.types.is_integer(sort) or pa.types.is_floating(sort):
        times = _from_epoch(pc.cast(column, pa.float64(), safe=False))
    else:
        times = _from_text(as_texts(column))
    instant = times.cast(pa.int64())
    return pc.if_else(pc.and_(pc.greater_equal(instant, EARLIEST), pc.less_equal(instant, LATEST)), times, None)


def _from_text(text: Any) -> Any:
    number = pc.match_substring_regex(text, EPOCH)
    text = pc.replace_substring_regex(text, r" ?(?:UTC|GMT|z)$", "Z")
    zoned = pc.and_(pc.match_substring_regex(text, CLOCK), pc.match_substring_regex(text, ZONED))
    if pc.any(pc.match_substring_regex(text, r"\.\d{7,}")).as_py():
        text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")  # Arrow refuses what microseconds cannot hold
    plain = pc.invert(pc.or_(number, zoned))
    return pc.coalesce(
        cast_or_null(pc.if_else(zoned, text, None), TIME),
        pc.assume_timezone(cast_or_null(pc.if_else(plain, text, None), pa.timestamp("us")), "UTC"),
        _from_epoch(cast_or_null(pc.if_else(number, text, None), pa.float64())),
    )


def _from_epoch(number: Any) -> Any:
    """Seconds up to the year 5138, beyond it milliseconds, microseconds, nanoseconds; null beyond all of them."""
    size = pc.abs(number)
    scale = pc.case_when(
        pc.make_struct(pc.less(size, 1e11), pc.less(size, 1e14), pc.less(size, 1e17), pc.less(size, 1e20)),
        *(pa.scalar(microseconds) for microseconds in (1e6, 1e3, 1.0, 1e-3)),
    )
    return pc.cast(pc.round(pc.multiply(number, scale)), pa.int64(), safe=False).cast(TIME)


def cast_or_null(column: Any, sort: pa.DataType) -> Any:
    """A column in which every value can be cast is cast at once; one with others is halved around them."""
    try:
        return pc.cast(column, sort)
    except pa.ArrowNotImplementedError:
        return pa.nulls(len(column), sort)
    except pa.ArrowInvalid:
        if len(column) == 1:
            return pa.nulls(1, sort)
        middle = len(column) // 2
        return pa.concat_arrays([cast_or_null(part, sort) for part in (column[:middle], column[middle:])])
