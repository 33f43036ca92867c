{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['tenant_id', 'device_id', 'metric', 'hour'],
    on_schema_change='fail',
    indexes=[
        {'columns': ['tenant_id', 'device_id', 'metric', 'hour'], 'unique': true},
        {'columns': ['tenant_id', 'metric', 'hour']},
        {'columns': ['bronze_version']},
    ]
) }}

with readings as (

    {{ readings_of_touched_hours() }}

),

-- A sum of floats depends on the order of its terms: in the order of time it is the same whichever way they arrived.
hours as (

    select
        tenant_id,
        device_id,
        metric,
        hour,
        count(*) as reading_count,
        sum(value order by ts) as value_sum,
        min(value) as value_min,
        max(value) as value_max,
        sum(value order by ts) / count(*) as value_avg,
        (array_agg(value order by ts))[count(*)] as last_value,
        (array_agg(unit order by ts))[count(*)] as unit,
        max(ts) as last_ts,
        max(bronze_version) as bronze_version,
        max(recorded_at) as recorded_at
    from readings
    group by tenant_id, device_id, metric, hour

)

select * from hours
