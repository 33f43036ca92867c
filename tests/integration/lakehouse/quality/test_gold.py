"""The gold gate over candidates with known faults: who breaks what, and which rows are named."""

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.errors import WarehouseNotBuilt
from lakehouse.quality import gates, gold_rules

if TYPE_CHECKING:
    from tests.integration.lakehouse.quality.conftest import World
else:
    World = Any

DAY = "2026-10-19"
COLLAPSED = "a whole day has a fifth or more of the readings of the 28 days before"
FLOODED = "a day has up to ten times the readings of the 28 days before, up to five times a series"
UNUSUAL = "a day has about as many readings as the 28 days before"
DRIFTED = "values of a metric are distributed as in the 28 days before, on most devices"
SHIFTED = "values of a metric are distributed about as in the 28 days before"
OUTLYING = "values stay near the range of the 28 days before"
MISSING = "a metric of most days is there on each"
WARNINGS = {UNUSUAL, SHIFTED, OUTLYING, MISSING}
FAHRENHEIT = "(20 + 5 * sin(2 * pi() * hour / 24)) * 1.8 + 32"


def put(world: World, table: str, *rows: str) -> None:
    world.sql(f"insert into gold_candidate.{table} values {', '.join(rows)}")


def test_a_sound_candidate_passes_every_expectation(world: World) -> None:
    world.tenant("acme")
    world.tenant("other", metric="pressure", unit="bar")
    put(world, "documents", "('acme', 'd', 'one', 0, 3)")
    put(world, "fct_events", "('acme', 'e', 'alarm')")

    assert world.judge() == {}
    assert {result.expectation for result in world.results()} == {rule.name for rule in gold_rules.RULES}
    assert {result.tenant_id for result in world.results()} == {None}


def test_rows_that_cannot_be_are_errors_and_named(world: World) -> None:
    world.tenant("acme")
    at = f"'{DAY} 12:00:30+00'"
    put(world, "fct_readings", *[f"('hot', 'oven', 'temperature', {at}, {value}, '°C')" for value in (1e5, 3)])
    put(world, "fct_readings", f"('nan', 'pump', 'flow', {at}, 'NaN', 'l/s')")
    put(world, "fct_readings", f"('inf', 'pump', 'flow', {at}, '-Infinity', 'l/s')")
    for tenant, metric, value in (("wet", "humidity", 120), ("acid", "ph", 40), ("north", "latitude", 95)):
        put(world, "fct_readings", f"('{tenant}', 'x', '{metric}', {at}, {value}, '%')")
    put(world, "fct_readings", f"('many', 'taxi', 'count', {at}, 27598, null)")
    world.roll_up()
    put(world, "documents", "('acme', 'short', 'one', 0, 9)", "('other', 'none', '', 0, 0)")
    put(world, "documents", "('twice', 'd', 'one', 0, 3)", "('twice', 'd', 'one', 0, 3)")
    put(world, "fct_events", "('acme', ' ', 'alarm')", "('twice', 'e', 'a')", "('twice', 'e', 'a')")
    daily = "gold_candidate.fct_readings_daily"
    world.sql(f"insert into {daily} select * from {daily} where tenant_id = 'wet'")
    world.sql(f"update {daily} set value_avg = 41 where tenant_id = 'acid'")
    world.sql(f"update {daily} set last_ts = '2026-10-20' where tenant_id = 'north'")
    world.reads(date(2026, 10, 19))

    failing = world.check_gold()

    broken = world.broken()
    assert broken == {
        "a reading is there once": {"hot"},
        "a day has as many readings as its rollup says": {"wet"},
        "a day of a series is there once": {"wet"},
        "values are finite numbers": {"nan", "inf"},
        "the numbers of a day agree": {"acid", "north"},
        "values are physically possible": {"hot", "wet", "acid", "north"},
        "text is there, and as long as its bytes": {"acme", "other"},
        "a document is there once": {"twice"},
        "an event is there once": {"twice"},
        "an event has an id and a type": {"acme"},
    }
    assert set(failing) == set().union(*broken.values())
    finite = world.result("values are finite", "nan")
    assert finite.unexpected_count == 1
    assert finite.examples == [
        {
            "keys": {"device": "pump", "metric": "flow", "day": DAY},
            "rows": 1,
            "seen": "NaN to NaN",
            "expected": "finite",
            "examples": [f"pump, flow, {DAY} 12:00:30+00, NaN"],
        }
    ]
    assert world.result("a document", "twice").examples[0]["keys"] == {"document": "d"}
    hot = world.result("values are physically", "hot").examples[0]
    assert hot["examples"][0] == f"oven, temperature, {DAY} 12:00:30+00, 100000"


def test_a_day_unlike_those_before_it_is_judged_by_how_unlike(world: World) -> None:
    world.tenant("sound")
    for tenant, hours, a_day in (("collapsed", 2, 1), ("thinned", 10, 1), ("doubled", 24, 3), ("flooded", 24, 12)):
        world.readings(tenant, range(29))
        world.readings(tenant, range(29, 30), schemas=("gold_candidate",), hours=hours, a_day=a_day)
        world.readings(tenant, range(30, 31), schemas=("gold_candidate",), hours=2)
    world.tenant("fahrenheit", last=FAHRENHEIT)
    world.tenant("warmer", last="23 + n % 3 + 5 * sin(2 * pi() * hour / 24)")
    world.tenant("failing", last="case when n = 2 and hour = 9 then 700 else 20 + 5 * sin(2 * pi() * hour / 24) end")
    world.tenant("silent")
    world.tenant("silent", metric="humidity", unit="%")
    world.sql(f"delete from gold_candidate.fct_readings where metric = 'humidity' and ts >= '{DAY} 00:00+00'")

    broken = world.judge()

    drifted = broken.pop(SHIFTED) | broken.pop(DRIFTED)
    assert broken == {
        COLLAPSED: {"collapsed"},
        FLOODED: {"flooded"},
        UNUSUAL: {"thinned", "doubled"},
        OUTLYING: {"fahrenheit", "failing"},
        MISSING: {"silent"},
    }
    # A tenth of a day, or its morning alone, is distributed in another way as well.
    assert drifted - {"collapsed", "thinned", "failing"} == {"fahrenheit", "warmer"}
    assert world.result(DRIFTED, "fahrenheit").examples[0]["keys"] == {"metric": "temperature", "day": DAY}
    assert not [r for r in world.results() if r.expectation == DRIFTED and r.tenant_id != "fahrenheit"]
    collapsed = world.result(COLLAPSED, "collapsed").examples[0]
    assert collapsed["keys"] == {"day": DAY}
    assert (collapsed["seen"], collapsed["expected"]) == ("12 readings", "about 144 (144 to 144)")
    assert collapsed["examples"][0] == "device-1: 2 readings, usually 24"
    outlying = world.result(OUTLYING, "failing").examples[0]
    assert outlying["rows"] == 1
    assert outlying["examples"][0].startswith(f"device-2, temperature, {DAY}, from ")
    assert "to 700, usually from" in outlying["examples"][0]
    assert world.result(MISSING, "silent").examples[0]["keys"] == {"day": DAY, "metric": "humidity"}


def test_what_happens_to_sound_fleets_stops_nothing(world: World) -> None:
    """An overheating device, a meter that counts up, weather, a fleet that grows, a day that has only begun, a source
    that is young, a single device that is off, and a late file of a day long gone."""
    world.tenant("overheating", last="case when n = 1 then 300 else 20 + 5 * sin(2 * pi() * hour / 24) end")
    count = "n * 1000 + (day - date '2026-09-20') * 24 + hour"
    world.readings("meter", range(29), value=count)
    world.readings("meter", range(29, 30), schemas=("gold_candidate",), value=count)
    world.readings("meter", range(30, 31), schemas=("gold_candidate",), hours=2, value=count)
    weather = "10 + 8 * sin(number * 1.7) + sin(2 * pi() * hour / 24) + n % 2"
    world.readings("weather", range(29), value=weather)
    world.readings("weather", range(29, 31), schemas=("gold_candidate",), value=weather)
    world.readings("grown", range(29), devices=6)
    world.readings("grown", range(29, 31), schemas=("gold_candidate",), devices=30)
    world.readings("begun", range(29))
    world.readings("begun", range(29, 30), schemas=("gold_candidate",), hours=1)
    world.readings("young", range(20, 29))
    world.readings("young", range(29, 31), schemas=("gold_candidate",), devices=1, hours=1)
    world.readings("single", range(29), devices=1, a_day=6)
    world.readings("single", range(29, 30), schemas=("gold_candidate",), devices=1, hours=1)
    world.readings("single", range(30, 31), schemas=("gold_candidate",), devices=1)
    world.tenant("late")
    world.readings("late", range(5, 6), schemas=("gold_candidate",), devices=60, metric="humidity", unit="%")

    broken = world.judge()

    assert broken.keys() <= WARNINGS
    assert {"begun", "young", "late", "weather", "meter"}.isdisjoint(set().union(*broken.values()))
    assert broken[UNUSUAL] == {"grown", "single"}
    assert "overheating" in broken[OUTLYING]


def test_a_first_build_of_old_data_is_held_against_nothing(world: World) -> None:
    world.readings("acme", range(29), schemas=("gold_candidate",))
    world.readings("acme", range(29, 31), schemas=("gold_candidate",), hours=1, value="900")
    world.roll_up()
    world.sql("drop table gold.fct_readings_daily, gold.fct_readings_hourly, gold.fct_readings")

    assert world.check_gold() == []
    assert world.broken() == {}


def test_only_what_a_build_made_anew_is_judged(world: World) -> None:
    world.tenant("acme")
    put(world, "fct_readings", "('old', 'x', 'flow', '2026-10-01', 'NaN', 'l/s')")
    put(world, "documents", "('old', 'short', 'one', 0, 9)")
    world.sql("create table gold_candidate.documents__new (like gold_candidate.documents)")

    assert world.judge() == {}
    put(world, "documents__new", "('acme', 'short', 'one', 0, 9)")
    world.reads(date(2026, 10, 1))
    assert world.check_gold() == ["acme", "old"]


def test_a_candidate_that_was_never_built_is_said_to_be_missing(world: World) -> None:
    with pytest.raises(WarehouseNotBuilt, match="iotops warehouse build"):
        gates.check_gold(world.url, now=world.now, reports=world.reports)
