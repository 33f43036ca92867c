"""What a gate found: where, how much, and which rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

Severity = Literal["error", "warn"]
EXAMPLES: Final = 3


@dataclass(frozen=True)
class Finding:
    """keys: the place, such as a day and a metric. rows: how many of the table are meant. examples: keys of rows, those
    furthest out first."""

    keys: Mapping[str, Any]
    rows: int
    seen: str
    expected: str
    examples: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return ", ".join(str(value) for value in self.keys.values())

    @property
    def measured(self) -> str:
        return f"{self.seen}, expected {self.expected}" if self.seen else ""


@dataclass(frozen=True)
class FailedExpectation:
    """rows: how many break it. examples: the keys of some of them. findings: the places, furthest out first.

    An `error` stops promotion; a `warn` is recorded and shown.
    """

    table: str
    expectation: str
    rows: int
    examples: tuple[str, ...]
    schema: str = "gold"
    severity: Severity = "error"
    tenant_id: str | None = None
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    remedy: str = ""

    def __str__(self) -> str:
        such_as = f", such as {'; '.join(self.examples)}" if self.examples else ""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        return f"{self.schema}.{self.table}: {self.expectation} does not hold in {rows}{such_as}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def failed(
    table: str,
    schema: str,
    expectation: str,
    severity: Severity,
    tenant_id: str,
    rows: int,
    *,
    remedy: str,
    findings: tuple[Finding, ...],
) -> FailedExpectation:
    """Its examples name tenant, place, what was seen there, and a row."""
    examples = tuple(_told(tenant_id, one) for one in findings[:EXAMPLES])
    return FailedExpectation(table, expectation, rows, examples, schema, severity, tenant_id, findings, remedy)


def _told(tenant_id: str, finding: Finding) -> str:
    place = ", ".join(part for part in (tenant_id, finding.place) if part)
    measured = f" ({finding.measured})" if finding.measured else ""
    rows = f": {' | '.join(finding.examples)}" if finding.examples else ""
    return f"{place}{measured}{rows}"
