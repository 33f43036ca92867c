{{ config(materialized='table') }}

-- What tells which firmware a device runs: its readings, the events that say so at the moment of a change, and what both
-- said before the horizon of retention.
with readings as (

    select tenant_id, device_id, first_ts as ts, last_ts, firmware, recorded_at
    from {{ ref('fct_device_sightings') }}
    where firmware is not null

),

upgrades as (

    select
        tenant_id,
        device_id,
        ts,
        ts as last_ts,
        coalesce(attributes ->> 'to_version', firmware) as firmware,
        recorded_at
    from {{ ref('fct_events') }}
    where event_type in ('firmware_upgraded', 'firmware_rolled_back') and device_id is not null

),

retired as (

    select tenant_id, device_id, valid_from as ts, valid_from as last_ts, firmware, recorded_at
    from {{ ref('stg_retention__firmware') }}

)

select * from retired
union all
select * from readings
union all
select * from upgrades where firmware is not null
