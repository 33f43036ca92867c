"""What a question comes to before its citations are checked: numbers, sentences, what was said before of the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from lakehouse import warehouse
from rag.answer import Claim, Conflict, Context
from rag.change_questions import Change, list_changes, read_change, told
from rag.clauses import clauses
from rag.conflicts import find_conflict, replaced_by
from rag.context import notes_between, same_name, unknown_devices
from rag.extraction import Evidence
from rag.inquiry import Inquiry
from rag.measure import Measure, NotMeasured, Vocabulary, read_measure
from rag.measuring import measure, read_vocabulary
from rag.names import as_called_now
from rag.version_order import version_key


@dataclass(frozen=True)
class Draft:
    """`gaps`: why a part has no answer."""

    claims: tuple[Claim, ...]
    gaps: tuple[str, ...]
    retrieve_ms: float = 0.0
    conflicts: tuple[Conflict, ...] = ()


def draft(inquiry: Inquiry) -> Draft:
    """Clause by clause: a number where the clause asks for one that gold holds, else sentences."""
    question, scope, connection = inquiry.question, inquiry.scope, inquiry.connection
    if unknown := unknown_devices(connection, question, scope):
        return Draft((), tuple(f"device '{name}' is not known to this tenant" for name in unknown))
    if change := _change_in(inquiry):
        return _tell_change(inquiry, change)
    vocabulary = read_vocabulary(connection, question.tenant_id)
    snapshot = warehouse.snapshot(connection)
    claims: list[Claim] = []
    conflicts: list[Conflict] = []
    gaps: list[str] = []
    retrieve_ms = 0.0
    for clause in clauses(as_called_now(question.text, scope.renamed)):
        asked = measure_in(clause, inquiry, vocabulary)
        found: Sequence[Claim] | NotMeasured
        if asked is None:
            begun = perf_counter()
            hits = inquiry.passages(clause)
            retrieve_ms += (perf_counter() - begun) * 1000
            evidence = inquiry.evidence(clause, hits)
            conflicts += find_conflicts(inquiry, evidence)
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


def find_conflicts(inquiry: Inquiry, evidence: Evidence) -> list[Conflict]:
    """Of the answer's claims, what earlier releases said in their place."""
    found = list(evidence.conflicts)
    texts = [one.candidate.quoted for one in evidence.stated]
    statements = inquiry.stating(texts) if texts else []
    for stated in evidence.stated:
        if conflict := find_conflict(stated, statements, inquiry.earlier, inquiry.notes, inquiry.manual):
            found.append(conflict)
    return list(dict.fromkeys(found))


def measure_in(clause: str, inquiry: Inquiry, vocabulary: Vocabulary) -> Measure | NotMeasured | None:
    question, scope = inquiry.question, inquiry.scope
    return read_measure(
        clause,
        vocabulary,
        question.now,
        devices=scope.devices,
        whole=question.text,
        firmware=scope.context.version,
    )


def _change_in(inquiry: Inquiry) -> Change | None:
    """What happened to one device is no question of releases."""
    scope = inquiry.scope
    if scope.devices:
        return None
    known = [r.version for r in scope.known if r.version and same_name(r.product, scope.context.product)]
    return read_change(inquiry.question.text, scope.versions, known, scope.context.product)


def _tell_change(inquiry: Inquiry, change: Change) -> Draft:
    """Both releases are asked; what they say differently is told with the statement of the change."""
    begun = perf_counter()
    if not change.subject:
        claims = _all_changes(inquiry, change)
        gaps = () if claims else ("no document tells what changed",)
        return Draft(tuple(claims), gaps, (perf_counter() - begun) * 1000)
    after, before = (_of_release(inquiry, change.subject, release) for release in (change.new, change.old))
    new, old = (side.evidence(change.subject, side.passages(change.subject)) for side in (after, before))
    conflicts = find_conflicts(after, new)
    statements = after.stating([one.candidate.quoted for one in old.stated]) if old.stated else []
    for one in old.stated:
        found = replaced_by(one.candidate, statements, after.earlier)
        conflicts += [found] if found and found not in conflicts else []
    since = version_key(change.old or "")
    conflicts = [one for one in conflicts if one.since is None or version_key(one.since) > since]
    claims = told(conflicts) or [*new.claims[:1], *(c for c in old.claims[:1] if c not in new.claims)]
    gaps = () if claims else (f"no document tells what changed of “{change.subject}”",)
    return Draft(tuple(claims), gaps, (perf_counter() - begun) * 1000, tuple(conflicts))


def _of_release(inquiry: Inquiry, subject: str, release: str | None) -> Inquiry:
    context = Context(None, inquiry.scope.context.product, release)
    return inquiry.about(replace(inquiry.question, text=subject, context=context))


def _all_changes(inquiry: Inquiry, change: Change) -> list[Claim]:
    """What release notes and pages state of the releases after the old one, up to the new."""
    context = Context(None, inquiry.scope.context.product)  # today's pages tell of all releases
    side = inquiry.about(replace(inquiry.question, text="", context=context))
    notes = inquiry.among(inquiry.question.text, notes_between(side.scope, change.old, change.new))
    return list_changes(notes, side.statements.all(side.connection, side.filters(), None), change)
