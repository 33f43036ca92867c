"""The bronze gate: what must hold of new rows before dbt reads them. What our own readers land breaks no error."""

from typing import Final

from lakehouse.quality.findings import Severity
from lakehouse.quality.rules import Rule, count_rule, row_rule

HASH: Final = "^[0-9a-f]{{64}}$"  # doubled, as Great Expectations fills in single braces
ENOUGH_DAYS: Final = 14
FLOOD: Final = 10
# Arrivals are hours in which something was recorded. Who has been silent for longer than the last is gone.
ENOUGH_ARRIVALS: Final = 8
GONE_DAYS: Final = 28

REINGEST: Final = "no reader of ours writes such a row: find what did, by its object, and correct it there"


def _rows(condition: str) -> str:
    return (
        "select concat_ws(', ', device_id, metric, ts, value, 'object ' || left(object_sha256, 12) || ' row ' || "
        "row_number) from new_telemetry where tenant_id = %(tenant_id)s and dt = %(day)s and metric = %(metric)s "
        f"and {condition} limit 3"
    )


def _counted(column: str, name: str, condition: str, remedy: str = REINGEST, severity: Severity = "error") -> Rule:
    return Rule(
        suite="readings",
        schema="landing",
        table="telemetry",
        profile="readings_by_day",
        name=name,
        severity=severity,
        found=count_rule(column),
        remedy=remedy,
        rows=_rows(condition),
    )


def _each(table: str, name: str, condition: str, key: str) -> Rule:
    return Rule(table, "landing", table, f"new_{table}", name, "error", row_rule(condition, key), REINGEST)


DOCUMENT: Final = "'source', source, 'object', object_sha256"
MESSAGE: Final = "'source', source, 'message', message_id"
EVENT: Final = "'event', event_id"
RULES: Final = (
    _counted("unnamed", "device and metric have a name", "(btrim(device_id) = '' or btrim(metric) = '')"),
    _counted("not_finite", "value is a finite number", "value in ('NaN', 'Infinity', '-Infinity')"),
    _counted("of_no_object", "object_sha256 names an object", "octet_length(object_sha256) <> 64"),
    _counted("of_another_day", "dt is the day of ts in UTC", "(ts at time zone 'UTC')::date <> dt"),
    _counted(
        "impossible_moment",
        "ts is after 1999 and no later than it was recorded",
        "(ts > recorded_at + interval '5 minutes' or ts < '2000-01-01 00:00+00')",
        "gold sets these readings aside (fct_readings_set_aside): set the clock of the device",
        "warn",
    ),
    Rule(
        suite="readings",
        schema="landing",
        table="telemetry",
        profile="new_units",
        name="unit is one that the metric has had",
        severity="warn",
        found="""
            select
                tenant_id, jsonb_build_object('metric', metric, 'unit', unit) as keys, rows,
                'since ' || day as seen, usual as expected, rows::double precision as far
            from {batch} where usual is not null
        """,
        remedy="gold converts the units that int_units__defined lists and keeps others as they are",
    ),
    Rule(
        suite="readings",
        schema="landing",
        table="telemetry",
        profile="new_units",
        name="metric is one that the tenant has had",
        severity="warn",
        found="""
            select
                tenant_id, jsonb_build_object('metric', metric) as keys, sum(rows)::bigint as rows,
                'since ' || min(day) as seen, 'no new metric' as expected, sum(rows)::double precision as far
            from {batch} where usual is null and tenant_known group by tenant_id, metric
        """,
        remedy="nothing, where it is meant",
    ),
    Rule(
        suite="volume",
        schema="landing",
        table="telemetry",
        profile="new_volume",
        name=f"a day brings no more than {FLOOD} times the rows of a usual day",
        severity="warn",
        found=f"""
            select
                tenant_id, jsonb_build_object('day', dt) as keys, rows, rows || ' rows' as seen,
                'about ' || round(median) as expected, rows / median as far
            from {{batch}} where days >= {ENOUGH_DAYS} and rows > {FLOOD} * median
        """,
        remedy="gold keeps one row a key, and its own gate judges what is left: see whether a source is read twice",
    ),
    Rule(
        suite="freshness",
        schema="landing",
        table="all tables",
        profile="silence",
        name="a tenant that sends regularly has sent something",
        severity="warn",
        found=f"""
            select
                tenant_id, jsonb_build_object('last', last_at) as keys, 1::bigint as rows,
                'silent for ' || date_trunc('hour', silent) as seen,
                'something every ' || usual as expected, extract(epoch from silent)::double precision as far
            from {{batch}}
            where arrivals >= {ENOUGH_ARRIVALS} and span >= interval '7 days'
                and silent > 2 * usual + interval '1 hour' and silent < interval '{GONE_DAYS} days'
        """,
        remedy="see whether its source still runs",
    ),
    _each("events", "event has an id", "btrim(event_id) <> ''", EVENT),
    _each("events", "attributes are a JSON object", "is_object", EVENT),
    _each("events", "object_sha256 names an object", f"object_sha256 ~ '{HASH}'", EVENT),
    _each("messages", "object_sha256 names an object", f"object_sha256 ~ '{HASH}'", MESSAGE),
    _each(
        "documents", "object_sha256 names an object", f"object_sha256 ~ '{HASH}' and raw_sha256 ~ '{HASH}'", DOCUMENT
    ),
    _each(
        "documents",
        "text is as long as its bytes",
        "deleted or (byte_start >= 0 and octet_length(text) = byte_end - byte_start)",
        DOCUMENT,
    ),
)
