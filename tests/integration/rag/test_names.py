"""A device that was renamed, asked for by each of its names: gold as dbt makes it of that, filled by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.database import Connection
from rag.answer import Answer, Claim, Context, Question, RowsCitation
from rag.context import Scope, resolve_scope, unknown_devices
from rag.measure import Measure, NotMeasured, read_measure
from rag.measuring import measure, read_vocabulary
from rag.names import as_called_now
from rag.receipts import check_rows
from rag.sources import read_series

NOW = datetime(2026, 10, 20, tzinfo=UTC)
BEFORE_IT_WAS_TOLD = datetime(2026, 10, 11, tzinfo=UTC)
# pump-1 is called press-1 from the 5th on; the name goes to another device on the 8th. cold-1 is never heard of as
# cold-2, and press-9 was always called so.
GOLD = """
create table gold.dim_devices (tenant_id text, device_id text, model text, site text, firmware text);
create table gold.dim_device_firmware (
    tenant_id text, device_id text, firmware text, valid_from timestamptz, valid_to timestamptz, recorded_at timestamptz
);
create table gold.dim_device_names (
    tenant_id text, device_id text, valid_from timestamptz, valid_to timestamptz, known_as text,
    event_id text, object_sha256 text, recorded_at timestamptz
);
create table gold.fct_readings (
    tenant_id text, device_id text, metric text, ts timestamptz, value double precision, unit text, firmware text,
    site text, model text, object_sha256 text, recorded_at timestamptz
);
create table gold.fct_readings_daily (tenant_id text, metric text);
create table gold.fct_events (
    tenant_id text, event_id text, device_id text, event_type text, ts timestamptz, firmware text, site text,
    model text, object_sha256 text, recorded_at timestamptz
);
create table gold.releases (
    tenant_id text, product text, kind text, version text, valid_to timestamptz, first_recorded_at timestamptz
);
insert into gold.dim_devices values
    ('t', 'press-1', 'P', 'north', '2.0'), ('t', 'pump-1', 'Q', 'north', '9.0'), ('t', 'cold-2', 'C', null, null),
    ('t', 'press-9', 'P', 'north', '2.0'), ('u', 'pump-1', 'P', null, null);
insert into gold.dim_device_firmware values
    ('t', 'press-1', '1.0', '2026-10-01Z', '2026-10-06Z', '2026-10-10Z'),
    ('t', 'press-1', '2.0', '2026-10-06Z', null, '2026-10-12Z'),
    ('t', 'pump-1', '9.0', '2026-10-08Z', null, '2026-10-12Z');
insert into gold.dim_device_names values
    ('t', 'pump-1', '2026-10-01Z', '2026-10-08Z', 'press-1', 'e1', 'sha-e', '2026-10-12Z'),
    ('t', 'pump-1', '2026-10-08Z', null, 'pump-1', null, null, null),
    ('t', 'press-1', '2026-10-05Z', null, 'press-1', null, null, null),
    ('t', 'press-9', '2026-10-01Z', null, 'press-9', null, null, null),
    ('t', 'cold-1', '2026-10-01Z', null, 'cold-2', 'e2', 'sha-e', '2026-10-10Z'),
    ('u', 'pump-1', '2026-10-01Z', null, 'pump-1', null, null, null);
insert into gold.fct_readings_daily values ('t', 'temperature'), ('t', 'flow'), ('u', 'flow');
insert into gold.fct_readings values
    ('t', 'pump-1', 'flow', '2026-10-02 12:00Z', 1, 'bar', '1.0', 'north', 'P', 'sha-a', '2026-10-10Z'),
    ('t', 'pump-1', 'flow', '2026-10-05 06:00Z', 2, 'bar', '1.0', 'north', 'P', 'sha-a', '2026-10-10Z'),
    ('t', 'press-1', 'flow', '2026-10-06 12:00Z', 6, 'bar', '2.0', 'north', 'P', 'sha-b', '2026-10-10Z'),
    ('t', 'pump-1', 'flow', '2026-10-09 12:00Z', 50, 'bar', '9.0', 'north', 'Q', 'sha-c', '2026-10-10Z'),
    ('t', 'press-9', 'flow', '2026-10-06 12:00Z', 7, 'bar', '2.0', 'north', 'P', 'sha-b', '2026-10-10Z'),
    ('t', 'press-9', 'flow', '2026-10-07 12:00Z', 7, 'bar', '2.0', 'north', 'P', 'sha-b', '2026-10-10Z'),
    ('t', 'cold-1', 'flow', '2026-10-02 12:00Z', 4, 'bar', null, null, null, 'sha-d', '2026-10-10Z'),
    ('u', 'pump-1', 'flow', '2026-10-02 12:00Z', 900, 'bar', null, null, null, 'sha-u', '2026-10-10Z');
insert into gold.fct_events values
    ('t', 'e3', 'pump-1', 'alarm', '2026-10-02Z', null, 'north', 'P', 'sha-e', '2026-10-10Z'),
    ('t', 'e4', 'press-1', 'alarm', '2026-10-07Z', null, 'north', 'P', 'sha-e', '2026-10-10Z'),
    ('t', 'e5', 'pump-1', 'alarm', '2026-10-09Z', null, 'north', 'Q', 'sha-f', '2026-10-10Z');
"""


@pytest.fixture
def fleet(gold: Connection) -> Connection:
    gold.execute(GOLD)
    return gold


def scope_of(fleet: Connection, text: str, tenant_id: str = "t", **more: Any) -> Scope:
    return resolve_scope(fleet, Question(text, tenant_id, NOW, **more))


def ask(fleet: Connection, text: str, *, tenant_id: str = "t", as_of: datetime | None = None) -> Claim:
    """The claim that answers, after its statement was run again."""
    question = Question(text, tenant_id, NOW, as_of)
    scope = resolve_scope(fleet, question)
    assert unknown_devices(fleet, question, scope) == []
    vocabulary = read_vocabulary(fleet, tenant_id)
    asked = read_measure(as_called_now(text, scope.renamed), vocabulary, NOW, devices=scope.devices, whole=text)
    assert isinstance(asked, Measure), asked
    found = measure(fleet, tenant_id, asked, snapshot="telemetry@1", as_of=as_of)
    assert not isinstance(found, NotMeasured), found
    assert check_rows(fleet, receipt(found[0])) is None
    return found[0]


def receipt(claim: Claim) -> RowsCitation:
    (citation,) = claim.citations
    assert isinstance(citation, RowsCitation)
    return citation


def test_a_former_name_finds_the_device_as_it_is_called_today(fleet: Connection) -> None:
    asked = scope_of(fleet, "What is the average flow of COLD-1?")
    assert (asked.devices, asked.context) == (("cold-2",), Context("cold-2", "C", None))
    assert [(one.asked, one.device_id) for one in asked.renamed] == [("cold-1", "cold-2")]
    assert asked.names == ("cold-1", "cold-2")
    assert scope_of(fleet, "how is it", context=Context("cold-1")).context.device_id == "cold-2"
    assert scope_of(fleet, "cold-1", tenant_id="u").devices == ()
    today = scope_of(fleet, "What is the average flow of press-9?")
    assert (today.devices, today.renamed, today.names) == (("press-9",), (), ("press-9",))


def test_a_name_that_was_taken_over_means_who_bore_it_in_the_time_that_is_asked_about(fleet: Connection) -> None:
    assert scope_of(fleet, "What was the average flow of pump-1?").devices == ("pump-1",)
    assert scope_of(fleet, "What was the average flow of pump-1 on 2026-10-02?").devices == ("press-1",)
    assert scope_of(fleet, "What was the average flow of pump-1 on 2026-10-09?").devices == ("pump-1",)
    assert scope_of(fleet, "What was the average flow of pump-1 on 2020-01-01?").devices == ("pump-1",)


def test_what_was_reported_under_a_former_name_counts(fleet: Connection) -> None:
    average = ask(fleet, "What was the average flow of press-1?")
    assert average.text == "The average flow of press-1 was 3 bar (3 readings)."
    assert receipt(average).bronze == ("sha-a", "sha-b")
    assert receipt(average).params["reported_as"] == ["press-1", "pump-1"]
    assert ask(fleet, "How many alarm events did press-1 have?").text == "2 alarm events were recorded for press-1."
    assert (
        ask(fleet, "What was the average flow of cold-1?").text == "The average flow of cold-2 was 4 bar (1 readings)."
    )


def test_who_took_the_name_over_has_its_own_readings_alone(fleet: Connection) -> None:
    assert receipt(ask(fleet, "What was the average flow of pump-1?")).value == 50
    assert ask(fleet, "How many alarm events did pump-1 have?").text == "1 alarm events were recorded for pump-1."
    assert receipt(ask(fleet, "What was the average flow of pump-1?", tenant_id="u")).value == 900


def test_a_device_that_was_never_renamed_is_asked_for_in_gold_as_it_is(fleet: Connection) -> None:
    plain = receipt(ask(fleet, "What was the average flow of press-9?"))
    assert "from gold.fct_readings\n" in plain.sql
    assert "reported_as" not in plain.params


def test_the_device_with_the_most_is_told_by_the_name_that_it_has(fleet: Connection) -> None:
    assert ask(fleet, "Which device had the most flow readings?").text == ("press-1 had the most flow readings: 3.")
    assert ask(fleet, "Which device had the highest flow from 2026-10-01 to 2026-10-03?").text.startswith("cold-2 had")
    latest = ask(fleet, "What is the latest flow of press-1?").text
    assert latest == "The latest flow of press-1 was 6 bar at 2026-10-06 12:00 UTC."


def test_a_renaming_that_was_recorded_later_has_not_happened_yet(fleet: Connection) -> None:
    then = BEFORE_IT_WAS_TOLD
    asked = scope_of(fleet, "the flow of pump-1 on 2026-10-02", as_of=then)
    assert (asked.devices, asked.renamed) == (("pump-1",), ())
    assert receipt(ask(fleet, "What was the average flow of press-1?", as_of=then)).value == 6
    number = receipt(ask(fleet, "How many flow readings of pump-1 were there before 2026-10-06?", as_of=then))
    assert number.value == 2
    firmware = ask(fleet, "Which firmware does pump-1 run on 2026-10-02?", as_of=then)
    assert firmware.text.startswith("pump-1 runs firmware 1.0")
    assert receipt(ask(fleet, "What was the average flow of cold-1?", as_of=then)).params["reported_as"] == [
        "cold-1",
        "cold-2",
    ]


def test_the_series_behind_a_number_is_of_the_same_rows(fleet: Connection) -> None:
    claim = ask(fleet, "What was the average flow of press-1?")
    answer = Answer("a", "t", "q", "answered", "", (claim,), None, None, Context(), {})
    points = read_series(fleet, answer, 0, 0).points
    assert [(point.device_id, point.value) for point in points] == [("press-1", 1), ("press-1", 2), ("press-1", 6)]
