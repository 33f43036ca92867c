"""How often, and how long, an origin is asked again: exponential back-off with full jitter, and what it asks for itself
by `Retry-After`."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from lakehouse.errors import OriginUnavailable

Result = TypeVar("Result")
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class Transient(Exception):
    """It may work the next time. retry_after: the seconds for which the origin wants to be left alone."""

    def __init__(self, cause: object, retry_after: float | None = None) -> None:
        super().__init__(str(cause))
        self.retry_after = retry_after


@dataclass(frozen=True)
class Patience:
    """wait and jitter (0 up to 1) are handed in by tests, so that these neither sleep nor guess.

    total_seconds bounds waiting and asking together: where the next wait would go beyond, the origin is given up.
    answer_seconds: how long a site may be silent.
    """

    attempts: int = 6
    total_seconds: float = 180.0
    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    answer_seconds: float = 30.0
    wait: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


def ask(call: Callable[[], Result], origin: str, patience: Patience) -> Result:
    """`call`, again and again while it raises Transient. Raises OriginUnavailable where patience ends first."""
    asking = Retrying(
        sleep=patience.wait,
        wait=lambda state: _pause(state, patience),
        stop=lambda state: _is_enough(state, patience),
        retry=retry_if_exception_type(Transient),
        reraise=True,
    )
    try:
        return asking(call)
    except Transient as error:
        raise OriginUnavailable(origin, error) from error


def _pause(state: RetryCallState, patience: Patience) -> float:
    most = min(patience.longest_seconds, patience.first_seconds * 2.0 ** (state.attempt_number - 1))
    pause = patience.jitter() * most
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Transient) else None
    return pause if asked is None else max(asked, pause)


def _is_enough(state: RetryCallState, patience: Patience) -> bool:
    """Waits that were only told to a test count like those that were slept."""
    spent: float = max(state.seconds_since_start or 0.0, state.idle_for)
    return state.attempt_number >= patience.attempts or spent + state.upcoming_sleep > patience.total_seconds


def seconds_to_wait(retry_after: str | None, now: datetime) -> float | None:
    """A `Retry-After` header: seconds, or the date until which to wait. None where it says neither."""
    text = (retry_after or "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text)) if text.replace(".", "", 1).isdigit() else _until(text, now)
    except (ValueError, OverflowError):
        return None


def _until(date: str, now: datetime) -> float:
    when: datetime = parsedate_to_datetime(date)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
