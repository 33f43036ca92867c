{{ config(
    materialized='by_day',
    day_column='day',
    indexes=[{'columns': ['tenant_id', 'device_id', 'metric', 'day'], 'unique': true}]
) }}

with hours as (

    select
        *,
        (hour at time zone 'UTC')::date as day
    from {{ new_days_of(ref('fct_readings_hourly')) }}
    where {{ of_day('hour') }}

),

days as (

    select
        tenant_id,
        device_id,
        metric,
        day,
        sum(reading_count)::bigint as reading_count,
        sum(value_sum order by hour) as value_sum,
        min(value_min) as value_min,
        max(value_max) as value_max,
        sum(value_sum order by hour) / sum(reading_count)::bigint as value_avg,
        (array_agg(last_value order by hour))[count(*)] as last_value,
        (array_agg(unit order by hour))[count(*)] as unit,
        min(first_ts) as first_ts,
        max(last_ts) as last_ts,
        max(recorded_at) as recorded_at
    from hours
    group by tenant_id, device_id, metric, day

)

select * from days
