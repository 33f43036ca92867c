{{ config(indexes=[{'columns': ['tenant_id', 'device_id'], 'unique': true}]) }}

with seen as (

    select
        tenant_id,
        known_as as device_id,
        min(valid_from) as first_seen_at,
        max(last_reported_at) as last_seen_at
    from {{ ref('dim_device_names') }}
    group by tenant_id, known_as

),

current_state as (

    select tenant_id, device_id, firmware, site, model
    from {{ ref('dim_device_history') }}
    where valid_to is null

)

select
    seen.tenant_id,
    seen.device_id,
    current_state.model,
    current_state.site,
    current_state.firmware,
    seen.first_seen_at,
    seen.last_seen_at
from seen
left join current_state
    on current_state.tenant_id = seen.tenant_id
    and current_state.device_id = seen.device_id
