"""How often, and for how long, a store that speaks S3 is asked again before it counts as unavailable."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NotConnected

Result = TypeVar("Result")
# botocore's own retries know neither 429 without a code that it has heard of, nor Retry-After, nor a body cut off,
# nor the 409 of two conditional writes at once; nor do they end by the clock.
PASSING_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
PASSING_CODES: Final = frozenset(
    {"ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown", "Throttling"}
)


@dataclass(frozen=True)
class Patience:
    """Seconds. A store that is silent is given up after 16, one that drops connections after 13, one that refuses them
    after 3. Each of the two below us would go on for longer: botocore's four tries of 60 took 240.

    answer: without a byte of it. For delta-rs it bounds the whole request, whose largest is a part of 10 MB.
    asks_until: no request is sent again later than that after it was first sent.
    """

    connecting: float = 3.0
    answer: float = 8.0
    asks_until: float = 10.0
    tries: int = 5
    first_pause: float = 0.2

    @property
    def longest(self) -> float:
        """What one request may take with all that follows from it."""
        return self.asks_until + self.connecting + self.answer

    def client_config(self) -> Config:
        return Config(
            connect_timeout=self.connecting,
            read_timeout=self.answer,
            retries={"total_max_attempts": 1, "mode": "standard"},
            # Whole objects are checked against their names. For a range, some stores state the checksum of the whole.
            response_checksum_validation="when_required",
        )

    def delta_options(self) -> dict[str, str]:
        """The same for delta-rs. It sends a conditional PUT only once where no answer came: it may have been done."""
        return {
            "connect_timeout": _milliseconds(self.connecting),
            "timeout": _milliseconds(self.answer),
            "retry_timeout": _milliseconds(self.asks_until),
            "max_retries": str(self.tries - 1),
            "backoff_config.init_backoff": _milliseconds(self.first_pause),
        }

    def ask(self, call: Callable[[], Result]) -> Result:
        """`call`, again and again while what it raises may pass. Raises the last error."""
        started = time.monotonic()
        for number in range(1, self.tries):
            try:
                return call()
            except (ClientError, BotoCoreError) as error:
                pause = self._pause(error, number)
                if not _may_pass(error) or time.monotonic() - started + pause > self.asks_until:
                    raise
            time.sleep(pause)
        return call()

    def _pause(self, error: Exception, number: int) -> float:
        backoff = self.first_pause * 2.0 ** (number - 1) * (0.5 + random.random() / 2)  # noqa: S311 - not for secrets
        return max(backoff, _retry_after(error))


def _may_pass(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status in PASSING_STATUS or error.response.get("Error", {}).get("Code") in PASSING_CODES
    return isinstance(error, (HTTPClientError, NotConnected, IncompleteReadError))


def _retry_after(error: Exception) -> float:
    """The seconds for which the store wants to be left alone. A date in their place is not heeded."""
    response = error.response if isinstance(error, ClientError) else {}
    text = str(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")).strip()
    return float(text) if text.isdecimal() else 0.0


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
