"""Question → answer: scope, numbers from gold, sentences from the index, and no claim out without a checked receipt."""

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg
from prometheus_client import Counter

from lakehouse import database, warehouse
from lakehouse.connections import Connections
from lakehouse.database import Connection
from lakehouse.errors import DatabaseUnavailable, IndexNotBuilt, Misused, WarehouseNotBuilt
from lakehouse.objects import ObjectStore
from lakehouse.tenants import readable, require_tenant
from rag import history, indexing, records, sources, tenancy, versions
from rag.answer import Answer, Claim, Conflict, Context, Question, SpanCitation
from rag.change_questions import Change, list_changes, read_change, summary, told
from rag.clauses import clauses, named_kind, with_subject
from rag.conflicts import find_conflict, replaced_by
from rag.context import Scope, earlier_releases, notes_between, pages_of, resolve_scope, same_name, unknown_devices
from rag.embedder import Embedder
from rag.extraction import Evidence, Stating, extract
from rag.features import Asked
from rag.lexical import Lexical
from rag.lineage import Origin, trace
from rag.measure import Measure, NotMeasured, Vocabulary, read_measure
from rag.measuring import measure, read_vocabulary
from rag.names import as_called_now
from rag.receipts import Verification, check_span, verify_answer
from rag.releases import of_release, spoken_for
from rag.replacements import Replacement
from rag.rerank import Reranker
from rag.retriever import Filters, Hit, look_again, retrieve
from rag.statements import Statements
from rag.version_order import version_key
from rag.windows import find_window

LONGEST_QUESTION = 2000
PASSAGES = 30
EARLIER = 8  # passages of earlier releases in which a statement is looked for
COMPARED = 2  # claims of an answer that are held against them
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


@dataclass(frozen=True)
class Draft:
    """What one question came to before its citations were checked. `gaps`: why a part has no answer."""

    claims: tuple[Claim, ...]
    gaps: tuple[str, ...]
    retrieve_ms: float
    conflicts: tuple[Conflict, ...] = ()


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
            version = index_version or self._active(connection)
            scope = resolve_scope(connection, question)
            draft = self._draft(connection, question, scope, version)
            answer = self._checked(question, scope, version, draft, started)
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
    ) -> list[SearchHit]:
        """The passages that an answer would be taken from, best first. index_version: see `ask`."""
        question = Question(query, tenant_id, now, as_of, context)
        with self._session(tenant_id) as connection:
            scope = resolve_scope(connection, question)
            version = index_version or self._active(connection)
            hits = self._retrieve(connection, query, question, scope, version, limit, self._reranker)
        return [_search_hit(hit) for hit in hits]

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

    def ready(self) -> dict[str, str]:
        """Raises Unavailable or NotReady where a question could not be answered now."""
        with self._connections.transaction() as connection:
            guard = "row-level security" if tenancy.is_guarded(connection) else "filters alone"
            return {"database": "ok", "index_version": self._active(connection), "tenants_kept_apart_by": guard}

    def _draft(self, connection: Connection, question: Question, scope: Scope, version: str) -> Draft:
        """Clause by clause: a number where the clause asks for one that gold holds, else sentences."""
        if unknown := unknown_devices(connection, question, scope):
            return Draft((), tuple(f"device '{name}' is not known to this tenant" for name in unknown), 0.0)
        vocabulary = read_vocabulary(connection, question.tenant_id)
        snapshot = warehouse.snapshot(connection)
        if change := self._change_in(question, scope):
            return self._changed(connection, question, scope, change, version)
        claims: list[Claim] = []
        conflicts: list[Conflict] = []
        gaps: list[str] = []
        retrieve_ms = 0.0
        for clause in clauses(as_called_now(question.text, scope.renamed)):
            asked = measure_in(clause, question, scope, vocabulary)
            found: Sequence[Claim] | NotMeasured
            if asked is None:
                begun = perf_counter()
                hits = self.passages(connection, clause, question, scope, version)
                retrieve_ms += (perf_counter() - begun) * 1000
                evidence, now = self._quoted(connection, clause, hits, question, scope, version)
                conflicts += now
                found = evidence.claims or NotMeasured(f"no document or message carries an answer to “{clause}”")
            elif isinstance(asked, NotMeasured):
                found = asked
            else:
                found = measure(connection, question.tenant_id, asked, snapshot=snapshot, as_of=question.as_of)
            if isinstance(found, NotMeasured):
                gaps.append(found.reason)
            else:
                claims.extend(claim for claim in found if claim not in claims)
        return Draft(tuple(claims), tuple(gaps), retrieve_ms, tuple(dict.fromkeys(conflicts)))

    def _change_in(self, question: Question, scope: Scope) -> Change | None:
        """What happened to one device is no question of releases."""
        if scope.devices:
            return None
        known = [r.version for r in scope.known if r.version and same_name(r.product, scope.context.product)]
        return read_change(question.text, scope.versions, known, scope.context.product)

    def _changed(self, connection: Connection, question: Question, scope: Scope, change: Change, version: str) -> Draft:
        """Both releases are asked; what they say differently is told with the statement of the change."""
        begun = perf_counter()
        if not change.subject:
            claims = self._all_changes(connection, question, scope, change, version)
            gaps = () if claims else ("no document tells what changed",)
            return Draft(tuple(claims), gaps, (perf_counter() - begun) * 1000)
        sides = []
        for release in (change.new, change.old):
            context = Context(None, scope.context.product, release)
            asked = replace(question, text=change.subject or question.text, context=context)
            side = resolve_scope(connection, asked)
            hits = self.passages(connection, asked.text, asked, side, version)
            sides.append((side, *self._evidence(connection, asked.text, hits, asked, side, version)))
        (new_scope, new, stating), (_, old, _) = sides
        asked = replace(question, text=change.subject or question.text, context=new_scope.context)
        conflicts = self._conflicts(connection, new, stating, asked, new_scope, version)
        statements = stating([one.candidate.quoted for one in old.stated]) if old.stated else []
        for one in old.stated:
            found = replaced_by(one.candidate, statements, self._earlier(connection, asked, new_scope, version))
            conflicts += [found] if found and found not in conflicts else []
        since = version_key(change.old or "")
        conflicts = [one for one in conflicts if one.since is None or version_key(one.since) > since]
        claims = told(conflicts) or [*new.claims[:1], *(c for c in old.claims[:1] if c not in new.claims)]
        gaps = () if claims else (f"no document tells what changed of “{change.subject or question.text}”",)
        return Draft(tuple(claims), gaps, (perf_counter() - begun) * 1000, tuple(conflicts))

    def _all_changes(
        self, connection: Connection, question: Question, scope: Scope, change: Change, version: str
    ) -> list[Claim]:
        """What release notes and pages state of the releases after the old one, up to the new."""
        asked = replace(question, text="", context=Context(None, scope.context.product))  # today's pages tell of all
        side = resolve_scope(connection, asked)
        notes = self._among(connection, question.text, notes_between(side, change.old, change.new), question, version)
        statements = self._statements.all(connection, _filters(asked, side, version), None)
        return list_changes(notes, statements, change)

    def passages(
        self, connection: Connection, clause: str, question: Question, scope: Scope, version: str
    ) -> list[Hit]:
        """The best passages for a clause, asked for as it stands and as a manual would put it, best first."""
        asked = asked_of(clause, question, scope)
        best: dict[str, Hit] = {}
        for query in dict.fromkeys((question.text, asked.query, asked.general)):
            for hit in self._retrieve(connection, query, question, scope, version, PASSAGES):
                if hit.chunk_id not in best or best[hit.chunk_id].score < hit.score:
                    best[hit.chunk_id] = hit
        hits = sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk_id))
        hits = look_again(self._reranker, asked.query, hits)
        kind = named_kind(clause)
        return [hit for hit in hits if hit.kind == kind] or [hit for hit in hits if hit.kind != "insight"]

    def _quoted(
        self, connection: Connection, clause: str, hits: Sequence[Hit], question: Question, scope: Scope, version: str
    ) -> tuple[Evidence, list[Conflict]]:
        evidence, stating = self._evidence(connection, clause, hits, question, scope, version)
        return evidence, self._conflicts(connection, evidence, stating, question, scope, version)

    def _evidence(
        self, connection: Connection, clause: str, hits: Sequence[Hit], question: Question, scope: Scope, version: str
    ) -> tuple[Evidence, Stating]:
        filters, release = _filters(question, scope, version), scope.context.version

        def stating(texts: Sequence[str]) -> list[Replacement]:
            return self._statements.about(connection, texts, filters, release)

        asked, lexical = asked_of(clause, question, scope), self.lexical(version)
        return extract(asked, hits, self._embedder, lexical, stating, version=release), stating

    def _conflicts(
        self,
        connection: Connection,
        evidence: Evidence,
        stating: Stating,
        question: Question,
        scope: Scope,
        version: str,
    ) -> list[Conflict]:
        """Of the answer's first claims, what earlier releases said in their place."""
        earlier = self._earlier(connection, question, scope, version)
        notes = self._of_kind(connection, question, scope, version, "release_note")
        same = self._of_kind(connection, question, scope, version, "manual")
        found = list(evidence.conflicts)
        compared = evidence.stated[:COMPARED]
        statements = stating([one.candidate.quoted for one in compared]) if compared else []
        for stated in compared:
            if conflict := find_conflict(stated, statements, earlier, notes, same):
                found.append(conflict)
        return list(dict.fromkeys(found))

    def _earlier(
        self, connection: Connection, question: Question, scope: Scope, version: str
    ) -> Callable[[str, Hit], list[Hit]]:
        def find(query: str, hit: Hit) -> list[Hit]:
            keys = earlier_releases(scope, hit.product, hit.version_key)
            return self._among(connection, query, keys, question, version)

        return find

    def _of_kind(
        self, connection: Connection, question: Question, scope: Scope, version: str, kind: str
    ) -> Callable[[str, Hit], list[Hit]]:
        """Passages of one kind, of the very release of a hit."""

        def find(query: str, hit: Hit) -> list[Hit]:
            keys = pages_of(scope, hit.product, hit.version, kind)
            return self._among(connection, query, keys, question, version)

        return find

    def _among(
        self, connection: Connection, query: str, releases: frozenset[str], question: Question, version: str
    ) -> list[Hit]:
        """Passages of these releases alone."""
        if not releases:
            return []
        filters = Filters(readable(question.tenant_id), version, question.as_of, releases, insights=False)
        lexical = self.lexical(version)
        hits = retrieve(connection, lexical, self._embedder, query, filters=filters, limit=EARLIER)
        return [spoken_for(hit) for hit in hits if hit.product]

    def _retrieve(
        self,
        connection: Connection,
        query: str,
        question: Question,
        scope: Scope,
        version: str,
        limit: int,
        reranker: Reranker | None = None,
    ) -> list[Hit]:
        lexical, filters = self.lexical(version), _filters(question, scope, version)
        hits = retrieve(connection, lexical, self._embedder, query, filters=filters, limit=limit, reranker=reranker)
        return of_release([spoken_for(hit) for hit in hits], scope.context.version)

    def lexical(self, version: str) -> Lexical:
        if self._lexical is None or self._lexical.index_version != version:
            with self._connections.transaction() as every_tenant:  # of whose chunks missing files are made
                self._lexical = indexing.open_lexical(every_tenant, self._indexes, version)
        return self._lexical

    def _checked(self, question: Question, scope: Scope, version: str, draft: Draft, started: float) -> Answer:
        """Every quote is read again from the store; a claim that fails is withheld, and the answer says so."""
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
            index_version=version,
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


def measure_in(clause: str, question: Question, scope: Scope, vocabulary: Vocabulary) -> Measure | NotMeasured | None:
    return read_measure(
        clause,
        vocabulary,
        question.now,
        devices=scope.devices,
        whole=question.text,
        firmware=scope.context.version,
    )


def _filters(question: Question, scope: Scope, version: str) -> Filters:
    """What gold counted is no instruction and no cause: a question that does not ask for it gets none of it."""
    insights = any(named_kind(clause) == "insight" for clause in clauses(question.text))
    return Filters(readable(question.tenant_id), version, question.as_of, scope.releases, insights=insights)


def asked_of(clause: str, question: Question, scope: Scope) -> Asked:
    """The clause with what its question and the scope add to it."""
    product, devices = scope.context.product, scope.devices
    general, bare = clause, clause
    for device in devices:
        general = re.sub(re.escape(device), product or "the device", general, flags=re.I)
        bare = re.sub(re.escape(device), "it", bare, flags=re.I)
    if product:
        bare = re.sub(rf"(?:\bthe )?{re.escape(product)}", "it", bare, flags=re.I)
    window = find_window(question.text, question.now)
    return Asked(
        clause=clause,
        query=with_subject(clause, [name for name in (product, *devices) if name]),
        general=with_subject(general, [product] if product else []),
        bare=bare,
        known=_looked_up(scope),
        devices=scope.names or devices,
        day=f"{window.start:%Y-%m-%d}" if window and window.start else None,
    )


def _text(claims: list[Claim], gaps: tuple[str, ...], scope: Scope, changed: str | None) -> str:
    """The claims, numbered as they are cited; what could not be answered, and why, at the end. Between them, since when
    it is so, and how a device is called that the question calls by a former name."""
    said = [f"{claim.text} [{number}]" for number, claim in enumerate(claims, start=1)]
    left = [f"{'Not answered' if not claims else 'Not found'}: {gap}." for gap in dict.fromkeys(gaps)]
    renamed = [f"{device.asked} was renamed and is called {device.device_id} now." for device in scope.renamed]
    return "\n".join([*said, *([changed] if changed else []), *renamed, *left])


def _looked_up(scope: Scope) -> frozenset[str]:
    """Names that need not stand in the evidence, because they chose it."""
    names = [scope.context.device_id, scope.context.product, scope.context.version, *scope.devices, *scope.names]
    return frozenset(name.lower() for name in names if name)


def _search_hit(hit: Hit) -> SearchHit:
    names = SearchHit.__dataclass_fields__
    return SearchHit(**{name: getattr(hit, name) for name in names})
