"""The wire format of the API, as far as the page reads it."""

from typing import Any, Literal, NotRequired, TypedDict


class SpanCitation(TypedDict):
    kind: Literal["span"]
    document_id: str
    title: str
    url: str | None
    version: str | None
    object_sha256: str
    byte_start: int
    byte_end: int
    quote: str


class RowsCitation(TypedDict):
    kind: Literal["rows"]
    sql: str
    params: dict[str, Any]
    value: int | float | str | None
    rows_sha256: str
    snapshot: str
    bronze: list[str]


class Claim(TypedDict):
    text: str
    citations: list[SpanCitation | RowsCitation]


class Context(TypedDict):
    device_id: str | None
    product: str | None
    version: str | None


class Conflict(TypedDict):
    current: str
    previous: str
    since: str | None
    since_date: str | None
    citations: list[SpanCitation]
    backs: list[Literal["current", "previous", "since"]]


class Answer(TypedDict):
    answer_id: str
    tenant_id: str
    question: str
    status: Literal["answered", "abstained", "degraded"]
    text: str
    claims: list[Claim]
    index_version: str | None
    as_of: str | None
    context: Context
    timings_ms: dict[str, float]
    conflicts: NotRequired[list[Conflict]]


class Check(TypedDict):
    claim: int
    citation: int
    kind: str
    ok: bool
    detail: str


class Verification(TypedDict):
    answer_id: str
    ok: bool
    checks: list[Check]


class DocumentSource(TypedDict):
    document_id: str
    title: str
    kind: str
    url: str | None
    product: str | None
    version: str | None
    object_sha256: str
    byte_start: int
    byte_end: int
    text: str


class Point(TypedDict):
    device_id: str
    ts: str
    value: float


class Series(TypedDict):
    metric: str | None
    unit: str | None
    hourly: bool
    points: list[Point]


class Evaluation(TypedDict):
    index_version: str
    suite: str
    evaluated_at: str
    questions: int
    correct: int
    stale: int
    metrics: dict[str, float]
    active: bool
