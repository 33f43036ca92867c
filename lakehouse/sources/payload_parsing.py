"""JSON payloads to columns. What one of them holds does not change how others are read."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sources.batch import BadRow, Batch
from lakehouse.sources.field_names import is_known, spellings
from lakehouse.sources.json_lines import MOST_NAMES, SAMPLE, has_few_names, parse_each, parse_together
from lakehouse.sources.nesting import DEEPEST, is_too_deep

LARGEST: Final = 1 << 20
# Arrow makes columns as long as there are messages, of all names that any of them has: so it gets so many together.
TOGETHER: Final = 10_000
# Bytes in which so many names hardly fit.
NARROW: Final = 512
# Of so few, Arrow is asked no more which of them it does not take.
FEW: Final = 500
# Beside the fields of a reading.
ABOUT: Final = ("tenant_id", "schema")


def as_lines(payloads: Sequence[bytes]) -> bytes:
    """As a file of JSON lines. A raw newline within a payload is white space to JSON."""
    lines = b"\n".join(payloads)
    if lines.count(b"\n") != len(payloads) - 1:
        lines = b"\n".join(payload.replace(b"\n", b" ") for payload in payloads)
    return lines + b"\n"


def parse_payloads(payloads: Sequence[bytes]) -> list[Batch]:
    """Their numbers count the payloads from 1, and each is in one batch, as a row or as a bad one."""
    usual: Sequence[int] = range(1, len(payloads) + 1)
    lines = b"\n".join(payloads)
    bad = {} if _all_plain(payloads, lines) else _unfit(payloads)
    apart = _apart(payloads, lines) - bad.keys()
    if apart or bad:
        usual = [number for number in usual if number not in apart and number not in bad]
    batches = [_parse_alone(payloads, part) for part in _portions(sorted(apart))]
    batches += [batch for part in _portions(usual) for batch in _parse(payloads, part)]
    if bad:
        batches.append(Batch(pa.table({}), pa.array([], pa.int64()), tuple(bad.values())))
    return [alike for batch in batches for alike in _by_spelling(batch)]


def _apart(payloads: Sequence[bytes], lines: bytes) -> set[int]:
    """Events, and what has too many names."""
    if b'"event_type"' not in lines and max(map(len, payloads), default=0) <= NARROW:
        return set()
    return {
        number
        for number, payload in enumerate(payloads, start=1)
        if b'"event_type"' in payload or (len(payload) > NARROW and payload.count(b'":') > MOST_NAMES)
    }


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(numbers), TOGETHER):
        yield numbers[at : at + TOGETHER]


def _parse(payloads: Sequence[bytes], numbers: Sequence[int]) -> list[Batch]:
    """One that Arrow does not take costs the others nothing but the search for it."""
    chosen = [payloads[number - 1] for number in numbers]
    if has_few_names(chosen[:: len(chosen) // SAMPLE + 1]):
        table = parse_together(as_lines(chosen), len(chosen))
        if table is not None:
            return [Batch(table, pa.array(numbers, pa.int64()))]
    if len(numbers) <= FEW:
        return [_parse_alone(payloads, numbers)]
    middle = len(numbers) // 2
    return _parse(payloads, numbers[:middle]) + _parse(payloads, numbers[middle:])


def _parse_alone(payloads: Sequence[bytes], numbers: Sequence[int]) -> Batch:
    batch = parse_each(as_lines([payloads[number - 1] for number in numbers]), 0, _is_wanted)
    return Batch(
        batch.columns,
        pa.array(numbers, pa.int64()).take(batch.numbers),
        tuple(BadRow(numbers[row.number], row.reason) for row in batch.bad),
        batch.objects,
    )


def _is_wanted(name: str) -> bool:
    return name in ABOUT or is_known(name)


def _by_spelling(batch: Batch) -> Iterator[Batch]:
    """Rows that spell their fields alike: `find_columns` takes one column a field, and senders differ."""
    names = [name for names in spellings(batch.columns.column_names) if len(names) > 1 for name in names]
    if not names:
        yield batch
        return
    spelt = np.zeros(batch.columns.num_rows, dtype=np.int64)
    for bit, name in enumerate(names):
        spelt |= pc.is_valid(batch.columns[name]).to_numpy().astype(np.int64) << bit
    for key in np.unique(spelt).tolist():
        these = pa.array(spelt == key)
        others = [name for bit, name in enumerate(names) if not key >> bit & 1]
        objects = batch.objects and tuple(
            row for row, its in zip(batch.objects, spelt.tolist(), strict=True) if its == key
        )
        yield Batch(batch.columns.filter(these).drop_columns(others), batch.numbers.filter(these), (), objects)
    if batch.bad:
        yield Batch(pa.table({}), pa.array([], pa.int64()), batch.bad)


def _unfit(payloads: Sequence[bytes]) -> dict[int, BadRow]:
    """Those that no parser should see, by number."""
    found = {}
    for number, payload in enumerate(payloads, start=1):
        if reason := _fault(payload):
            found[number] = BadRow(number, reason)
    return found


def _all_plain(payloads: Sequence[bytes], lines: bytes) -> bool:
    """Each on one line that starts with a brace, and so few brackets in all that no one payload nests deep."""
    count = len(payloads)
    if lines.count(b"\n") != count - 1 or not all(payload[:1] == b"{" for payload in payloads):
        return False
    if lines.count(b"{") + lines.count(b"[") - count >= DEEPEST or max(map(len, payloads), default=0) > LARGEST:
        return False
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fault(payload: bytes) -> str | None:
    if not payload.strip():
        return "it is empty"
    if len(payload) > LARGEST:
        return f"it has {len(payload):,} bytes and at most {LARGEST:,} are read"
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        return f"it is no UTF-8 at byte {error.start}"
    return f"it nests deeper than {DEEPEST}" if is_too_deep(payload) else None
