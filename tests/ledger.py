"""What clients were told of each event, as Jepsen keeps it, and what that says about where the events are found."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

Outcome = Literal["acknowledged", "unknown"]


@dataclass
class Ledger:
    """Events are numbers. One that was sent and never acknowledged is unknown: it may be there, once, or not.

    path: each word of a client is appended to it as a line of JSON, in the order in which they came.
    """

    path: Path
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def sent(self, numbers: Iterable[int], by: str) -> None:
        self._tell("sent", numbers, by)
        with self._lock:
            self.outcomes.update((number, "unknown") for number in numbers if number not in self.outcomes)

    def acknowledged(self, numbers: Iterable[int], by: str) -> None:
        with self._lock:
            self.outcomes.update(dict.fromkeys(numbers, "acknowledged"))
        self._tell("acknowledged", numbers, by)

    def of(self, outcome: Outcome) -> set[int]:
        with self._lock:
            return {number for number, told in self.outcomes.items() if told == outcome}

    def _tell(self, what: str, numbers: Iterable[int], by: str) -> None:
        line = json.dumps({"by": by, "what": what, "events": list(numbers)})
        with self._lock, self.path.open("a") as file:
            file.write(line + "\n")


@dataclass(frozen=True)
class Verdict:
    """lost: acknowledged and not found. doubled: found more than once. invented: found and never sent."""

    lost: frozenset[int]
    doubled: frozenset[int]
    invented: frozenset[int]

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.invented)


def judge(ledger: Ledger, found: Iterable[int]) -> Verdict:
    counted = Counter(found)
    return Verdict(
        lost=frozenset(ledger.of("acknowledged") - counted.keys()),
        doubled=frozenset(number for number, times in counted.items() if times > 1),
        invented=frozenset(counted.keys() - ledger.outcomes.keys()),
    )
