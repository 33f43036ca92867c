"""All that is known of one simulation. Files and truth are both made from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from simulator.chats import Conversation, build_chats
from simulator.documents import Document, build_documents
from simulator.events import Event, build_events
from simulator.faults import Incident, script
from simulator.fleet import Fleet, build_fleet
from simulator.signals import Outage, Series, build_outages, build_series


@dataclass(frozen=True)
class World:
    fleet: Fleet
    incidents: Sequence[Incident]
    outages: Sequence[Outage]
    series: Sequence[Series]
    events: Sequence[Event]
    documents: Sequence[Document]
    conversations: Sequence[Conversation]

    def document(self, path: str) -> Document:
        return next(document for document in self.documents if document.path == path)

    def of_product(self, product: str, kind: str, version: str) -> Document | None:
        found = [one for one in self.documents if (one.product, one.kind, one.version) == (product, kind, version)]
        return found[0] if found else None

    def incident(self, tenant_id: str, kind: str) -> Incident:
        return next(one for one in self.incidents if (one.tenant_id, one.kind) == (tenant_id, kind))

    def talk(self, incident: Incident) -> Conversation:
        return next(one for one in self.conversations if one.incident is incident)


def build_world(*, seed: int, end: datetime, days: int, devices: int, interval_minutes: int) -> World:
    """Raises ValueError where the script does not fit into what is asked for."""
    fleet = build_fleet(seed, end, days, devices, interval_minutes)
    incidents = script(fleet)
    outages = build_outages(fleet, incidents)
    series = build_series(fleet, incidents, outages)
    events = build_events(fleet, series, incidents, outages)
    documents = build_documents(fleet)
    return World(fleet, incidents, outages, series, events, documents, build_chats(fleet, incidents, series, events))
