"""The care that bronze needs: many small files become few, and what no version of the last week names is removed."""

import os
from dataclasses import asdict, dataclass
from typing import Any, Final

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from lakehouse.bronze import TABLES, Bronze, reaching

# Readers and rebuilds that started within it go on with the files that they found.
KEPT_HOURS: Final = 168


@dataclass(frozen=True)
class Maintained:
    """Files of one table. compacted: into how many fewer. removed: by the vacuum."""

    table: str
    compacted: int
    written: int
    removed: int
    version: int

    def describe(self) -> str:
        return f"{self.table}: {self.compacted} files became {self.written}, {self.removed} old ones removed"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def maintain(bronze: Bronze, *, kept_hours: int = KEPT_HOURS) -> list[Maintained]:
    """Every table there is. Rows, their versions and what the table remembers stay as they are.

    kept_hours: how long files stay after the last version that names them. Below 168 nothing else may read or write
    meanwhile.
    """
    return [_maintain(bronze, table, kept_hours) for table in TABLES if bronze.version(table) is not None]


def _maintain(bronze: Bronze, table: str, kept_hours: int) -> Maintained:
    with reaching(bronze.url):
        target = DeltaTable(bronze.table_uri(table), storage_options=bronze.objects.delta_options())
        try:
            done = target.optimize.compact()
        except CommitFailedError:  # a writer was faster; the next run finds the same files
            done = {"numFilesRemoved": 0, "numFilesAdded": 0}
            target.update_incremental()
        if bronze.url.startswith("file://"):
            os.sync()  # delta-rs leaves the new files to the system; the old ones must not go before
        removed = target.vacuum(
            retention_hours=kept_hours, dry_run=False, enforce_retention_duration=kept_hours >= KEPT_HOURS, full=True
        )
        target.create_checkpoint()
        target.cleanup_metadata()
        return Maintained(
            table=table,
            compacted=int(done["numFilesRemoved"]),
            written=int(done["numFilesAdded"]),
            removed=len(removed),
            version=target.version(),
        )
