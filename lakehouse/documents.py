"""Documents to objects and manifest rows: one row for each version of each path, and one for each that is gone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakehouse.bronze import Bronze
from lakehouse.errors import Misused, WouldDeleteEverything
from lakehouse.quarantine import Refusals
from lakehouse.sources.documents import LARGEST, PDF_EXTRACTION, Parsed, media_type, read_document
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.files import SourceFile, default_source, list_files, refuse_larger
from lakehouse.sources.front_matter import KINDS, Stated
from lakehouse.state import Row, State, deletion, differs, land_changes, live, read_state
from lakehouse.summary import IngestSummary
from lakehouse.threads import EXTRACTION as CHAT

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Flags:
    """What the command says about every file; what a document states about itself wins."""

    product: str | None
    version: str | None
    kind: str | None
    classification: str


@dataclass(frozen=True)
class _Ingest:
    """One run over one source."""

    bronze: Bronze
    tenant_id: str
    source: str
    folder_name: str
    flags: Flags
    now: datetime
    known: State
    extractor: Extractor


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
    if kind is not None and kind not in KINDS:
        raise Misused(f"'{kind}' is no kind of document: use one of {', '.join(KINDS)}")
    found = list_files(path)
    files = [file for file in found if path.is_file() or media_type(file.name)]
    source = source or default_source(path)
    known = read_state(bronze, "documents", tenant_id, source)
    if path.is_dir() and not files and not allow_empty and (count := len(_of_files(known))):
        raise WouldDeleteEverything(path, count)
    flags = Flags(product, version, kind, classification)
    refused = Refusals(bronze, tenant_id, "documents", source, now)
    rows: list[Row] = []
    with Extractor() as extractor:
        run = _Ingest(bronze, tenant_id, source, path.resolve().name, flags, now, known, extractor)
        for done, file in enumerate(files, start=1):
            with refused.catching(file):
                rows.append(_read(run, file))
            if progress:
                progress(done, len(files))
    refused.record()
    decide = _decision(rows, files if path.is_dir() else None, now)
    changes = land_changes(bronze, "documents", tenant_id, source, decide)
    deleted = sum(bool(row["deleted"]) for row in changes)
    landed = len(changes) - deleted
    return IngestSummary(
        stage="documents",
        read=len(files),
        landed=landed,
        unchanged=len(rows) - landed,
        deleted=deleted,
        ignored=len(found) - len(files),
        reasons=refused.reasons,
        refused=refused.shown,
    )


def _decision(rows: list[Row], files: list[SourceFile] | None, now: datetime) -> Callable[[State], list[Row]]:
    """`files`: all that the folder holds now; None where a single file says nothing about the others."""

    def decide(state: State) -> list[Row]:
        changed = [row for row in rows if differs(row, state.rows.get((row["path"],)))]
        if files is None:
            return changed
        present = {file.name for file in files}
        return changed + [deletion(row, now) for row in _of_files(state) if row["path"] not in present]

    return decide


def _of_files(state: State) -> list[Row]:
    """Conversations may share the name of the source; no folder's listing says that they are gone."""
    return [row for row in live(state) if row["extraction"] != CHAT]


def _read(run: _Ingest, file: SourceFile) -> Row:
    """The row of a file whose objects are stored. Raises BadRecord."""
    refuse_larger(file.path, LARGEST)
    data = file.path.read_bytes()
    raw_sha256 = run.bronze.objects.put(run.tenant_id, data)
    known = run.known.rows.get((file.name,))
    if known is not None and _holds_text_of(run, known, raw_sha256):
        return _row(run, file, _known_text(known), raw_sha256, known["object_sha256"])
    parsed = read_document(file.name, data, run.extractor)
    object_sha256 = raw_sha256 if parsed.text is None else run.bronze.objects.put(run.tenant_id, parsed.text)
    return _row(run, file, parsed, raw_sha256, object_sha256)


def _holds_text_of(run: _Ingest, known: Row, raw_sha256: str) -> bool:
    """A PDF is read once: the same bytes, read by the same version of the reader, give the same text."""
    return (known["raw_sha256"], known["extraction"]) == (raw_sha256, PDF_EXTRACTION) and run.bronze.objects.exists(
        run.tenant_id, known["object_sha256"]
    )


def _known_text(known: Row) -> Parsed:
    return Parsed(
        media_type=known["media_type"],
        extraction=known["extraction"],
        title=known["title"],
        stated=Stated(),
        byte_start=known["byte_start"],
        byte_end=known["byte_end"],
    )


def _row(run: _Ingest, file: SourceFile, parsed: Parsed, raw_sha256: str, object_sha256: str) -> Row:
    stated, flags = parsed.stated, run.flags
    return {
        "tenant_id": run.tenant_id,
        "source": run.source,
        "path": file.name,
        "kind": stated.kind or flags.kind or kind_of(f"{run.folder_name}/{file.name}"),
        "title": parsed.title,
        "object_sha256": object_sha256,
        "raw_sha256": raw_sha256,
        "media_type": parsed.media_type,
        "extraction": parsed.extraction,
        "byte_start": parsed.byte_start,
        "byte_end": parsed.byte_end,
        "product": stated.product or flags.product,
        "version_from": stated.version or flags.version,
        "version_to": stated.version_to,
        "valid_from": stated.valid_from,
        "classification": stated.classification or flags.classification,
        "url": stated.url,
        "deleted": False,
        "recorded_at": run.now,
    }


def kind_of(path: str) -> str:
    """By names: `runbook` anywhere in the path, or a release note's usual file names; else a manual."""
    lower = path.lower()
    if "runbook" in lower:
        return "runbook"
    name = lower.rpartition("/")[2]
    return "release_note" if "release" in name or "changelog" in name else "manual"
