"""The ASGI application."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry

from copilot_api import ingest, probes, problems, routes
from copilot_api.limits import BodyLimit
from copilot_api.metrics import Measured, Metrics
from lakehouse.intake import Intake
from rag.copilot import Copilot


def create_app(
    copilot: Copilot,
    *,
    clock: Callable[[], datetime],
    intake: Intake | None = None,
    registry: CollectorRegistry | None = None,
) -> FastAPI:
    """`clock` anchors "today" in questions; it returns an aware datetime. Metrics go to a registry of their own.

    Without an intake the API answers only, and has no `/v1/ingest`.
    """
    # FastAPI's pages for people load their scripts from a CDN, so they are off; /openapi.json stays.
    app = FastAPI(title="IoT Ops Copilot", version="1", docs_url=None, redoc_url=None)
    app.state.copilot = copilot
    app.state.clock = clock
    app.state.metrics = Metrics(registry or CollectorRegistry())
    app.include_router(routes.router)
    app.include_router(probes.router)
    if intake is not None:
        app.state.intake = intake
        app.include_router(ingest.router)
    app.add_middleware(BodyLimit)
    app.add_middleware(Measured, metrics=app.state.metrics)  # added last is outermost: counts refusals, too
    problems.install(app)
    app.openapi = _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
    return app


def _openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """FastAPI files every declared model under application/json; problems are sent as application/problem+json."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            operations = [operation for path in schema["paths"].values() for operation in path.values()]
            for content in (r.get("content", {}) for o in operations for r in o["responses"].values()):
                if _is_problem(content.get("application/json")) or _is_problem(content.get("text/plain")):
                    content[problems.MEDIA_TYPE] = content.popitem()[1]
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi


def _is_problem(media: dict[str, Any] | None) -> bool:
    return media is not None and str(media["schema"].get("$ref")).endswith("/Problem")
