"""One question with the answer that is known to be right, and where it stands."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

Kind = Literal["lookup", "troubleshoot", "telemetry", "three-source", "version-dependent", "unanswerable"]


@dataclass(frozen=True)
class Passage:
    """file: relative to the output folder. Offsets are of that file; None inside HTML, archives and JSON lines."""

    file: str
    byte_start: int | None
    byte_end: int | None
    quote: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Aggregate:
    """function over the rows of [start, end) of one tenant that match each given filter.

    function: average, minimum, maximum, count, last, device_of_maximum, device_of_minimum, or count_events, for which
    `metric` is the type of event.  value: what the function gives; for a device its extreme, with `winner` its id.
    """

    metric: str
    function: str
    start: datetime
    end: datetime
    value: float
    device_id: str | None = None
    site: str | None = None
    model: str | None = None
    winner: str | None = None

    def to_json(self) -> dict[str, Any]:
        body = asdict(self)
        start, end = body.pop("start"), body.pop("end")
        return {"aggregate": body | {"from": start.isoformat(), "to": end.isoformat()}}


@dataclass(frozen=True)
class Question:
    """device_id, product, version: what has to be known, or follows from what the question names, to answer it."""

    tenant_id: str
    kind: Kind
    text: str
    evidence: Sequence[Passage | Aggregate] = ()
    contains: Sequence[str] = ()
    not_contains: Sequence[str] = ()
    value: float | None = None
    tolerance: float | None = None
    unit: str | None = None
    device_id: str | None = None
    product: str | None = None
    version: str | None = None

    def to_json(self, question_id: str, now: datetime) -> dict[str, Any]:
        return {
            "id": question_id,
            "tenant_id": self.tenant_id,
            "kind": self.kind,
            "question": self.text,
            "context": {"device_id": self.device_id, "product": self.product, "version": self.version},
            "expected": {
                "contains": list(self.contains),
                "not_contains": list(self.not_contains),
                "value": self.value,
                "tolerance": self.tolerance,
                "unit": self.unit,
                "abstain": self.kind == "unanswerable",
            },
            "evidence": [item.to_json() for item in self.evidence],
            "now": now.isoformat(),
            "as_of": None,
        }
