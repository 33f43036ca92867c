"""Records that arrive by themselves, one JSON object each, from a stream or in a request: to readings and events.

They take the way of a JSON-lines file whose lines they are, so a record means the same however it came.
"""

import json
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES
from lakehouse.errors import BadRecord
from lakehouse.sources.batch import Batch
from lakehouse.sources.columns import as_texts
from lakehouse.sources.field_names import find_columns
from lakehouse.sources.payload_parsing import as_lines as as_lines
from lakehouse.sources.payload_parsing import parse_payloads
from lakehouse.sources.readings import Origin, Sorted, sort_rows
from lakehouse.sources.rows import REFUSED

SCHEMA: Final = "1"
# Of a body of 8 MB; each record that is refused becomes an object of its own.
MOST_RECORDS: Final = 100_000
SPACE: Final = " \t\r\n"


def cut_records(body: bytes) -> list[bytes]:
    """The records of a request's body: the elements of a JSON array as they stand there, else its lines.

    Raises BadRecord where it is neither.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord("not_utf8", f"the body is no UTF-8 at byte {error.start}: send JSON text in UTF-8") from error
    if not text.strip():
        raise BadRecord("empty", "the body is empty: send a JSON array of records, or one record a line")
    if text.lstrip().startswith("["):
        return _elements(text)
    if _is_one_object(text):
        return [text.strip().encode()]
    return _few([line.encode() for line in text.split("\n") if line.strip()])


def _few(records: list[bytes]) -> list[bytes]:
    if len(records) > MOST_RECORDS:
        raise BadRecord("too_many_records", f"the body holds more than {MOST_RECORDS:,} records: send fewer at once")
    return records


def _is_one_object(text: str) -> bool:
    """Written over several lines."""
    start = _skip(text, 0)
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return False
    return _skip(text, end) == len(text)


def _elements(text: str) -> list[bytes]:
    decoder, elements = json.JSONDecoder(), []
    at = _skip(text, _skip(text, 0) + 1)
    try:
        while text[at] != "]":
            _, end = decoder.raw_decode(text, at)
            elements.append(text[at:end].encode("utf-8", "replace"))
            _few(elements)
            at = _skip(text, end)
            if text[at] == ",":
                at = _skip(text, at + 1)
                if text[at] == "]":
                    raise ValueError(f"an element expected at character {at}")
            elif text[at] != "]":
                raise ValueError(f"',' or ']' expected at character {at}")
        if _skip(text, at + 1) < len(text):
            raise ValueError(f"more follows after the array, at character {at + 1}")
    except (ValueError, IndexError, RecursionError) as error:
        reason = "it ends too early" if isinstance(error, IndexError) else error
        raise BadRecord("bad_json", f"the body is no JSON array ({reason}): none of it was taken") from error
    return elements


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def sort_payloads(payloads: Sequence[bytes], origin: Origin) -> Sorted:
    """`row_number` and `record` count the payloads from 1. Each is in exactly one of the three tables."""
    parts = [_sort(batch, origin) for batch in parse_payloads(payloads)]
    if len(parts) == 1:
        return parts[0]
    return Sorted(
        readings=pa.concat_tables([TABLES["telemetry"].empty_table(), *(part.readings for part in parts)]),
        events=pa.concat_tables([TABLES["events"].empty_table(), *(part.events for part in parts)]),
        refused=pa.concat_tables([REFUSED.empty_table(), *(part.refused for part in parts)]),
    )


def _sort(batch: Batch, origin: Origin) -> Sorted:
    columns = find_columns(batch.columns.column_names)
    return _of_this_stream(sort_rows(batch, columns, origin), batch, origin)


def _of_this_stream(rows: Sorted, batch: Batch, origin: Origin) -> Sorted:
    """Refuses what claims to be of another tenant, or of a schema that is not known here."""
    columns, refusals = batch.columns, []
    for name, allowed, code, reason in (
        ("tenant_id", origin.tenant_id, "other_tenant", "it names another tenant than the one it was sent to"),
        ("schema", SCHEMA, "unknown_schema", f"its schema is none that is known here: use {SCHEMA}"),
    ):
        if name not in columns.column_names:
            continue
        value = as_texts(columns[name].combine_chunks())
        wrong = batch.numbers.filter(pc.fill_null(pc.not_equal(value, allowed), False))
        if len(wrong):
            refusals.append((wrong, code, reason))
    for numbers, code, reason in refusals:
        rows = _refuse(rows, numbers, code, reason)
    return rows


def _refuse(rows: Sorted, numbers: pa.Array, code: str, reason: str) -> Sorted:
    known = rows.refused["record"]
    new = numbers.filter(pc.invert(pc.is_in(numbers, known.combine_chunks())))
    added = pa.table(
        {
            "record": new,
            "code": pa.repeat(code, len(new)),
            "reason": pa.repeat(reason, len(new)),
        }
    )
    return Sorted(
        readings=_without(rows.readings, numbers),
        events=_without(rows.events, numbers),
        refused=pa.concat_tables([rows.refused, added]),
    )


def _without(rows: pa.Table, numbers: pa.Array) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["row_number"], numbers))) if rows.num_rows else rows
