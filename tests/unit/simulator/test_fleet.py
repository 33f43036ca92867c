from datetime import UTC, datetime

import pytest

from simulator.fleet import build_fleet

END = datetime(2026, 11, 1, tzinfo=UTC)


def releases(device) -> list[int]:
    return [stretch.release for stretch in device.firmware]


def test_devices_of_two_tenants_share_ids_but_neither_firmware_nor_readings(world, simulated) -> None:
    acme, globex = ({device.device_id: device for device in world.fleet.of(name)} for name in ("acme", "globex"))
    shared = sorted(set(acme) & set(globex))
    assert shared == [f"{kind}-00{number}" for kind in ("cold", "gw", "pump") for number in (1, 2)]
    assert len(acme) > len(shared)
    for device_id in shared:
        assert releases(acme[device_id]) != releases(globex[device_id])
        metric = {"cold": "temperature", "pump": "vibration", "gw": "signal"}[device_id.split("-")[0]]
        values = [[r.value for r in simulated.series(name, device_id, metric)] for name in ("acme", "globex")]
        assert values[0] != values[1]


def test_each_model_ends_with_devices_on_different_firmware(world) -> None:
    for tenant in world.fleet.tenants:
        for kind in world.fleet.products:
            installed = {device.installed.version for device in world.fleet.of(tenant.tenant_id, kind)}
            assert len(installed) > 1


def test_some_device_goes_back_to_its_former_firmware_and_some_never_changes(world) -> None:
    for tenant in world.fleet.tenants:
        paths = [releases(device) for device in world.fleet.of(tenant.tenant_id)]
        assert any(path != sorted(path) for path in paths)
        assert [0] in paths


def test_the_firmware_in_the_readings_changes_when_the_update_event_says_so(simulated) -> None:
    updates = [event for event in simulated.events if event["event_type"].startswith("firmware_")]
    assert {event["event_type"] for event in updates} == {"firmware_upgraded", "firmware_rolled_back"}
    for event in updates:
        mine = [r for r in simulated.readings if (r.tenant_id, r.device_id) == (event["tenant_id"], event["device_id"])]
        before = max((r for r in mine if r.ts < event["ts"]), key=lambda r: r.ts)
        after = min((r for r in mine if r.ts >= event["ts"]), key=lambda r: r.ts)
        assert (before.firmware, after.firmware) == (
            event["attributes"]["from_version"],
            event["attributes"]["to_version"],
        )
        assert event["firmware"] == event["attributes"]["to_version"]


def test_no_firmware_runs_before_it_was_published(world) -> None:
    for device in world.fleet.devices:
        for stretch in device.firmware:
            assert stretch.start >= world.fleet.published[device.product.kind][stretch.release]


@pytest.mark.parametrize("count", [24, 25, 61])
def test_the_number_of_devices_is_the_number_asked_for(count: int) -> None:
    fleet = build_fleet(7, END, 14, count, 30)
    assert len({(device.tenant_id, device.device_id) for device in fleet.devices}) == count


def test_tenants_share_no_local_detail(world) -> None:
    acme, globex = (tenant.slots for tenant in world.fleet.tenants)
    shared = {name for name in acme if acme[name] == globex[name]}
    assert shared == set()
    assert set(world.fleet.tenants[0].sites) & set(world.fleet.tenants[1].sites)  # but one site name, on purpose
