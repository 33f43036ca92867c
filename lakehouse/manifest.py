"""One document to its row of the manifest: its bytes and its text are stored, and what is said about it is weighed."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from lakehouse.connectors.protocol import Change, Withheld
from lakehouse.errors import BadRecord, Misused
from lakehouse.objects import ObjectStore
from lakehouse.sources.documents import PDF_EXTRACTION, Parsed, read_document
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.front_matter import KINDS, Stated
from lakehouse.state import Row, differs

_VERSION = r"v?(\d+(?:\.\d+){1,3}(?:-(?:rc|beta|alpha)[.-]?\d*)?)"
_IN_FILE = re.compile(rf"(?:^|[-_ ]){_VERSION}$", re.I)
_IN_FOLDER = re.compile(rf"^(?:(?:release|version|docs|manual|firmware|fw)[-_ ]?)?{_VERSION}$", re.I)


@dataclass(frozen=True)
class Flags:
    """What the command says about every document; what its origin says of it wins, and what it states itself most."""

    product: str | None = None
    version: str | None = None
    kind: str | None = None
    classification: str = "internal"

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise Misused(f"'{self.kind}' is no kind of document: use one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class Origin:
    """What all documents of one run share. label: the origin's own name, which may tell their kind."""

    objects: ObjectStore
    extractor: Extractor
    tenant_id: str
    source: str
    label: str
    flags: Flags
    now: datetime


def read_row(origin: Origin, change: Change, data: bytes, known: Row | None) -> Row:
    """The row of a document whose objects are stored. known: the last one of the same name. Raises Withheld."""
    raw_sha256 = hashlib.sha256(data).hexdigest()
    if known is not None and _holds_text_of(origin, known, raw_sha256):
        origin.objects.put(origin.tenant_id, data)
        return _row(origin, change, known, _known_text(known), raw_sha256, known["object_sha256"])
    try:
        parsed = read_document(change.name, data, origin.extractor, change.facts.get("media_type"))
    except BadRecord as error:
        raise Withheld(error.code, error.reason, data) from error
    object_sha256 = raw_sha256 if parsed.text is None else origin.objects.put(origin.tenant_id, parsed.text)
    row = _row(origin, change, known, parsed, raw_sha256, object_sha256)
    if known is not None and _is_same_page(change, row, known):
        return {**row, "raw_sha256": known["raw_sha256"]}
    origin.objects.put(origin.tenant_id, data)
    return row


def _is_same_page(change: Change, row: Row, known: Row) -> bool:
    """A page is often served with a date or a token that differs each time; one whose text is the same is no news."""
    return _is_page(change) and not differs({**row, "raw_sha256": known["raw_sha256"]}, known)


def _is_page(change: Change) -> bool:
    return "media_type" in change.facts  # only HTTP says it


def _holds_text_of(origin: Origin, known: Row, raw_sha256: str) -> bool:
    """A PDF is read once: the same bytes, read by the same version of the reader, give the same text."""
    return (known["raw_sha256"], known["extraction"]) == (raw_sha256, PDF_EXTRACTION) and origin.objects.exists(
        origin.tenant_id, known["object_sha256"]
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


def _row(origin: Origin, change: Change, known: Row | None, parsed: Parsed, raw_sha256: str, object_sha256: str) -> Row:
    stated, flags, said = parsed.stated, origin.flags, _said(change, known, object_sha256)
    return {
        "tenant_id": origin.tenant_id,
        "source": origin.source,
        "path": change.name,
        "kind": stated.kind or flags.kind or kind_of(f"{origin.label}/{change.name}"),
        "title": parsed.title,
        "object_sha256": object_sha256,
        "raw_sha256": raw_sha256,
        "media_type": parsed.media_type,
        "extraction": parsed.extraction,
        "byte_start": parsed.byte_start,
        "byte_end": parsed.byte_end,
        "product": stated.product or flags.product,
        "version_from": stated.version or said.version or flags.version or version_of(f"{origin.label}/{change.name}"),
        "version_to": stated.version_to,
        "valid_from": stated.valid_from or said.valid_from,
        "classification": stated.classification or flags.classification,
        "url": stated.url or said.url,
        "deleted": False,
        "recorded_at": origin.now,
    }


def _said(change: Change, known: Row | None, object_sha256: str) -> Stated:
    """What the origin says. A text that stays as it was keeps the time and the address at which it was first met.

    Else each commit to a branch, whose time and address are new, would make a new version of each of its files.
    """
    facts = change.facts
    valid_from = datetime.fromisoformat(facts["valid_from"]) if "valid_from" in facts else None
    url = facts.get("url")
    if known is not None and not known["deleted"] and known["object_sha256"] == object_sha256:
        valid_from = known["valid_from"] or valid_from
        url = url if _is_page(change) else known["url"] or url  # a page that moved for good is news
    return Stated(version=facts.get("version"), valid_from=valid_from, url=url)


def version_of(path: str) -> str | None:
    """By names: the file's (`pump-manual-2.4.md`), else that of its innermost folder (`2.3/`, `v3.1/`, `release-1.2/`).

    A version has a dot: `2026-10` is a month, and `chapter-3` a chapter.
    """
    *folders, name = path.split("/")
    stem = name.rpartition(".")[0] if re.search(r"\.[A-Za-z]\w*$", name) else name
    for pattern, part in ((_IN_FILE, stem), *((_IN_FOLDER, folder) for folder in reversed(folders))):
        if found := pattern.search(part):
            return found[1]
    return None


def kind_of(path: str) -> str:
    """By names: `runbook` anywhere in the path, or a release note's usual file names; else a manual."""
    lower = path.lower()
    if "runbook" in lower:
        return "runbook"
    name = lower.rpartition("/")[2]
    return "release_note" if "release" in name or "changelog" in name else "manual"
