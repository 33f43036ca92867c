"""Files of readings and events to bronze. A file lands once: by its bytes, and by the flags that give them meaning."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from lakehouse.bronze import Bronze
from lakehouse.errors import BadRecord
from lakehouse.quarantine import Refusals
from lakehouse.sources.files import SourceFile, default_source, list_files, refuse_larger
from lakehouse.sources.readings import Origin, Sorted, cut_off, find_columns, require_columns, sort_rows
from lakehouse.sources.tabular import SUFFIXES, read_batches
from lakehouse.sources.text import check_text_file
from lakehouse.summary import IngestSummary

LARGEST = 2_000_000_000
FLUSH_ROWS = 500_000
Progress = Callable[[int, int], None]


@dataclass
class _Run:
    """Rows on their way to bronze, by table and transaction; written when many, so that files share commits.

    The readings of a part are written last: their transaction says that all of the part is there.
    """

    bronze: Bronze
    refused: Refusals
    parts: dict[str, dict[str, pa.Table]] = field(
        default_factory=lambda: {"quarantine": {}, "events": {}, "telemetry": {}}
    )
    rows: int = 0

    def add(self, table: str, transaction: str, rows: pa.Table) -> None:
        self.parts[table][transaction] = rows

    def flush(self, at_least: int = 0) -> None:
        if sum(rows.num_rows for parts in self.parts.values() for rows in parts.values()) < at_least:
            return
        for table, parts in self.parts.items():
            done = self.bronze.append_missing(table, parts) if parts else set()
            self.rows += 0 if table == "quarantine" else sum(parts[name].num_rows for name in done)
            parts.clear()


def ingest_telemetry(
    bronze: Bronze,
    tenant_id: str,
    path: Path,
    *,
    now: datetime,
    source: str | None = None,
    device: str | None = None,
    metric: str | None = None,
    progress: Progress | None = None,
) -> IngestSummary:
    """Land the readings and events of every file at `path`; rows that cannot be read go to quarantine one by one.

    device, metric: for files without such a column; `{stem}` in them stands for the file's name without extension.
    """
    found = list_files(path)
    files = [file for file in found if path.is_file() or file.path.suffix.lower() in SUFFIXES]
    refused = Refusals(bronze, tenant_id, "telemetry", source or default_source(path), now)
    checked: dict[str, tuple[SourceFile, Origin]] = {}
    for file in files:
        with refused.catching(file):
            _check(file)
            sha256 = bronze.objects.put_file(tenant_id, file.path)
            origin = Origin(tenant_id, refused.source, sha256, now, _named(device, file), _named(metric, file))
            checked.setdefault(_transaction(origin), (file, origin))
    todo = checked.keys() - bronze.landed("telemetry", checked)
    run, landed = _Run(bronze, refused), 0
    for number, transaction in enumerate((name for name in checked if name in todo), start=1):
        file, origin = checked[transaction]
        with refused.catching(file):
            _load(run, file, origin, transaction)
            landed += 1
        if progress:
            progress(number, len(todo))
    run.flush()
    refused.record()
    return IngestSummary(
        stage="telemetry",
        read=len(files),
        landed=landed,
        unchanged=len(files) - landed - refused.files,
        ignored=len(found) - len(files),
        rows=run.rows,
        reasons=refused.reasons,
        refused=refused.shown,
    )


def _check(file: SourceFile) -> None:
    suffix = file.path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadRecord("unsupported_type", f"'{suffix}' is no type of telemetry: use {', '.join(SUFFIXES)}")
    refuse_larger(file.path, LARGEST)
    if suffix != ".parquet":
        check_text_file(file.path)


def _named(flag: str | None, file: SourceFile) -> str | None:
    return flag.replace("{stem}", Path(file.name).stem) if flag else None


def _transaction(origin: Origin) -> str:
    name = f"telemetry:{origin.tenant_id}:{origin.object_sha256}"
    if not (origin.device or origin.metric):
        return name
    flags = json.dumps([origin.device, origin.metric]).encode()
    return f"{name}:{hashlib.sha256(flags).hexdigest()[:16]}"


def _load(run: _Run, file: SourceFile, origin: Origin, transaction: str) -> None:
    """A large file is written in parts; the last bears the name of the file, so that a file without it is taken up
    again where it was left."""
    waiting: Sorted | None = None
    for number, part in enumerate(_read(file, origin)):
        if waiting is not None:
            _add(run, file, origin, f"{transaction}#{number}", waiting)
        waiting = part
    if waiting is not None:
        _add(run, file, origin, transaction, waiting)


def _read(file: SourceFile, origin: Origin) -> Iterator[Sorted]:
    """Raises BadRecord while nothing was read; later, what is left of the file becomes one refused row."""
    columns: dict[str, str] = {}
    names: list[str] = []
    done, before = 0, file.path.stat()
    try:
        for batch in read_batches(file.path):
            if batch.columns.num_rows and batch.columns.column_names != names:
                first, names = not names, batch.columns.column_names
                columns = find_columns(names)
                if first:
                    require_columns(names, columns, origin)
            part = sort_rows(batch, columns if batch.columns.num_rows else {}, origin)
            done += part.rows
            yield part
    except BadRecord as error:
        if not done:
            raise
        yield cut_off(done + 1, error)
    if not done:
        raise BadRecord("empty", "it has a header and no rows below")
    after = file.path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise BadRecord("changing", "it was written to while it was read: ingest it again when its writer is done")


def _add(run: _Run, file: SourceFile, origin: Origin, transaction: str, part: Sorted) -> None:
    if part.refused.num_rows:
        run.add("quarantine", transaction, run.refused.rows(file, origin.object_sha256, part.refused))
    if part.events.num_rows:
        run.add("events", transaction, part.events)
    run.add("telemetry", transaction, part.readings)
    run.flush(at_least=FLUSH_ROWS)
