"""Readings: a daily swing and noise, and on top of them what the script of faults does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from simulator.draws import stream
from simulator.faults import BAD_RELEASE, Incident
from simulator.fleet import Device, Fleet

Floats = NDArray[np.float64]
Seconds = NDArray[np.int64]  # since 1970


@dataclass(frozen=True)
class Metric:
    """every: reported with each n-th interval.  base: range from which a device's own level is drawn."""

    name: str
    unit: str
    every: int
    decimals: int
    base: tuple[float, float]
    swing: float
    noise: float
    trend_per_day: float = 0.0


METRICS: Mapping[str, tuple[Metric, ...]] = {
    "cold": (
        Metric("temperature", "°C", 1, 2, (3.2, 4.0), 0.4, 0.18),
        Metric("humidity", "%", 2, 1, (68, 80), 3.0, 1.2),
        Metric("battery", "V", 12, 3, (3.46, 3.62), 0.004, 0.003, -0.0025),
    ),
    "pump": (
        Metric("vibration", "mm/s", 1, 2, (1.8, 3.0), 0.2, 0.12),
        Metric("temperature", "°C", 1, 1, (46, 54), 3.0, 0.8),
        Metric("battery", "V", 12, 3, (3.46, 3.62), 0.004, 0.003, -0.0025),
    ),
    "gateway": (
        Metric("signal", "dBm", 1, 1, (-90, -76), 2.0, 1.4),
        Metric("cpu_temperature", "°C", 2, 1, (43, 49), 3.0, 0.8),
        Metric("latency", "ms", 2, 0, (60, 110), 8.0, 6.0),
    ),
}


@dataclass(frozen=True)
class Series:
    """What was written for one metric of one device; values are rounded as written."""

    device: Device
    metric: Metric
    seconds: Seconds
    values: Floats


@dataclass(frozen=True)
class Outage:
    """The platform did not hear from the gateway for [start, end)."""

    device: Device
    start: datetime
    end: datetime
    scripted: bool


def build_series(fleet: Fleet, incidents: Sequence[Incident], outages: Sequence[Outage]) -> list[Series]:
    out = []
    for device in fleet.devices:
        silent = [outage for outage in outages if outage.device is device]
        for metric in METRICS[device.product.kind]:
            seconds = _stamps(fleet, device, metric)
            values = _normal(fleet, device, metric, seconds)
            values = _bad_firmware(fleet, device, metric, seconds, values, incidents)
            for incident in incidents:
                if incident.device is device:
                    values = _faulty(incident, metric, seconds, values)
            heard = np.ones(len(seconds), dtype=bool)
            for outage in silent:
                heard &= ~within(seconds, outage.start, outage.end)
            out.append(Series(device, metric, seconds[heard], np.round(values[heard], metric.decimals) + 0.0))
    return out


def build_outages(fleet: Fleet, incidents: Sequence[Incident]) -> list[Outage]:
    """A short loss every few days is normal; under the bad release there are several a day."""
    out = [
        Outage(incident.device, incident.start, incident.end, True)
        for incident in incidents
        if incident.kind == "dropped"
    ]
    for device in fleet.devices:
        if device.product.kind != "gateway":
            continue
        rng = stream(fleet.seed, "outages", device.tenant_id, device.device_id)
        busy = [(outage.start, outage.end) for outage in out if outage.device is device]
        for day in range((fleet.end - fleet.start).days):
            midnight = fleet.start + timedelta(days=day)
            bad = device.at(midnight).release == BAD_RELEASE
            for _ in range(int(rng.integers(3, 6)) if bad else int(rng.random() < 0.22)):
                start = midnight + timedelta(seconds=int(rng.integers(600, 85_000)))
                end = start + timedelta(seconds=int(rng.integers(100, 560)))
                on_same_release = device.at(start).release == device.at(midnight).release
                if on_same_release and all(end < other or start > until for other, until in busy):
                    busy.append((start, end))
                    out.append(Outage(device, start, end, False))
    return sorted(out, key=lambda outage: (outage.start, outage.device.tenant_id, outage.device.device_id))


def within(seconds: Seconds, start: datetime, end: datetime) -> NDArray[np.bool_]:
    return (seconds >= start.timestamp()) & (seconds < end.timestamp())


def _stamps(fleet: Fleet, device: Device, metric: Metric) -> Seconds:
    step = int(fleet.interval.total_seconds()) * metric.every
    first, last = int(fleet.start.timestamp()), int(fleet.end.timestamp())
    return np.arange(first + device.phase, last, step, dtype=np.int64)


def _normal(fleet: Fleet, device: Device, metric: Metric, seconds: Seconds) -> Floats:
    rng = stream(fleet.seed, "signal", device.tenant_id, device.device_id, metric.name)
    level, peak_hour = rng.uniform(*metric.base), rng.uniform(13, 16)
    hours = (seconds % 86_400) / 3600
    days = (seconds - fleet.start.timestamp()) / 86_400
    daily = metric.swing * np.cos(2 * np.pi * (hours - peak_hour) / 24)
    shocks = rng.normal(0, metric.noise, len(seconds))
    noise = 0.8 * shocks + 0.5 * np.concatenate(([0.0], shocks[:-1]))
    return np.asarray(level + daily + metric.trend_per_day * days + noise, dtype=np.float64)


def _bad_firmware(
    fleet: Fleet, device: Device, metric: Metric, seconds: Seconds, values: Floats, incidents: Sequence[Incident]
) -> Floats:
    """Symptoms on each device that runs the bad release, and only while it does."""
    if metric.name not in ("cpu_temperature", "latency"):
        return values
    rise = next(one.size for one in incidents if one.kind == "bad_firmware" and one.tenant_id == device.tenant_id)
    out = values.copy()
    for at, stretch in enumerate(device.firmware):
        if stretch.release == BAD_RELEASE:
            end = device.firmware[at + 1].start if at + 1 < len(device.firmware) else fleet.end
            bad = within(seconds, stretch.start, end)
            out[bad] = out[bad] + rise if metric.name == "cpu_temperature" else out[bad] * 1.7
    return out


def _faulty(incident: Incident, metric: Metric, seconds: Seconds, values: Floats) -> Floats:
    hit = within(seconds, incident.start, incident.end)
    out = values.copy()
    if incident.kind == "drift" and metric.name == "temperature":
        out[hit] += incident.size * (seconds[hit] - incident.start.timestamp()) / 86_400
    if incident.kind == "stuck" and metric.name == "temperature":
        out[hit] = out[hit][0]
    if incident.kind == "battery" and metric.name == "battery":
        empty = incident.device.product.number("battery_low", incident.device.at(incident.start).release)
        out[hit] += np.linspace(empty + 0.13, empty - 0.04, int(hit.sum())) - float(out[hit].mean())
    if incident.kind == "overheating" and metric.name in ("temperature", "vibration"):
        hours = (seconds - incident.start.timestamp()) / 3600
        length = (incident.end - incident.start).total_seconds() / 3600
        rise = np.clip(hours / 1.5, 0, 1) * np.clip((length - hours) / 1.0, 0, 1)
        top = incident.size - float(values[hit].mean()) if metric.name == "temperature" else 1.3
        out += rise * top
    return out
