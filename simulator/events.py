"""What devices report beside readings: alarms, updates, lost connections. All of it follows from series and script."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from simulator.faults import Incident
from simulator.fleet import Device, Fleet
from simulator.signals import Outage, Series

Attribute = str | float | int

LIMITS = {  # (kind, metric): facts that hold limit and code
    ("cold", "temperature"): ("high_limit", "code_high"),
    ("pump", "temperature"): ("temp_limit", "code_hot"),
    ("pump", "vibration"): ("vibration_limit", "code_vibration"),
    ("gateway", "cpu_temperature"): ("cpu_limit", "code_cpu"),
}


@dataclass(frozen=True)
class Event:
    event_id: str
    ts: datetime
    device: Device
    event_type: str
    severity: str
    message: str
    attributes: dict[str, Attribute]


def build_events(
    fleet: Fleet, series: Sequence[Series], incidents: Sequence[Incident], outages: Sequence[Outage]
) -> list[Event]:
    """In the order of time; ids count within a tenant."""
    found = [
        *(event for one in series for event in _limits(fleet, one)),
        *(event for device in fleet.devices for event in _updates(device)),
        *(event for incident in incidents for event in _plausibility(incident)),
        *(event for one in series for event in _battery(one)),
        *(event for outage in outages for event in _connection(outage)),
    ]
    found.sort(key=lambda event: (event.ts, event.device.tenant_id, event.device.device_id, event.event_type))
    counts: dict[str, int] = {}
    out = []
    for event in found:
        tenant_id = event.device.tenant_id
        counts[tenant_id] = counts.get(tenant_id, 0) + 1
        event_id = f"{tenant_id}-{event.ts:%Y%m%d}-{counts[tenant_id]:05d}"
        out.append(
            Event(event_id, event.ts, event.device, event.event_type, event.severity, event.message, event.attributes)
        )
    return out


def _limits(fleet: Fleet, series: Series) -> list[Event]:
    """An alarm once the limit of the installed release was exceeded for its delay, and its end."""
    device, product, metric = series.device, series.device.product, series.metric
    if (product.kind, metric.name) not in LIMITS:
        return []
    limit_fact, code_fact = LIMITS[product.kind, metric.name]
    out: list[Event] = []
    pending = False
    for ts, value in readings(series):
        release = device.at(ts).release
        limit, code = product.number(limit_fact, release), product.value(code_fact, release)
        reading = f"{code}: {metric.name.replace('_', ' ')} {value:.{metric.decimals}f} {metric.unit}"
        if value > limit and not pending:
            delay = product.number("alarm_delay", release) if "alarm_delay" in product.facts else 0.0
            text = f"{reading} is above the limit of {limit:g} {metric.unit}"
            facts: dict[str, Attribute] = {"code": code, "metric": metric.name, "value": value, "limit": limit}
            out.append(Event("", ts + timedelta(minutes=delay), device, "alarm", "critical", text, facts))
        elif value <= limit and pending:
            facts = {"code": code, "metric": metric.name, "value": value}
            out.append(Event("", ts, device, "alarm_cleared", "info", f"{reading}, back in range", facts))
        pending = value > limit
    return [event for event in out if event.ts < fleet.end]


def readings(series: Series) -> Iterator[tuple[datetime, float]]:
    for second, value in zip(series.seconds.tolist(), series.values.tolist(), strict=True):
        yield datetime.fromtimestamp(second, UTC), value


def _updates(device: Device) -> list[Event]:
    out = []
    for before, after in zip(device.firmware, device.firmware[1:], strict=False):
        back = after.release < before.release
        verb = "rolled back" if back else "updated"
        facts: dict[str, Attribute] = {"from_version": before.version, "to_version": after.version}
        out.append(
            Event(
                "",
                after.start,
                device,
                "firmware_rolled_back" if back else "firmware_upgraded",
                "warning" if back else "info",
                f"firmware {verb} from {before.version} to {after.version}",
                facts,
            )
        )
    return out


def _plausibility(incident: Incident) -> list[Event]:
    """A device notices faults of its probe itself, but late: drift after most of its way, stuck values after hours."""
    late = {"drift": 0.6, "stuck": 0.5}
    if incident.kind not in late:
        return []
    noticed = (incident.start + late[incident.kind] * (incident.end - incident.start)).replace(microsecond=0)
    what = {"drift": "probe deviates from the element in the housing", "stuck": "probe delivers an unchanged value"}
    facts: dict[str, Attribute] = {"code": incident.code, "metric": "temperature"}
    end = incident.end.replace(microsecond=0)
    return [
        Event("", noticed, incident.device, "alarm", "warning", f"{incident.code}: {what[incident.kind]}", facts),
        Event("", end, incident.device, "alarm_cleared", "info", f"{incident.code}: probe plausible again", facts),
    ]


def _battery(series: Series) -> list[Event]:
    """Reported once, when the voltage is first below what the installed release takes for empty."""
    device, product = series.device, series.device.product
    if series.metric.name != "battery":
        return []
    for ts, value in readings(series):
        limit = product.number("battery_low", device.at(ts).release)
        if value < limit:
            facts: dict[str, Attribute] = {"metric": "battery", "value": value, "limit": limit}
            return [
                Event("", ts, device, "battery_low", "warning", f"battery low: {value:.3f} V, limit {limit:g} V", facts)
            ]
    return []


def _connection(outage: Outage) -> list[Event]:
    device = outage.device
    start, end = outage.start.replace(microsecond=0), outage.end.replace(microsecond=0)
    code = device.product.value("code_lost", device.at(start).release)
    seconds = int((end - start).total_seconds())
    keepalive = device.product.value("keepalive", device.at(start).release)
    lost = f"{code}: connection lost, no keep-alive for three periods of {keepalive}"
    return [
        Event("", start, device, "connection_lost", "warning", lost, {"code": code}),
        Event(
            "",
            end,
            device,
            "connection_restored",
            "info",
            f"connection restored after {seconds} s",
            {"duration_s": seconds},
        ),
    ]
