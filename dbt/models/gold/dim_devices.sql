{{ config(indexes=[{'columns': ['tenant_id', 'device_id'], 'unique': true}]) }}

with sighted as (

    select tenant_id, device_id, site, model, first_ts, last_ts
    from {{ ref('fct_device_sightings') }}
    union all
    select tenant_id, device_id, site, model, ts as first_ts, ts as last_ts
    from {{ ref('fct_events') }}
    where device_id is not null
    union all
    select tenant_id, device_id, site, model, first_ts, last_ts
    from {{ ref('stg_retention__devices') }}

),

devices as (

    select
        tenant_id,
        device_id,
        (array_agg(model order by last_ts desc, model) filter (where model is not null))[1] as model,
        (array_agg(site order by last_ts desc, site) filter (where site is not null))[1] as site,
        min(first_ts) as first_seen_at,
        max(last_ts) as last_seen_at
    from sighted
    group by tenant_id, device_id

),

installed as (

    select tenant_id, device_id, firmware
    from {{ ref('dim_device_firmware') }}
    where valid_to is null

)

select
    devices.tenant_id,
    devices.device_id,
    devices.model,
    devices.site,
    installed.firmware,
    devices.first_seen_at,
    devices.last_seen_at
from devices
left join installed
    on installed.tenant_id = devices.tenant_id
    and installed.device_id = devices.device_id
