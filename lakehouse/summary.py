"""What one ingest did, for a person, for `--json` and for a DAG's log."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lakehouse.quarantine import SHOWN, Refusal


@dataclass(frozen=True)
class IngestSummary:
    """Files are counted as read, landed, unchanged, deleted or ignored (no type that this ingest takes).

    erased: documents that the origin still has and that are not taken in again.
    rows: the readings, events or messages that landed; documents have none.
    reasons: files and single records in quarantine by code, whether put there now or by a run before.
    refused: the first of them.
    """

    stage: str
    read: int = 0
    landed: int = 0
    unchanged: int = 0
    deleted: int = 0
    ignored: int = 0
    erased: int = 0
    rows: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()

    @property
    def quarantined(self) -> int:
        return sum(self.reasons.values())

    def __add__(self, other: "IngestSummary") -> "IngestSummary":
        counts = ("read", "landed", "unchanged", "deleted", "ignored", "erased", "rows")
        return IngestSummary(
            stage=self.stage,
            **{name: getattr(self, name) + getattr(other, name) for name in counts},
            reasons=dict(sorted((Counter(self.reasons) + Counter(other.reasons)).items())),
            refused=(self.refused + other.refused)[:SHOWN],
        )

    def describe(self) -> str:
        rows = f" ({self.rows} rows)" if self.rows else ""
        reasons = ", ".join(f"{code} {count}" for code, count in self.reasons.items())
        parts = [f"{self.stage}: {self.read} read", f"{self.landed} landed{rows}", f"{self.unchanged} unchanged"]
        parts += [f"{count} {name}" for name in ("deleted", "ignored", "erased") if (count := getattr(self, name))]
        parts.append(f"{self.quarantined} quarantined" + (f" ({reasons})" if reasons else ""))
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "quarantined": self.quarantined}
