"""What detection finds of the simulator's faults, and what it says beside them.

An incident is found where something that belongs to an anomaly of its device became known while it lasted. A false
alarm is an anomaly that overlaps nothing that truly happened to its device: none of its scripted incidents (all six
kinds), no outage of its connection (scripted or not), and not the time while it ran the bad release. All metrics of a
device count together, and an anomaly counts once, however long.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from lakehouse.anomalies.device import find
from lakehouse.anomalies.merging import Fault
from lakehouse.anomalies.series import Series, series
from lakehouse.anomalies.setting import SETTING, Setting
from simulator.faults import BAD_RELEASE, KINDS, Incident, script
from simulator.fleet import Fleet, build_fleet
from simulator.signals import Outage, build_outages, build_series

END: Final = datetime(2026, 11, 1, tzinfo=UTC)
MONTH: Final = 30
Key = tuple[str, str]


@dataclass(frozen=True)
class Simulated:
    """The part of a world that detection sees, without documents and chats, which take most of its time."""

    fleet: Fleet
    incidents: tuple[Incident, ...]
    outages: tuple[Outage, ...]
    readings: Mapping[Key, Mapping[str, Series]]


@dataclass
class Verdict:
    """hours: from the start of each incident that was found to when it was known, by kind."""

    device_months: float
    false_alarms: list[tuple[Key, Fault]] = field(default_factory=list)
    missed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    hours: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    kinds: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    @property
    def rate(self) -> float:
        return len(self.false_alarms) / self.device_months


def simulate(seed: int, days: int, devices: int, interval: int) -> Simulated:
    fleet = build_fleet(seed, END, days, devices, interval)
    incidents = script(fleet)
    outages = tuple(build_outages(fleet, incidents))
    readings: dict[Key, dict[str, Series]] = defaultdict(dict)
    for one in build_series(fleet, incidents, outages):
        readings[one.device.tenant_id, one.device.device_id][one.metric.name] = series(one.seconds, one.values)
    return Simulated(fleet, incidents, outages, readings)


def judge(world: Simulated, setting: Setting = SETTING) -> Verdict:
    days = (world.fleet.end - world.fleet.start).days
    verdict = Verdict(len(world.fleet.devices) * days / MONTH)
    found = {key: find(metrics, END.timestamp(), setting) for key, metrics in world.readings.items()}
    happened = true_spans(world)
    for key, faults in found.items():
        for fault in faults:
            if not any(fault.start < end and fault.end >= start for start, end in happened[key]):
                verdict.false_alarms.append((key, fault))
    for incident in world.incidents:
        _judge_incident(verdict, incident, found[incident.tenant_id, incident.device.device_id])
    return verdict


def true_spans(world: Simulated) -> dict[Key, list[tuple[float, float]]]:
    spans: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for one in (*world.incidents, *world.outages):
        key = one.device.tenant_id, one.device.device_id
        spans[key].append((one.start.timestamp(), one.end.timestamp()))
    for device in world.fleet.devices:
        for at, stretch in enumerate(device.firmware):
            if device.product.kind == "gateway" and stretch.release == BAD_RELEASE:
                end = device.firmware[at + 1].start if at + 1 < len(device.firmware) else world.fleet.end
                spans[device.tenant_id, device.device_id].append((stretch.start.timestamp(), end.timestamp()))
    return spans


def _judge_incident(verdict: Verdict, incident: Incident, faults: list[Fault]) -> None:
    start, end = incident.start.timestamp(), incident.end.timestamp()
    hits = [one for fault in faults for one in fault.findings if start <= one.known < end]
    if not hits:
        verdict.missed[incident.kind] += 1
        return
    verdict.hours[incident.kind].append((min(one.known for one in hits) - start) / 3600)
    verdict.kinds[incident.kind] += sorted({one.kind for one in hits})
