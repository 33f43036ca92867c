{{ config(indexes=[{'columns': ['tenant_id', 'model', 'firmware'], 'unique': true}]) }}

with history as (

    select
        tenant_id,
        device_id,
        coalesce(model, 'unknown') as model,
        firmware,
        lag(firmware) over device as former_firmware,
        (model, firmware) is distinct from (lag(model) over device, lag(firmware) over device) as is_installed,
        valid_from,
        coalesce(valid_to, greatest(valid_from, {{ as_of() }})) as valid_to
    from {{ ref('dim_device_history') }}
    window device as (partition by tenant_id, device_id order by valid_from)

),

installed as (

    select
        tenant_id,
        model,
        firmware,
        sum(extract(epoch from valid_to - valid_from))::double precision / 86400 as device_days,
        min(valid_from) as first_installed_at,
        max(valid_from) filter (where is_installed) as last_installed_at
    from history
    where firmware is not null
    group by tenant_id, model, firmware

),

rolled_back as (

    select tenant_id, model, former_firmware as firmware, count(*) as rolled_back_from
    from history
    where former_firmware is not null
        and firmware <> former_firmware
        and {{ version_order('firmware') }} < {{ version_order('former_firmware') }}
    group by tenant_id, model, former_firmware

),

happened as (

    select tenant_id, known_as as device_id, opened_at, 1 as alerts, 0 as incidents
    from {{ ref('fct_alerts') }}
    where known_as is not null
    union all
    select incidents.tenant_id, linked.device_id, incidents.opened_at, 0 as alerts, 1 as incidents
    from {{ ref('fct_incidents') }} as incidents
    cross join unnest(incidents.device_ids) as linked (device_id)

),

troubles as (

    select
        history.tenant_id,
        history.model,
        history.firmware,
        sum(happened.alerts) as alerts,
        sum(happened.incidents) as incidents
    from happened
    inner join history
        on history.tenant_id = happened.tenant_id
        and history.device_id = happened.device_id
        and happened.opened_at >= history.valid_from
        and happened.opened_at < history.valid_to
    where history.firmware is not null
    group by history.tenant_id, history.model, history.firmware

),

running as (

    select
        tenant_id,
        coalesce(model, 'unknown') as model,
        firmware,
        count(*) as devices,
        count(*) filter (where status = 'silent') as silent_devices,
        -- In the order of devices: a sum of floats depends on the order of its terms.
        sum(silent_for order by device_id) / count(*) as mean_silent_for,
        sum(count(*)) over (partition by tenant_id, coalesce(model, 'unknown')) as devices_of_model
    from {{ ref('mart_device_health') }}
    group by tenant_id, coalesce(model, 'unknown'), firmware

)

select
    tenant_id,
    model,
    firmware,
    coalesce(running.devices, 0) as devices,
    coalesce(running.devices / running.devices_of_model, 0)::double precision as share,
    coalesce(running.silent_devices, 0) as silent_devices,
    running.mean_silent_for,
    round(installed.device_days::numeric, 3)::double precision as device_days,
    coalesce(troubles.alerts, 0) as alerts,
    coalesce(troubles.incidents, 0) as incidents,
    coalesce(troubles.alerts, 0) / nullif(installed.device_days, 0) as alerts_per_device_day,
    coalesce(troubles.incidents, 0) / nullif(installed.device_days, 0) as incidents_per_device_day,
    installed.first_installed_at,
    installed.last_installed_at,
    coalesce(rolled_back.rolled_back_from, 0) as rolled_back_from
from installed
left join running using (tenant_id, model, firmware)
left join troubles using (tenant_id, model, firmware)
left join rolled_back using (tenant_id, model, firmware)
