"""JSON lines as batches of raw columns: many at once where they are alike, else line by line."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from lakehouse.sources.batch import MOST_BAD, BadRow, Batch, too_many_bad
from lakehouse.sources.field_names import is_known
from lakehouse.sources.nesting import DEEPEST, is_too_deep

JSON_BLOCK = 4 << 20  # JSON that is all brackets makes 25 times as much memory of objects
LONGEST_LINE = 8 << 20
# Arrow makes a column of every name that any of the lines has, and each column as long as there are lines. So none are
# parsed together of which a sample has more different ones.
MOST_NAMES = 64
SAMPLE = 200
# Arrow 26 ends the process (SIGSEGV) over a first line of `null`.
NO_OBJECT = re.compile(rb"^\s*+[^{\s]", re.MULTILINE)
NAME = re.compile(rb'"([^"\\]{0,200})"[ \t\r\n]*:')


def read_json_lines(path: Path, block: int = JSON_BLOCK) -> Iterator[Batch]:
    done = 0
    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        while True:
            lines, cut = _whole_lines(file, block)
            if not lines and not cut:
                return
            count = lines.count(b"\n") + (lines[-1:] not in (b"\n", b""))
            if lines:
                yield parse_lines(lines, done + 1, count)
            done += count + cut
            if cut:
                reason = f"the line is longer than {LONGEST_LINE:,} bytes"
                yield Batch(pa.table({}), pa.array([], pa.int64()), (BadRow(done, reason),))


def _whole_lines(file: IO[bytes], block: int) -> tuple[bytes, bool]:
    """And whether a line follows them that is too long. Of that one nothing is kept."""
    data = file.read(block)
    if not data or data.endswith(b"\n"):
        return data, False
    rest = file.readline(LONGEST_LINE)
    if rest.endswith(b"\n") or len(rest) < LONGEST_LINE:
        return data + rest, False
    while (rest := file.readline(1 << 20)) and not rest.endswith(b"\n"):
        pass
    return data[: data.rfind(b"\n") + 1], True


def parse_lines(lines: bytes, start: int, count: int) -> Batch:
    """Arrow's parser where it takes the whole block; line by line where it does not, and for events, whose attributes
    it would fill up with the keys of other events."""
    if b'"event_type"' not in lines and _are_harmless(lines, count):
        table = parse_together(lines, count)
        if table is not None:
            return Batch(table, pa.array(np.arange(start, start + count)))
    return parse_each(lines, start)  # the slow way says which line it is


def _are_harmless(lines: bytes, count: int) -> bool:
    each = lines.split(b"\n")
    if not has_few_names(each[:: len(each) // SAMPLE + 1]):
        return False
    has_few_brackets = lines.count(b"[") + lines.count(b"{") - count < DEEPEST
    return has_few_brackets or not any(is_too_deep(line) for line in each)


def has_few_names(lines: Sequence[bytes]) -> bool:
    return len(set(NAME.findall(b"\n".join(lines)))) <= MOST_NAMES


def parse_together(lines: bytes, count: int) -> pa.Table | None:
    """None where Arrow does not find `count` objects with columns of one type each, or finds no columns."""
    begin_plainly = lines[:1] == b"{" and lines.count(b"\n{") == count - 1
    if not begin_plainly and NO_OBJECT.search(lines):
        return None
    try:
        table = _parse_block(lines)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, RecursionError):
        return None
    return table if table.num_rows == count and table.column_names else None


def _parse_block(lines: bytes) -> pa.Table:
    """Text stays text: Arrow would take what looks like a time for one, and lose fractions and zones."""
    first = json.loads(lines[: lines.index(b"\n")] if b"\n" in lines else lines)
    texts = [key for key, value in first.items() if isinstance(value, str)] if isinstance(first, dict) else []
    options = arrow_json.ParseOptions(explicit_schema=pa.schema([(key, pa.string()) for key in texts]))
    return arrow_json.read_json(
        pa.BufferReader(lines), arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1), options
    )


def parse_each(lines: bytes, start: int, wanted: Callable[[str], bool] | None = None) -> Batch:
    """wanted: which names become columns, the first of all that there are where it is None; `objects` have all."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    for number, line in enumerate(lines.split(b"\n"), start):
        if not line.strip():
            continue
        try:
            rows.append(_object(line))
            numbers.append(number)
        except ValueError as error:
            bad.append(BadRow(number, str(error)))
            if len(bad) > MOST_BAD:
                raise too_many_bad(len(bad)) from error
    names = _names(rows, wanted)
    columns = {name: pa.array([_as_value(row.get(name)) for row in rows], pa.string()) for name in names}
    if not columns:  # a table without columns has no rows, and these would be gone
        columns = {"schema": pa.nulls(len(rows), pa.string())}
    return Batch(pa.table(columns), pa.array(numbers, pa.int64()), tuple(bad), tuple(rows))


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"the line is longer than {LONGEST_LINE:,} bytes")
    if is_too_deep(line):
        raise ValueError(f"it nests deeper than {DEEPEST}")
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({first_line(error)})") from error
    if not isinstance(row, dict):
        raise ValueError("it is JSON, but no object")
    return row


def _names(rows: Sequence[dict[str, Any]], wanted: Callable[[str], bool] | None) -> list[str]:
    """Names that no table can have, lone surrogates, are none."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if as_text(name) == name]
    if wanted is not None:
        return [name for name in names if wanted(name)]
    return names if len(names) <= MOST_NAMES else [name for name in names if is_known(name)] or names[:MOST_NAMES]


def _as_value(value: Any) -> str | None:
    """An object or a list is no value of a column, as it is none where Arrow parses the whole block."""
    return None if isinstance(value, dict | list) else as_text(value)


def as_text(value: Any) -> str | None:
    """A JSON value in a column of text: text as it is, all else as JSON. Lone surrogates become question marks."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


def first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
