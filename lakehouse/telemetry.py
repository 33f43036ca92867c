"""Files of readings and events to bronze. A file lands once: by its bytes, and by the flags that give them meaning."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import BadRecord
from lakehouse.quarantine import Refusals
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.files import SourceFile, default_source, list_files, refuse_larger
from lakehouse.sources.readings import Origin, Sorted, cut_off, with_origin
from lakehouse.sources.tabular import SUFFIXES
from lakehouse.sources.telemetry_wire import numbers_of, read_telemetry
from lakehouse.sources.text import check_text_file
from lakehouse.summary import IngestSummary

LARGEST = 2_000_000_000
FLUSH_BYTES = 48 << 20  # a commit makes a few copies of its rows
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Stored:
    """A file whose bytes are an object. stamp: size and time by which a later change is noticed.

    redriven: a further name by which bronze remembers that all of it is there.
    """

    file: SourceFile
    origin: Origin
    stamp: tuple[int, int]
    redriven: str | None = None

    @property
    def transaction(self) -> str:
        name = f"telemetry:{self.origin.tenant_id}:{self.origin.object_sha256}"
        if not (self.origin.device or self.origin.metric):
            return name
        flags = json.dumps([self.origin.device, self.origin.metric]).encode()
        return f"{name}:{hashlib.sha256(flags).hexdigest()[:16]}"


@dataclass
class Run:
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
        if sum(rows.nbytes for parts in self.parts.values() for rows in parts.values()) < at_least:
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
    files = [file for file in found if path.is_file() or file.is_closed or file.path.suffix.lower() in SUFFIXES]
    flags = {name: value for name, value in (("device", device), ("metric", metric)) if value}
    refused = Refusals(bronze, tenant_id, "telemetry", source or default_source(path), now, flags)
    stored: dict[tuple[str, str], Stored] = {}
    for file in files:
        with refused.catching(file):
            origin = Origin(tenant_id, refused.source, "", now, named(device, file), named(metric, file))
            candidate = store(bronze, file, origin)
            stored.setdefault((candidate.transaction, file.path.suffix.lower()), candidate)
    done = bronze.landed("telemetry", {candidate.transaction for candidate in stored.values()})
    todo = [candidate for candidate in stored.values() if candidate.transaction not in done]
    run, landed = Run(bronze, refused), 0
    with Extractor() as extractor:
        for number, candidate in enumerate(todo, start=1):
            if candidate.transaction not in done:  # else the same bytes were read under the name of another type
                with refused.catching(candidate.file):
                    load_parts(run, candidate, candidate.transaction, read_parts(extractor, candidate))
                    done.add(candidate.transaction)
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


def store(bronze: Bronze, file: SourceFile, origin: Origin) -> Stored:
    stamp = _stamp(file)
    suffix = file.path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadRecord("unsupported_type", f"'{suffix}' is no type of telemetry: use {', '.join(SUFFIXES)}")
    refuse_larger(file.path, LARGEST)
    if suffix != ".parquet":
        check_text_file(file.path)
    sha256 = bronze.objects.put_file(origin.tenant_id, file.path)
    return Stored(file, replace(origin, object_sha256=sha256), stamp)


def _stamp(file: SourceFile) -> tuple[int, int]:
    found = file.path.stat()
    return found.st_size, found.st_mtime_ns


def named(flag: str | None, file: SourceFile) -> str | None:
    return flag.replace("{stem}", Path(file.name).stem) if flag else None


def load_parts(run: Run, stored: Stored, transaction: str, parts: Iterable[Sorted]) -> None:
    """A large file is written in parts; the last bears the name of the file, so that a file without it is taken up
    again where it was left."""
    waiting: Sorted | None = None
    for number, part in enumerate(parts):
        if waiting is not None:
            _add(run, stored, f"{transaction}#{number}", waiting)
        waiting = part
    if _stamp(stored.file) != stored.stamp:
        raise BadRecord("changing", "it was written to while it was read: ingest it again when its writer is done")
    if waiting is not None:
        if stored.redriven:
            run.add("telemetry", stored.redriven, TABLES["telemetry"].empty_table())
        _add(run, stored, transaction, waiting)


def read_parts(extractor: Extractor, stored: Stored) -> Iterator[Sorted]:
    """Raises BadRecord while nothing was read; later, what is left of the file becomes one refused row."""
    origin, last = stored.origin, 0
    try:
        for rows in read_telemetry(extractor, stored.file.path, origin.device, origin.metric):
            last = max(last, numbers_of(rows)[1])
            yield with_origin(rows, origin)
    except BadRecord as error:
        if not last:
            raise
        yield cut_off(last + 1, error)
    if not last:
        raise BadRecord("empty", "it has a header and no rows below")


def _add(run: Run, stored: Stored, transaction: str, part: Sorted) -> None:
    if part.refused.num_rows:
        run.add("quarantine", transaction, run.refused.rows(stored.file, stored.origin.object_sha256, part.refused))
    if part.events.num_rows:
        run.add("events", transaction, part.events)
    run.add("telemetry", transaction, part.readings)
    run.flush(at_least=FLUSH_BYTES)
