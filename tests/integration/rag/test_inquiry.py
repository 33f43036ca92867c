from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from lakehouse.database import Connection
from rag import indexing
from rag.answer import Context, Question
from rag.candidates import candidates
from rag.conflicts import Stated
from rag.context import Release, Scope
from rag.drafting import find_conflicts
from rag.embedder import Embedder
from rag.extraction import MOST_CLAIMS
from rag.inquiry import Inquiry
from rag.statements import Statements

AddDocument = Callable[..., str]
RELEASES = 30


def manual(version: int, limit: int) -> str:
    return (
        f"# P-200 manual\n\nThis is the manual of the P-200 with firmware {version}.0.\n\n"
        f"## Alarms\n\nThe pump stops at {limit} °C, which keeps its bearings whole.\n\n"
        "## Filter\n\nThe filter is rinsed every 500 hours.\n"
    )


@pytest.fixture
def inquiry(
    gold: Connection, database_url: str, add_document: AddDocument, embedder: Embedder, indexes: Path, now: datetime
) -> Inquiry:
    """Of the newest of thirty releases; the limit was changed in the ninth."""
    for version in range(1, RELEASES + 1):
        columns = {"product": "P-200", "version_from": f"{version}.0"}
        add_document(f"P-200 {version}.0", manual(version, 75 if version < 9 else 80), **columns)
    built = indexing.build_index(database_url, embedder, indexes, now=now).version
    known = tuple(Release("default", "P-200", "manual", f"{version}.0") for version in range(1, RELEASES + 1))
    context = Context(None, "P-200", f"{RELEASES}.0")
    scope = Scope(context, (), frozenset({known[-1].key}), (), (), (), known)
    question = Question("At which temperature does the pump stop?", "default", now)
    lexical = indexing.open_lexical(gold, indexes, built.index_version)
    return Inquiry(gold, question, scope, lexical, embedder, Statements(), None)


def test_since_when_something_holds_is_told_over_any_number_of_releases(inquiry: Inquiry) -> None:
    clause = inquiry.question.text
    evidence = inquiry.evidence(clause, inquiry.passages(clause))
    assert "80 °C" in evidence.claims[0].text
    (conflict,) = find_conflicts(inquiry, evidence)
    assert "75 °C" in conflict.previous
    assert conflict.since == "9.0"
    previous = [c for c, backs in zip(conflict.citations, conflict.backs, strict=True) if backs == "previous"]
    assert {citation.version for citation in previous} == {"8.0"}


def test_each_claim_is_held_against_what_was_said_before(inquiry: Inquiry) -> None:
    clause = inquiry.question.text
    hits = inquiry.passages(clause)
    evidence = inquiry.evidence(clause, hits)
    unchanged = next(c for hit in hits for c in candidates(hit, 0) if "500 hours" in c.words)
    behind = replace(evidence, stated=(*[Stated(unchanged, None)] * (MOST_CLAIMS - 1), evidence.stated[0]))
    assert find_conflicts(inquiry, behind) == find_conflicts(inquiry, evidence) != []


def test_the_words_that_chose_the_release_are_left_out_of_what_is_looked_for(inquiry: Inquiry) -> None:
    clause = inquiry.question.text
    named = f"On firmware {RELEASES}.0: {clause}"
    assert inquiry.asked(named) == inquiry.asked(clause)
    longer = replace(inquiry, question=replace(inquiry.question, text=named))
    assert longer.passages(named) == inquiry.passages(clause)
