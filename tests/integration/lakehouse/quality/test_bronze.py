"""The bronze gate over rows of landing that are new, and what their tenants sent before."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.quality import bronze_rules

if TYPE_CHECKING:
    from tests.integration.lakehouse.quality.conftest import World
else:
    World = Any

HASH = "a" * 64
UNIT = "unit is one that the metric has had"
METRIC = "metric is one that the tenant has had"
FLOOD = "a day brings no more than 10 times the rows of a usual day"
SILENT = "a tenant that sends regularly has sent something"
MOMENT = "ts is after 1999 and no later than it was recorded"


@pytest.fixture
def landing(world: World) -> World:
    """A partition that takes readings of every day."""
    world.sql("create table landing.telemetry_of_test partition of landing.telemetry default")
    world.reads()
    return world


def land(
    world: World,
    tenant: str,
    *,
    ts: str = "2026-10-19 12:00+00",
    dt: str | None = None,
    device: str = "pump",
    metric: str = "flow",
    value: str = "1",
    unit: str | None = "l/s",
    recorded_at: str = "2026-10-19 13:00+00",
    sha256: str = HASH,
    version: int = 1,
    rows: int = 1,
) -> None:
    world.connection.execute(
        "insert into landing.telemetry (tenant_id, dt, device_id, metric, ts, value, unit, source, object_sha256, "
        "row_number, recorded_at, bronze_version) "
        "select %s, %s, %s, %s, %s, %s, %s, 's', %s, n, %s, %s from generate_series(1, %s) as n",
        (tenant, dt or ts[:10], device, metric, ts, value, unit, sha256, recorded_at, version, rows),
    )


def document(world: World, tenant: str, text: str = "one", end: int = 3, sha256: str = HASH, version: int = 1) -> None:
    world.connection.execute(
        "insert into landing.documents values (%s, 's', 'p', 'manual', 't', %s, %s, 'text/plain', 'x', 0, %s, null, "
        "null, null, null, 'internal', null, false, '2026-10-19 13:00+00', %s, %s)",
        (tenant, sha256, sha256, end, version, text),
    )


def event(world: World, tenant: str, event_id: str = "e", attributes: str = "{}", sha256: str = HASH) -> None:
    world.connection.execute(
        "insert into landing.events values (%s, %s, 'pump', 'alarm', '2026-10-19', null, null, %s, null, null, null, "
        "'s', %s, 1, '2026-10-19 13:00+00', 1)",
        (tenant, event_id, attributes, sha256),
    )


def message(world: World, tenant: str, sha256: str = HASH) -> None:
    world.connection.execute(
        "insert into landing.messages values (%s, 's', 'c', 'm', 't', 'a', '2026-10-19', 'x', null, false, %s, "
        "'2026-10-19 13:00+00', 1)",
        (tenant, sha256),
    )


def test_sound_rows_pass_every_expectation(landing: World) -> None:
    land(landing, "acme")
    document(landing, "acme")
    event(landing, "acme", attributes='{"code": "E{1}"}')
    message(landing, "acme")

    assert landing.check_bronze() == []
    assert landing.broken() == {}
    assert sorted(result.expectation for result in landing.results()) == sorted(r.name for r in bronze_rules.RULES)


def test_rows_that_cannot_be_are_errors_and_named(landing: World) -> None:
    land(landing, "unnamed", device=" ", rows=2)
    land(landing, "unmetered", metric="")
    land(landing, "nan", value="NaN")
    land(landing, "traceless", sha256="sha-1")
    land(landing, "shifted", dt="2026-10-20")
    land(landing, "ahead", ts="2026-10-19 13:05:01+00")
    land(landing, "unset", ts="1999-12-31 23:00+00")
    event(landing, "blank", event_id=" ")
    event(landing, "broken", attributes='{"code"')
    event(landing, "listed", attributes="[]")
    event(landing, "lost", sha256="A" * 64)
    message(landing, "lost", sha256="")
    document(landing, "lost", sha256="x")
    document(landing, "short", end=9)

    failing = landing.check_bronze()

    assert landing.broken() == {
        "device and metric have a name": {"unnamed", "unmetered"},
        "value is a finite number": {"nan"},
        "object_sha256 names an object": {"traceless", "lost"},
        "dt is the day of ts in UTC": {"shifted"},
        MOMENT: {"ahead", "unset"},
        "event has an id": {"blank"},
        "attributes are a JSON object": {"broken", "listed"},
        "text is as long as its bytes": {"short"},
    }
    assert set(failing) == set().union(*landing.broken().values()) - {"ahead", "unset"}
    unnamed = landing.result("device and metric", "unnamed")
    assert unnamed.unexpected_count == 2
    assert unnamed.examples[0]["keys"] == {"day": "2026-10-19", "metric": "flow"}
    assert unnamed.examples[0]["seen"] == "2 of 2"
    assert unnamed.examples[0]["examples"][0] == f" , flow, 2026-10-19 12:00:00+00, 1, object {'a' * 12} row 1"
    assert [r.table for r in landing.results() if r.tenant_id == "lost"] == [
        "landing.documents",
        "landing.events",
        "landing.messages",
    ]


def test_only_rows_that_gold_was_not_built_from_are_judged(landing: World) -> None:
    land(landing, "before", value="NaN", version=1)
    land(landing, "new", value="NaN", version=2)
    land(landing, "later", value="NaN", version=3)
    document(landing, "before", end=9, version=1)
    landing.sql("update registry.increments set after_version = 1, upto_version = 2")

    assert landing.check_bronze() == ["new"]

    landing.sql("delete from registry.increments")
    assert landing.check_bronze() == ["before", "before", "later", "new"]

    landing.sql("drop table registry.increments")
    assert landing.check_bronze() == ["before", "before", "later", "new"]


def test_a_unit_or_metric_that_is_new_to_a_tenant_warns_until_it_is_promoted(landing: World) -> None:
    land(landing, "acme", ts="2026-10-18 11:00+00", recorded_at="2026-10-18 12:00+00")
    landing.check_bronze()
    assert landing.broken() == {}
    land(landing, "acme", unit="m3/h", version=2)
    land(landing, "acme", metric="temp", version=2)
    land(landing, "first", metric="temp", version=2)
    landing.sql("update registry.increments set after_version = 1, upto_version = 2")

    for _ in range(2):
        assert landing.check_bronze() == []
        assert landing.broken() == {UNIT: {"acme"}, METRIC: {"acme"}}
    found = landing.result(UNIT, "acme").examples[0]
    assert found["keys"] == {"unit": "m3/h", "metric": "flow"}
    assert (found["seen"], found["expected"]) == ("since 2026-10-19", "l/s")

    land(landing, "acme", unit="m3/h", recorded_at="2026-10-20 13:00+00", version=3)
    landing.sql("update registry.increments set after_version = 2, upto_version = 3")
    landing.check_bronze()
    assert landing.broken() == {}


def test_a_flood_of_rows_warns_where_the_history_is_long_enough(landing: World) -> None:
    landing.readings("acme", range(29), devices=1)
    landing.readings("young", range(20, 29), devices=1)
    landing.roll_up()
    for tenant in ("acme", "young"):
        land(landing, tenant, rows=24 * 10 + 1)
    land(landing, "acme", ts="2026-10-18 00:00+00", rows=24 * 10)

    assert landing.check_bronze() == []
    assert landing.broken() == {FLOOD: {"acme"}}
    assert landing.result(FLOOD, "acme").examples[0]["keys"] == {"day": "2026-10-19"}
    assert landing.result(FLOOD, "acme").examples[0]["expected"] == "about 24"


def test_a_tenant_that_falls_silent_warns_and_stops_nobody(landing: World) -> None:
    """Old data at a first build says nothing, as it arrived at once; nor does a tenant that pauses at weekends."""
    for day in (date(2026, 10, 12) + timedelta(days=number) for number in range(20)):
        land(landing, "daily", ts=f"{day} 11:00+00", recorded_at=f"{day} 12:00+00")
        if day.weekday() < 5:
            land(landing, "workdays", ts=f"{day} 11:00+00", recorded_at=f"{day} 12:00+00")
        land(landing, "old", ts=f"{day.replace(year=2013)} 12:00+00", recorded_at="2026-10-12 12:00+00")

    assert landing.check_bronze() == []
    assert landing.broken() == {}
    landing.check_bronze(later=timedelta(days=1, hours=1))
    assert landing.broken() == {}
    landing.check_bronze(later=timedelta(days=1, hours=2))
    assert landing.broken() == {SILENT: {"daily"}}
    assert landing.result(SILENT, "daily").examples[0]["expected"] == "something every 1 day"
    landing.check_bronze(later=timedelta(days=6))
    assert landing.broken() == {SILENT: {"daily", "workdays"}}
    landing.check_bronze(later=timedelta(days=40))
    assert landing.broken() == {}
