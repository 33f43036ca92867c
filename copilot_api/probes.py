"""What orchestrators and Prometheus ask: does the process live, can it answer, what has it done."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from copilot_api import models, problems
from copilot_api.routes import CopilotPart, MetricsPart
from lakehouse.errors import IotopsError

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_model=models.Health, responses=problems.declared())
async def healthz() -> dict[str, str]:
    """The process lives. Never asks another part: a restart would not heal that."""
    return {"status": "ok"}


@router.get("/readyz", response_model=models.Ready, responses=problems.declared(503))
def readyz(request: Request, copilot: CopilotPart) -> Any:
    """The database answers and an index is active."""
    try:
        return copilot.ready()
    except IotopsError as error:
        return problems.respond(problems.of_error(error, request.url.path, status=503))


@router.get("/metrics", response_class=PlainTextResponse, responses=problems.declared())
def metrics(counted: MetricsPart) -> Response:
    """Prometheus text format."""
    return PlainTextResponse(counted.exposition(), media_type="text/plain; version=0.0.4")
