"""Questions whose answer changed from one release to the next, asked plainly, of the old release, and what changed."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from rag.answer import Answer, Context, Question, SpanCitation
from rag.evaluation import read_rows

Way = Literal["plain", "old", "changed"]
WAYS: tuple[Way, ...] = ("plain", "old", "changed")
FILE = "freshness_cases.jsonl"
_SEPARATORS = re.compile(r"[\s/(),]+")
_SHORT = 2  # "-c" and "no" stand in any text: they tell nothing where a longer name does


@dataclass(frozen=True)
class FreshnessCase:
    """`current` and `outdated` are names: an answer is of a release where it has one that only this release has."""

    id: str
    product: str
    question: str
    current: frozenset[str]
    outdated: frozenset[str]
    since: str
    version_current: str
    version_old: str


@dataclass(frozen=True)
class Judged:
    """One case asked in one way. stale: its citations of the release that the question is not about."""

    case: FreshnessCase
    way: Way
    right: bool
    stale: int
    citations: int
    missing: bool
    text: str


def read_freshness_cases(path: Path) -> list[FreshnessCase]:
    """Raises MissingPath, and Misused with the line that is no case."""
    return read_rows(path, _case, "case of freshness")


def _case(row: dict[str, str]) -> FreshnessCase:
    current, outdated = _names(row["answer_current"]), _names(row["answer_outdated"])
    since = re.findall(r"\d+(?:\.\d+)*", row["since_version"])
    return FreshnessCase(
        row["id"],
        row["product"],
        row["question"],
        _telling(current - outdated),
        _telling(outdated - current),
        since[-1] if since else row["since_version"],
        row["path_current"].partition("/")[0],
        row["path_old"].partition("/")[0],
    )


def _names(answer: str) -> frozenset[str]:
    return frozenset(part.lower() for part in _SEPARATORS.split(answer) if part)


def _telling(names: frozenset[str]) -> frozenset[str]:
    return frozenset(name for name in names if len(name) > _SHORT) or names


def asked(case: FreshnessCase, way: Way) -> tuple[str, Context]:
    """The question in one of three ways. Plainly it names neither product nor version."""
    if way == "plain":
        return case.question, Context()
    if way == "old":
        return f"In {case.product} {case.version_old}: {case.question}", Context()
    return f"{case.question} What changed between {case.version_old} and {case.version_current}, and when?", Context()


def ask_cases(
    ask: Callable[[Question], Answer], cases: Sequence[FreshnessCase], *, tenant_id: str, now: datetime
) -> Iterator[Judged]:
    for case in cases:
        for way in WAYS:
            text, context = asked(case, way)
            yield judge_fresh(case, way, ask(Question(text, tenant_id, now, context=context)))


def judge_fresh(case: FreshnessCase, way: Way, answer: Answer) -> Judged:
    quotes = [c for claim in answer.claims for c in claim.citations if isinstance(c, SpanCitation)]
    said = "\n".join([answer.text, *(c.quote for c in quotes)])
    wanted, other = (case.outdated, case.current) if way == "old" else (case.current, case.outdated)
    stale = sum(_is_stale(case, way, c, wanted, other) for c in quotes)
    right = holds(said, wanted) and not stale
    if way == "changed":
        right = right and holds(said, other) and holds(said, frozenset({case.since}))
    return Judged(case, way, right, stale, len(quotes), not answer.claims, answer.text)


def _is_stale(case: FreshnessCase, way: Way, c: SpanCitation, wanted: frozenset[str], other: frozenset[str]) -> bool:
    """By what it says, or by the release that it is of. Of "what changed" no citation is: both sides are asked for."""
    if way == "changed":
        return False
    excluded = case.version_current if way == "old" else case.version_old
    return c.version == excluded or (holds(c.quote, other) and not holds(c.quote, wanted))


def holds(text: str, names: frozenset[str]) -> bool:
    """Whether one of the names stands in the text as a name of its own."""
    return any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text, re.I) for name in names)
