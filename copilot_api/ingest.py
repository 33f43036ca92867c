"""`/v1/ingest`: records and documents into bronze. 202 is sent once they are durable there, or in quarantine."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Header, Query, Request, UploadFile
from starlette.responses import Response

from copilot_api import models
from copilot_api.problems import InvalidField, declared, of_error, respond
from copilot_api.routes import Now
from lakehouse.errors import BodyRefused
from lakehouse.intake import Intake, Receipt, RefusedRecord
from lakehouse.sources.front_matter import KINDS

router = APIRouter(prefix="/v1/ingest", tags=["ingest"])


def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


async def _body(request: Request) -> bytes:
    return await request.body()


IntakePart = Annotated[Intake, Depends(_intake)]
Body = Annotated[bytes, Depends(_body)]
Tenant = Annotated[models.Name, Query(description="The tenant that the records belong to.")]
Source = Annotated[models.Name, Query(description="A name for where they come from.")]
Key = Annotated[
    models.Name | None,
    Header(
        alias="Idempotency-Key",
        description="Names the request for a day: sent again with the same body it adds nothing, with another it is "
        "refused.",
    ),
]
RECORDS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One JSON object a line."}},
        },
    }
}
TAKEN: dict[str, Any] = {"status_code": 202, "responses": declared(404, 413, 422, 503)}


@router.post("/telemetry", response_model=models.Taken, openapi_extra=RECORDS, **TAKEN)
def telemetry(
    request: Request,
    body: Body,
    intake: IntakePart,
    now: Now,
    tenant_id: Tenant = "default",
    source: Source = "http",
    key: Key = None,
) -> Any:
    """Readings and events. Those that are refused are named one by one, and kept in quarantine."""
    return _answer(request, tenant_id, intake.telemetry(tenant_id, body, now=now, key=key, source=source))


@router.post("/messages", response_model=models.Taken, openapi_extra=RECORDS, **TAKEN)
def messages(
    request: Request,
    body: Body,
    intake: IntakePart,
    now: Now,
    tenant_id: Tenant = "default",
    source: Source = "http",
    key: Key = None,
) -> Any:
    """Chat messages with channel, message_id, ts and text; thread_id, author, edited_at and deleted where known."""
    return _answer(request, tenant_id, intake.messages(tenant_id, body, now=now, key=key, source=source))


@router.post("/documents", response_model=models.Taken, **TAKEN)
def documents(
    request: Request,
    intake: IntakePart,
    now: Now,
    file: Annotated[UploadFile, File(description="Markdown, text, HTML or PDF, up to 20 MB.")],
    tenant_id: Annotated[models.Name, Form()] = "default",
    source: Annotated[models.Name, Form()] = "http",
    product: Annotated[models.Name | None, Form()] = None,
    version: Annotated[models.Name | None, Form()] = None,
    kind: Annotated[models.Name | None, Form(description=f"One of {', '.join(KINDS)}.")] = None,
    classification: Annotated[models.Name, Form()] = "internal",
    key: Key = None,
) -> Any:
    """One document. What it states about itself wins over the form; one of the same name and source is superseded."""
    said = {"source": source, "product": product, "version": version, "kind": kind, "classification": classification}
    summary = intake.document(tenant_id, file.filename or "", file.file.read(), now=now, key=key, **said)
    refused = tuple(RefusedRecord(one.record, one.code, one.reason) for one in summary.refused)
    receipt = Receipt(None, summary.landed + summary.unchanged, refused, repeated=summary.unchanged > 0)
    return _answer(request, tenant_id, receipt)


def _answer(request: Request, tenant_id: str, receipt: Receipt) -> Any:
    if receipt.refused and not receipt.accepted:
        return _nothing_taken(request, receipt.refused)
    return {"tenant_id": tenant_id, **asdict(receipt)}


def _nothing_taken(request: Request, refused: Sequence[RefusedRecord]) -> Response:
    error = BodyRefused("none of it could be used; all of it is in quarantine: correct it and send it again")
    errors = [
        InvalidField(where=f"record {one.record}" if one.record else "body", detail=one.reason) for one in refused
    ]
    return respond(of_error(error, request.url.path).model_copy(update={"errors": errors}))
