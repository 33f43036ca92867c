from collections.abc import Callable
from datetime import datetime

import pytest

from lakehouse.connectors.retrying import Patience, Transient, ask, seconds_to_wait
from lakehouse.errors import BadRecord, OriginUnavailable


class Origin:
    """Fails as told, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


@pytest.fixture
def waits() -> list[float]:
    return []


def patience(waits: list[float], jitter: Callable[[], float] = lambda: 1.0, **options: float) -> Patience:
    return Patience(wait=waits.append, jitter=jitter, **options)  # type: ignore[arg-type]


def test_each_wait_may_be_twice_as_long_as_the_one_before_up_to_a_limit(waits: list[float]) -> None:
    origin = Origin(*[Transient("busy")] * 5)
    assert ask(origin, "site", patience(waits, longest_seconds=3.0)) == "answer"
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_wait_is_any_part_of_what_it_may_be(waits: list[float]) -> None:
    parts = iter([0.0, 0.25, 0.9])
    ask(Origin(*[Transient("busy")] * 3), "site", patience(waits, jitter=lambda: next(parts)))
    assert waits == [0.0, 0.25, 1.8]


def test_what_the_origin_asks_for_is_waited_at_least(waits: list[float]) -> None:
    ask(Origin(Transient("429", 7.0), Transient("429", 0.1)), "site", patience(waits))
    assert waits == [7.0, 1.0]


def test_tries_are_bounded_in_number_and_the_last_cause_is_told(waits: list[float]) -> None:
    origin = Origin(*[Transient(f"cause {number}") for number in range(9)])
    with pytest.raises(
        OriginUnavailable, match=r"^site does not answer as it should \(cause 2\): what was read is kept"
    ):
        ask(origin, "site", patience(waits, attempts=3))
    assert (origin.calls, len(waits)) == (3, 2)


def test_waits_are_bounded_in_total(waits: list[float]) -> None:
    with pytest.raises(OriginUnavailable):
        ask(Origin(*[Transient("busy", 40.0)] * 9), "site", patience(waits, total_seconds=100.0))
    assert waits == [40.0, 40.0]


def test_an_origin_that_wants_an_hour_is_given_up_at_once(waits: list[float]) -> None:
    with pytest.raises(OriginUnavailable):
        ask(Origin(Transient("429", 3600.0)), "site", patience(waits))
    assert waits == []


def test_what_waiting_does_not_mend_is_not_tried_again(waits: list[float]) -> None:
    origin = Origin(BadRecord("http_403", "no"))
    with pytest.raises(BadRecord):
        ask(origin, "site", patience(waits))
    assert (origin.calls, waits) == (1, [])


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Sun, 01 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None, now: datetime) -> None:
    assert seconds_to_wait(header, now) == seconds
