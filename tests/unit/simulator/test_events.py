import pytest


def events(simulated, event_type: str):
    found = [event for event in simulated.events if event["event_type"] == event_type]
    assert found
    return found


def test_an_alarm_tells_a_reading_that_was_written_and_the_limit_of_the_manual_in_force(world, simulated) -> None:
    limits = {"temperature": "temp_limit"}
    for event in events(simulated, "alarm"):
        facts = event["attributes"]
        if "value" not in facts:
            continue
        rows = simulated.series(event["tenant_id"], event["device_id"], facts["metric"])
        (first,) = [r for r in rows if r.value == facts["value"] and r.ts <= event["ts"]]
        product = world.fleet.products["pump"]
        manual = world.of_product(product.name, "manual", event["firmware"])
        release = product.release(event["firmware"])
        assert product.value(limits[facts["metric"]], release) in manual.text
        assert facts["value"] > facts["limit"] == product.number(limits[facts["metric"]], release)
        assert (event["ts"] - first.ts).total_seconds() == 60 * product.number("alarm_delay", release)


def test_only_devices_of_the_script_raise_alarms(world, simulated) -> None:
    script = {(one.tenant_id, one.device.device_id, one.code) for one in world.incidents}
    alarms = {(e["tenant_id"], e["device_id"], e["attributes"]["code"]) for e in events(simulated, "alarm")}
    assert alarms <= script
    assert {tenant for tenant, *_ in alarms} == {"acme", "globex"}


def test_each_alarm_is_cleared_later(simulated) -> None:
    for event in events(simulated, "alarm"):
        assert any(
            (one["tenant_id"], one["device_id"], one["attributes"]["code"])
            == (event["tenant_id"], event["device_id"], event["attributes"]["code"])
            and one["ts"] > event["ts"]
            for one in events(simulated, "alarm_cleared")
        )


def test_a_gateway_sends_no_reading_between_lost_and_restored(simulated) -> None:
    lost, restored = events(simulated, "connection_lost"), events(simulated, "connection_restored")
    assert len(lost) == len(restored)
    for event in lost:
        end = min(
            one["ts"]
            for one in restored
            if (one["tenant_id"], one["device_id"]) == (event["tenant_id"], event["device_id"])
            and one["ts"] > event["ts"]
        )
        rows = [r for r in simulated.readings if (r.tenant_id, r.device_id) == (event["tenant_id"], event["device_id"])]
        assert not [r for r in rows if event["ts"] < r.ts < end]


@pytest.mark.parametrize("tenant", ["acme", "globex"])
def test_event_ids_are_unique_and_in_the_order_of_time(simulated, tenant: str) -> None:
    mine = [event for event in simulated.events if event["tenant_id"] == tenant]
    assert len({event["event_id"] for event in mine}) == len(mine) > 50
    assert [event["ts"] for event in mine] == sorted(event["ts"] for event in mine)


def test_an_event_holds_the_agreed_fields(simulated) -> None:
    fields = [
        "event_id",
        "ts",
        "device_id",
        "event_type",
        "severity",
        "message",
        "attributes",
        "model",
        "site",
        "firmware",
        "tenant_id",
    ]
    assert {tuple(event) for event in simulated.events} == {tuple(fields)}
