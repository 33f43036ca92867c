"""Dirty input of fleets, from files to gold: one tenant a case, all of them in one build."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iotops.bootstrap import App
from lakehouse import database
from lakehouse.ingest import ingest_chats, ingest_telemetry
from lakehouse.warehouse import build_warehouse

NOW = datetime(2026, 10, 31, tzinfo=UTC)
Row = dict[str, Any]


def at(day: float) -> datetime:
    """That many days after the first of October."""
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=day)


def readings(
    device: str, first: float, last: float, firmware: str = "1.0", metric: str = "flow", **other: Any
) -> list[Row]:
    """Every hour from the one day to the other, which is left out."""
    return [
        {"device_id": device, "metric": metric, "ts": at(hour / 24).isoformat(), "value": 1.5, "firmware": firmware,
         "site": "north", "model": "P-1"} | other
        for hour in range(round(first * 24), round(last * 24))
    ]  # fmt: skip


def event(
    name: str, day: float, device: str | None, event_type: str, severity: str = "warning", **attributes: Any
) -> Row:
    row = {"event_id": name, "ts": at(day).isoformat(), "event_type": event_type, "severity": severity,
           "message": f"{event_type} {name}", "attributes": attributes}  # fmt: skip
    return row | ({"device_id": device} if device else {})


def renamed(name: str, day: float, before: str, after: str) -> Row:
    return event(name, day, after, "device_renamed", **{"from": before, "to": after})


def of_chain() -> list[list[Row]]:
    """a is called b from day 5 on and c from day 10 on. For 6 hours it still reports as a; an alarm outlives it."""
    return [
        [*readings("a", 0, 5.25), *readings("b", 5.25, 10, "1.1"), *readings("c", 10, 30, "1.1")],
        [
            renamed("e2", 10, "b", "c"),
            renamed("e1", 5, "a", "b"),
            renamed("e1-again", 5.01, "a", "b"),
            renamed("e1-late", 20, "a", "b"),
            event("up", 4.5, "a", "alarm", code="HOT"),
            event("down", 6, "b", "alarm_cleared", code="HOT"),
        ],
    ]


def of_circle() -> list[list[Row]]:
    """a is called b, and a again; x and y swap their names."""
    return [
        [*readings("a", 0, 5), *readings("b", 5, 10), *readings("a", 10, 30)],
        [*readings("x", 0, 10, model="X"), *readings("y", 0, 10, model="Y")],
        [*readings("y", 10, 30, model="X"), *readings("x", 10, 30, model="Y")],
        [renamed("e1", 5, "a", "b"), renamed("e2", 10, "b", "a")],
        [renamed("e3", 10, "x", "y"), renamed("e4", 10, "y", "x")],
    ]


def of_reuse() -> list[list[Row]]:
    """a is called b from day 5 on; ten days later another device comes by the name a."""
    return [
        [*readings("a", 0, 5, "1.0"), *readings("b", 5, 30, "1.0"), *readings("a", 15, 30, "3.0", model="P-3")],
        [renamed("e1", 5, "a", "b")],
    ]


def of_rollback() -> list[list[Row]]:
    """On 1.1 for four days. Settings change three times and one is told twice; a file of day 6 comes late."""
    return [
        [*readings("d", 0, 5), *readings("d", 5, 9, "1.1"), *readings("d", 9, 30)],
        readings("d", 6.5, 7, "1.1", metric="late"),
        [
            event("s1", 2, "d", "configuration_changed", interval=60, mode="eco"),
            event("s3", 12, "d", "configuration_changed", mode="eco"),
            event("s2", 9, "d", "configuration_changed", interval=30),
            event("s4", 20, "d", "configuration_changed", limits={"high": 5}, mode=None),
        ],
    ]


def of_disagreement() -> list[list[Row]]:
    """One series never hears of the update on day 5. On e, readings go on against an event that says 2.0 on day 7."""
    return [
        [*readings("d", 0, 5), *readings("d", 5, 30, "1.1"), *readings("d", 0, 30, "1.0", metric="stale")],
        readings("e", 0, 30),
        [event("said", 7.5, "e", "firmware_upgraded", from_version="1.0", to_version="2.0")],
    ]


def of_alarms() -> list[list[Row]]:
    return [
        [
            event("c0", 1, "d", "alarm_cleared", code="HOT", metric="temperature"),
            event("r1", 2, "d", "alarm", code="HOT", metric="temperature", value="93.5", limit=90),
            event("r2", 2.1, "d", "alarm", "critical", code="HOT", metric="temperature", value=97),
            event("k1", 2.15, "d", "alarm_acknowledged", code="HOT"),
            event("c1", 2.2, "d", "alarm_cleared", "info", code="HOT"),
            event("c2", 2.3, "d", "alarm_cleared", "info", code="HOT", metric="temperature"),
            event("r3", 5, "d", "alarm", "nonsense", code="HOT", metric="temperature", value="1e999"),
        ],
        [event("back", 9, "g", "connection_restored", duration_s=60)],
        [
            event("lost", 8.5, "g", "connection_lost", code="GW-7"),
            event("low", 3, "g", "battery_low", metric="battery"),
        ],
        [event("r1", 2, "d", "alarm", code="HOT", metric="temperature", value="93.5", limit=90)],
        [event("both-up", 12, "h", "alarm", code="A"), event("both-down", 12, "h", "alarm_cleared", code="A")],
        [event("of-none", 13, None, "alarm", code="SITE")],
    ]


def of_incidents() -> list[list[Row]]:
    return [
        readings("d", 0, 30),
        [
            event("o1", 5, "d", "incident_opened", "high", incident_id="INC-1", title="Pump stands"),
            event("r1", 5.2, "d", "incident_resolved", incident_id="INC-1", cause="a worn seal"),
            event("r1b", 5.4, "d", "incident_resolved", incident_id="INC-1"),
            event("k1", 5.1, "d", "incident_acknowledged", incident_id="INC-1"),
            event("a1", 4.995, "d", "alarm", "critical", code="HOT"),
            event("a1c", 5.05, "d", "alarm_cleared", code="HOT"),
            event("fw", 4.5, "d", "firmware_upgraded", from_version="1.0", to_version="1.0-b"),
            event("m1", 5.15, "d", "maintenance_performed", component="seal"),
        ],
        [
            event("o2", 8, "d", "incident_opened", incident_id="INC-2"),
            event("r2", 8.1, "d", "incident_resolved", incident_id="INC-2"),
            event("o2b", 8.2, "d", "incident_opened", incident_id="INC-2"),
            event("o3", 10, "d", "incident_opened"),
            event("r3", 9.999, "d", "incident_resolved", incident_id="o3"),
            event("r4", 12, "e", "incident_resolved"),
        ],
        [
            event("b1", 20, "f", "alarm", code="A", cause="a loose plug"),
            event("b2", 20.01, "f", "alarm", code="B"),
            event("b1c", 20.02, "f", "alarm_cleared", code="A"),
            event("b2c", 20.03, "f", "alarm_cleared", code="B"),
            event("b3", 20.04, "f", "alarm", code="A"),
            event("b4", 20.2, "f", "alarm", code="A"),
            event("b4c", 20.3, "f", "alarm_cleared"),
            event("b5", 20.4, "f", "alarm", code="C"),
        ],
    ]


def of_work() -> list[list[Row]]:
    return [
        [
            event("s1", 2, "d", "maintenance_started", kind="repair"),
            event("s2", 2.1, "d", "maintenance_started", kind="repair"),
            event("p1", 2.15, "d", "maintenance_performed", component="battery"),
            event("f1", 2.2, "d", "maintenance_finished"),
            event("f2", 2.3, "d", "maintenance_finished"),
            event("s3", 5, "d", "maintenance_started"),
        ],
        [event("f9", 1, "e", "maintenance_finished")],
        [
            event("ci1", 3, None, "ci_run", repository="r", run_id=7, started_at="2026-10-04T00:00:00+02:00"),
            event(
                "ci2", 4, None, "ci_run", repository="r", run_id=7, conclusion="success", finished_at="2026-02-30 10:00"
            ),
            event("ci3", 4, None, "ci_run", repository="r", run_id="8", started_at="2028-02-29 10:00"),
            event("ci4", 4, None, "ci_run", repository="r"),
        ],
    ]


def of_health() -> list[list[Row]]:
    """All report every hour up to the end but those who are named for what they do instead."""
    return [
        readings("fine", 0, 30, "10.0"),
        readings("stopped", 0, 29, "9.1"),
        [row for day in range(30) for row in readings("daily", day + 0.25, day + 0.25 + 1 / 24, "10.0")],
        [*readings("sparse", 0, 29, "10.0"), *readings("sparse", 29, 30, "10.0")[::3]],
        readings("hot", 0, 30, "10.0"),
        [
            event("hot", 29.5, "hot", "alarm", "critical", code="HOT"),
            event("done", 20, "fine", "maintenance_performed"),
        ],
        [*readings("ahead", 0, 30, "10.0"), readings("ahead", 0, 1)[0] | {"ts": at(60).isoformat()}],
        [event("seen", 3, "valve", "restarted", "info")],
    ]


CASES: dict[str, Callable[[], list[list[Row]]]] = {
    "chain": of_chain,
    "circle": of_circle,
    "reuse": of_reuse,
    "rollback": of_rollback,
    "disagreement": of_disagreement,
    "alarms": of_alarms,
    "incidents": of_incidents,
    "work": of_work,
    "health": of_health,
}


@dataclass(frozen=True)
class Fleet:
    url: str

    def rows(self, sql: str, tenant_id: str) -> list[tuple[Any, ...]]:
        with database.connect(self.url) as connection:
            return connection.execute(sql, {"tenant_id": tenant_id}).fetchall()


@pytest.fixture(scope="module")
def fleet(new_app: Callable[[Path], App], tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("dirty")
    app = new_app(folder / "home")
    for tenant_id, files in CASES.items():
        for number, rows in enumerate(files()):
            file = folder / f"{tenant_id}-{number}.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            ingested = ingest_telemetry(app.bronze, tenant_id, file, now=NOW + timedelta(minutes=number))
            assert (ingested.landed, ingested.quarantined) == (1, 0)
    chat = folder / "chat.jsonl"
    said = [(5.16, "Ann Orr", "d's seal is worn, see D."), (7.5, "Ann Orr", "d again"), (5.3, "Bo", "lunch?")]
    lines = [
        {
            "channel": "ops",
            "message_id": str(number),
            "thread_id": "th",
            "author": author,
            "text": text,
            "ts": at(day).isoformat(),
        }
        for number, (day, author, text) in enumerate(said)
    ]
    chat.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for tenant_id in ("incidents", "work"):
        ingest_chats(app.bronze, tenant_id, chat, now=NOW)
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=app.settings.home / "dbt")
    return Fleet(app.database_url)


NAMES = """
select device_id, known_as, valid_from, valid_to from gold.dim_device_names
where tenant_id = %(tenant_id)s order by device_id, valid_from
"""
DEVICES = """
select device_id, model, firmware, first_seen_at, last_seen_at from gold.dim_devices
where tenant_id = %(tenant_id)s order by device_id
"""
STRETCHES = """
select device_id, firmware, valid_from, valid_to from gold.dim_device_firmware
where tenant_id = %(tenant_id)s order by device_id, valid_from
"""
MODELS = """
select device_id, model, valid_to from gold.dim_device_history
where tenant_id = %(tenant_id)s order by device_id, valid_from
"""
ALERTS = (
    "select opening_event_id, closing_event_id, device_id, known_as, severity, raised_count, opened_at, resolved_at "
    "from gold.fct_alerts where tenant_id = %(tenant_id)s order by opened_at, 1"
)
INCIDENTS = (
    "select incident_id, origin, severity, cause, opened_at, acknowledged_at, resolved_at, alert_count "
    "from gold.fct_incidents where tenant_id = %(tenant_id)s order by opened_at, 1"
)


def test_a_chain_of_names_ends_at_the_last_and_a_straggler_is_no_device(fleet: Fleet) -> None:
    assert fleet.rows(NAMES, "chain") == [
        ("a", "c", at(0), None),
        ("b", "c", at(5), None),
        ("c", "c", at(10), None),
    ]
    last = at(30) - timedelta(hours=1)
    assert fleet.rows(DEVICES, "chain") == [("c", "P-1", "1.1", at(0), last)]
    assert fleet.rows(STRETCHES, "chain") == [("c", "1.0", at(0), at(5.25)), ("c", "1.1", at(5.25), None)]


def test_an_old_name_is_not_a_device_that_fell_silent(fleet: Fleet) -> None:
    health = "select device_id, status, reasons from gold.mart_device_health where tenant_id = %(tenant_id)s"
    assert fleet.rows(health, "chain") == [("c", "ok", [])]


def test_an_alarm_that_outlives_a_name_is_cleared_under_the_next_one_and_facts_keep_the_reported_name(
    fleet: Fleet,
) -> None:
    assert fleet.rows(ALERTS, "chain") == [("up", "down", "a", "c", "warning", 1, at(4.5), at(6))]
    reported = "select distinct device_id from gold.fct_readings where tenant_id = %(tenant_id)s order by 1"
    assert fleet.rows(reported, "chain") == [("a",), ("b",), ("c",)]


def test_a_name_that_comes_back_is_the_same_device_and_swapped_names_are_two(fleet: Fleet) -> None:
    devices = [row[:2] for row in fleet.rows(DEVICES, "circle")]
    assert devices == [("a", "P-1"), ("x", "Y"), ("y", "X")]
    assert fleet.rows(MODELS, "circle") == [("a", "P-1", None), ("x", "Y", None), ("y", "X", None)]


def test_a_name_used_again_is_a_new_device_with_its_own_history(fleet: Fleet) -> None:
    assert fleet.rows(NAMES, "reuse") == [
        ("a", "b", at(0), at(15)),
        ("a", "a", at(15), None),
        ("b", "b", at(5), None),
    ]
    assert fleet.rows(STRETCHES, "reuse") == [("a", "3.0", at(15), None), ("b", "1.0", at(0), None)]


def test_a_firmware_that_was_rolled_back_ends_as_three_stretches(fleet: Fleet) -> None:
    assert fleet.rows(STRETCHES, "rollback") == [
        ("d", "1.0", at(0), at(5)),
        ("d", "1.1", at(5), at(9)),
        ("d", "1.0", at(9), None),
    ]
    rolled_back = (
        "select firmware, devices, share, device_days, rolled_back_from, first_installed_at, last_installed_at "
        "from gold.mart_fleet_by_firmware where tenant_id = %(tenant_id)s order by 1"
    )
    asked = NOW + timedelta(minutes=max(len(files()) for files in CASES.values()) - 1)
    days = round((asked - at(4)) / timedelta(days=1), 3)
    assert fleet.rows(rolled_back, "rollback") == [
        ("1.0", 1, 1.0, days, 0, at(0), at(9)),
        ("1.1", 0, 0.0, 4.0, 1, at(5), at(5)),
    ]


def test_settings_add_up_over_time_and_one_told_again_is_no_change(fleet: Fleet) -> None:
    history = (
        "select valid_from, firmware, configuration from gold.dim_device_history "
        "where tenant_id = %(tenant_id)s order by valid_from"
    )
    eco = {"interval": 60, "mode": "eco"}
    assert fleet.rows(history, "rollback") == [
        (at(0), "1.0", None),
        (at(2), "1.0", eco),
        (at(5), "1.1", eco),
        (at(9), "1.0", eco | {"interval": 30}),
        (at(20), "1.0", {"interval": 30, "mode": None, "limits": {"high": 5}}),
    ]


def test_a_series_that_goes_on_saying_the_old_firmware_does_not_bring_it_back(fleet: Fleet) -> None:
    stretches = fleet.rows(STRETCHES, "disagreement")
    assert stretches[:2] == [("d", "1.0", at(0), at(5)), ("d", "1.1", at(5), None)]
    # Against an event, what readings go on saying is news from the next day on.
    assert stretches[2:] == [("e", "1.0", at(0), at(7.5)), ("e", "2.0", at(7.5), at(8)), ("e", "1.0", at(8), None)]


def test_alarms_are_paired_whatever_came_first_twice_or_never(fleet: Fleet) -> None:
    assert fleet.rows(ALERTS, "alarms") == [
        ("r1", "c1", "d", "d", "critical", 2, at(2), at(2.2)),
        ("low", None, "g", "g", "warning", 1, at(3), None),
        ("r3", None, "d", "d", "unknown", 1, at(5), None),
        ("lost", "back", "g", "g", "warning", 1, at(8.5), at(9)),
        ("both-up", "both-down", "h", "h", "warning", 1, at(12), at(12)),
        ("of-none", None, None, None, "warning", 1, at(13), None),
    ]
    stated = (
        "select value, limit_value, acknowledged_at, acknowledging_event_id from gold.fct_alerts "
        "where tenant_id = %(tenant_id)s and opening_event_id in ('r1', 'r3') order by opened_at"
    )
    assert fleet.rows(stated, "alarms") == [(93.5, 90.0, at(2.15), "k1"), (None, None, None, None)]


def test_an_incident_resolved_twice_ends_once_and_one_opened_again_is_open(fleet: Fleet) -> None:
    rows = fleet.rows(INCIDENTS, "incidents")
    assert rows[:3] == [
        ("INC-1", "stated", "critical", "a worn seal", at(5), at(5.1), at(5.2), 1),
        ("INC-2", "stated", "warning", None, at(8), None, None, 0),
        ("o3", "stated", "warning", None, at(10), None, at(10), 0),
    ]


def test_alerts_of_a_device_that_follow_each_other_are_one_incident_without_a_concluded_cause(fleet: Fleet) -> None:
    first, second = fleet.rows(INCIDENTS, "incidents")[3:]
    assert first[1:] == ("alerts", "warning", "a loose plug", at(20), None, at(20.3), 3)
    assert second[1:] == ("alerts", "warning", None, at(20.4), None, None, 1)


def test_an_incident_tells_what_changed_the_day_before_as_a_fact(fleet: Fleet) -> None:
    changed = "select changed_before from gold.fct_incidents where tenant_id = %(tenant_id)s and incident_id = 'INC-1'"
    assert fleet.rows(changed, "incidents") == [
        (
            [
                {
                    "device_id": "d",
                    "attribute": "firmware",
                    "at": "2026-10-05T12:00:00Z",
                    "from": "1.0",
                    "to": "1.0-b",
                },
                {"device_id": "d", "attribute": "firmware", "at": "2026-10-06T00:00:00Z", "from": "1.0-b", "to": "1.0"},
            ],
        )
    ]


def test_a_timeline_is_in_order_and_each_step_has_a_receipt(fleet: Fleet) -> None:
    timeline = (
        "select step, coalesce(event_id, message_id), what, object_sha256 from gold.mart_incident_timeline "
        "where tenant_id = %(tenant_id)s and incident_id = 'INC-1' order by step"
    )
    steps = fleet.rows(timeline, "incidents")
    assert [(step, receipt) for step, receipt, _, _ in steps] == list(
        enumerate(["fw", "a1", "o1", "a1c", "k1", "m1", "0", "r1", "r1b"], start=1)
    )
    assert steps[0][2] == "d: firmware upgraded: firmware_upgraded fw"
    assert all(len(sha256) == 64 for *_, sha256 in steps)


def test_names_of_people_are_in_no_table_of_messages_and_differ_by_tenant(fleet: Fleet) -> None:
    people = (
        "select participant_id, message_count, to_jsonb(p)::text from gold.dim_participants as p "
        "where tenant_id = %(tenant_id)s order by message_count"
    )
    ours, others = fleet.rows(people, "incidents"), fleet.rows(people, "work")
    assert [count for _, count, _ in ours] == [1, 2]
    assert not {row[0] for row in ours} & {row[0] for row in others}
    for table in (
        "fct_messages",
        "fct_message_threads",
        "dim_participants",
        "fct_incident_events",
        "mart_incident_timeline",
    ):
        found = fleet.rows(
            f"select to_jsonb(t)::text from gold.{table} as t where tenant_id = %(tenant_id)s", "incidents"
        )
        assert found
        assert not [text for (text,) in found if "Ann" in text or "Bo" in text]
    threads = "select participant_ids from gold.fct_message_threads where tenant_id = %(tenant_id)s"
    assert fleet.rows(threads, "incidents") == [(sorted(row[0] for row in ours),)]


def test_work_that_was_begun_or_ended_twice_is_one(fleet: Fleet) -> None:
    work = (
        "select event_id, end_event_id, kind, component, started_at, ended_at from gold.fct_maintenance "
        "where tenant_id = %(tenant_id)s order by coalesce(started_at, ended_at)"
    )
    assert fleet.rows(work, "work") == [
        ("f9", "f9", None, None, None, at(1)),
        ("s1", "f1", "repair", None, at(2), at(2.2)),
        ("p1", "p1", None, "battery", None, at(2.15)),
        ("s3", None, None, None, at(5), None),
    ]


def test_a_run_is_what_was_told_of_it_last_and_a_day_that_does_not_exist_is_none(fleet: Fleet) -> None:
    runs = (
        "select run_id, conclusion, started_at, finished_at, event_id from gold.fct_ci_runs "
        "where tenant_id = %(tenant_id)s order by 1"
    )
    assert fleet.rows(runs, "work") == [
        ("7", "success", None, None, "ci2"),
        ("8", None, datetime(2028, 2, 29, 10, tzinfo=UTC), None, "ci3"),
    ]


def test_health_is_held_against_what_is_usual_for_the_device(fleet: Fleet) -> None:
    health = (
        "select device_id, status, is_newest_firmware_of_model, readings_24h, expected_24h, usual_silence, reasons "
        "from gold.mart_device_health where tenant_id = %(tenant_id)s"
    )
    rows = {row[0]: row[1:] for row in fleet.rows(health, "health")}
    assert rows["fine"] == ("ok", True, 23, 24, 3600.0, [])
    assert rows["daily"] == ("ok", True, 1, 1, 86400.0, [])
    assert rows["stopped"][:3] == ("silent", False, 0)
    assert rows["stopped"][-1] == [
        "no reading for 25 hours, usually not more than 60 minutes apart",
        "0 readings in 24 hours, usually 24",
    ]
    assert rows["sparse"][0] == "attention"
    assert rows["hot"][0] == "critical"
    assert rows["hot"][-1] == ["1 open alerts, the worst critical", "1 open incidents, the worst critical"]
    assert rows["ahead"][-1] == ["1 readings with impossible times in 30 days"]
    assert rows["valve"][:4] == ("ok", None, 0, None)
