{% set key = ['tenant_id', 'device_id', 'metric', 'ts'] %}

{{ config(materialized='by_key', unique_key=key, indexes=[{'columns': key, 'unique': true}]) }}

-- The days first: of landing, only their partitions are read.
with news as (

    select distinct tenant_id, dt, device_id, metric, ts
    from {{ ref('int_readings__normalised') }}
    where set_aside is not null
        and {{ new_to_gold('telemetry') }}
        and dt = any(array(
            select day from {{ source('landing', 'telemetry_days') }}
            where delta_version > (
                select after_version from {{ source('registry', 'increments') }} where table_name = 'telemetry'
            )
        ))

),

said as (

    select * from {{ ref('int_readings__normalised') }}
    where set_aside is not null
        and dt = any(array(select distinct dt from news))
        and (tenant_id, device_id, metric, ts) in (select tenant_id, device_id, metric, ts from news)

),

settled as (

    {{ last_said('said', key, ['value', 'unit', 'set_aside']) }}

)

select
    tenant_id,
    device_id,
    metric,
    ts,
    value,
    unit,
    set_aside as reason,
    object_sha256,
    recorded_at
from settled
