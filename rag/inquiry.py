"""One question on its way: whose it is, what it is about, and the passages that may be cited for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from lakehouse.database import Connection
from lakehouse.tenants import readable
from rag.answer import Question
from rag.clauses import clauses, named_kind, with_subject
from rag.context import Scope, earlier_releases, pages_of, resolve_scope
from rag.embedder import Embedder
from rag.extraction import Evidence, extract
from rag.features import Asked
from rag.lexical import Lexical
from rag.releases import of_release, spoken_for
from rag.replacements import Replacement
from rag.rerank import Reranker
from rag.retriever import Filters, Hit, look_again, retrieve
from rag.statements import Statements
from rag.windows import find_window

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

    def asked(self, clause: str) -> Asked:
        """The clause with what its question and the scope add to it."""
        product, devices = self.scope.context.product, self.scope.devices
        clause = without_release(clause, self.scope.context.version)
        general, bare = clause, clause
        for device in devices:
            general = re.sub(re.escape(device), product or "the device", general, flags=re.I)
            bare = re.sub(re.escape(device), "it", bare, flags=re.I)
        if product:
            bare = re.sub(rf"(?:\bthe )?{re.escape(product)}", "it", bare, flags=re.I)
        window = find_window(self.question.text, self.question.now)
        return Asked(
            clause=clause,
            query=with_subject(clause, [name for name in (product, *devices) if name]),
            general=with_subject(general, [product] if product else []),
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
        """The best passages for a clause, asked for as it stands and as a manual would put it, best first."""
        asked = self.asked(clause)
        whole = without_release(self.question.text, self.scope.context.version)
        best: dict[str, Hit] = {}
        for query in dict.fromkeys((whole, asked.query, asked.general)):
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
