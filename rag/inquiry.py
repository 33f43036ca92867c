"""One question on its way: whose it is, what it is about, and the passages that may be cited for it."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lakehouse.database import Connection
from lakehouse.tenants import readable
from rag.answer import Question
from rag.clauses import clauses, named_kind, with_subject
from rag.context import Scope, earlier_releases, pages_of, resolve_scope
from rag.embedder import Embedder
from rag.extraction import Evidence, extract
from rag.features import Asked, asks_for_event
from rag.lexical import Lexical
from rag.names import as_called_now
from rag.releases import of_release, spoken_for
from rag.replacements import Replacement
from rag.rerank import Reranker
from rag.retriever import Filters, Hit, look_again, retrieve
from rag.statements import Statements
from rag.windows import Window, find_window

PASSAGES: Final = 30
# Passages of other releases in which a statement is looked for: at least, and of each.
EARLIER, OF_EACH = 8, 3
AT_ONCE: Final = 12  # releases; a retrieval has candidates for so many


@dataclass(frozen=True)
class Inquiry:
    """connection: a session of the question's tenant; lexical: open on the index version that is asked."""

    connection: Connection
    question: Question
    scope: Scope
    lexical: Lexical
    embedder: Embedder
    statements: Statements
    reranker: Reranker | None

    @property
    def index_version(self) -> str:
        return self.lexical.index_version

    def about(self, question: Question) -> "Inquiry":
        return replace(self, question=question, scope=resolve_scope(self.connection, question))

    def filters(self) -> Filters:
        """What gold counted is no instruction and no cause: a question that does not ask for it gets none of it."""
        question = self.question
        insights = any(named_kind(clause) == "insight" for clause in clauses(question.text))
        return Filters(
            readable(question.tenant_id), self.index_version, question.as_of, self.scope.releases, insights=insights
        )

    @property
    def said(self) -> str:
        """The question, with the names that devices have today."""
        return as_called_now(self.question.text, self.scope.renamed)

    def topic(self, clause: str) -> str:
        return topic_of(self.said, clause, self.scope.devices, self.question.now)

    def asked(self, clause: str) -> Asked:
        """The clause with what its question and the scope add to it."""
        product, devices = self.scope.context.product, self.scope.devices
        window, topic = happened(self.said, clause, self.question.now), self.topic(clause)
        clause = without_release(clause, self.scope.context.version)
        general, bare = clause, clause
        for device in devices:
            general = re.sub(re.escape(device), product or "the device", general, flags=re.I)
            bare = re.sub(re.escape(device), "it", bare, flags=re.I)
        if product:
            bare = re.sub(rf"(?:\bthe )?{re.escape(product)}", "it", bare, flags=re.I)
        return Asked(
            clause=clause,
            query=with_subject(clause, [name for name in (product, *devices, topic) if name]),
            general=with_subject(general, [name for name in (product, topic) if name]),
            bare=bare,
            known=_looked_up(self.scope),
            devices=self.scope.names or devices,
            day=f"{window.start:%Y-%m-%d}" if window and window.start else None,
        )

    def retrieve(self, query: str, limit: int, reranker: Reranker | None = None) -> list[Hit]:
        hits = retrieve(
            self.connection,
            self.lexical,
            self.embedder,
            query,
            filters=self.filters(),
            limit=limit,
            reranker=reranker,
        )
        return of_release([spoken_for(hit) for hit in hits], self.scope.context.version)

    def passages(self, clause: str) -> list[Hit]:
        """The best passages for a clause, asked for as it stands and as a manual would put it, best first.

        Instructions for what happened may name neither the product nor the trouble: the clause is asked for alone too.
        """
        asked = self.asked(clause)
        whole = without_release(self.question.text, self.scope.context.version)
        alone = (asked.clause,) if self.topic(clause) else ()
        best: dict[str, Hit] = {}
        for query in dict.fromkeys((whole, asked.query, asked.general, *alone)):
            for hit in self.retrieve(query, PASSAGES):
                if hit.chunk_id not in best or best[hit.chunk_id].score < hit.score:
                    best[hit.chunk_id] = hit
        hits = sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk_id))
        hits = look_again(self.reranker, asked.query, hits)
        kind = named_kind(clause)
        return [hit for hit in hits if hit.kind == kind] or [hit for hit in hits if hit.kind != "insight"]

    def evidence(self, clause: str, hits: Sequence[Hit]) -> Evidence:
        release = self.scope.context.version
        return extract(self.asked(clause), hits, self.embedder, self.lexical, self.stating, version=release)

    def stating(self, texts: Sequence[str]) -> list[Replacement]:
        """The statements in force that something in these texts was replaced."""
        return self.statements.about(self.connection, texts, self.filters(), self.scope.context.version)

    def among(self, query: str, releases: frozenset[str]) -> list[Hit]:
        """Passages of these releases alone, of each its own: pages that differ in a name only are to be told apart."""
        if not releases:
            return []
        tenants, as_of = readable(self.question.tenant_id), self.question.as_of
        filters = Filters(tenants, self.index_version, as_of, releases, insights=False)
        hits = retrieve(
            self.connection,
            self.lexical,
            self.embedder,
            query,
            filters=filters,
            limit=max(EARLIER, OF_EACH * len(releases)),
            folded=False,
        )
        return [spoken_for(hit) for hit in hits if hit.product]

    def earlier(self, query: str, hit: Hit) -> list[Hit]:
        """Of all releases before that of the hit: the last that says otherwise tells since when something holds."""
        releases = earlier_releases(self.scope, hit.product, hit.version_key)
        portions = [frozenset(releases[at : at + AT_ONCE]) for at in range(0, len(releases), AT_ONCE)]
        return [one for portion in portions for one in self.among(query, portion)]

    def notes(self, query: str, hit: Hit) -> list[Hit]:
        """Of the release notes of the very release of the hit."""
        return self.among(query, pages_of(self.scope, hit.product, hit.version, "release_note"))

    def manual(self, query: str, hit: Hit) -> list[Hit]:
        """Of the manual of the very release of the hit."""
        return self.among(query, pages_of(self.scope, hit.product, hit.version, "manual"))


def happened(question: str, clause: str, now: datetime) -> Window | None:
    """When that was which the clause asks about: as it says itself, or as was said before it.

    What is named after it is of a figure ("why was it warm, and what was its average on 2026-10-28"), and what is to be
    done according to a runbook is of no day.
    """
    own = find_window(clause, now)
    return own or (find_window(_ahead(question, clause), now) if asks_for_event(clause) else None)


def topic_of(question: str, clause: str, devices: Collection[str], now: datetime) -> str:
    """What a question began with that happened, for a clause what is to be done: "it was offline" + how long to wait.

    Without the day and the devices, as instructions name neither.
    """
    ahead = _ahead(question, clause)
    first = clauses(ahead)[0]
    if asks_for_event(clause) or not asks_for_event(first):
        return ""
    window = find_window(first, now)
    for name in (*devices, *([window.phrase] if window else [])):
        first = re.sub(re.escape(name), "", first, flags=re.I)
    return " ".join(first.split())


def _ahead(question: str, clause: str) -> str:
    """What stands before the clause; nothing where it is not in the words of the question."""
    return question[: max(question.find(clause), 0)]


def without_release(text: str, version: str | None) -> str:
    """A question without the words that chose its release: they stand in the headings of all pages of it."""
    if version is None:
        return text
    named = rf"(?:firmware|version|release)\s+v?{re.escape(version)}(?![\w.]*\d)"
    left = re.sub(rf"\b(?:on|in|with|under|for|as of)\s+(?:the\s+)?{named}\s*[:,]?", "", text, flags=re.I)
    left = re.sub(r"\s+(?=[?.,;:])", "", " ".join(left.split()))
    return left if len(left.split()) > 2 else text


def _looked_up(scope: Scope) -> frozenset[str]:
    """Names that need not stand in the evidence, because they chose it."""
    names = [scope.context.device_id, scope.context.product, scope.context.version, *scope.devices, *scope.names]
    return frozenset(name.lower() for name in names if name)
