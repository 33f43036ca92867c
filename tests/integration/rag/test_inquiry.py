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
from rag.inquiry import PASSAGES, Inquiry
from rag.names import Device
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


RUNBOOK = "# Runbook\n\n## {title}\n\n{signs}\n\n## First\n\nGive it {minutes} minutes, then call the shift.\n"
PAGE = "# P-200 room {number}\n\nHow often room {number} was offline the P-200 tells, which reads a room by itself.\n"
CAUSE, DEED = "Why was gw-025 offline on 2026-10-22", "how long should we wait according to the runbook"
READING = "how often is the room read by hand"


@pytest.fixture
def offline(
    gold: Connection, database_url: str, add_document: AddDocument, embedder: Embedder, indexes: Path, now: datetime
) -> Inquiry:
    """Runbooks that name no device, and more pages than are looked at that name product and trouble."""
    troubles = [("overheated", "The bearing is hot."), ("offline", "It is silent."), ("vibrates", "It runs rough.")]
    for number, (title, signs) in enumerate(troubles):
        runbook = RUNBOOK.format(title=f"A device is {title}", signs=signs, minutes=10 + number)
        add_document(f"Runbook: device {title}", runbook, kind="runbook")
    add_document("Rounds", "# Rounds\n\nUntil then somebody reads the room by hand every 90 minutes.\n")
    for number in range(PASSAGES + 10):
        add_document(f"P-200 room {number}", PAGE.format(number=number), product="P-200", version_from="1.0")
    built = indexing.build_index(database_url, embedder, indexes, now=now).version
    question = Question(f"{CAUSE}, {READING}, and {DEED}?", "default", now)
    known = Release("default", "P-200", "manual", "1.0")
    scope = Scope(Context("gw-025", "P-200", "1.0"), ("gw-025",), frozenset({known.key}), (), (), (), (known,))
    lexical = indexing.open_lexical(gold, indexes, built.index_version)
    return Inquiry(gold, question, scope, lexical, embedder, Statements(), None)


def test_what_is_to_be_done_is_looked_for_under_what_happened(offline: Inquiry) -> None:
    assert offline.passages(DEED)[0].title == "Runbook: device offline"
    assert "offline" in offline.asked(DEED).general
    assert offline.asked(DEED).day is None
    assert offline.asked(CAUSE).day == "2026-10-22"


def test_instructions_that_name_neither_product_nor_trouble_are_found(offline: Inquiry) -> None:
    assert "Rounds" in [hit.title for hit in offline.passages(READING)[:10]]


def test_a_device_that_was_renamed_is_no_part_of_what_happened(offline: Inquiry) -> None:
    question = replace(offline.question, text=offline.question.text.replace("gw-025", "gw-old"))
    scope = replace(offline.scope, renamed=(Device("gw-old", "gw-025", "gw-025", None),))
    renamed = replace(offline, question=question, scope=scope)
    assert renamed.topic(DEED) == offline.topic(DEED) == "Why was offline"
