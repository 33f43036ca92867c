{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['tenant_id', 'device_id', 'metric', 'hour'],
    on_schema_change='fail',
    indexes=[
        {'columns': ['tenant_id', 'device_id', 'metric', 'hour', 'first_ts'], 'unique': true},
        {'columns': ['bronze_version']},
    ]
) }}

with readings as (

    {{ readings_of_touched_hours() }}

),

marked as (

    select
        *,
        {{ says_something_new(['firmware', 'site', 'model'], 'series') }} as is_new
    from readings
    window series as (partition by tenant_id, device_id, metric, hour order by ts)

),

numbered as (

    select
        *,
        count(*) filter (where is_new) over (partition by tenant_id, device_id, metric, hour order by ts) as sighting
    from marked

),

sightings as (

    select
        tenant_id,
        device_id,
        metric,
        hour,
        firmware,
        site,
        model,
        min(ts) as first_ts,
        max(ts) as last_ts,
        min(recorded_at) as recorded_at,
        max(bronze_version) as bronze_version
    from numbered
    group by tenant_id, device_id, metric, hour, sighting, firmware, site, model

)

select * from sightings
