"""An anomaly as it is stored and shown: with what was expected, what was seen, and the SQL that selects the
readings."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lakehouse.anomalies.findings import Finding
from lakehouse.anomalies.merging import Fault

OF_METRIC: Final = """
select ts, value, unit, firmware
from gold.fct_readings
where tenant_id = %(tenant_id)s and device_id = %(device_id)s and metric = %(metric)s
    and ts between %(window_from)s::timestamptz and %(window_to)s::timestamptz
order by ts
""".strip()
OF_DEVICE: Final = """
select distinct ts
from gold.fct_readings
where tenant_id = %(tenant_id)s and device_id = %(device_id)s
    and ts between %(window_from)s::timestamptz and %(window_to)s::timestamptz
order by ts
""".strip()


@dataclass(frozen=True)
class Anomaly:
    """Columns of detection.anomalies, in their order."""

    tenant_id: str
    anomaly_id: str
    device_id: str
    metric: str | None
    kind: str
    started_at: datetime
    ended_at: datetime
    first_detected_at: datetime
    method: str
    measure: str
    expected_low: float
    expected_high: float
    seen: float
    score: float
    window_from: datetime
    window_to: datetime
    window_readings: int
    receipt_sql: str
    receipt_params: dict[str, Any]
    findings: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }


def with_evidence(tenant_id: str, device_id: str, fault: Fault) -> Anomaly:
    chief = fault.chief
    window_from, window_to = moment(chief.window[0]), moment(chief.window[1])
    params = {
        "tenant_id": tenant_id,
        "device_id": device_id,
        "window_from": window_from.isoformat(),
        "window_to": window_to.isoformat(),
    }
    return Anomaly(
        tenant_id=tenant_id,
        anomaly_id=_id(tenant_id, device_id, fault),
        device_id=device_id,
        metric=chief.metric,
        kind=chief.kind,
        started_at=moment(fault.start),
        ended_at=moment(fault.end),
        first_detected_at=moment(fault.known),
        method=chief.method,
        measure=chief.measure,
        expected_low=chief.expected[0],
        expected_high=chief.expected[1],
        seen=chief.seen,
        score=chief.score,
        window_from=window_from,
        window_to=window_to,
        window_readings=chief.window[2],
        receipt_sql=OF_METRIC if chief.metric else OF_DEVICE,
        receipt_params=params | ({"metric": chief.metric} if chief.metric else {}),
        findings=[_short(one) for one in fault.findings],
    )


def moment(second: float) -> datetime:
    """To the microsecond, which is what Postgres keeps."""
    return datetime.fromtimestamp(round(second, 6), UTC)


def _id(tenant_id: str, device_id: str, fault: Fault) -> str:
    """The same fault has the same id however often it is found: what it is named after does not change as it goes
    on."""
    named = [tenant_id, device_id, fault.chief.metric, fault.chief.kind, moment(fault.chief.known).isoformat()]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def _short(finding: Finding) -> dict[str, Any]:
    return {
        "metric": finding.metric,
        "kind": finding.kind,
        "started_at": moment(finding.start).isoformat(),
        "ended_at": moment(finding.end).isoformat(),
        "first_detected_at": moment(finding.known).isoformat(),
        "score": round(finding.score, 3),
    }
