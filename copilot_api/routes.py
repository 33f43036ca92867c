"""`/v1`: questions, their receipts, and the sources that these point to.

Every endpoint is a plain `def`, run in the thread pool: the copilot blocks on Postgres and onnxruntime.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from copilot_api import models
from copilot_api.metrics import Metrics
from copilot_api.problems import declared
from rag.answer import Context, Question
from rag.copilot import Copilot


def _copilot(request: Request) -> Copilot:
    copilot: Copilot = request.app.state.copilot
    return copilot


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _now(request: Request) -> datetime:
    clock: Callable[[], datetime] = request.app.state.clock
    return clock()


CopilotPart = Annotated[Copilot, Depends(_copilot)]
MetricsPart = Annotated[Metrics, Depends(_metrics)]
Now = Annotated[datetime, Depends(_now)]
AnswerId = Annotated[models.Name, Path(description="As given in an answer.")]
Tenant = Annotated[models.Name, Query(description="The tenant that asked.")]
Index = Annotated[int, Query(ge=0, description="Counted from 0.")]

router = APIRouter(prefix="/v1", tags=["copilot"])


@router.post("/ask", response_model=models.Answer, responses=declared(400, 404, 409, 413, 422, 503))
def ask(body: models.AskRequest, copilot: CopilotPart, metrics: MetricsPart, now: Now) -> dict[str, Any]:
    """Answer a question with receipts, or abstain where the evidence does not carry an answer."""
    question = Question(text=body.question, tenant_id=body.tenant_id, now=now, as_of=body.as_of, context=_context(body))
    answer = copilot.ask(question).to_json()
    for stage, milliseconds in answer["timings_ms"].items():
        metrics.stages.labels(stage).observe(milliseconds / 1000)
    for citation in (c for claim in answer["claims"] for c in claim["citations"]):
        metrics.citations.labels(citation["kind"]).inc()
    return answer


@router.get("/search", response_model=models.SearchResult, responses=declared(404, 409, 422, 503))
def search(request: Annotated[models.SearchRequest, Query()], copilot: CopilotPart, now: Now) -> dict[str, Any]:
    """The passages nearest to a query, best first."""
    hits = copilot.search(
        request.q,
        tenant_id=request.tenant_id,
        limit=request.limit,
        now=now,
        as_of=request.as_of,
        context=_context(request),
        with_excerpts=request.excerpts,
    )
    return {"tenant_id": request.tenant_id, "query": request.q, "hits": hits}


@router.get("/answers/{answer_id}", response_model=models.Answer, responses=declared(404, 422, 503))
def answer(answer_id: AnswerId, copilot: CopilotPart, tenant_id: Tenant = "default") -> dict[str, Any]:
    """An answer as it was given."""
    return copilot.answer(answer_id, tenant_id=tenant_id)


@router.get(
    "/answers/{answer_id}/verification", response_model=models.Verification, responses=declared(404, 409, 422, 503)
)
def verification(answer_id: AnswerId, copilot: CopilotPart, metrics: MetricsPart, tenant_id: Tenant = "default") -> Any:
    """Read every citation of an answer again from where it came, and compare."""
    result = copilot.verify(answer_id, tenant_id=tenant_id)
    for check in result.checks:
        metrics.verified.labels(str(check.ok).lower()).inc()
    return result


@router.get("/answers/{answer_id}/series", response_model=models.Series, responses=declared(404, 409, 422, 503))
def series(
    answer_id: AnswerId, claim: Index, citation: Index, copilot: CopilotPart, tenant_id: Tenant = "default"
) -> Any:
    """The readings behind a `rows` citation."""
    return copilot.series(answer_id, claim, citation, tenant_id=tenant_id)


@router.get("/documents/{document_id}", response_model=models.DocumentSource, responses=declared(404, 409, 422, 503))
def document(
    document_id: Annotated[models.Name, Path(description="As given in a citation or a hit.")],
    copilot: CopilotPart,
    tenant_id: Tenant = "default",
) -> Any:
    """A cited document, whole."""
    return copilot.document(document_id, tenant_id=tenant_id)


@router.get("/evaluations", response_model=models.Evaluations, responses=declared(422, 503))
def evaluations(
    copilot: CopilotPart,
    suite: Annotated[models.Name | None, Query(description="Only this suite.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """How index versions did on suites of questions with known answers."""
    return {"runs": copilot.evaluations(suite=suite, limit=limit)}


def _context(scope: models.Scope) -> Context:
    return Context(device_id=scope.device_id, product=scope.product, version=scope.version)
