"""What was refused on its way into bronze: the raw bytes as an object, and a row that says why.

`raw_sha256` names the refused file. For a single record (`record` is its row number, counted from 1) `raw_holds` says
whether it names the `record`'s own bytes or those of the `file` around it. The table only grows: a row with `refusal`
says what became of the refusal of that id.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.bronze import TABLES, Bronze, Commit, Snapshot, equals
from lakehouse.errors import BadRecord, NotFound
from lakehouse.sources.files import SourceFile
from lakehouse.sources.tabular import SUFFIXES

SHOWN = 20
ID_LENGTH = 16
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """One file or record that was refused; its bytes are stored already.

    flags: what the command, or the origin, said of it that its bytes do not; a second try needs them.
    """

    source: str
    path: str
    code: str
    reason: str
    raw_sha256: str | None
    raw_size: int
    record: int | None = None
    flags: Mapping[str, Any] | None = None

    def describe(self) -> str:
        where = self.path if self.record is None else f"{self.path}, row {self.record}"
        return f"{where}: {self.reason}"


@dataclass
class Refusals:
    """What one ingest refuses. `record` writes the table; what it holds for the same bytes and cause is not doubled.

    flags: of every refusal that has none of its own.
    """

    bronze: Bronze
    tenant_id: str
    stage: str
    source: str
    now: datetime
    flags: Mapping[str, Any] | None = None
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
        """Of a single record the bytes are its own."""
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
        same |= {"raw_holds": "file", "flags": _flags_text(self.flags), "refusal": None, "resolution": None}
        columns = {
            name: pa.repeat(pa.scalar(value, schema.field(name).type), len(rows)) for name, value in same.items()
        }
        columns |= {name: rows[name] for name in rows.column_names}
        return pa.table(columns).select(schema.names).cast(schema)

    def record(self) -> None:
        """What was superseded and is now refused again is open again."""
        rows = {transaction(row): row for row in map(self._row, self._unrecorded)}
        reopened = {
            name: resolution_name(row["tenant_id"], "superseded", refusal_id(row)) for name, row in rows.items()
        }
        self._unrecorded.clear()

        def decide(snapshot: Snapshot) -> Commit | None:
            known = snapshot.positions([*rows, *reopened.values()])
            new = [name for name in rows if name not in known or known.get(reopened[name], -1) >= known[name]]
            if not new:
                return None
            table = pa.Table.from_pylist([rows[name] for name in new], TABLES["quarantine"])
            return Commit(table, dict.fromkeys(new, snapshot.version + 1))

        if rows:
            self.bronze.commit("quarantine", decide)

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

    def _row(self, refusal: Refusal) -> Row:
        holds = "file" if refusal.record is None else "record"
        flags = _flags_text(self.flags if refusal.flags is None else refusal.flags)
        return self._constant() | asdict(refusal) | {"raw_holds": holds, "flags": flags}


def transaction(row: Row) -> str:
    return f"quarantine:{row['tenant_id']}:{_digest(row)}"


def refusal_id(row: Row) -> str:
    """The same for the same bytes, refused at the same place for the same cause."""
    return _digest(row)[:ID_LENGTH]


def resolution_name(tenant_id: str, resolution: str, refusal: str) -> str:
    return f"{resolution}:{tenant_id}:{refusal}"


def list_refused(
    bronze: Bronze,
    tenant_id: str,
    code: str | None = None,
    source: str | None = None,
    *,
    resolved: bool = False,
) -> list[dict[str, Any]]:
    """What is refused, oldest first, and by source, path and record within one ingest; with `resolved` also what was.

    Each has an `id`; `flags` is what was said of it; `resolution` and `resolved_at` tell what became of it.
    """
    predicate = equals("tenant_id", tenant_id)
    if source is not None:
        predicate &= equals("source", source)
    table, _ = bronze.changes("quarantine", predicate=predicate)
    found = [row for row in fold(table.to_pylist()).values() if resolved or row["resolution"] is None]
    return sorted((row for row in found if code in (None, row["code"])), key=_order)


def find_refused(bronze: Bronze, tenant_id: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Raises NotFound for an id that nothing has."""
    known = {row["id"]: row for row in list_refused(bronze, tenant_id, resolved=True)}
    for wanted in ids:
        if wanted not in known:
            raise NotFound(f"nothing in quarantine has the id '{wanted}': 'iotops quarantine list --all' shows the ids")
    return [known[wanted] for wanted in dict.fromkeys(ids)]


def fold(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Refusals by id, as the rows of the table, oldest first, leave them."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = found.get(refusal_id(row) if row["refusal"] is None else row["refusal"])
        if row["refusal"] is None:
            if known is None or known["resolution"] == "superseded":
                found[refusal_id(row)] = _opened(row)
        elif known is not None:
            resolved_at = row["recorded_at"] if row["resolution"] else None
            known |= {name: row[name] for name in ("code", "reason", "resolution")} | {"resolved_at": resolved_at}
    return found


def _opened(row: Row) -> dict[str, Any]:
    holds = row["raw_holds"] or ("record" if _came_alone(row) else "file")
    flags = json.loads(row["flags"]) if row["flags"] else {}
    said = {name: value for name, value in row.items() if name != "refusal"}
    return {"id": refusal_id(row), **said, "raw_holds": holds, "flags": flags, "resolved_at": None}


def _came_alone(row: Row) -> bool:
    """A record of a stream or of a request; a row of a file is refused by the file's name."""
    return row["record"] is not None and not row["path"].lower().endswith(SUFFIXES)


def _order(row: Row) -> tuple[Any, ...]:
    return row["recorded_at"], row["source"], row["path"], row["record"] is not None, row["record"] or 0


def _flags_text(flags: Mapping[str, Any] | None) -> str | None:
    return json.dumps(flags, sort_keys=True) if flags else None


def _digest(row: Row) -> str:
    parts = [row[name] for name in ("stage", "source", "path", "raw_sha256", "code", "record")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
