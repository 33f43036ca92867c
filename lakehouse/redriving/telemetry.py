"""Refused telemetry, read again: whole files, single rows of a file, what was left of a file, single records."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import Commit, Snapshot, equals
from lakehouse.errors import BadRecord
from lakehouse.quarantine import Refusal, Refusals, Row
from lakehouse.redriving.attempt import Attempt, Outcome, fetch_file, pieces, unchanged
from lakehouse.sources.files import SourceFile
from lakehouse.sources.payloads import cut_records, sort_payloads
from lakehouse.sources.readings import Origin, Sorted
from lakehouse.sources.rows import ROW_CODES
from lakehouse.telemetry import Run, Stored, load_parts, named, read_parts, store

ROWS_A_COMMIT: Final = 5_000
Outcomes = dict[str, Outcome]


def try_telemetry(attempt: Attempt, refused: Sequence[Row]) -> Outcomes:
    """Refusals of one file of one source under the same flags, or one record that has its own bytes."""
    first = refused[0]
    if first["raw_holds"] == "record":
        return {row["id"]: _try_record(attempt, row) for row in refused}
    if first["record"] is None and not PurePosixPath(first["path"]).suffix:
        return {row["id"]: _try_body(attempt, row) for row in refused}
    if first["code"] == "changing":
        return {row["id"]: unchanged(row) for row in refused}
    try:
        with TemporaryDirectory() as folder:
            file = fetch_file(attempt.bronze, attempt.tenant_id, first["raw_sha256"], first["path"], folder)
            return _try_parts(attempt, store(attempt.bronze, file, _origin(attempt, first, file)), refused)
    except BadRecord as still:
        return {row["id"]: still if row["record"] is None else unchanged(row) for row in refused}


def _try_parts(attempt: Attempt, stored: Stored, refused: Sequence[Row]) -> Outcomes:
    found: Outcomes = {}
    for row in refused:
        if row["record"] is None:
            found[row["id"]] = _try_file(attempt, stored, row)
        elif row["code"] not in ROW_CODES:
            found[row["id"]] = _try_rest(attempt, stored, row)
    rows = [row for row in refused if row["id"] not in found]
    return found | (_try_rows(attempt, stored, rows) if rows else {})


def _origin(attempt: Attempt, refused: Row, file: SourceFile) -> Origin:
    said = attempt.flags(refused)
    flags = {name: named(said.get(name), file) for name in ("device", "metric")}
    return Origin(attempt.tenant_id, refused["source"], refused["raw_sha256"] or "", attempt.now, **flags)


def _try_file(attempt: Attempt, stored: Stored, refused: Row) -> Outcome:
    stored = replace(stored, redriven=attempt.landed_as(refused))
    return _load(attempt, stored, refused, stored.transaction, read_parts(attempt.extractor, stored))


def _try_rest(attempt: Attempt, stored: Stored, refused: Row) -> Outcome:
    """All of it or nothing: it is read to its end before any of it lands."""
    position = attempt.landed_as(refused)
    for part in _from(read_parts(attempt.extractor, stored), refused["record"]):
        for bad in part.refused.to_pylist():
            if bad["code"] not in ROW_CODES:
                return BadRecord(bad["code"], bad["reason"])
    return _load(attempt, stored, refused, position, _from(read_parts(attempt.extractor, stored), refused["record"]))


def _load(attempt: Attempt, stored: Stored, refused: Row, name: str, parts: Iterator[Sorted]) -> Outcome:
    """name: as ingest names the file's rows, where it would land all of them: so neither doubles the other's."""
    if attempt.bronze.landed("telemetry", [name, attempt.landed_as(refused)]):
        return "redriven"
    flags = {key: value for key, value in attempt.flags(refused).items() if key in ("device", "metric")}
    refusals = Refusals(attempt.bronze, attempt.tenant_id, "telemetry", refused["source"], attempt.now, flags)
    run = Run(attempt.bronze, refusals)
    load_parts(run, stored, name, parts)
    run.flush()
    return "redriven"


def _from(parts: Iterator[Sorted], record: int) -> Iterator[Sorted]:
    for part in parts:
        yield Sorted(
            part.readings.filter(pc.field("row_number") >= record),
            part.events.filter(pc.field("row_number") >= record),
            part.refused.filter(pc.field("record") >= record),
        )


def _try_rows(attempt: Attempt, stored: Stored, refused: Sequence[Row]) -> Outcomes:
    wanted = {row["record"]: row for row in refused}
    # What is not met at all, because the file is cut off before it by now, stays as it is.
    found: Outcomes = {row["id"]: unchanged(row) for row in refused}
    numbers = pa.array(sorted(wanted), pa.int64())
    for part in read_parts(attempt.extractor, stored):
        for row in part.refused.filter(pc.is_in(part.refused["record"], numbers)).to_pylist():
            found[wanted[row["record"]]["id"]] = BadRecord(row["code"], row["reason"])
        for table, rows in (("events", part.events), ("telemetry", part.readings)):
            good = rows.filter(pc.is_in(rows["row_number"], numbers))
            for start in range(0, good.num_rows, ROWS_A_COMMIT):
                found |= _land(attempt, table, good.slice(start, ROWS_A_COMMIT), wanted)
    return found


def _try_body(attempt: Attempt, refused: Row) -> Outcome:
    """Of a request that was refused whole. Its records land together; those that are bad are refused one by one."""
    try:
        payloads = cut_records(b"".join(pieces(attempt.bronze, attempt.tenant_id, refused["raw_sha256"])))
    except BadRecord as still:
        return still
    part = sort_payloads(payloads, _origin(attempt, refused, _request(refused)))
    refusals = Refusals(attempt.bronze, attempt.tenant_id, "telemetry", refused["source"], attempt.now)
    for bad in part.refused.to_pylist():
        raw = payloads[bad["record"] - 1]
        stored = attempt.bronze.objects.put(attempt.tenant_id, raw)
        refusals.add(
            Refusal(refused["source"], refused["path"], bad["code"], bad["reason"], stored, len(raw), bad["record"])
        )
    refusals.record()
    by_number = dict.fromkeys(range(1, len(payloads) + 1), refused)
    for table, rows in (("events", part.events), ("telemetry", part.readings)):
        _land(attempt, table, rows, by_number)
    return "redriven"


def _try_record(attempt: Attempt, refused: Row) -> Outcome:
    try:
        data = b"".join(pieces(attempt.bronze, attempt.tenant_id, refused["raw_sha256"]))
    except BadRecord as still:
        return still
    part = sort_payloads([data], _origin(attempt, refused, _request(refused)))
    for bad in part.refused.to_pylist():
        return BadRecord(bad["code"], bad["reason"])
    number = 1 if refused["record"] is None else refused["record"]
    for table, rows in (("events", part.events), ("telemetry", part.readings)):
        if rows.num_rows:
            _land(attempt, table, _numbered(rows, number), {number: refused})
    return "redriven"


def _request(refused: Row) -> SourceFile:
    return SourceFile(Path(refused["path"]), refused["path"])


def _numbered(rows: pa.Table, number: int) -> pa.Table:
    at = rows.column_names.index("row_number")
    return rows.set_column(at, "row_number", pa.array([number] * rows.num_rows, pa.int64()))


def _land(attempt: Attempt, table: str, rows: pa.Table, refused: dict[int, Row]) -> Outcomes:
    """One look at the table tells which of the rows it has. Asking for thousands of positions takes seconds."""
    if not rows.num_rows:
        return {}
    numbers = rows["row_number"].to_pylist()
    sha256 = rows["object_sha256"][0].as_py()
    same_file = equals("tenant_id", attempt.tenant_id) & equals("object_sha256", sha256)
    same_file &= equals("source", rows["source"][0].as_py()) & pc.field("row_number").isin(numbers)

    def decide(snapshot: Snapshot) -> Commit | None:
        missing = rows.filter(pc.invert(pc.is_in(rows["row_number"], snapshot.read(same_file)["row_number"])))
        if not missing.num_rows:
            return None
        names = [attempt.landed_as(refused[number]) for number in missing["row_number"].to_pylist()]
        return Commit(missing, dict.fromkeys(names, snapshot.version + 1))

    attempt.bronze.commit(table, decide)
    return {refused[number]["id"]: "redriven" for number in numbers}
