"""What the API counts, beside what the copilot counts. Labels take only values from closed sets."""

import time
from collections.abc import Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """In a registry of its own, so that two apps in one process do not clash."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.requests = Counter(
            "iotops_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "iotops_http_request_seconds",
            "From the start of a request to the end of its response.",
            ("method", "route"),
            buckets=SECONDS,
            registry=registry,
        )
        self.stages = Histogram(
            "iotops_answer_stage_seconds",
            "Time that each stage of an answer took.",
            ("stage",),
            buckets=SECONDS,
            registry=registry,
        )
        self.citations = Counter("iotops_citations", "Citations in answers given.", ("kind",), registry=registry)
        self.verified = Counter(
            "iotops_citations_verified", "Citations read again on demand.", ("ok",), registry=registry
        )

    def exposition(self) -> bytes:
        """With the process-wide registry, where the copilot counts its answers and the claims that it withheld."""
        return generate_latest(self._registry) + generate_latest(REGISTRY)


class Measured:
    """ASGI middleware. Outside routing, so that what no route takes is counted as well."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500  # what is sent further out when an error comes through here

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        start = time.perf_counter()
        try:
            await self.app(scope, receive, watched)
        finally:
            method, route = _method(scope), _route(scope)
            self.metrics.seconds.labels(method, route).observe(time.perf_counter() - start)
            self.metrics.requests.labels(method, route, str(status)).inc()


def _method(scope: Scope) -> str:
    return str(scope["method"]) if scope["method"] in METHODS else "other"


def _route(scope: Mapping[str, object]) -> str:
    return str(getattr(scope.get("route"), "path", "unmatched"))
