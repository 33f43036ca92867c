{{ config(
    materialized='by_day',
    day_column='hour',
    indexes=[{'columns': ['tenant_id', 'device_id', 'metric', 'hour'], 'unique': true}]
) }}

with readings as (

    select * from {{ new_days_of(ref('fct_readings')) }}
    where {{ of_day('ts') }}

),

-- A sum of floats depends on the order of its terms: in the order of time it is the same whichever way they arrived.
hours as (

    select
        tenant_id,
        device_id,
        metric,
        date_trunc('hour', ts, 'UTC') as hour,
        count(*) as reading_count,
        sum(value order by ts) as value_sum,
        min(value) as value_min,
        max(value) as value_max,
        sum(value order by ts) / count(*) as value_avg,
        (array_agg(value order by ts))[count(*)] as last_value,
        (array_agg(unit order by ts))[count(*)] as unit,
        min(ts) as first_ts,
        max(ts) as last_ts,
        max(recorded_at) as recorded_at
    from readings
    group by tenant_id, device_id, metric, date_trunc('hour', ts, 'UTC')

)

select * from hours
