"""The wire format. `Answer` and what it holds mirror `rag.answer`; a test keeps the two equal."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from error


# Postgres stores no NUL, so none is let in.
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Scope(BaseModel):
    """Whose data, as known when, and for which device, product and version."""

    # A misspelt filter that is ignored would give an answer for the wrong release.
    model_config = ConfigDict(extra="forbid")

    tenant_id: Name = Field(default="default", description="The tenant whose data, and that of `public`, is read.")
    as_of: Moment | None = Field(
        default=None,
        description="Use only what was recorded by then. Needs an offset: 2026-10-01T00:00:00Z.",
        examples=["2026-10-01T00:00:00Z"],
    )
    device_id: Name | None = Field(default=None, description="Answer for the firmware installed on this device.")
    product: Name | None = Field(default=None, description="Answer from documents of this product.")
    version: Name | None = Field(default=None, description="Answer for this release instead of the current one.")


class AskRequest(Scope):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"question": "How is the filter cleaned?", "device_id": "pump-07"}},
    )

    question: Text


class SearchRequest(Scope):
    q: Text = Field(description="What to look for.")
    limit: int = Field(default=10, ge=1, le=100)
    excerpts: bool = Field(
        default=False, description="Of the first ten passages only those that seem to answer, with what does."
    )


class SpanCitation(BaseModel):
    """`quote` equals the bytes `byte_start:byte_end` of the stored object, decoded as UTF-8."""

    kind: Literal["span"]
    document_id: str
    title: str
    url: str | None
    version: str | None
    object_sha256: Sha256
    byte_start: int = Field(ge=0)
    byte_end: int = Field(ge=0)
    quote: str


class RowsCitation(BaseModel):
    """`value` is what `sql` with `params` returned."""

    kind: Literal["rows"]
    sql: str
    params: dict[str, Any]
    value: int | float | str | None
    rows_sha256: Sha256 = Field(description="Of the canonical rows that the query read.")
    snapshot: str = Field(description="The bronze versions that gold was built from.")
    bronze: list[str] = Field(description="SHA-256 of every raw object that the rows came from.")


class Claim(BaseModel):
    text: str
    citations: list[Annotated[SpanCitation | RowsCitation, Field(discriminator="kind")]]


class Conflict(BaseModel):
    """A statement that changed between releases: the newer one holds."""

    current: str
    previous: str
    since: str | None = Field(description="The release from which `current` holds.")
    since_date: str | None = Field(description="The day of that release, where a document states one.")
    citations: list[SpanCitation]
    backs: list[Literal["current", "previous", "since"]] = Field(
        description="Of each citation, which part it is the receipt of."
    )


class Context(BaseModel):
    """For what the answer holds. All null: the current release of everything."""

    device_id: str | None
    product: str | None
    version: str | None


class Answer(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "answer_id": "5c0f1f0e9d3b4b0f8a4f6f0f2b7f6f11",
                "tenant_id": "default",
                "question": "How is the filter cleaned?",
                "status": "answered",
                "text": "Rinse the filter with clean water every 500 hours.",
                "claims": [
                    {
                        "text": "Rinse the filter with clean water every 500 hours.",
                        "citations": [
                            {
                                "kind": "span",
                                "document_id": "0f6b1c1f6d0d4e58a7b6a7a3f0c3c9aa",
                                "title": "Pump manual",
                                "url": "https://example.com/pump/2.1",
                                "version": "2.1",
                                "object_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                                "byte_start": 1042,
                                "byte_end": 1092,
                                "quote": "Rinse the filter with clean water every 500 hours.",
                            }
                        ],
                    }
                ],
                "index_version": "e3b0c44298fc1c14",
                "as_of": "2026-10-01T00:00:00+00:00",
                "context": {"device_id": "pump-07", "product": "pump", "version": "2.1"},
                "timings_ms": {"retrieve": 9.1, "answer": 4.2, "total": 14.0},
                "conflicts": [],
            }
        }
    )

    answer_id: str
    tenant_id: str
    question: str
    status: Literal["answered", "abstained", "degraded"]
    text: str
    claims: list[Claim]
    index_version: str | None
    as_of: str | None = Field(description="ISO 8601 with offset.")
    context: Context
    timings_ms: dict[str, float]
    conflicts: list[Conflict] = Field(default=[], description="What earlier releases said in place of the claims.")


class Excerpt(BaseModel):
    """The stretch of a passage that seems to answer: the bytes `byte_start` to `byte_end` of the passage's object."""

    byte_start: int
    byte_end: int
    text: str
    likelihood: float


class SearchHit(BaseModel):
    document_id: str
    title: str
    kind: str
    url: str | None
    version: str | None
    product: str | None
    heading_path: list[str]
    text: str
    object_sha256: Sha256
    byte_start: int
    byte_end: int
    score: float
    also_in: list[str] = Field(description="Documents with a copy of this passage, left out for it.")
    rerank: float | None = Field(None, description="Score of the reranker, where one is configured and answered.")
    excerpt: Excerpt | None = Field(None, description="Where excerpts were asked for.")


class SearchResult(BaseModel):
    tenant_id: str
    query: str
    hits: list[SearchHit] = Field(description="Best first.")


class Check(BaseModel):
    """One citation, read again from where it came."""

    claim: int
    citation: int
    kind: Literal["span", "rows"]
    ok: bool
    detail: str
    retired: bool = Field(False, description="True where its rows are kept in bronze only, and cannot be counted here.")


class Verification(BaseModel):
    answer_id: str
    ok: bool = Field(description="True where every citation still holds.")
    checks: list[Check]


class DocumentSource(BaseModel):
    """The whole text of a cited document. It is the bytes `byte_start:byte_end` of the object."""

    document_id: str
    title: str
    kind: str
    url: str | None
    product: str | None
    version: str | None
    object_sha256: Sha256
    byte_start: int
    byte_end: int
    text: str


class Point(BaseModel):
    device_id: str
    ts: datetime
    value: float


class Series(BaseModel):
    """The readings behind a number, in order of time. Empty where the number counts events or devices."""

    metric: str | None
    unit: str | None
    hourly: bool = Field(
        description="True where each point is the average of an hour: the readings are too many to draw."
    )
    points: list[Point]


class Evaluation(BaseModel):
    """One run of a suite on an index version. Nothing of what was asked or answered."""

    index_version: str
    suite: str
    evaluated_at: datetime
    questions: int
    correct: int
    stale: int
    metrics: dict[str, float]
    active: bool = Field(description="True where questions are answered from this version now.")


class Evaluations(BaseModel):
    runs: list[Evaluation] = Field(description="Newest first.")


class Health(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    """`tenants_kept_apart_by`: filters alone where the database user may not create the role that policies hold for."""

    database: Literal["ok"]
    index_version: str
    tenants_kept_apart_by: Literal["row-level security", "filters alone"]


class RefusedRecord(BaseModel):
    """`record` counts from 1; it is null where the body as a whole was refused."""

    record: int | None
    code: str = Field(examples=["bad_timestamp"])
    reason: str


class Taken(BaseModel):
    """What is in bronze now. `repeated`: it was there before this request, which added nothing."""

    tenant_id: str
    accepted: int = Field(ge=0)
    repeated: bool
    refused: list[RefusedRecord] = Field(description="Kept in quarantine, each with its bytes.")
    object_sha256: Sha256 | None = Field(default=None, description="The body as it was sent, in the tenant's objects.")
