"""Evaluations are kept with their single outcomes, and a candidate is held against the active version by them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import PromotionRefused
from rag.answer import Answer, Context
from rag.evaluation import Case, Outcome, Scorecard, Tally, load, save
from rag.gate import require_no_worse
from rag.history import Run, read_history
from rag.history import save as save_run

ACTIVE, CANDIDATE = "a" * 16, "b" * 16
NOTHING = Answer("", "t", "", "abstained", "", (), None, None, Context(), {})


def card(right: int, of: int, *, stale: int = 0) -> Scorecard:
    cases = [Case(str(number), "acme", "?", "lookup", Context()) for number in range(of)]
    outcomes = tuple(Outcome(case, NOTHING, number < right, 0, "") for number, case in enumerate(cases))
    return Scorecard({"lookup": Tally(of, right)}, stale, outcomes, {"stale_citation_rate": 0.0})


@pytest.fixture
def connection(database_url: str, now: datetime) -> Iterator[Connection]:
    with database.connect(database_url, autocommit=True) as opened:
        opened.execute(
            "insert into search.index_versions "
            "(index_version, family, number, status, gold_snapshot, splitter, embedder, parameters, created_at) "
            "values (%s, %s, 1, 'ready', '', '', '', '{}', %s)",
            (ACTIVE, "f" * 16, now),
        )
        opened.execute("insert into search.active values (true, %s, null, %s)", (ACTIVE, now))
        yield opened


Keep = Callable[[str, Scorecard], None]


@pytest.fixture
def keep(connection: Connection, now: datetime) -> Keep:
    return lambda version, scorecard: save(connection, version, "simulator", scorecard, now)


def test_a_clear_loss_is_refused_and_a_difference_within_noise_passes(connection: Connection, keep: Keep) -> None:
    keep(ACTIVE, card(20, 20))
    keep(CANDIDATE, card(15, 20))
    with pytest.raises(PromotionRefused, match="5 questions lost and 0 won of 20"):
        require_no_worse(connection, CANDIDATE)
    keep(CANDIDATE, card(18, 20))  # the newest evaluation counts
    (verdict,) = require_no_worse(connection, CANDIDATE)
    assert "2 questions lost" in verdict.reason


def test_a_stale_citation_is_refused_also_where_nothing_is_active_to_compare_with(
    connection: Connection, keep: Keep
) -> None:
    keep(CANDIDATE, card(20, 20, stale=1))
    with pytest.raises(PromotionRefused, match="1 citations of another release"):
        require_no_worse(connection, CANDIDATE)


def test_graded_suites_are_compared_by_the_metric_that_they_name(connection: Connection, now: datetime) -> None:
    for version, value in ((ACTIVE, 0.70), (CANDIDATE, 0.68)):
        scores = {str(number): {"recall@5": 1.0, "ndcg@10": value} for number in range(30)}
        record = {"metrics": {"ndcg@10": value}, "compared": "ndcg@10", "scores": scores}
        save_run(connection, Run(version, "scifact", now, 30, 30, 0, record))
    with pytest.raises(PromotionRefused, match=r"suite 'scifact': -0\.0200 over 30 questions"):
        require_no_worse(connection, CANDIDATE)


def test_an_evaluation_of_before_single_outcomes_were_kept_is_compared_by_its_counts(
    connection: Connection, keep: Keep, now: datetime
) -> None:
    save_run(connection, Run(ACTIVE, "simulator", now, 79, 70, 0, {"by_kind": {}, "stale_citations": 0}))
    keep(CANDIDATE, card(40, 79))
    with pytest.raises(PromotionRefused, match="not the same questions"):
        require_no_worse(connection, CANDIDATE)


def test_the_history_is_newest_first_marks_the_active_version_and_tells_no_questions(
    connection: Connection, keep: Keep, now: datetime
) -> None:
    keep(ACTIVE, card(10, 20))
    save(connection, CANDIDATE, "other", card(12, 20), now + timedelta(hours=1))
    runs = read_history(connection)
    assert [(run.index_version, run.active, run.correct) for run in runs] == [
        (CANDIDATE, False, 12),
        (ACTIVE, True, 10),
    ]
    assert runs[0].metrics == {"stale_citation_rate": 0.0}
    assert [run.suite for run in read_history(connection, suite="simulator")] == ["simulator"]
    kept = load(connection, ACTIVE, "simulator", since=now)
    assert kept is not None
    assert (kept.questions, kept.correct, kept.stale) == (20, 10, 0)
