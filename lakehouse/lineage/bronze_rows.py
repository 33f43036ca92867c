"""Rows of a Delta table of bronze, each with the data file that holds it now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lakehouse.bronze import Bronze, equals, reaching
from lakehouse.snapshot import READING, open_dataset
from lakehouse.tables import TABLES, TIME, VERSION

FILE: Final = "__filename"
GROUP: Final = ("source", "object_sha256")
# What bounds a group of rows: of messages there are no numbers.
BOUNDS: Final = ("row_number", "ts", "recorded_at")


@dataclass(frozen=True)
class Range:
    """Rows of one object. first_row, last_row: numbers of its records, None where a table has none.

    versions: the Delta versions that brought them. files: below the bronze root. standing: readings of gold whose
    receipt is in this object; None where that is not counted.
    """

    table: str
    source: str
    object_sha256: str
    rows: int
    first_row: int | None
    last_row: int | None
    first_ts: datetime | None
    last_ts: datetime | None
    first_recorded_at: datetime
    last_recorded_at: datetime
    versions: tuple[int, ...]
    files: tuple[str, ...]
    standing: int | None = None


class BronzeTable:
    """One version of it for as long as one question takes."""

    def __init__(self, bronze: Bronze, name: str) -> None:
        self.name = name
        self._url = bronze.url
        self._schema = TABLES[name].append(VERSION)
        with reaching(bronze.url):
            try:
                target = DeltaTable(bronze.table_uri(name), storage_options=bronze.objects.delta_options())
            except TableNotFoundError:
                self.version, self._dataset = -1, None
            else:
                self.version = target.version()
                self._dataset = open_dataset(target, self._schema)

    def rows(self, predicate: pc.Expression) -> list[dict[str, Any]]:
        """By when they were recorded, with `file`, the path below the bronze root."""
        found = self._read(predicate, self._schema.names)
        rows = [{**row, "file": self._path(row.pop(FILE))} for row in found.to_pylist()]
        return sorted(
            rows, key=lambda row: (row["recorded_at"], row.get("object_sha256", ""), row.get("row_number", 0))
        )

    def ranges(self, predicate: pc.Expression) -> list[Range]:
        """The same by object, in the order of what they were recorded at."""
        bounds = [name for name in BOUNDS if name in self._schema.names]
        found = self._read(predicate, [*GROUP, *bounds, VERSION.name])
        wanted: list[tuple[Any, ...]] = [(name, bound) for name in bounds for bound in ("min", "max")]
        wanted += [(VERSION.name, "distinct"), (FILE, "distinct"), ([], "count_all")]
        groups = found.group_by(list(GROUP)).aggregate(wanted).to_pylist()
        return sorted(map(self._range, groups), key=lambda one: (one.first_recorded_at, one.source, one.object_sha256))

    def _range(self, group: Mapping[str, Any]) -> Range:
        return Range(
            table=self.name,
            source=group["source"],
            object_sha256=group["object_sha256"],
            rows=group["count_all"],
            first_row=group.get("row_number_min"),
            last_row=group.get("row_number_max"),
            first_ts=group.get("ts_min"),
            last_ts=group.get("ts_max"),
            first_recorded_at=group["recorded_at_min"],
            last_recorded_at=group["recorded_at_max"],
            versions=tuple(sorted(group[f"{VERSION.name}_distinct"])),
            files=tuple(sorted(self._path(name) for name in group[f"{FILE}_distinct"])),
        )

    def _read(self, predicate: pc.Expression, names: Sequence[str]) -> pa.Table:
        if self._dataset is None:
            schema = pa.schema([*(self._schema.field(name) for name in names), (FILE, pa.string())])
            return schema.empty_table()
        with reaching(self._url):
            return self._dataset.scanner(columns=[*names, FILE], filter=predicate, **READING).to_table()

    def _path(self, name: str) -> str:
        return f"{self.name}/{name}"


def matching(tenant_id: str, values: Mapping[str, Any]) -> pc.Expression:
    """Rows of the tenant that have these values; None stands for nothing said."""
    found = equals("tenant_id", tenant_id)
    for name, value in values.items():
        if value is None:
            found &= pc.field(name).is_null()
        else:
            found &= pc.field(name) == (pa.scalar(value, TIME) if isinstance(value, datetime) else value)
    return found


def within(name: str, begin: datetime, end: datetime) -> pc.Expression:
    return (pc.field(name) >= pa.scalar(begin, TIME)) & (pc.field(name) < pa.scalar(end, TIME))
