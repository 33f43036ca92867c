"""What the gold gate judges: the rows that a candidate has made anew, and measures of its new days beside those before.

A tenant's new days are those from its newest promoted day on; that day is among them, as it may have been half of one
when it was promoted. What is usual is said by the 28 days before it, as they are served. A day is whole when the tenant
has a later one.
"""

from datetime import date, timedelta
from typing import Any, Final

from psycopg.sql import SQL, Composable, Identifier, Literal

from lakehouse.database import Connection
from lakehouse.errors import WarehouseNotBuilt
from lakehouse.quality.statements import is_there, read_sql, value_of

NEEDED: Final = ("documents", "fct_events", "fct_readings", "fct_readings_hourly", "fct_readings_daily")
HISTORY_DAYS: Final = 28
NO_DAY: Final = date(2000, 1, 1)
# Readings are counted, and their key is checked where no index holds it, in so many of the newest days.
COUNTED_READINGS: Final = 1_000_000
COUNTED_DAYS: Final = 31
# Hours that drift is measured on. Where there are more, every second, third … hour of a device is taken.
SAMPLED_HOURS: Final = 100_000

NEWEST: Final = f"""
with days as (select day, sum(reading_count) as readings from new_days group by day),
running as (select day, sum(readings) over (order by day desc) as readings from days)
select day from running where readings <= {COUNTED_READINGS} or day = (select max(day) from days)
order by day desc limit {COUNTED_DAYS}
"""
IS_UNIQUE: Final = """
select exists (
    select from pg_index as i
    where i.indrelid = to_regclass('{}') and i.indisunique and i.indisvalid
        and (
            select array_agg(a.attname::text order by a.attname)
            from pg_attribute as a
            where a.attrelid = i.indrelid and a.attnum = any(i.indkey)
        ) = array['device_id', 'metric', 'tenant_id', 'ts']
)
"""
PROMOTED: Final = """
create temp table promoted as
select tenant_id, max(day) as last_day from {served} where day >= {start} and {is_served} group by tenant_id
"""
STEP: Final = f"select ceil(sum(least(reading_count, 24)) / {SAMPLED_HOURS}.0)::bigint from usual_days"


def prepare(connection: Connection, schema: str) -> None:
    """Make the profiles. Raises WarehouseNotBuilt."""
    if not all(is_there(connection, f"{schema}.{name}") for name in NEEDED):
        raise WarehouseNotBuilt
    _make_new(connection, schema)
    _make_counts(connection, schema)
    _make_history(connection, schema)
    connection.commit()


def _make_new(connection: Connection, schema: str) -> None:
    """Views of what was made anew; of a model that is not computed in parts, that is all of it."""
    for name, table in (
        ("new_days", "fct_readings_daily"),
        ("new_documents", "documents"),
        ("new_events", "fct_events"),
    ):
        news = f"{table}__new" if is_there(connection, f"{schema}.{table}__new") else table
        view = SQL("create temp view {} as select * from {}").format(Identifier(name), Identifier(schema, news))
        if news == "fct_readings_daily" and _knows_days(connection):
            view += SQL(" where day in (select day from registry.touched_days)")
        connection.execute(view)


def _knows_days(connection: Connection) -> bool:
    """Where no build said what it reads, all of the candidate is new."""
    known = is_there(connection, "registry.increments")
    return known and bool(value_of(connection, "select count(*) from registry.increments"))


def _make_counts(connection: Connection, schema: str) -> None:
    days = [day for (day,) in connection.execute(NEWEST).fetchall()]
    news = f"{schema}.fct_readings__new"
    relation = news if is_there(connection, news) else f"{schema}.fct_readings"
    ranges = [SQL("ts >= {} and ts < {}").format(_start(day), _start(day, 1)) for day in days]
    fill = {
        "schema": Identifier(schema),
        "days": SQL(" or ").join(ranges) if ranges else SQL("false"),
        "counted": SQL("{}::date[]").format(Literal(days)),
        "is_unique": Literal(value_of(connection, IS_UNIQUE.format(relation))),
    }
    connection.execute(read_sql("candidate").format(**fill))


def _make_history(connection: Connection, schema: str) -> None:
    """Where nothing is served there are no promoted days, and so no history, whatever is read in its place."""
    is_served = is_there(connection, "gold.fct_readings_daily") and is_there(connection, "gold.fct_readings_hourly")
    served = "gold" if is_served else schema
    new = value_of(connection, "select min(day) from new_days") or NO_DAY
    fill: dict[str, Composable] = {
        "served": Identifier(served, "fct_readings_daily"),
        "is_served": Literal(is_served),
        "start": Literal(new - timedelta(days=HISTORY_DAYS)),
        "schema": Identifier(schema),
        "history": Literal(HISTORY_DAYS),
    }
    connection.execute(SQL(PROMOTED).format(**fill))
    first = value_of(connection, "select min(last_day) from promoted") or date.max
    fill |= {"start": Literal(first - timedelta(days=HISTORY_DAYS)), "first": Literal(first)}
    connection.execute(read_sql("history").format(**fill))
    last = value_of(connection, "select max(day) from judged_days") or first
    fill |= {
        "served": Identifier(served, "fct_readings_hourly"),
        "start": _start(first, -HISTORY_DAYS),
        "first": _start(first),
        "last": _start(last),
        "step": Literal(value_of(connection, STEP) or 1),
    }
    connection.execute(read_sql("drift").format(**fill))


def _start(day: Any, later: int = 0) -> Composable:
    """Its first moment, or that of a day some days later."""
    return SQL("({}::date + {})::timestamp at time zone 'UTC'").format(Literal(day), Literal(later))
