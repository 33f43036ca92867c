"""A gate that does not hold: who is told what, and when it is over."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse import database
from lakehouse.errors import NotFound, Refused
from lakehouse.quality import gates
from lakehouse.quality.incidents import Incident, accept_incident, list_incidents
from lakehouse.quality.report import write_all
from lakehouse.quality.results import forget_tenant, list_runs

if TYPE_CHECKING:
    from tests.integration.lakehouse.quality.conftest import World
else:
    World = Any


@pytest.fixture
def spoilt(world: World) -> World:
    """Of two tenants a document is not what it says, and one has a device that cannot be so cold."""
    world.readings("acme", range(1), schemas=("gold_candidate",), devices=1, hours=2, value="-300 - hour")
    world.sql("insert into gold_candidate.documents values ('acme', 'd1', '<b>', 0, 9), ('other', 'd2', 'x', 0, 9)")
    world.roll_up()
    return world


def incidents(world: World, tenant: str | None = None) -> list[Incident]:
    with database.connect(world.url) as connection:
        return list_incidents(connection, tenant)


def stop(world: World, later: int = 0, build_id: int | None = None) -> str:
    """The text of the refusal; empty where the gate holds."""
    now = world.now + timedelta(hours=later)
    try:
        gates.stop_at_gold(world.url, now=now, reports=world.reports, build_id=build_id)
    except Refused as refusal:
        return str(refusal)
    return ""


def mend(world: World) -> None:
    world.sql("delete from gold_candidate.documents")
    world.sql(
        "update gold_candidate.fct_readings_daily set value_min = 1, value_max = 1, value_avg = 1, last_value = 1"
    )


def test_a_failed_gate_says_in_one_line_what_rows_what_is_kept_and_what_to_do(spoilt: World) -> None:
    assert stop(spoilt) == (
        "the gold gate does not hold: "
        "gold_candidate.fct_readings_daily: values are physically possible does not hold in 1 row, such as acme, "
        "2026-09-20, device-1, temperature (-301 to -300 °C, expected what can be measured): device-1, temperature, "
        "2026-09-20 01:00:00+00, -301 | device-1, temperature, 2026-09-20 00:00:00+00, -300 | "
        "gold_candidate.documents: text is there, and as long as its bytes does not hold in 1 row, such as acme, d1 | "
        "gold_candidate.documents: text is there, and as long as its bytes does not hold in 1 row, such as other, d2. "
        "the candidate is not promoted, and gold goes on serving what it served (incident gold-1). "
        "To do: correct the readings at their source and ingest them again: a reading that comes later stands; "
        "correct the source and ingest it again. 'iotops quality show' names the rows, 'iotops quality accept gold-1' "
        "takes them for true; then run 'iotops warehouse build'"
    )


def test_a_gate_that_goes_on_failing_is_one_incident_until_it_first_holds(spoilt: World) -> None:
    stop(spoilt, build_id=7)
    spoilt.sql("delete from gold_candidate.documents where tenant_id = 'other'")
    stop(spoilt, later=1, build_id=8)

    (incident,) = incidents(spoilt)
    assert (incident.opened_at, incident.last_seen_at) == (spoilt.now, spoilt.now + timedelta(hours=1))
    assert (incident.is_open, incident.build_id) == (True, 8)
    assert [failure["tenant_id"] for failure in incident.failures] == ["acme", "acme"]

    gates.stop_at_bronze(spoilt.url, now=spoilt.now, reports=spoilt.reports)
    assert incidents(spoilt)[0].is_open, "another gate holds"

    mend(spoilt)
    assert stop(spoilt, later=2) == ""
    assert incidents(spoilt)[0].resolved_at == spoilt.now + timedelta(hours=2)
    assert stop(spoilt, later=3) == ""
    assert incidents(spoilt)[0].resolved_at == spoilt.now + timedelta(hours=2)

    spoilt.sql("insert into gold_candidate.documents values ('acme', 'd3', 'x', 0, 9)")
    assert "text is there" in stop(spoilt, later=4)
    newer, older = incidents(spoilt)
    assert (newer.is_open, older.is_open) == (True, False)
    assert newer.incident_id != older.incident_id


def test_what_a_person_accepts_stops_nothing_and_what_is_like_it_still_does(spoilt: World) -> None:
    stop(spoilt)
    with database.connect(spoilt.url) as connection:
        assert accept_incident(connection, "gold-1", now=spoilt.now) == 3
        assert accept_incident(connection, "gold-1", now=spoilt.now) == 0
        with pytest.raises(NotFound, match="iotops quality incidents"):
            accept_incident(connection, "gold-2", now=spoilt.now)

    assert stop(spoilt, later=1) == ""
    assert not incidents(spoilt)[0].is_open
    spoilt.sql("insert into gold_candidate.documents values ('other', 'd1', 'x', 0, 9)")
    assert "such as other, d1. the candidate" in stop(spoilt, later=2)


def test_warnings_are_recorded_and_open_no_incident(world: World) -> None:
    world.tenant("acme", last="case when n = 2 and hour = 9 then 700 else 20 + 5 * sin(2 * pi() * hour / 24) end")

    assert world.judge() != {}
    assert stop(world) == ""
    assert incidents(world) == []
    with database.connect(world.url) as connection:
        run = list_runs(connection)[0]
    assert (run.verdict, run.errors) == ("passed", 0)
    assert run.warnings > 0


def test_a_tenant_sees_its_own_rows_and_what_holds_for_all(spoilt: World) -> None:
    stop(spoilt)

    (incident,) = incidents(spoilt, "other")
    assert [failure["examples"] for failure in incident.failures] == [["other, d2"]]
    assert incidents(spoilt, "third") == []


def test_results_are_pages_that_load_nothing_and_run_nothing(spoilt: World) -> None:
    stop(spoilt)
    index = (spoilt.reports / "index.html").read_text()
    page = (spoilt.reports / "run-1.html").read_text()

    assert "gold-1" in index
    assert 'href="run-1.html"' in index
    assert "device-1, temperature, 2026-09-20 01:00:00+00, -301" in page
    assert "an event is there once" in page
    for text in (index, page):
        assert not any(word in text for word in ("http://", "https://", "<script", "<link", "url("))
    spoilt.sql("insert into gold_candidate.documents values ('<script>', '<i>', 'x', 0, 9)")
    stop(spoilt)
    page = (spoilt.reports / "run-2.html").read_text()
    assert "&lt;script&gt;" in page
    index = (spoilt.reports / "index.html").read_text()
    assert not any(tag in page + index for tag in ("<script>", "<i>", "<b>"))


def test_an_erased_tenant_is_named_by_no_result_and_no_page(spoilt: World) -> None:
    stop(spoilt)
    with database.connect(spoilt.url) as connection:
        accept_incident(connection, "gold-1", now=spoilt.now)
        gone = forget_tenant(connection, "acme")
    write_all(spoilt.url, spoilt.reports)

    assert gone == {
        "quality.results": 2,
        "quality.accepted": 2,
        "quality.arrivals": 0,
        "quality.units": 0,
        "quality.incidents": 1,
    }
    pages = [path.read_text() for path in spoilt.reports.iterdir()]
    assert len(pages) == 2
    assert not any("acme" in page or "device-1" in page for page in pages)
    assert [failure["tenant_id"] for failure in incidents(spoilt)[0].failures] == ["other"]


def test_runs_of_long_ago_are_forgotten_with_their_pages(spoilt: World) -> None:
    stop(spoilt)
    mend(spoilt)
    stop(spoilt, later=24 * 89)
    assert sorted(path.name for path in spoilt.reports.iterdir()) == ["index.html", "run-1.html", "run-2.html"]
    stop(spoilt, later=24 * 91)
    assert sorted(path.name for path in spoilt.reports.iterdir()) == ["index.html", "run-2.html", "run-3.html"]
    assert spoilt.sql("select min(run_id) from quality.results") == [(2,)]


def test_a_check_writes_pages_and_no_other_file(spoilt: World, tmp_path: Path) -> None:
    stop(spoilt)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "home/quality/index.html",
        "home/quality/run-1.html",
    ]
