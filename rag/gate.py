"""Whether a candidate may become the active version: not where it is significantly worse on the same questions."""

import logging
from dataclasses import dataclass
from math import comb
from typing import Any, Final

from lakehouse.database import Connection
from lakehouse.errors import PromotionRefused
from rag.significance import ALPHA, permutation_test, sign_test

log = logging.getLogger(__name__)

FEWEST_PAIRS: Final = 5  # below, the sign test refuses nothing: 0.5 ** 4 is more than ALPHA
CLEAR_LOSS: Final = 0.2  # of the questions, where there are too few for the test

NEWEST: Final = """
select distinct on (suite) suite, questions, correct, stale, scorecard
from search.evaluations
where index_version = %s
order by suite, evaluated_at desc, evaluation_id desc
"""


@dataclass(frozen=True)
class Kept:
    """One evaluation. outcomes: question → right or not; scores: question → the metric that is compared."""

    questions: int
    correct: int
    stale: int
    outcomes: dict[str, bool]
    scores: dict[str, float]


@dataclass(frozen=True)
class Verdict:
    suite: str
    refused: bool
    reason: str


def require_no_worse(connection: Connection, index_version: str) -> list[Verdict]:
    """Of each suite that the candidate was evaluated on. Raises PromotionRefused with every reason."""
    active = connection.execute("select index_version from search.active").fetchone()
    before = _newest(connection, str(active[0])) if active else {}
    verdicts = [judge(suite, before.get(suite), after) for suite, after in _newest(connection, index_version).items()]
    for verdict in verdicts:
        log.info("gate of index %s, suite '%s': %s", index_version, verdict.suite, verdict.reason)
    if refused := [f"suite '{one.suite}': {one.reason}" for one in verdicts if one.refused]:
        raise PromotionRefused(
            f"index {index_version} is not promoted, the active one stays: {'; '.join(refused)} "
            "('iotops eval run --wrong' lists wrong answers)"
        )
    return verdicts


def judge(suite: str, before: Kept | None, after: Kept) -> Verdict:
    """Alpha is 0.05, one-sided, for each suite. A difference within noise passes, and the verdict says so."""
    if after.stale:
        return Verdict(suite, True, f"{after.stale} citations of another release")
    if before is None:
        return Verdict(suite, False, "the active version was not evaluated on it: nothing to compare with")
    if after.scores and before.scores.keys() & after.scores.keys():
        return _graded(suite, before, after)
    common = before.outcomes.keys() & after.outcomes.keys()
    if not common:
        return _unpaired(suite, before, after)
    lost = sum(before.outcomes[key] and not after.outcomes[key] for key in common)
    won = sum(after.outcomes[key] and not before.outcomes[key] for key in common)
    p, told = sign_test(lost, won), f"{lost} questions lost and {won} won of {len(common)}"
    if lost + won < FEWEST_PAIRS:
        clear = lost - won > CLEAR_LOSS * len(common)
        why = f"too few differ for a test, more than {CLEAR_LOSS:.0%} lost is refused" if lost > won else "no worse"
        return Verdict(suite, clear, f"{told} ({why})")
    return Verdict(suite, p < ALPHA, f"{told}, p {p:.3f} ({_weighed(p, lost > won)})")


def _graded(suite: str, before: Kept, after: Kept) -> Verdict:
    common = sorted(before.scores.keys() & after.scores.keys())
    differences = [after.scores[key] - before.scores[key] for key in common]
    mean, p = sum(differences) / len(common), permutation_test(differences)
    return Verdict(suite, p < ALPHA, f"{mean:+.4f} over {len(common)} questions, p {p:.3f} ({_weighed(p, mean < 0)})")


def _unpaired(suite: str, before: Kept, after: Kept) -> Verdict:
    """Other questions, or an evaluation of before single outcomes were kept: Fisher's exact test on the counts."""
    total, right = before.questions + after.questions, before.correct + after.correct
    ways = comb(total, right)
    p = sum(comb(after.questions, k) * comb(before.questions, right - k) for k in range(after.correct + 1)) / ways
    told = f"{after.correct} of {after.questions} right, {before.correct} of {before.questions} before"
    told = f"{told}, not the same questions"
    worse = after.correct * before.questions < before.correct * after.questions
    return Verdict(suite, p < ALPHA, f"{told}, p {p:.3f} ({_weighed(p, worse)})")


def _weighed(p: float, worse: bool) -> str:
    if p < ALPHA:
        return f"worse, at alpha {ALPHA}"
    return f"a difference within noise at alpha {ALPHA}" if worse else "no worse"


def _newest(connection: Connection, index_version: str) -> dict[str, Kept]:
    rows: list[tuple[Any, ...]] = connection.execute(NEWEST, (index_version,)).fetchall()
    return {suite: _kept(questions, correct, stale, card) for suite, questions, correct, stale, card in rows}


def _kept(questions: int, correct: int, stale: int, card: dict[str, Any]) -> Kept:
    scores: dict[str, dict[str, float]] = card.get("scores") or {}
    compared = {key: values[card["compared"]] for key, values in scores.items()}
    return Kept(questions, correct, stale, card.get("outcomes") or {}, compared)
