"""Consumer, API and Postgres killed under load; `python -m tests.chaos` does the same for longer."""

from pathlib import Path

from tests.broker import Broker
from tests.chaos import Plan, run
from tests.ledger import Ledger, Verdict, judge


def test_killed_at_random_points_all_that_was_acknowledged_is_there_once(home_of_server: Path, broker: Broker) -> None:
    report = run(home_of_server, broker, Plan(kills=12, events=10_000, seed=20261121))
    assert report.kills == {"consumer": 4, "api": 4, "postgres": 4}
    assert report.acknowledged >= 10_000
    assert report.verdicts.keys() == {"bronze", "landing", "gold"}
    for place, verdict in report.verdicts.items():
        assert verdict == Verdict(frozenset(), frozenset(), frozenset()), f"{place}\n{report.describe()}"


def test_a_ledger_tells_what_was_lost_doubled_and_invented(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "history.jsonl")
    ledger.sent([1, 2, 3, 4], "client")
    ledger.acknowledged([1, 2], "client")
    ledger.sent([2], "client")  # again: what was acknowledged stays so
    assert judge(ledger, [1, 2, 3]) == Verdict(frozenset(), frozenset(), frozenset())
    assert judge(ledger, [1, 3, 3, 9]) == Verdict(frozenset({2}), frozenset({3}), frozenset({9}))
    assert not judge(ledger, [1]).holds
    assert ledger.of("unknown") == {3, 4}
    assert ledger.path.read_text().count("\n") == 3
