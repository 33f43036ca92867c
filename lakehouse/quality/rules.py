"""What a rule is, and the query by which Great Expectations counts what breaks it."""

from dataclasses import dataclass
from typing import Final

from lakehouse.quality.findings import Severity

# Great Expectations fetches 200 rows of a query at most; so many places of one tenant are named.
PLACES: Final = 20
FETCHED: Final = 200


@dataclass(frozen=True)
class Rule:
    """name: reads on with "does not hold". profile: the view of this session that is judged.

    found: SQL over `{batch}` that gives the places that break it: tenant_id, keys (jsonb), rows, seen, expected (text)
    and far, by which the worst come first. Literal braces are doubled, and the word that links tables is not used:
    Great Expectations would then leave out the alias of the batch.
    rows: SQL that names rows of a place, worst first, with the parameters `tenant_id` and the keys.
    """

    suite: str
    schema: str
    table: str
    profile: str
    name: str
    severity: Severity
    found: str
    remedy: str
    rows: str = ""


def unexpected_places(gate: str, rule: Rule) -> str:
    """One row a place, without those that a person has accepted; `all_rows` is of the tenant as a whole."""
    return f"""
with found as ({rule.found}),

standing as (
    select *
    from found
    where not exists (
        select from quality.accepted as a
        where a.gate = '{gate}' and a.expectation = '{rule.name}'
            and a.tenant_id = found.tenant_id and a.keys = found.keys
    )
),

ranked as (
    select
        *,
        row_number() over (partition by tenant_id order by far desc, keys) as place,
        sum(rows) over (partition by tenant_id)::bigint as all_rows
    from standing
)

select tenant_id, keys, rows, seen, expected, all_rows
from ranked
where place <= {PLACES}
order by place, tenant_id
limit {FETCHED}
"""


def row_rule(condition: str, key: str, *, seen: str = "''", expected: str = "''") -> str:
    """For a profile whose rows are judged one by one: `condition` is what must hold of each, `key` what names it."""
    return (
        f"select tenant_id, jsonb_build_object({key}) as keys, 1::bigint as rows, ({seen})::text as seen, "
        f"({expected})::text as expected, 0::double precision as far from {{batch}} where ({condition}) is not true"
    )


def count_rule(column: str) -> str:
    """For the profile of new telemetry, which counts by day, metric and unit how many rows break each rule."""
    return (
        "select tenant_id, jsonb_build_object('day', dt, 'metric', metric) as keys, "
        f"sum({column})::bigint as rows, sum({column}) || ' of ' || sum(rows) as seen, '0'::text as expected, "
        f"sum({column})::double precision as far "
        f"from {{batch}} group by tenant_id, dt, metric having sum({column}) > 0"
    )
