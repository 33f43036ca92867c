"""Documents to objects and manifest rows: one row for each version of each path, and one for each that is gone."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from lakehouse.bronze import Bronze
from lakehouse.connectors.folder import Folder
from lakehouse.connectors.protocol import Change, Changes, Connector, Withheld
from lakehouse.erased import erased_among
from lakehouse.errors import BadRecord, IotopsError, WouldDeleteEverything
from lakehouse.manifest import Flags, Origin, read_row
from lakehouse.quarantine import Refusal, Refusals
from lakehouse.sources.extractor import Extractor
from lakehouse.state import Row, State, deletion, differs, land_changes, live, read_state
from lakehouse.summary import IngestSummary
from lakehouse.threads import EXTRACTION as CHAT

Progress = Callable[[int, int], None]

# What is fetched lands in portions: one that is cut off has most of it in bronze, and no list of rows grows for ever.
PORTION: Final = 500
PORTION_BYTES: Final = 64_000_000


@dataclass(frozen=True)
class Intake:
    """One run over one origin. place: what a person calls it; its last part may tell the kind of what it holds."""

    bronze: Bronze
    tenant_id: str
    connector: Connector[bytes]
    place: str
    flags: Flags
    now: datetime
    allow_empty: bool = False
    progress: Progress | None = None


@dataclass
class _Portion:
    """failure: what ended it before its time."""

    changes: list[Change] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    size: int = 0
    failure: IotopsError | None = None


def ingest_documents(
    bronze: Bronze,
    tenant_id: str,
    path: Path,
    *,
    now: datetime,
    source: str | None = None,
    product: str | None = None,
    version: str | None = None,
    kind: str | None = None,
    classification: str = "internal",
    allow_empty: bool = False,
    progress: Progress | None = None,
) -> IngestSummary:
    """Land every document at `path` that is new or different; a folder's files that are gone are recorded as deleted.

    A file that is refused leaves what landed from it before as it is. Only the ingest of a folder records deletions,
    and only those of its own `source`.
    """
    flags = Flags(product, version, kind, classification)
    folder = Folder(path, source)
    listed = folder.list_changes(None)
    intake = Intake(bronze, tenant_id, folder, str(path.resolve()), flags, now, allow_empty, progress)
    return land_listed(intake, listed)


def land_listed(intake: Intake, listed: Changes) -> IngestSummary:
    """Fetch what is listed and land it, portion by portion; with the last one also what is gone.

    Where the origin fails on the way, what was read of it lands before its error goes on.
    """
    if listed.present is not None and not listed.present and not intake.allow_empty:
        _refuse_to_empty(intake)
    refused = Refusals(intake.bronze, intake.tenant_id, "documents", intake.connector.source, intake.now)
    changes, erased = _without_erased(intake, listed.changes)
    summary = IngestSummary("documents", unchanged=listed.unchanged, ignored=listed.ignored, erased=erased)
    done, is_last = 0, False
    with Extractor() as extractor:
        while not is_last:
            portion = _fetch(intake, _origin(intake, extractor), changes, done, refused)
            done += len(portion.changes)
            is_last = done == len(changes) and portion.failure is None
            refused.record()
            summary += _land(intake, portion, listed.present if is_last else None)
            if portion.failure:
                raise portion.failure
    return summary + IngestSummary("documents", reasons=refused.reasons, refused=refused.shown)


def _without_erased(intake: Intake, changes: Sequence[Change]) -> tuple[Sequence[Change], int]:
    """And how many they were. They are not even fetched."""
    named = [change.name for change in changes if not change.deleted]
    erased = erased_among(intake.bronze, intake.tenant_id, intake.connector.source, named)
    return [change for change in changes if change.name not in erased], len(erased)


def _origin(intake: Intake, extractor: Extractor) -> Origin:
    label = intake.place.rstrip("/").rpartition("/")[2]
    source = intake.connector.source
    return Origin(intake.bronze.objects, extractor, intake.tenant_id, source, label, intake.flags, intake.now)


def _refuse_to_empty(intake: Intake) -> None:
    known = read_state(intake.bronze, "documents", intake.tenant_id, intake.connector.source)
    if count := len(_of_files(known)):
        raise WouldDeleteEverything(intake.place, count)


def _fetch(intake: Intake, origin: Origin, changes: Sequence[Change], start: int, refused: Refusals) -> _Portion:
    upcoming = changes[start : start + PORTION]
    portion = _Portion()
    if not upcoming:
        return portion
    keys = [(change.name,) for change in upcoming]
    known = read_state(intake.bronze, "documents", intake.tenant_id, intake.connector.source, keys)
    for done, change in enumerate(upcoming, start=start + 1):
        try:
            if not change.deleted:
                _take(intake.connector, origin, change, known.rows.get((change.name,)), portion, refused)
        except IotopsError as failure:
            portion.failure = failure
            break
        portion.changes.append(change)
        if intake.progress:
            intake.progress(done, len(changes))
        if portion.size >= PORTION_BYTES:
            break
    return portion


def _take(
    connector: Connector[bytes], origin: Origin, change: Change, known: Row | None, portion: _Portion, refused: Refusals
) -> None:
    try:
        data = connector.fetch(change)
        portion.size += len(data)
        portion.rows.append(read_row(origin, change, data, known))
    except BadRecord as error:
        _refuse(refused, origin, change, error)


def _refuse(refused: Refusals, origin: Origin, change: Change, error: BadRecord) -> None:
    """With its bytes, where there are any."""
    content = error.content if isinstance(error, Withheld) else b""
    sha256, size = None, 0
    try:
        if isinstance(content, Path):
            sha256, size = refused.bronze.objects.put_file(refused.tenant_id, content), content.stat().st_size
        elif isinstance(error, Withheld):
            sha256, size = refused.bronze.objects.put(refused.tenant_id, content), len(content)
    except FileNotFoundError:  # removed since it was looked at: there are no bytes to keep
        sha256, size = None, 0
    flags = {**asdict(origin.flags), "label": origin.label, "facts": dict(change.facts)}
    refused.add(Refusal(refused.source, change.name, error.code, error.reason, sha256, size, flags=flags))


def _land(intake: Intake, portion: _Portion, present: Collection[str] | None) -> IngestSummary:
    """present: all that the origin holds, with its last portion; what is known beyond it is gone."""
    names = {change.name for change in portion.changes}
    deleted = {change.name for change in portion.changes if change.deleted}

    def decide(state: State) -> list[Row]:
        changed = [row for row in portion.rows if differs(row, state.rows.get((row["path"],)))]
        gone = [
            row
            for row in _of_files(state)
            if row["path"] in deleted or (present is not None and row["path"] not in present)
        ]
        return changed + [deletion(row, intake.now) for row in gone]

    if not names and present is None:
        return IngestSummary("documents")
    keys = None if present is not None else [(name,) for name in sorted(names)]
    rows = land_changes(intake.bronze, "documents", intake.tenant_id, intake.connector.source, decide, keys)
    gone = sum(bool(row["deleted"]) for row in rows)
    landed = len(rows) - gone
    return IngestSummary(
        "documents",
        read=len(names - deleted),
        landed=landed,
        unchanged=len(portion.rows) - landed,
        deleted=gone,
    )


def _of_files(state: State) -> list[Row]:
    """Conversations may share the name of the source; no folder's listing says that they are gone."""
    return [row for row in live(state) if row["extraction"] != CHAT]
