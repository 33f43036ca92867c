"""Question → answer: scope, numbers from gold, sentences from the index, and no claim out without a checked receipt."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg
from prometheus_client import Counter

from lakehouse import database
from lakehouse.connections import Connections
from lakehouse.database import Connection
from lakehouse.errors import DatabaseUnavailable, IndexNotBuilt, Misused, WarehouseNotBuilt
from lakehouse.objects import ObjectStore
from lakehouse.tenants import readable, require_tenant
from rag import history, indexing, records, sources, tenancy, versions
from rag.answer import Answer, Claim, Context, Question, SpanCitation
from rag.change_questions import summary
from rag.context import Scope, resolve_scope
from rag.drafting import Draft, draft
from rag.embedder import Embedder
from rag.excerpts import Excerpt, excerpts
from rag.inquiry import Inquiry
from rag.lexical import Lexical
from rag.lineage import Origin, trace
from rag.receipts import Verification, check_span, verify_answer
from rag.rerank import Reranker
from rag.retriever import Hit
from rag.statements import Statements

LONGEST_QUESTION = 2000
NO_CONTEXT = Context()

ANSWERS = Counter("iotops_answers", "Answers given, by status", ["status"])
WITHHELD = Counter("iotops_claims_withheld", "Claims that did not leave because a citation failed its check")


@dataclass(frozen=True)
class SearchHit:
    document_id: str
    title: str
    kind: str
    url: str | None
    version: str | None
    product: str | None
    heading_path: tuple[str, ...]
    text: str
    object_sha256: str
    byte_start: int
    byte_end: int
    score: float
    also_in: tuple[str, ...]
    rerank: float | None
    excerpt: Excerpt | None = None


class Copilot:
    """Answers for one installation. It holds the open index of the active version and nothing about a caller."""

    def __init__(
        self,
        database_url: str,
        objects: ObjectStore,
        embedder: Embedder,
        indexes: Path,
        reranker: Reranker | None = None,
    ) -> None:
        self._reranker = reranker
        self._database_url = database_url
        self._connections = Connections(database_url)
        self._objects = objects
        self._embedder = embedder
        self._indexes = indexes
        self._lexical: Lexical | None = None
        self._statements = Statements()

    def ask(self, question: Question, *, index_version: str | None = None) -> Answer:
        """Raises UnknownTenant, WarehouseNotBuilt, IndexNotBuilt, Misused, Unavailable.

        index_version: answer from this one instead of the active one, to evaluate it before it is promoted.
        """
        started = perf_counter()
        if not 0 < len(question.text.strip()) <= LONGEST_QUESTION:
            raise Misused(
                f"a question has 1 to {LONGEST_QUESTION} characters: this one has {len(question.text.strip())}"
            )
        with self._session(question.tenant_id) as connection:
            inquiry = self.inquiry(connection, question, index_version or self._active(connection))
            answer = self._checked(inquiry, draft(inquiry), started)
            records.save(connection, answer, question.now)
        ANSWERS.labels(answer.status).inc()
        return answer

    def search(
        self,
        query: str,
        *,
        tenant_id: str,
        limit: int = 10,
        now: datetime,
        as_of: datetime | None = None,
        context: Context = NO_CONTEXT,
        index_version: str | None = None,
        with_excerpts: bool = False,
    ) -> list[SearchHit]:
        """The passages that an answer would be taken from, best first. index_version: see `ask`.

        with_excerpts: of the first ten those that seem to hold an answer, each with the stretch that does, likeliest
        first. Their sentences are embedded, which takes some tens of milliseconds.
        """
        question = Question(query, tenant_id, now, as_of, context)
        with self._session(tenant_id) as connection:
            inquiry = self.inquiry(connection, question, index_version or self._active(connection))
            hits = inquiry.retrieve(query, limit, self._reranker)
        if not with_excerpts:
            return [_search_hit(hit) for hit in hits]
        chosen = excerpts(query, hits, self._embedder, inquiry.lexical, limit=limit)
        return [replace(_search_hit(hits[one.passage]), excerpt=one) for one in chosen]

    def answer(self, answer_id: str, *, tenant_id: str) -> dict[str, Any]:
        with self._session(tenant_id) as connection:
            return records.load(connection, tenant_id, answer_id)

    def verify(self, answer_id: str, *, tenant_id: str) -> Verification:
        """Read every quote again from the store, and run every statement again on gold."""
        with self._session(tenant_id) as connection:
            answer = records.from_json(records.load(connection, tenant_id, answer_id))
            return verify_answer(answer, connection, self._objects, readable(tenant_id))

    def lineage(self, answer_id: str, *, tenant_id: str) -> list[Origin]:
        """The raw files in bronze behind every citation."""
        with self._session(tenant_id) as connection:
            return trace(connection, records.from_json(records.load(connection, tenant_id, answer_id)))

    def document(self, document_id: str, *, tenant_id: str) -> sources.DocumentSource:
        with self._session(tenant_id) as connection:
            return sources.read_document(connection, document_id, tenant_id)

    def series(self, answer_id: str, claim: int, citation: int, *, tenant_id: str) -> sources.Series:
        with self._session(tenant_id) as connection:
            answer = records.from_json(records.load(connection, tenant_id, answer_id))
            return sources.read_series(connection, answer, claim, citation)

    def evaluations(self, *, suite: str | None, limit: int) -> list[history.Past]:
        with self._connections.transaction() as connection:
            return history.read_history(connection, suite=suite, limit=limit)

    def close(self) -> None:
        """Connections that are kept for the next question."""
        self._connections.close()

    def ready(self) -> dict[str, str]:
        """Raises Unavailable or NotReady where a question could not be answered now."""
        with self._connections.transaction() as connection:
            guard = "row-level security" if tenancy.is_guarded(connection) else "filters alone"
            return {"database": "ok", "index_version": self._active(connection), "tenants_kept_apart_by": guard}

    def inquiry(self, connection: Connection, question: Question, index_version: str) -> Inquiry:
        """connection: a session of the question's tenant."""
        scope, lexical = resolve_scope(connection, question), self.lexical(index_version)
        return Inquiry(connection, question, scope, lexical, self._embedder, self._statements, self._reranker)

    def lexical(self, version: str) -> Lexical:
        if self._lexical is None or self._lexical.index_version != version:
            with self._connections.transaction() as every_tenant:  # of whose chunks missing files are made
                self._lexical = indexing.open_lexical(every_tenant, self._indexes, version)
        return self._lexical

    def _checked(self, inquiry: Inquiry, draft: Draft, started: float) -> Answer:
        """Every quote is read again from the store; a claim that fails is withheld, and the answer says so."""
        question, scope = inquiry.question, inquiry.scope
        tenants = readable(question.tenant_id)
        kept, faults = [], []
        for claim in draft.claims:
            spans = [c for c in claim.citations if isinstance(c, SpanCitation)]
            fault = next((f for c in spans if (f := check_span(self._objects, tenants, c))), None)
            if fault:
                WITHHELD.inc()
                faults.append(f"a claim was withheld, its receipt does not hold: {fault}")
            else:
                kept.append(claim)
        conflicts = [
            one for one in draft.conflicts if not any(check_span(self._objects, tenants, c) for c in one.citations)
        ]
        gaps = (*draft.gaps, *faults)
        total = (perf_counter() - started) * 1000
        return Answer(
            answer_id=uuid.uuid4().hex,
            tenant_id=question.tenant_id,
            question=question.text,
            status="abstained" if not kept else "degraded" if faults else "answered",
            text=_text(kept, gaps, scope, summary(conflicts) if kept else None),
            claims=tuple(kept),
            index_version=inquiry.index_version,
            as_of=question.as_of.isoformat() if question.as_of else None,
            context=scope.context,
            timings_ms={
                "retrieve": round(draft.retrieve_ms, 1),
                "answer": round(total - draft.retrieve_ms, 1),
                "total": round(total, 1),
            },
            conflicts=tuple(conflicts) if kept else (),
        )

    def _active(self, connection: Connection) -> str:
        version = versions.active_version(connection)
        if version is None:
            raise IndexNotBuilt
        return version

    @contextmanager
    def _session(self, tenant_id: str) -> Iterator[Connection]:
        """A connection on behalf of a tenant that exists. Gold that is not there yet is said so, in one line."""
        with self._connections.transaction() as connection:
            require_tenant(connection, tenant_id)
            tenancy.enter(connection, readable(tenant_id))
            try:
                yield connection
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
                raise WarehouseNotBuilt from error
            except psycopg.OperationalError as error:
                raise DatabaseUnavailable(database.public_name(self._database_url), error) from error


def _text(claims: list[Claim], gaps: tuple[str, ...], scope: Scope, changed: str | None) -> str:
    """The claims, numbered as they are cited; what could not be answered, and why, at the end. Between them, since when
    it is so, and how a device is called that the question calls by a former name."""
    said = [f"{claim.text} [{number}]" for number, claim in enumerate(claims, start=1)]
    left = [f"{'Not answered' if not claims else 'Not found'}: {gap}." for gap in dict.fromkeys(gaps)]
    renamed = [f"{device.asked} was renamed and is called {device.device_id} now." for device in scope.renamed]
    return "\n".join([*said, *([changed] if changed else []), *renamed, *left])


def _search_hit(hit: Hit) -> SearchHit:
    names = SearchHit.__dataclass_fields__.keys() - {"excerpt"}
    return SearchHit(**{name: getattr(hit, name) for name in names})
