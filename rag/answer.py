"""What leaves the copilot: an answer, its claims, and the receipts of each. Field names are the public contract."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

Status = Literal["answered", "abstained", "degraded"]


@dataclass(frozen=True)
class SpanCitation:
    """`quote` equals `object[byte_start:byte_end]` decoded as UTF-8, where the object is named by its SHA-256."""

    document_id: str
    title: str
    url: str | None
    version: str | None
    object_sha256: str
    byte_start: int
    byte_end: int
    quote: str
    kind: Literal["span"] = "span"


@dataclass(frozen=True)
class RowsCitation:
    """`value` is what `sql` with `params` returned; `rows_sha256` is of its canonical rows.

    snapshot: the bronze versions that gold was built from, as `table@version` joined by commas.
    bronze: SHA-256 of every raw object that the rows came from.
    """

    sql: str
    params: dict[str, Any]
    value: float | int | str | None
    rows_sha256: str
    snapshot: str
    bronze: tuple[str, ...]
    kind: Literal["rows"] = "rows"


Citation = SpanCitation | RowsCitation


@dataclass(frozen=True)
class Claim:
    text: str
    citations: tuple[Citation, ...]


Backs = Literal["current", "previous", "since"]


@dataclass(frozen=True)
class Conflict:
    """A statement that changed between releases. `backs` says of each citation which part it is the receipt of.

    since: the release from which `current` holds; since_date: the day of it, where a document states one.
    """

    current: str
    previous: str
    since: str | None
    since_date: str | None
    citations: tuple[SpanCitation, ...]
    backs: tuple[Backs, ...]


@dataclass(frozen=True)
class Context:
    """For which device, product and version the answer holds. All None: the current release of everything."""

    device_id: str | None = None
    product: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Question:
    """One question as asked. `now` anchors "today" and "last 24 hours"; `as_of` hides what was recorded later."""

    text: str
    tenant_id: str
    now: datetime
    as_of: datetime | None = None
    context: Context = field(default_factory=Context)


@dataclass(frozen=True)
class Answer:
    answer_id: str
    tenant_id: str
    question: str
    status: Status
    text: str
    claims: tuple[Claim, ...]
    index_version: str | None
    as_of: str | None
    context: Context
    timings_ms: dict[str, float]
    conflicts: tuple[Conflict, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The public form. A span lists its keys in the order of the contract, `kind` first."""
        body = asdict(self)
        for holder in (*body["claims"], *body["conflicts"]):
            holder["citations"] = [{"kind": c.pop("kind"), **c} for c in holder["citations"]]
        return body
