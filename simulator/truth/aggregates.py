"""Aggregates over the readings as they were written."""

from datetime import datetime

import numpy as np

from simulator.signals import Floats, within
from simulator.truth.question import Aggregate
from simulator.world import World

DIGITS = {3: 0.006, 2: 0.06, 1: 0.06, 0: 0.6}  # decimals of a metric: what rounding for the reader may cost


def tolerance(world: World, tenant_id: str, metric: str) -> float:
    one = next(one for one in world.series if one.device.tenant_id == tenant_id and one.metric.name == metric)
    return DIGITS[one.metric.decimals]


def unit(world: World, metric: str) -> str:
    return next(one.metric.unit for one in world.series if one.metric.name == metric)


def aggregate(
    world: World,
    tenant_id: str,
    metric: str,
    function: str,
    start: datetime,
    end: datetime,
    *,
    device_id: str | None = None,
    site: str | None = None,
    model: str | None = None,
) -> Aggregate | None:
    """None where there are no rows, or where two devices share the extreme value."""
    chosen = [
        one
        for one in world.series
        if one.device.tenant_id == tenant_id
        and one.metric.name == metric
        and device_id in (None, one.device.device_id)
        and site in (None, one.device.site)
        and model in (None, one.device.product.name)
    ]
    parts = {one.device.device_id: one.values[within(one.seconds, start, end)] for one in chosen}
    parts = {name: values for name, values in parts.items() if len(values)}
    if not parts:
        return None
    winner = None
    if function.startswith("device_of_"):
        winner, value = _winner(parts, function)
        if winner is None:
            return None
    elif function == "last":
        (one,) = chosen
        value = float(one.values[within(one.seconds, start, end)][-1])
    else:
        values = np.concatenate(list(parts.values()))
        value = {
            "average": float(values.mean()),
            "minimum": float(values.min()),
            "maximum": float(values.max()),
            "count": len(values),
        }[function]
    return Aggregate(metric, function, start, end, round(value, 6), device_id, site, model, winner)


def count_events(
    world: World, tenant_id: str, event_type: str, start: datetime, end: datetime, device_id: str
) -> Aggregate:
    found = [
        event
        for event in world.events
        if event.device.tenant_id == tenant_id
        and event.device.device_id == device_id
        and event.event_type == event_type
        and start <= event.ts < end
    ]
    return Aggregate(event_type, "count_events", start, end, len(found), device_id)


def _winner(parts: dict[str, Floats], function: str) -> tuple[str | None, float]:
    """No winner where two share the extreme, or where there is nobody to win against."""
    highest = function == "device_of_maximum"
    ranked = sorted(((float(v.max() if highest else v.min()), name) for name, v in parts.items()), reverse=highest)
    if len(ranked) < 2 or ranked[0][0] == ranked[1][0]:
        return None, 0.0
    return ranked[0][1], ranked[0][0]
