"""What people wrote to each other: about the incidents, and about lunch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from simulator.catalog import read_table
from simulator.draws import pick, sample, stream
from simulator.events import Event
from simulator.faults import BAD_RELEASE, Incident
from simulator.fleet import Device, Fleet, Person, Tenant
from simulator.signals import Series, within
from simulator.writing import compose, content

LINE = re.compile(r"\+(\d+) ([a-z_0-9]+): (.+)")


@dataclass(frozen=True)
class Message:
    """thread: number of the conversation within its tenant; its first message has place 0.  marks: fact → quote."""

    tenant_id: str
    channel: str
    thread: int
    place: int
    author: Person
    ts: datetime
    text: str
    marks: Mapping[str, str]


@dataclass(frozen=True)
class Conversation:
    incident: Incident | None
    messages: tuple[Message, ...]

    def quote(self, mark: str) -> str:
        return next(message.marks[mark] for message in self.messages if mark in message.marks)


def build_chats(
    fleet: Fleet, incidents: Sequence[Incident], series: Sequence[Series], events: Sequence[Event]
) -> list[Conversation]:
    out: list[Conversation] = []
    for tenant in fleet.tenants:
        mine: list[Conversation] = []
        for incident in incidents:
            if incident.tenant_id == tenant.tenant_id:
                mine.append(_discussion(fleet, tenant, incident, series, events, len(mine)))
        mine += _small_talk(fleet, tenant, len(mine))
        out += mine
    return out


def mention(person: Person) -> str:
    """`@handle`; the Slack writer turns it into the id of the user."""
    return f"@{person.handle}"


def peak(series: Sequence[Series], incident: Incident, metric: str = "temperature") -> float:
    one = next(one for one in series if one.device is incident.device and one.metric.name == metric)
    return float(one.values[within(one.seconds, incident.start, incident.end)].max())


def _discussion(
    fleet: Fleet, tenant: Tenant, incident: Incident, series: Sequence[Series], events: Sequence[Event], number: int
) -> Conversation:
    rng = stream(fleet.seed, "thread", tenant.tenant_id, incident.kind)
    opened, minutes = _moments(fleet, incident, events, rng)
    slots = {**_slots(tenant, incident, series), **minutes, **_release_slots(fleet, tenant, incident)}
    written = compose(content("threads", f"{incident.kind}.txt"), rng=rng, slots=slots)
    messages: list[Message] = []
    position = 0
    for line in written.text.splitlines(keepends=True):
        start, end = position, position + len(line.encode())
        position = end
        found = LINE.match(line)
        if found is None:
            raise ValueError(f"'{line.strip()}' is no message")
        author = incident.fixer if found[2] == "tech" else tenant.people[found[2]]
        ts = opened + timedelta(minutes=int(found[1]), seconds=int(rng.integers(5, 55)))
        marks = {name: span.quote for name, span in written.spans.items() if start <= span.start < end}
        text = found[3].strip()
        messages.append(Message(tenant.tenant_id, incident.channel, number, len(messages), author, ts, text, marks))
    return Conversation(incident, tuple(messages))


def _moments(
    fleet: Fleet, incident: Incident, events: Sequence[Event], rng: np.random.Generator
) -> tuple[datetime, dict[str, str]]:
    """When the talk begins, and after how many minutes its turns come: a repair is told when the telemetry shows it."""
    opened = _opened(fleet, incident, events)
    repaired = max(90, int((incident.end - opened).total_seconds() // 60))
    found = max(61, repaired - int(rng.integers(20, 45)))
    if incident.kind == "bad_firmware":
        back = fleet.of(incident.tenant_id, "gateway", 1)[0].firmware[-1].start
        fixed = int((back - opened).total_seconds() // 60) + 20
        found = fixed - 60
        later = repaired + 150
        turns = {
            "found": found,
            "found1": fixed,
            "fixed": fixed + 42,
            "fixed1": fixed + 47,
            "later": later,
            "later1": later + 33,
        }
    else:
        turns = {
            "found": found,
            "found1": found + 3,
            "fixed": repaired + 4,
            "fixed1": repaired + 26,
            "fixed2": repaired + 31,
        }
    return opened, {name: str(value) for name, value in turns.items()}


def _opened(fleet: Fleet, incident: Incident, events: Sequence[Event]) -> datetime:
    """Soon after the device reported it; drift waits for the next morning's round, a pattern for the last update."""
    if incident.kind == "bad_firmware":
        affected = [device for device in fleet.of(incident.tenant_id, "gateway") if _ran(device, BAD_RELEASE)]
        last = max(
            stretch.start for device in affected for stretch in device.firmware if stretch.release == BAD_RELEASE
        )
        return last.replace(second=0) + timedelta(hours=5)
    reports = ("alarm", "connection_lost", "battery_low")
    first = min(
        event.ts
        for event in events
        if event.device is incident.device
        and event.event_type in reports
        and event.ts >= incident.start.replace(microsecond=0)
    )
    if incident.kind == "drift":
        return first.replace(hour=7, minute=40, second=0) + timedelta(days=1)
    return first.replace(second=0) + timedelta(minutes=3)


def _slots(tenant: Tenant, incident: Incident, series: Sequence[Series]) -> dict[str, str]:
    device = incident.device
    release = device.at(incident.start).release
    top = peak(series, incident) if incident.kind in ("overheating", "stuck") else 0.0
    return {
        "device": device.device_id,
        "site": device.site,
        "site_cap": device.site.replace("-", " ").capitalize(),
        "code": incident.code,
        "limit": device.product.value("temp_limit", release) if incident.kind == "overheating" else "",
        "peak": f"{round(top)}",
        "stuck": f"{top:.2f}",
        "slope": f"{incident.size:.2f}",
        "begun": f"{incident.start:%d %B}",
        "gone": f"{incident.start:%H:%M}",
        "back": f"{incident.end:%H:%M}",
        "wrong": incident.wrong,
        "cause": incident.cause,
        "cause_cap": incident.cause[0].upper() + incident.cause[1:],
        "fix": incident.fix,
        "tech_first": incident.fixer.first,
        "tech_mention": mention(incident.fixer),
        "lead_mention": mention(tenant.people["lead"]),
        "approver_first": tenant.people["approver"].first,
    }


def _release_slots(fleet: Fleet, tenant: Tenant, incident: Incident) -> dict[str, str]:
    if incident.kind != "bad_firmware":
        return {}
    product = fleet.products["gateway"]
    rolled = fleet.of(tenant.tenant_id, "gateway", 1)[0]
    affected = [device for device in fleet.of(tenant.tenant_id, "gateway") if _ran(device, BAD_RELEASE)]
    return {
        "version": product.versions[BAD_RELEASE],
        "fixed_version": product.versions[BAD_RELEASE + 1],
        "bug": product.value("bug", BAD_RELEASE),
        "devices": _list([device.device_id for device in affected]),
        "rolled": rolled.device_id,
        "old": rolled.installed.version,
        "updated": incident.device.device_id,
    }


def _ran(device: Device, release: int) -> bool:
    return any(stretch.release == release for stretch in device.firmware)


def _list(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _small_talk(fleet: Fleet, tenant: Tenant, number: int) -> list[Conversation]:
    table = read_table("smalltalk.toml")
    rng = stream(fleet.seed, "small talk", tenant.tenant_id)
    people = list(tenant.people.values())
    devices = fleet.of(tenant.tenant_id)
    texts = [[line] for line in sample(rng, table["lines"], 16)] + sample(rng, table["threads"], 3)
    out = []
    for at, lines in enumerate(texts):
        slots = {
            "someone": pick(rng, people).first,
            "device": pick(rng, devices).device_id,
            "site": pick(rng, tenant.sites),
        }
        channel = pick(rng, table["channels"])
        days = (fleet.end - fleet.start).days
        ts = fleet.start + timedelta(days=int(rng.integers(days)), hours=7, minutes=int(rng.integers(600)))
        messages = []
        for place, line in enumerate(lines):
            ts += timedelta(minutes=int(rng.integers(1, 20)), seconds=int(rng.integers(60)))
            text = compose(line, rng=rng, slots=slots).text
            messages.append(Message(tenant.tenant_id, channel, number + at, place, pick(rng, people), ts, text, {}))
        out.append(Conversation(None, tuple(messages)))
    return out
