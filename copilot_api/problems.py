"""Every error that leaves the API, as RFC 9457 `application/problem+json`. One table maps errors to statuses."""

import json
import logging
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lakehouse.errors import IotopsError, Misused, NotFound, NotReady, Refused, StepFailed, Unavailable

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# An error has the status of its nearest ancestor in this table.
STATUS: Mapping[type[BaseException], int] = {
    Misused: 422,
    NotFound: 404,
    NotReady: 409,
    Refused: 409,
    Unavailable: 503,
    StepFailed: 500,
    IotopsError: 500,
}


class InvalidField(BaseModel):
    """One thing in a request that could not be used."""

    where: str = Field(examples=["body.question"], description="The part of the request, then the name in it.")
    detail: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """RFC 9457. `detail` says what to do about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:iotops:problem:unknown-tenant",
                "title": "Unknown tenant",
                "status": 404,
                "detail": "tenant 'acme' does not exist: use one of default, public, "
                "or create it with 'iotops tenant create acme'",
                "instance": "/v1/ask",
            }
        }
    )

    type: str = Field(description="Names the kind of problem; stable, made to be compared, not to be opened.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="The path that was asked for.")
    errors: list[InvalidField] | None = Field(
        default=None, description="Of an invalid request: each thing wrong in it."
    )


def status_of(error: IotopsError) -> int:
    return next(STATUS[ancestor] for ancestor in type(error).__mro__ if ancestor in STATUS)


def of_error(error: IotopsError, instance: str, status: int | None = None) -> Problem:
    """`status` overrides the table: a probe says 503 of what a question calls a conflict."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).capitalize()
    name = f"urn:iotops:problem:{words.lower().replace(' ', '-')}"
    return Problem(type=name, title=words, status=status or status_of(error), detail=str(error), instance=instance)


def of_status(status: int, detail: str, instance: str) -> Problem:
    """A problem that its status describes fully, for which RFC 9457 keeps `about:blank`."""
    title = HTTPStatus(status).phrase
    return Problem(type="about:blank", title=title, status=status, detail=detail, instance=instance)


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    # ASCII only: a detail may repeat a lone surrogate from the request, which UTF-8 cannot carry.
    body = json.dumps(problem.model_dump(exclude_none=True))
    return Response(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the `responses` of a route. 500 is among them without being named."""
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in (*statuses, 500)}


def install(app: FastAPI) -> None:
    app.add_exception_handler(IotopsError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_status)
    app.add_exception_handler(Exception, _on_unexpected)


def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IotopsError)  # noqa: S101 - Starlette types every handler as taking any Exception
    problem = of_error(error, request.url.path)
    if problem.status >= 500:
        logger.warning("%s %s: %s", request.method, request.url.path, error)
    return respond(problem)


def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    errors = [InvalidField(where=".".join(map(str, e["loc"])), detail=e["msg"]) for e in error.errors()]
    detail = "; ".join(f"{e.where}: {e.detail}" for e in errors)
    problem = Problem(
        type="urn:iotops:problem:invalid-request",
        title="Invalid request",
        status=422,
        detail=detail,
        instance=request.url.path,
        errors=errors,
    )
    return respond(problem)


def _on_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    detail = {
        400: "the body could not be read: send JSON text in UTF-8",
        404: "no such path: /openapi.json lists those that exist",
        405: f"{request.method} is not possible here: see the Allow header, or /openapi.json",
    }.get(error.status_code, error.detail)
    return respond(of_status(error.status_code, detail, request.url.path), error.headers)


def _on_unexpected(request: Request, error: Exception) -> Response:
    identity = uuid.uuid4().hex
    logger.error("unexpected error %s in %s %s", identity, request.method, request.url.path, exc_info=error)
    return respond(of_status(500, f"unexpected error: the log of the API has it under {identity}", request.url.path))
