"""The gold gate: what must hold of a candidate before it is promoted."""

from typing import Final

from lakehouse.quality.findings import Severity
from lakehouse.quality.gold_profiles import HISTORY_DAYS
from lakehouse.quality.rules import Rule, row_rule

# How many days of history, readings a day and devices have to be there before a day is held against them.
ENOUGH_DAYS: Final = 14
ENOUGH_READINGS: Final = 100
ENOUGH_DEVICES: Final = 3
COLLAPSE: Final = (
    f"whole and days >= {ENOUGH_DAYS} and median >= {ENOUGH_READINGS} and devices >= {ENOUGH_DEVICES} "
    "and readings < 0.2 * median and readings < 0.5 * lowest"
)
EXPLOSION: Final = (
    f"days >= {ENOUGH_DAYS} and median >= {ENOUGH_READINGS} and readings > 2 * highest "
    "and (readings > 10 * median or readings > 5 * by_series * series)"
)
UNUSUAL: Final = (
    f"days >= {ENOUGH_DAYS} and median >= {ENOUGH_READINGS} and abs(readings - median) > 5 * deviation "
    "and (readings > 2 * median or (whole and readings < 0.5 * median))"
)
# Population stability index: below 0.1 nothing has changed, above 0.25 it has. A day is held against the metric's own
# days as well, and stops promotion only where most devices left the range of their own days at the same time: of one
# device it is an anomaly, which gold has to show.
ENOUGH_HOURS: Final = 500
ENOUGH_HOURS_OF_DAY: Final = 20
DRIFTED: Final = (
    f"days >= {ENOUGH_DAYS} and usual_hours >= {ENOUGH_HOURS} and hours >= {ENOUGH_HOURS_OF_DAY} "
    "and psi > 1 and psi > 2 * habit and devices >= 5 and moved > 0.5 * devices"
)
SHIFTED: Final = (
    f"days >= {ENOUGH_DAYS} and usual_hours >= {ENOUGH_HOURS} and hours >= {ENOUGH_HOURS_OF_DAY} "
    "and psi > 0.25 and psi > 1.5 * habit"
)
# What no thermometer, hygrometer, battery or glass electrode can mean; a little over is a matter of calibration.
IMPOSSIBLE: Final = """
(unit = '°C' and (value_min < -273.15 or value_max > 10000))
or (unit = '%' and metric ~* '(humid|battery|soc|charge)' and (value_min < -5 or value_max > 105))
or (metric ~* '^ph([^a-z]|$)' and (value_min < -2 or value_max > 16))
or (metric ~* '^lat(itude)?$' and (value_min < -90 or value_max > 90))
or (metric ~* '^lon(gitude)?$' and (value_min < -180 or value_max > 180))
"""

CORRECT: Final = "correct the source and ingest it again"
DEFECT: Final = "a model of dbt made this from sound rows: correct the model, then build with --full"
KEY: Final = "'device', device_id, 'metric', metric, 'day', day"
OF_SERIES: Final = (
    "select concat_ws(', ', device_id, metric, ts, value) from {schema}.fct_readings "
    "where tenant_id = %(tenant_id)s and metric = %(metric)s and ts >= %(day)s::timestamp at time zone 'UTC' "
    "and ts < (%(day)s::date + 1)::timestamp at time zone 'UTC' "
)
OF_DEVICE: Final = OF_SERIES + "and device_id = %(device)s "
# Devices whose numbers of readings differ most from what they usually send.
DEVICES: Final = f"""
select device_id || ': ' || coalesce(seen, 0) || ' readings, usually ' || coalesce(round(usual), 0)
from (
    select device_id, sum(reading_count) / {HISTORY_DAYS}.0 as usual
    from usual_days where tenant_id = %(tenant_id)s group by device_id
) as before
full join (
    select device_id, sum(reading_count) as seen
    from judged_days where tenant_id = %(tenant_id)s and day = %(day)s::date group by device_id
) as after using (device_id)
order by abs(coalesce(seen, 0) - coalesce(usual, 0)) desc, device_id
limit 3
"""
SERIES_BEYOND: Final = """
select concat_ws(', ', device_id, metric, day, 'from ' || value_min || ' to ' || value_max,
    'usually from ' || lowest || ' to ' || highest)
from ranges
where tenant_id = %(tenant_id)s and metric = %(metric)s and day = %(day)s::date and beyond > 0
order by beyond desc, device_id
limit 3
"""


def _volume(condition: str) -> str:
    return f"""
        select
            tenant_id, jsonb_build_object('day', day) as keys, readings as rows,
            readings || ' readings' || case when whole then '' else ' so far' end as seen,
            'about ' || round(median) || ' (' || round(lowest) || ' to ' || round(highest) || ')' as expected,
            abs(ln((readings + 1) / (median + 1))) as far
        from {{batch}} where {condition}
    """


def _drift(condition: str) -> str:
    return f"""
        select
            tenant_id, jsonb_build_object('metric', metric, 'day', day) as keys, hours::bigint as rows,
            'stability index ' || round(psi::numeric, 2) || ', ' || moved || ' of ' || devices
                || ' devices left their range' as seen,
            'up to ' || round(habit::numeric, 2) || ' as in the days before' as expected, psi as far
        from {{batch}} where {condition}
    """


def _rule(
    suite: str,
    table: str,
    profile: str,
    name: str,
    found: str,
    remedy: str,
    *,
    severity: Severity = "error",
    rows: str = "",
) -> Rule:
    return Rule(suite, "{schema}", table, profile, name, severity, found, remedy, rows)


def _day(name: str, condition: str, rows: str, remedy: str, *, seen: str = "''", expected: str = "''") -> Rule:
    found = row_rule(condition, KEY, seen=seen, expected=expected)
    return _rule("readings", "fct_readings_daily", "new_days", name, found, remedy, rows=rows)


def _each(table: str, name: str, condition: str, key: str, remedy: str = CORRECT) -> Rule:
    return _rule(
        table.removeprefix("fct_"), table, f"new_{table.removeprefix('fct_')}", name, row_rule(condition, key), remedy
    )


DOCUMENT: Final = "'document', document_id"
RULES: Final = (
    _rule(
        "readings",
        "fct_readings",
        "repeated_readings",
        "a reading is there once",
        """select tenant_id, jsonb_build_object('device', device_id, 'metric', metric, 'ts', ts) as keys, rows,
            rows || ' rows' as seen, '1' as expected, rows::double precision as far from {batch}""",
        DEFECT,
    ),
    _rule(
        "readings",
        "fct_readings",
        "counted",
        "a day has as many readings as its rollup says",
        """select tenant_id, jsonb_build_object('day', day) as keys, abs(readings - rolled_up) as rows,
            readings || ' readings' as seen, rolled_up::text as expected,
            abs(readings - rolled_up)::double precision as far from {batch} where readings <> rolled_up""",
        DEFECT,
    ),
    _rule(
        "readings",
        "fct_readings_daily",
        "new_days",
        "a day of a series is there once",
        f"""select tenant_id, jsonb_build_object({KEY}) as keys, count(*) as rows, count(*) || ' rows' as seen,
            '1' as expected, count(*)::double precision as far
            from {{batch}} group by tenant_id, device_id, metric, day having count(*) > 1""",
        DEFECT,
    ),
    _day(
        "values are finite numbers",
        "value_min > '-Infinity' and value_max < 'Infinity' and value_sum > '-Infinity' and value_sum < 'Infinity'",
        OF_DEVICE + "and value in ('NaN', 'Infinity', '-Infinity') order by ts limit 3",
        CORRECT,
        seen="value_min || ' to ' || value_max",
        expected="'finite'",
    ),
    _day(
        "the numbers of a day agree",
        """reading_count >= 1 and value_min <= value_max and last_value between value_min and value_max
            and abs(value_avg - (value_min + value_max) / 2)
                <= (value_max - value_min) / 2 + 1e-9 * greatest(abs(value_min), abs(value_max))
            and first_ts <= last_ts and (first_ts at time zone 'UTC')::date = day
            and (last_ts at time zone 'UTC')::date = day""",
        OF_DEVICE + "order by ts limit 3",
        DEFECT,
    ),
    _day(
        "values are physically possible",
        f"({IMPOSSIBLE}) is not true",
        OF_DEVICE + "order by abs(value) desc, ts limit 3",
        "correct the readings at their source and ingest them again: a reading that comes later stands",
        seen="value_min || ' to ' || value_max || coalesce(' ' || unit, '')",
        expected="'what can be measured'",
    ),
    _rule(
        "volume",
        "fct_readings",
        "volume",
        f"a whole day has a fifth or more of the readings of the {HISTORY_DAYS} days before",
        _volume(COLLAPSE),
        "ingest what is missing; where the devices were silent indeed, accept it",
        rows=DEVICES,
    ),
    _rule(
        "volume",
        "fct_readings",
        "volume",
        f"a day has up to ten times the readings of the {HISTORY_DAYS} days before, up to five times a series",
        _volume(EXPLOSION),
        "see what sends so much and correct it; where it is meant, accept it",
        rows=DEVICES,
    ),
    _rule(
        "volume",
        "fct_readings",
        "volume",
        f"a day has about as many readings as the {HISTORY_DAYS} days before",
        _volume(f"{UNUSUAL} and not ({COLLAPSE}) and not ({EXPLOSION})"),
        "nothing, where the fleet has changed",
        severity="warn",
        rows=DEVICES,
    ),
    _rule(
        "freshness",
        "fct_readings",
        "missing_metrics",
        "a metric of most days is there on each",
        f"""select tenant_id, jsonb_build_object('day', day, 'metric', metric) as keys, 1::bigint as rows,
            'no reading' as seen, 'some, as on ' || days || ' of {HISTORY_DAYS} days' as expected,
            days::double precision as far from {{batch}} where days >= 20""",
        "see whether its devices still send",
        severity="warn",
    ),
    _rule(
        "ranges",
        "fct_readings_daily",
        "ranges",
        f"values stay near the range of the {HISTORY_DAYS} days before",
        f"""select tenant_id, jsonb_build_object('metric', metric, 'day', day) as keys, count(*) as rows,
            count(*) || case count(*) when 1 then ' device' else ' devices' end as seen,
            'within three times the range of their own days' as expected,
            max(beyond / (highest - lowest)) as far
            from {{batch}} where days >= {ENOUGH_DAYS} and highest > lowest and beyond > 3 * (highest - lowest)
            group by tenant_id, metric, day""",
        "see the devices that are named: a sensor may have failed",
        severity="warn",
        rows=SERIES_BEYOND,
    ),
    _rule(
        "drift",
        "fct_readings_hourly",
        "drift",
        f"values of a metric are distributed as in the {HISTORY_DAYS} days before, on most devices",
        _drift(DRIFTED),
        "see whether a unit or scale has changed, correct it and ingest again; where the world has changed, accept it",
        rows=SERIES_BEYOND,
    ),
    _rule(
        "drift",
        "fct_readings_hourly",
        "drift",
        f"values of a metric are distributed about as in the {HISTORY_DAYS} days before",
        _drift(f"{SHIFTED} and not ({DRIFTED})"),
        "nothing, where the world has changed",
        severity="warn",
        rows=SERIES_BEYOND,
    ),
    _rule(
        "documents",
        "documents",
        "new_documents",
        "a document is there once",
        f"""select tenant_id, jsonb_build_object({DOCUMENT}) as keys, count(*) as rows, count(*) || ' rows' as seen,
            '1' as expected, count(*)::double precision as far
            from {{batch}} group by tenant_id, document_id having count(*) > 1""",
        DEFECT,
    ),
    _each(
        "documents",
        "text is there, and as long as its bytes",
        "text <> '' and byte_start >= 0 and octet_length(text) = byte_end - byte_start",
        DOCUMENT,
    ),
    _rule(
        "events",
        "fct_events",
        "new_events",
        "an event is there once",
        """select tenant_id, jsonb_build_object('event', event_id) as keys, count(*) as rows,
            count(*) || ' rows' as seen, '1' as expected, count(*)::double precision as far
            from {batch} group by tenant_id, event_id having count(*) > 1""",
        DEFECT,
    ),
    _each(
        "fct_events",
        "an event has an id and a type",
        "btrim(event_id) <> '' and btrim(event_type) <> ''",
        "'event', event_id",
    ),
)
