"""What is found out about a row of gold, and how it is written as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from lakehouse.lineage.arrivals import Arrival
from lakehouse.lineage.bronze_rows import Range
from lakehouse.lineage.gold_rows import GoldRow
from lakehouse.lineage.raw_records import RawRecord
from lakehouse.objects import object_key

# Of the bytes of a record, as text.
SHOWN_BYTES: Final = 2_000


@dataclass(frozen=True)
class Statement:
    """One row of bronze that says the gold row. is_receipt: the one that gold names. in_gold: of a version that gold
    was built from.

    path: of its file within the source, where bronze knows it. raw_sha256: what the object's text was drawn from,
    where that is another object. file: below the bronze root, where the row lies now.
    """

    table: str
    tenant_id: str
    source: str
    path: str | None
    object_sha256: str
    raw_sha256: str | None
    row_number: int | None
    recorded_at: datetime
    said: Mapping[str, Any]
    file: str
    arrival: Arrival
    is_receipt: bool
    in_gold: bool
    raw: RawRecord | None = None


@dataclass(frozen=True)
class Part:
    """What one object adds to a gold row that is made of many."""

    range: Range
    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True)
class Trace:
    """statements, parts, through: at most SHOWN of each; found says how many there are. faults: in what gold and bronze
    differ. notes: what is not there, and why."""

    gold: GoldRow
    built_from: Mapping[str, int]
    statements: tuple[Statement, ...] = ()
    parts: tuple[Part, ...] = ()
    through: tuple["Trace", ...] = ()
    found: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def all_faults(self) -> tuple[str, ...]:
        return self.faults + tuple(fault for trace in self.through for fault in trace.all_faults)

    def to_json(self) -> dict[str, Any]:
        tenant_id = self.gold.tenant_id
        return {
            "table": self.gold.table,
            "key": dict(self.gold.key),
            "row": {name: value for name, value in self.gold.row.items() if name != "text"},
            "built_from": dict(self.built_from),
            "found": dict(self.found),
            "statements": [_statement(one) for one in self.statements],
            "objects": [_part(tenant_id, one) for one in self.parts],
            "through": [one.to_json() for one in self.through],
            "faults": list(self.faults),
            "notes": list(self.notes),
        }


def _statement(one: Statement) -> dict[str, Any]:
    shown = {name: value for name, value in vars(one).items() if name not in ("arrival", "raw", "table", "tenant_id")}
    raw = None
    if one.raw is not None:
        raw = asdict(one.raw) | {"data": one.raw.data[:SHOWN_BYTES].decode("utf-8", "backslashreplace")}
    return {
        "bronze": one.table,
        **shown,
        "object": object_key(one.tenant_id, one.object_sha256),
        "bronze_version": one.arrival.bronze_version,
        "arrival": asdict(one.arrival),
        "raw": raw,
    }


def _part(tenant_id: str, part: Part) -> dict[str, Any]:
    return {
        **asdict(part.range),
        "object": object_key(tenant_id, part.range.object_sha256),
        "arrivals": [asdict(arrival) for arrival in part.arrivals],
    }
