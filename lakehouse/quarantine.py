"""What was refused on its way into bronze: the raw bytes as an object, and a row that says why.

`raw_sha256` names the refused file. For a single record (`record` is its row number, counted from 1) it names the
record's own bytes where the source cuts lines (chats), else the file that holds the row (telemetry).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.bronze import TABLES, Bronze, equals
from lakehouse.errors import BadRecord
from lakehouse.sources.files import SourceFile

SHOWN = 20


@dataclass(frozen=True)
class Refusal:
    """One file or record that was refused; its bytes are stored already."""

    source: str
    path: str
    code: str
    reason: str
    raw_sha256: str | None
    raw_size: int
    record: int | None = None

    def describe(self) -> str:
        where = self.path if self.record is None else f"{self.path}, row {self.record}"
        return f"{where}: {self.reason}"


@dataclass
class Refusals:
    """What one ingest refuses. `record` writes the table; what it holds for the same bytes and cause is not doubled."""

    bronze: Bronze
    tenant_id: str
    stage: str
    source: str
    now: datetime
    files: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    _shown: list[Refusal] = field(default_factory=list)
    _unrecorded: list[Refusal] = field(default_factory=list)

    @contextmanager
    def catching(self, file: SourceFile) -> Iterator[None]:
        """Where the block raises BadRecord, the whole file is refused and its bytes are kept.

        So is a file that cannot be read, or was removed meanwhile; of that there are no bytes to keep.
        """
        try:
            try:
                yield
            except BadRecord as refused:
                sha256 = self.bronze.objects.put_file(self.tenant_id, file.path)
                self._refuse_file(file, refused, sha256, file.path.stat().st_size)
        except OSError as error:
            if error.filename is None or Path(error.filename) != file.path:
                raise
            unreadable = BadRecord("unreadable", f"it cannot be read ({error.strerror}): check its permissions")
            self._refuse_file(file, unreadable, None, 0)

    def add(self, refusal: Refusal) -> None:
        self._unrecorded.append(refusal)
        self._count({refusal.code: 1}, [refusal])

    def rows(self, file: SourceFile, sha256: str, rows: pa.Table) -> pa.Table:
        """Refused rows of a file (columns record, code, reason) as rows of the table, for the caller to write."""
        size = file.path.stat().st_size
        codes = {pair["values"]: pair["counts"] for pair in rows["code"].value_counts().to_pylist()}
        shown = rows.slice(0, SHOWN).to_pylist()
        self._count(codes, [Refusal(self.source, file.name, raw_sha256=sha256, raw_size=size, **row) for row in shown])
        schema = TABLES["quarantine"]
        same = self._constant() | {"source": self.source, "path": file.name, "raw_sha256": sha256, "raw_size": size}
        columns = {
            name: pa.repeat(pa.scalar(value, schema.field(name).type), len(rows)) for name, value in same.items()
        }
        columns |= {name: rows[name] for name in rows.column_names}
        return pa.table(columns).select(schema.names).cast(schema)

    def record(self) -> None:
        rows = {
            self._transaction(refusal): pa.Table.from_pylist([self._constant() | asdict(refusal)], TABLES["quarantine"])
            for refusal in self._unrecorded
        }
        if rows:
            self.bronze.append_missing("quarantine", rows)
        self._unrecorded.clear()

    @property
    def reasons(self) -> dict[str, int]:
        return dict(sorted(self.counts.items()))

    @property
    def shown(self) -> tuple[Refusal, ...]:
        return tuple(self._shown)

    def _refuse_file(self, file: SourceFile, refused: BadRecord, sha256: str | None, size: int) -> None:
        self.files += 1
        self.add(Refusal(self.source, file.name, refused.code, refused.reason, sha256, size))

    def _count(self, codes: Mapping[str, int], refusals: Sequence[Refusal]) -> None:
        self.counts.update(codes)
        self._shown.extend(refusals[: SHOWN - len(self._shown)])

    def _constant(self) -> dict[str, Any]:
        return {"tenant_id": self.tenant_id, "stage": self.stage, "recorded_at": self.now}

    def _transaction(self, refusal: Refusal) -> str:
        parts = [self.stage, refusal.source, refusal.path, refusal.raw_sha256, refusal.code, refusal.record]
        return f"quarantine:{self.tenant_id}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def list_refused(
    bronze: Bronze, tenant_id: str, code: str | None = None, source: str | None = None
) -> list[dict[str, Any]]:
    """The rows of the table, oldest first, and by source, path and record within one ingest."""
    table, _ = bronze.changes("quarantine", predicate=equals("tenant_id", tenant_id))
    rows = table.sort_by([(name, "ascending") for name in ("recorded_at", "source", "path", "record")])
    return [
        row
        for row in rows.drop_columns(["bronze_version"]).to_pylist()
        if code in (None, row["code"]) and source in (None, row["source"])
    ]
