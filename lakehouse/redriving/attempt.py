"""What every second try has in common: the stored bytes, what is said of them now, and whether they come too late."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from lakehouse.bronze import Bronze, Snapshot
from lakehouse.errors import BadRecord, CorruptObject, UnknownObject
from lakehouse.quarantine import Row, resolution_name
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.files import SourceFile

PIECE: Final = 16 << 20

# Still refused is a BadRecord: the reason may be another one now.
Outcome = Literal["redriven", "superseded"] | BadRecord


@dataclass(frozen=True)
class Attempt:
    """said: by the command now; it wins over what was said when it was refused.

    history: every refusal of the tenant, resolved ones included.
    """

    bronze: Bronze
    tenant_id: str
    now: datetime
    said: Mapping[str, str]
    history: Sequence[Row]
    extractor: Extractor

    def flags(self, refused: Row) -> dict[str, Any]:
        return {**refused["flags"], **self.said}

    def landed_as(self, refused: Row) -> str:
        """The position under which bronze remembers that this refusal's rows have landed."""
        return resolution_name(self.tenant_id, "redrive", refused["id"])

    def came_later(self, snapshot: Snapshot, known: Row, refused: Row) -> bool:
        """Whether a row of bronze says something newer than the refused bytes.

        A row that came by a redrive is as old as the refusal that it was.
        """
        if known["recorded_at"] <= refused["recorded_at"]:
            return False
        return not any(
            snapshot.position(self.landed_as(other)) == known["bronze_version"]
            for other in self.history
            if (other["stage"], other["source"]) == (refused["stage"], refused["source"])
            and other["recorded_at"] <= refused["recorded_at"]
        )


def unchanged(refused: Row) -> BadRecord:
    return BadRecord(refused["code"], refused["reason"])


def fetch_file(bronze: Bronze, tenant_id: str, sha256: str | None, name: str, folder: str) -> SourceFile:
    """The bytes as a file of the same type in `folder`, under the name that they were refused by. Raises BadRecord."""
    path = Path(folder, f"refused{PurePosixPath(name).suffix}")
    with path.open("wb") as file:
        for piece in pieces(bronze, tenant_id, sha256):
            file.write(piece)
    return SourceFile(path, name)


def pieces(bronze: Bronze, tenant_id: str, sha256: str | None) -> Iterator[bytes]:
    """In constant memory, checked against the hash when all is read. Raises BadRecord."""
    if sha256 is None:
        raise BadRecord("unreadable", "none of its bytes could be kept: ingest it again")
    found, start = hashlib.sha256(), 0
    try:
        while piece := bronze.objects.get(tenant_id, sha256, start, start + PIECE):
            found.update(piece)
            start += len(piece)
            yield piece
    except UnknownObject as error:
        raise BadRecord("bytes_gone", "its bytes are no longer stored: ingest it again") from error
    if found.hexdigest() != sha256:
        raise CorruptObject(sha256, bronze.url)
