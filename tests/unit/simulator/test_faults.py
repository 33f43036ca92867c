"""Each fault has to be visible in the rows as written, and only where the script put it."""

import itertools
from datetime import timedelta
from statistics import mean

import pytest

TENANTS = ("acme", "globex")


def during(rows, incident):
    return [r.value for r in rows if incident.start <= r.ts < incident.end]


def outside(rows, incident):
    margin = timedelta(hours=2)
    return [r.value for r in rows if not incident.start - margin <= r.ts < incident.end + margin]


def rows_of(simulated, incident, metric):
    return simulated.series(incident.tenant_id, incident.device.device_id, metric)


@pytest.mark.parametrize("tenant", TENANTS)
def test_overheating_rises_far_above_the_limit_and_falls_back(world, simulated, tenant: str) -> None:
    incident = world.incident(tenant, "overheating")
    rows = rows_of(simulated, incident, "temperature")
    limit = incident.device.product.number("temp_limit", incident.device.at(incident.start).release)
    assert max(during(rows, incident)) > limit + 5
    assert max(outside(rows, incident)) < limit - 10


@pytest.mark.parametrize("tenant", TENANTS)
def test_drift_grows_by_the_day_and_ends_with_the_repair(world, simulated, tenant: str) -> None:
    incident = world.incident(tenant, "drift")
    rows = rows_of(simulated, incident, "temperature")
    day = timedelta(days=1)
    before = mean(r.value for r in rows if r.ts < incident.start)
    last = mean(r.value for r in rows if incident.end - day <= r.ts < incident.end)
    after = mean(r.value for r in rows if r.ts >= incident.end)
    assert last - before > 1.2
    assert abs(after - before) < 0.3


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_stuck_sensor_repeats_one_value_for_hours_and_no_other_does(world, simulated, tenant: str) -> None:
    incident = world.incident(tenant, "stuck")
    values = during(rows_of(simulated, incident, "temperature"), incident)
    assert len(values) >= 39
    assert len(set(values)) == 1
    for device in world.fleet.of(tenant, "cold"):
        rows = simulated.series(tenant, device.device_id, "temperature")
        long = max(_run(rows[at:]) for at in range(len(rows)))
        assert (long >= 39) == (device.device_id == incident.device.device_id)


def _run(rows) -> int:
    count = 0
    while count < len(rows) and rows[count].value == rows[0].value:
        count += 1
    return count


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_dropped_connection_leaves_a_gap_of_hours(world, simulated, tenant: str) -> None:
    incident = world.incident(tenant, "dropped")
    for metric in ("signal", "cpu_temperature", "latency"):
        rows = rows_of(simulated, incident, metric)
        assert during(rows, incident) == []
        assert max(after.ts - before.ts for before, after in itertools.pairwise(rows)) > timedelta(hours=5)


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_weak_battery_falls_below_its_limit_and_is_replaced(world, simulated, tenant: str) -> None:
    incident = world.incident(tenant, "battery")
    rows = rows_of(simulated, incident, "battery")
    limit = incident.device.product.number("battery_low", incident.device.installed.release)
    assert min(during(rows, incident)) < limit
    assert min(r.value for r in rows if r.ts >= incident.end) > limit + 0.2


@pytest.mark.parametrize("tenant", TENANTS)
def test_the_bad_firmware_shows_on_each_device_that_runs_it_and_on_no_other(world, simulated, tenant: str) -> None:
    bad = world.fleet.products["gateway"].versions[2]
    ran = 0
    for device in world.fleet.of(tenant, "gateway"):
        rows = simulated.series(tenant, device.device_id, "cpu_temperature")
        hot = [r.value for r in rows if r.firmware == bad]
        calm = [r.value for r in rows if r.firmware != bad]
        assert mean(calm) < 53
        losses = [
            event["firmware"]
            for event in simulated.events
            if (event["tenant_id"], event["device_id"], event["event_type"])
            == (tenant, device.device_id, "connection_lost")
        ]
        if hot:
            ran += 1
            assert mean(hot) > mean(calm) + 10
            assert losses.count(bad) >= 3
        assert len(losses) - losses.count(bad) <= 8
    assert ran == 3


def test_the_same_trouble_has_another_cause_at_another_tenant(world) -> None:
    for kind in ("overheating", "drift", "stuck", "dropped", "battery"):
        assert world.incident("acme", kind).cause != world.incident("globex", kind).cause
