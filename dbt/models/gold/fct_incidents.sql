{{ config(indexes=[
    {'columns': ['tenant_id', 'incident_id'], 'unique': true},
    {'columns': ['tenant_id', 'opened_at']},
]) }}

with alerts as (

    select
        alerts.*,
        grouped.incident_id,
        grouped.is_stated
    from {{ ref('fct_alerts') }} as alerts
    inner join {{ ref('int_alerts__grouped') }} as grouped
        on grouped.tenant_id = alerts.tenant_id
        and grouped.alert_id = alerts.alert_id

),

from_alerts as (

    select
        tenant_id,
        incident_id,
        bool_and(is_stated) as is_stated,
        min(opened_at) as opened_at,
        min(acknowledged_at) as acknowledged_at,
        case when bool_and(resolved_at is not null) then max(resolved_at) end as resolved_at,
        max(coalesce(resolved_at, last_raised_at)) as last_event_at,
        array_agg(distinct known_as) filter (where known_as is not null) as device_ids,
        {{ worst_severity('severity') }} as severity,
        (array_agg(message order by opened_at, alert_id) filter (where message is not null))[1] as message,
        (array_agg(cause order by opened_at desc, alert_id desc) filter (where cause is not null))[1] as cause,
        (array_agg(opening_event_id order by opened_at, alert_id))[1] as event_id,
        (array_agg(object_sha256 order by opened_at, alert_id))[1] as object_sha256,
        count(*) as alert_count,
        max(recorded_at) as recorded_at
    from alerts
    group by tenant_id, incident_id

),

-- What an incident's own events state goes before what its alerts tell.
incidents as (

    select
        tenant_id,
        incident_id,
        case when stated.incident_id is null then 'alerts' else 'stated' end as origin,
        coalesce(stated.device_ids, from_alerts.device_ids, array[]::text[]) as device_ids,
        coalesce(stated.title, stated.message, from_alerts.message) as title,
        case
            when stated.severity is null or stated.severity = 'unknown' then coalesce(from_alerts.severity, 'unknown')
            else stated.severity
        end as severity,
        coalesce(stated.cause, from_alerts.cause) as cause,
        coalesce(stated.opened_at, from_alerts.opened_at) as opened_at,
        case
            when stated.incident_id is null then from_alerts.acknowledged_at
            else stated.acknowledged_at
        end as acknowledged_at,
        case when stated.incident_id is null then from_alerts.resolved_at else stated.resolved_at end as resolved_at,
        greatest(stated.last_event_at, from_alerts.last_event_at) as last_event_at,
        coalesce(from_alerts.alert_count, 0) as alert_count,
        coalesce(stated.event_id, from_alerts.event_id) as event_id,
        coalesce(stated.object_sha256, from_alerts.object_sha256) as object_sha256,
        greatest(stated.recorded_at, from_alerts.recorded_at) as recorded_at
    from {{ ref('int_incidents__stated') }} as stated
    full join from_alerts using (tenant_id, incident_id)

),

-- What was different on a device after a moment from what it was before; the beginning of its history is no change.
turns as (

    select
        history.*,
        lag(valid_from) over device is null as is_first,
        lag(firmware) over device as former_firmware,
        lag(site) over device as former_site,
        lag(model) over device as former_model,
        lag(configuration) over device as former_configuration
    from {{ ref('dim_device_history') }} as history
    window device as (partition by tenant_id, device_id order by valid_from)

),

changes as (

    select turns.tenant_id, turns.device_id, turns.valid_from, changed.*
    from turns
    cross join lateral (
        values
            ('firmware', to_jsonb(former_firmware), to_jsonb(firmware)),
            ('site', to_jsonb(former_site), to_jsonb(site)),
            ('model', to_jsonb(former_model), to_jsonb(model)),
            ('configuration', former_configuration, configuration)
    ) as changed (attribute, before, after)
    where not turns.is_first and changed.before is distinct from changed.after

),

-- By itself: joined as an expression it would be compared with every change of its tenant.
linked as materialized (

    select
        incidents.tenant_id,
        incidents.incident_id,
        incidents.opened_at,
        devices.device_id
    from incidents
    cross join unnest(incidents.device_ids) as devices (device_id)

),

changed_before as (

    select
        linked.tenant_id,
        linked.incident_id,
        jsonb_agg(
            jsonb_build_object(
                'device_id', changes.device_id,
                'attribute', changes.attribute,
                'at', {{ utc_text('changes.valid_from') }},
                'from', changes.before,
                'to', changes.after
            )
            order by changes.valid_from, changes.device_id, changes.attribute
        ) as changes
    from linked
    inner join changes
        on changes.tenant_id = linked.tenant_id
        and changes.device_id = linked.device_id
        and changes.valid_from > linked.opened_at - interval '24 hours'
        and changes.valid_from <= linked.opened_at
    group by linked.tenant_id, linked.incident_id

)

select
    incidents.tenant_id,
    incidents.incident_id,
    incidents.origin,
    incidents.device_ids[1] as device_id,
    incidents.device_ids,
    incidents.title,
    incidents.severity,
    incidents.cause,
    incidents.opened_at,
    incidents.acknowledged_at,
    incidents.resolved_at,
    incidents.last_event_at,
    incidents.alert_count,
    coalesce(changed_before.changes, '[]'::jsonb) as changed_before,
    incidents.event_id,
    incidents.object_sha256,
    incidents.recorded_at
from incidents
left join changed_before
    on changed_before.tenant_id = incidents.tenant_id
    and changed_before.incident_id = incidents.incident_id
