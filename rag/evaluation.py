"""Answers against known truth: a scorecard by kind of question, kept with the index version it was measured on."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lakehouse.database import Connection
from lakehouse.errors import MissingPath, Misused
from rag import history
from rag.answer import Answer, Context, Question, RowsCitation, SpanCitation

KINDS = ("lookup", "troubleshoot", "telemetry", "three-source", "version-dependent", "unanswerable")


class SearchHit(Protocol):
    @property
    def text(self) -> str: ...


Row = TypeVar("Row")
Searching = Callable[[Question], Sequence[SearchHit]]
SEARCHED = 5  # passages in which the evidence of a question is looked for


@dataclass(frozen=True)
class Case:
    """One question with its truth.

    contains: all must stand in the answer or a quote; not_contains: none may. now: when it is asked, for "yesterday".
    """

    id: str
    tenant_id: str
    question: str
    kind: str
    context: Context
    contains: tuple[str, ...] = ()
    not_contains: tuple[str, ...] = ()
    value: float | str | None = None
    tolerance: float = 0.0
    abstain: bool = False
    now: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    case: Case
    answer: Answer
    correct: bool
    stale: int
    reason: str


@dataclass(frozen=True)
class Tally:
    questions: int
    correct: int


@dataclass(frozen=True)
class Scorecard:
    """`stale`: citations of a release other than the one the question is about."""

    by_kind: dict[str, Tally]
    stale: int
    outcomes: tuple[Outcome, ...]
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def questions(self) -> int:
        return sum(tally.questions for tally in self.by_kind.values())

    @property
    def correct(self) -> int:
        return sum(tally.correct for tally in self.by_kind.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "questions": self.questions,
            "correct": self.correct,
            "stale_citations": self.stale,
            "metrics": self.metrics,
            "by_kind": {kind: asdict(tally) for kind, tally in self.by_kind.items()},
            "wrong": [
                {"id": o.case.id, "question": o.case.question, "reason": o.reason, "text": o.answer.text}
                for o in self.outcomes
                if not o.correct
            ],
        }

    def to_record(self) -> dict[str, Any]:
        """What is kept: also which questions were right, for a later version is compared question by question."""
        return {**self.to_json(), "outcomes": {f"{o.case.tenant_id} {o.case.id}": o.correct for o in self.outcomes}}

    def describe(self) -> str:
        rows = [f"  {kind:<18}{tally.correct:>4} of {tally.questions}" for kind, tally in self.by_kind.items()]
        total = f"  {'all':<18}{self.correct:>4} of {self.questions}   stale citations: {self.stale}"
        metrics = [f"  {name} {value:.3f}" for name, value in self.metrics.items()]
        return "\n".join([*rows, *metrics, total])


def read_cases(path: Path) -> list[Case]:
    """From JSON lines as the simulator writes them. Raises Misused with the line that is not of that form."""
    return read_rows(path, _case, "question with truth")


def read_rows(path: Path, read: Callable[[dict[str, Any]], Row], what: str) -> list[Row]:
    """One of each JSON line. Raises MissingPath, and Misused with the line that `read` cannot take."""
    if not path.is_file():
        raise MissingPath(path)
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line.strip():
            try:
                rows.append(read(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise Misused(f"{path} line {number} is no {what} ({error!r})") from error
    return rows


def _case(row: dict[str, Any]) -> Case:
    expected, context = row["expected"], row.get("context") or {}
    return Case(
        id=row["id"],
        tenant_id=row["tenant_id"],
        question=row["question"],
        kind=row["kind"],
        context=Context(**{name: context.get(name) for name in ("device_id", "product", "version")}),
        contains=tuple(expected.get("contains") or ()),
        not_contains=tuple(expected.get("not_contains") or ()),
        value=expected.get("value"),
        tolerance=expected.get("tolerance") or 0.0,
        abstain=bool(expected.get("abstain")),
        now=datetime.fromisoformat(row["now"]) if row.get("now") else None,
    )


def evaluate(
    ask: Callable[[Question], Answer],
    cases: Sequence[Case],
    *,
    now: datetime,
    progress: Callable[[int, int], None] | None = None,
    search: Searching | None = None,
) -> Scorecard:
    """Ask each question as a person would: by its text alone, without the context that the truth holds.

    search: gives the passages of a question, for the recall of each tenant.
    """
    outcomes = []
    for done, case in enumerate(cases, start=1):
        outcomes.append(judge(case, ask(Question(case.question, case.tenant_id, case.now or now))))
        if progress:
            progress(done, len(cases))
    stale = sum(o.stale for o in outcomes)
    cited = sum(1 for o in outcomes if o.case.kind == "version-dependent" for _ in _quotes(o.answer))
    metrics = {"stale_citation_rate": stale / cited if cited else 0.0}
    if search:
        metrics |= recall_by_tenant(search, cases, now=now)
    return Scorecard(_tallies(outcomes), stale, tuple(outcomes), metrics)


def recall_by_tenant(search: Searching, cases: Sequence[Case], *, now: datetime) -> dict[str, float]:
    """Of each tenant's questions that texts answer, the share with all they need in the first passages."""
    found: dict[str, list[bool]] = {}
    for case in cases:
        if case.contains and case.value is None:
            hits = search(Question(case.question, case.tenant_id, case.now or now))
            said = "\n".join(hit.text for hit in hits[:SEARCHED]).lower()
            found.setdefault(case.tenant_id, []).append(all(text.lower() in said for text in case.contains))
    return {f"recall@{SEARCHED} of {tenant}": sum(hits) / len(hits) for tenant, hits in sorted(found.items())}


def judge(case: Case, answer: Answer) -> Outcome:
    stale = _stale_citations(case, answer)
    reason = _fault(case, answer) or (f"{stale} citations of another release" if stale else "")
    return Outcome(case, answer, not reason, stale, reason or "correct")


def _fault(case: Case, answer: Answer) -> str | None:
    if case.abstain:
        return None if answer.status == "abstained" else "answered what has no answer"
    if answer.status == "abstained":
        return "abstained"
    if case.value is not None and not any(_equal(case, value) for value in _values(answer)):
        return f"expected {case.value}"
    said = "\n".join([answer.text, *_quotes(answer)]).lower()
    if absent := [text for text in case.contains if text.lower() not in said]:
        return f"lacks {absent}"
    if present := [text for text in case.not_contains if text.lower() in said]:
        return f"says {present}"
    return None


def _equal(case: Case, value: object) -> bool:
    if isinstance(case.value, str) or not isinstance(value, int | float):
        return str(value) == str(case.value)
    return abs(value - float(case.value or 0)) <= case.tolerance


def _values(answer: Answer) -> Iterable[object]:
    return (c.value for claim in answer.claims for c in claim.citations if isinstance(c, RowsCitation))


def _quotes(answer: Answer) -> Iterable[str]:
    return (c.quote for claim in answer.claims for c in claim.citations if isinstance(c, SpanCitation))


def _stale_citations(case: Case, answer: Answer) -> int:
    """Of a question about one version, the citations that say something only other versions say."""
    if case.kind != "version-dependent":
        return 0
    return sum(any(text.lower() in quote.lower() for text in case.not_contains) for quote in _quotes(answer))


def _tallies(outcomes: Sequence[Outcome]) -> dict[str, Tally]:
    kinds = sorted({o.case.kind for o in outcomes}, key=lambda k: (KINDS.index(k) if k in KINDS else len(KINDS), k))
    return {
        kind: Tally(sum(o.case.kind == kind for o in outcomes), sum(o.correct for o in outcomes if o.case.kind == kind))
        for kind in kinds
    }


def save(connection: Connection, index_version: str, suite: str, card: Scorecard, evaluated_at: datetime) -> None:
    run = history.Run(index_version, suite, evaluated_at, card.questions, card.correct, card.stale, card.to_record())
    history.save(connection, run)


def load(connection: Connection, index_version: str, suite: str, *, since: datetime) -> Scorecard | None:
    """The newest that was kept since then, without the single outcomes."""
    kept = history.newest(connection, index_version, suite, since=since)
    if kept is None:
        return None
    by_kind = {kind: Tally(**tally) for kind, tally in kept["by_kind"].items()}
    return Scorecard(by_kind, kept["stale_citations"], (), kept.get("metrics") or {})
