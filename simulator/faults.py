"""The script: what goes wrong, where and when, why, and who puts it right."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from simulator.catalog import read_table
from simulator.draws import pick, sample, stream
from simulator.fleet import Device, Fleet, Person, Tenant

BAD_RELEASE = 2  # of the gateway; its successor repairs it
KINDS = ("overheating", "drift", "stuck", "dropped", "battery", "bad_firmware")

# (kind of device, path of the first tenant, path of the others). The firmware of the device does not change while the
# fault lasts, so that each symptom has one cause; the tenants' devices run different releases.
DEVICES: Mapping[str, tuple[str, int, int]] = {
    "overheating": ("pump", 3, 0),
    "drift": ("cold", 2, 3),
    "stuck": ("cold", 0, 0),
    "dropped": ("gateway", 2, 2),
    "battery": ("pump", 0, 3),
    "bad_firmware": ("gateway", 0, 0),
}
CODES: Mapping[str, str] = {
    "overheating": "code_hot",
    "drift": "code_drift",
    "stuck": "code_stuck",
    "dropped": "code_lost",
    "battery": "",
    "bad_firmware": "code_lost",
}
# Earliest hour of the start, and length in hours [from, to).
HOURS: Mapping[str, tuple[int, int, int]] = {"overheating": (6, 4, 7), "stuck": (16, 20, 28), "dropped": (6, 5, 9)}


@dataclass(frozen=True)
class Incident:
    """kind: one of KINDS.

    start, end: while the telemetry shows it.  size: peak in °C, drift in °C a day, or rise of the processor in °C.
    code: what the device reports, empty where it has none.
    cause_key, fix_key: the words that an answer cannot do without.
    """

    kind: str
    tenant_id: str
    device: Device
    start: datetime
    end: datetime
    size: float
    code: str
    channel: str
    cause: str
    cause_key: str
    fix: str
    fix_key: str
    wrong: str
    fixer: Person


def script(fleet: Fleet) -> tuple[Incident, ...]:
    """Each kind once a tenant, with another cause."""
    table = read_table("incidents.toml")
    causes = {kind: _causes(fleet, kind, table[kind]) for kind in KINDS}
    days = {tenant.tenant_id: _days(fleet, tenant) for tenant in fleet.tenants}
    return tuple(
        _incident(fleet, tenant, kind, days[tenant.tenant_id], causes[kind][index], table[kind])
        for index, tenant in enumerate(fleet.tenants)
        for kind in KINDS
    )


def _causes(fleet: Fleet, kind: str, row: Mapping[str, Any]) -> list[dict[str, str]]:
    if kind == "bad_firmware":
        product = fleet.products["gateway"]
        bug = product.value("bug", BAD_RELEASE)
        return [{"cause": bug, "key": bug, "fix": "", "fix_key": product.versions[BAD_RELEASE + 1]}] * len(
            fleet.tenants
        )
    return sample(stream(fleet.seed, "causes", kind), row["causes"], len(fleet.tenants))


def _days(fleet: Fleet, tenant: Tenant) -> dict[str, datetime]:
    """A day of its own for each fault that begins on a day."""
    count = (fleet.end - fleet.start).days
    usable = range(int(0.25 * count) + 1, count - 2)
    drawn = sample(stream(fleet.seed, "days", tenant.tenant_id), usable, len(HOURS))
    return {kind: fleet.start + timedelta(days=day) for kind, day in zip(HOURS, drawn, strict=True)}


def _incident(
    fleet: Fleet,
    tenant: Tenant,
    kind: str,
    days: Mapping[str, datetime],
    cause: Mapping[str, str],
    row: Mapping[str, Any],
) -> Incident:
    rng = stream(fleet.seed, "incident", tenant.tenant_id, kind)
    device_kind, first, other = DEVICES[kind]
    device = fleet.of(tenant.tenant_id, device_kind, first if tenant is fleet.tenants[0] else other)[0]
    start, end, size = _course(fleet, device, kind, days, rng)
    return Incident(
        kind=kind,
        tenant_id=tenant.tenant_id,
        device=device,
        start=start,
        end=end,
        size=size,
        code=device.product.value(CODES[kind], device.at(start).release) if CODES[kind] else "",
        channel=row["channel"],
        cause=cause["cause"],
        cause_key=cause["key"],
        fix=cause["fix"],
        fix_key=cause["fix_key"],
        wrong=pick(rng, row["wrong"]),
        fixer=tenant.people[pick(rng, ["tech_0", "tech_1"]) if kind != "battery" else "tech_1"],
    )


def _course(
    fleet: Fleet, device: Device, kind: str, days: Mapping[str, datetime], rng: np.random.Generator
) -> tuple[datetime, datetime, float]:
    minutes = timedelta(minutes=int(rng.integers(60)))
    if kind in HOURS:
        earliest, shortest, longest = HOURS[kind]
        start = days[kind] + timedelta(hours=earliest + int(rng.integers(3))) + minutes
        length = timedelta(hours=int(rng.integers(shortest, longest)), minutes=int(rng.integers(60)))
        return start, start + length, round(float(rng.uniform(93, 104)), 1)
    if kind == "drift":
        start, end = fleet.at_share(0.15) + minutes, fleet.at_share(0.85).replace(hour=14, minute=0, second=0)
        slope = float(rng.uniform(1.6, 2.0)) / ((end - start) / timedelta(days=1))
        return start, end, round(slope, 3)
    if kind == "battery":
        end = fleet.at_share(float(rng.uniform(0.6, 0.75))).replace(hour=10, minute=0, second=0) + minutes
        return fleet.start, end, 0.0
    bad = next(at for at, stretch in enumerate(device.firmware) if stretch.release == BAD_RELEASE)
    return device.firmware[bad].start, device.firmware[bad + 1].start, round(float(rng.uniform(13, 16)), 1)
