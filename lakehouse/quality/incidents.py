"""Incidents: a gate that did not hold, from when to when. A gate has one open at most."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from lakehouse.database import Connection, transaction
from lakehouse.errors import NotFound
from lakehouse.quality.findings import FailedExpectation

COLUMNS: Final = "incident_id, gate, opened_at, last_seen_at, resolved_at, build_id, failures"
OPEN: Final = """
insert into quality.incidents (incident_id, gate, opened_at, last_seen_at, failures, build_id)
values (%(gate)s || '-' || nextval('quality.incident_numbers'), %(gate)s, %(now)s, %(now)s, %(failures)s, %(build_id)s)
on conflict (gate) where resolved_at is null do update
set last_seen_at = excluded.last_seen_at, failures = excluded.failures, build_id = excluded.build_id
returning incident_id
"""
ACCEPT: Final = """
insert into quality.accepted (gate, expectation, tenant_id, keys, incident_id, accepted_at)
select i.gate, f ->> 'expectation', f ->> 'tenant_id', finding -> 'keys', i.incident_id, %(now)s
from quality.incidents as i
cross join jsonb_array_elements(i.failures) as f
cross join jsonb_array_elements(f -> 'findings') as finding
where i.incident_id = %(incident_id)s
on conflict do nothing
"""


@dataclass(frozen=True)
class Incident:
    """failures: as `FailedExpectation.to_json` gives them."""

    incident_id: str
    gate: str
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    build_id: int | None
    failures: list[dict[str, Any]]

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def open_incident(
    database_url: str,
    gate: str,
    failures: Sequence[FailedExpectation],
    *,
    now: datetime,
    build_id: int | None = None,
) -> str:
    """The id of a new incident, or of the one of this gate that is still open."""
    said = json.dumps([failure.to_json() for failure in failures], default=str)
    with transaction(database_url) as connection:
        row = connection.execute(OPEN, {"gate": gate, "now": now, "failures": said, "build_id": build_id}).fetchone()
    return str(row[0]) if row else ""


def resolve_incident(connection: Connection, gate: str, *, now: datetime) -> None:
    """In the transaction of whoever calls."""
    connection.execute(
        "update quality.incidents set resolved_at = %s where gate = %s and resolved_at is null", (now, gate)
    )


def accept_incident(connection: Connection, incident_id: str, *, now: datetime) -> int:
    """What it names stops nothing any more; returns how many places were not accepted before. Raises NotFound."""
    find_incident(connection, incident_id)
    return connection.execute(ACCEPT, {"incident_id": incident_id, "now": now}).rowcount


def find_incident(connection: Connection, incident_id: str) -> Incident:
    """Raises NotFound."""
    found = [one for one in list_incidents(connection) if one.incident_id == incident_id]
    if not found:
        raise NotFound(f"incident '{incident_id}' is not known: 'iotops quality incidents' lists them")
    return found[0]


def list_incidents(connection: Connection, tenant_id: str | None = None) -> list[Incident]:
    """Open ones first, then the newest. With a tenant: those that name it, and of them only its own failures."""
    rows: list[Any] = connection.execute(
        f"select {COLUMNS} from quality.incidents order by resolved_at is not null, opened_at desc, incident_id desc"
    ).fetchall()
    found = [Incident(*row) for row in rows]
    if tenant_id is None:
        return found
    own = [(one, [f for f in one.failures if f["tenant_id"] == tenant_id]) for one in found]
    return [Incident(**{**vars(one), "failures": failures}) for one, failures in own if failures]
