"""A refused document, read again as the next version of its path."""

import pyarrow as pa

from lakehouse.bronze import TABLES, Commit, Snapshot
from lakehouse.connectors.protocol import Change
from lakehouse.errors import BadRecord
from lakehouse.manifest import Flags, Origin, read_row
from lakehouse.quarantine import Row
from lakehouse.redriving.attempt import Attempt, Outcome, pieces, unchanged
from lakehouse.sources.documents import LARGEST
from lakehouse.sources.files import too_large
from lakehouse.state import differs, state_of


def try_document(attempt: Attempt, refused: Row) -> Outcome:
    """Where another version of the path landed since, these bytes are history that nobody asked for any more."""
    if settled := _settled(attempt, attempt.bronze.snapshot("documents"), refused):
        return settled
    if refused["raw_sha256"] is None:
        return unchanged(refused)
    try:
        row = _read(attempt, refused)
    except BadRecord as still:
        return still
    outcome: Outcome = "redriven"

    def decide(snapshot: Snapshot) -> Commit | None:
        nonlocal outcome
        settled = _settled(attempt, snapshot, refused)
        outcome = settled or "redriven"
        if settled or not differs(row, _known(attempt, snapshot, refused)):
            return None
        rows = pa.Table.from_pylist([dict(row)], schema=TABLES["documents"])
        return Commit(rows, {attempt.landed_as(refused): snapshot.version + 1})

    attempt.bronze.commit("documents", decide)
    return outcome


def _settled(attempt: Attempt, snapshot: Snapshot, refused: Row) -> Outcome | None:
    if snapshot.position(attempt.landed_as(refused)) is not None:
        return "redriven"
    known = _known(attempt, snapshot, refused)
    return "superseded" if known is not None and attempt.came_later(snapshot, known, refused) else None


def _known(attempt: Attempt, snapshot: Snapshot, refused: Row) -> Row | None:
    key = (refused["path"],)
    return state_of(snapshot, "documents", attempt.tenant_id, refused["source"], [key]).rows.get(key)


def _read(attempt: Attempt, refused: Row) -> Row:
    if refused["raw_size"] > LARGEST:
        raise too_large(refused["raw_size"], LARGEST)
    data = b"".join(pieces(attempt.bronze, attempt.tenant_id, refused["raw_sha256"]))
    said = attempt.flags(refused)
    named = {name: said[name] for name in ("product", "version", "kind", "classification") if said.get(name)}
    origin = Origin(
        objects=attempt.bronze.objects,
        extractor=attempt.extractor,
        tenant_id=attempt.tenant_id,
        source=refused["source"],
        label=said.get("label", ""),
        flags=Flags(**named),
        now=attempt.now,
    )
    known = _known(attempt, attempt.bronze.snapshot("documents"), refused)
    return read_row(origin, Change(refused["path"], facts=said.get("facts", {})), data, known)
