{{ config(
    materialized='by_day',
    day_column='day',
    indexes=[{'columns': ['tenant_id', 'device_id', 'metric', 'day', 'first_ts'], 'unique': true}]
) }}

with readings as (

    select * from {{ new_days_of(ref('fct_readings')) }}
    where {{ of_day('ts') }}

),

said as (

    select
        tenant_id,
        device_id,
        metric,
        firmware,
        site,
        model,
        min(ts) as first_ts,
        max(ts) as last_ts,
        min(recorded_at) as recorded_at,
        count(*) over (partition by tenant_id, device_id, metric) as sayings
    from readings
    group by tenant_id, device_id, metric, firmware, site, model

),

-- Most series say one thing all day; only of the others is it asked in which order they said it.
marked as (

    select
        *,
        {{ says_something_new(['firmware', 'site', 'model'], 'series') }} as is_new
    from readings
    where (tenant_id, device_id, metric) in (select tenant_id, device_id, metric from said where sayings > 1)
    window series as (partition by tenant_id, device_id, metric order by ts)

),

numbered as (

    select
        *,
        count(*) filter (where is_new) over (partition by tenant_id, device_id, metric order by ts) as run
    from marked

),

runs as (

    select
        tenant_id,
        device_id,
        metric,
        firmware,
        site,
        model,
        min(ts) as first_ts,
        max(ts) as last_ts,
        min(recorded_at) as recorded_at
    from numbered
    group by tenant_id, device_id, metric, run, firmware, site, model

),

sightings as (

    select tenant_id, device_id, metric, firmware, site, model, first_ts, last_ts, recorded_at
    from said
    where sayings = 1
    union all
    select tenant_id, device_id, metric, firmware, site, model, first_ts, last_ts, recorded_at
    from runs

)

select
    tenant_id,
    device_id,
    metric,
    (first_ts at time zone 'UTC')::date as day,
    firmware,
    site,
    model,
    first_ts,
    last_ts,
    recorded_at
from sightings
