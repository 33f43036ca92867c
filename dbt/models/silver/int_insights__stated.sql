-- What is worth reading of gold, a line a fact, each with the row that says it. Nothing here changes with the hour alone:
-- a text that did not change is not written or embedded again.
{{ config(materialized='table') }}

{% set most_steps = 30 %}
{% set most_incidents = 5 %}

with recent_incidents as (

    select
        *,
        coalesce(title, 'incident ' || incident_id) as name
    from {{ ref('fct_incidents') }}
    where opened_at <= {{ as_of() }}
        and (resolved_at is null or opened_at > {{ as_of() }} - interval '30 days')

),

-- A minute without a connection is told with its device and has no text of its own.
told_incidents as (

    select *
    from recent_incidents
    where severity = 'critical'
        or origin = 'stated'
        or resolved_at is null
        or resolved_at - opened_at >= interval '1 hour'
        or alert_count > 2

),

of_devices as (

    select
        incidents.*,
        linked.device_id as of_device,
        row_number() over (
            partition by incidents.tenant_id, linked.device_id order by incidents.opened_at desc, incidents.incident_id
        ) as back,
        count(*) over (partition by incidents.tenant_id, linked.device_id) as of_device_count
    from recent_incidents as incidents
    cross join unnest(incidents.device_ids) as linked (device_id)

),

-- Of a device
devices as (

    select
        health.*,
        'device/' || device_id as path,
        'Health of ' || device_id as title,
        coalesce(known.recorded_at, health.last_seen_at) as recorded_at
    from {{ ref('mart_device_health') }} as health
    left join (
        select tenant_id, device_id, max(recorded_at) as recorded_at
        from {{ ref('dim_device_history') }}
        group by tenant_id, device_id
    ) as known using (tenant_id, device_id)
    where status <> 'ok' or incidents_30d > 0

),

device_lines as (

    select
        tenant_id,
        path,
        title,
        1 as part,
        device_id as place,
        'The health of ' || device_id || ' is ' || status || '. It is' || coalesce(' a ' || model, ' a device')
        || coalesce(' at ' || site, '') || coalesce(' with firmware ' || firmware, '')
        || case is_newest_firmware_of_model
            when true then ', the newest of its model in the fleet'
            when false then ', which is not the newest of its model'
            else ''
        end
        || '.' as line,
        'mart_device_health' as table_name,
        jsonb_build_object('device_id', device_id) as key,
        recorded_at
    from devices
    union all
    select
        devices.tenant_id,
        devices.path,
        devices.title,
        2,
        {{ utc_text('alerts.opened_at') }} || alerts.alert_id,
        devices.device_id || ' has had an open alert of severity ' || alerts.severity || ' since '
        || {{ minute_text('alerts.opened_at') }} || coalesce(': ' || alerts.message, '') || '.',
        'fct_alerts',
        jsonb_build_object('alert_id', alerts.alert_id),
        alerts.recorded_at
    from devices
    inner join {{ ref('fct_alerts') }} as alerts
        on alerts.tenant_id = devices.tenant_id
        and alerts.known_as = devices.device_id
        and alerts.opened_at <= {{ as_of() }}
        and (alerts.resolved_at is null or alerts.resolved_at > {{ as_of() }})
    union all
    select
        tenant_id,
        path,
        title,
        3,
        device_id,
        device_id || ' was last heard of at ' || {{ minute_text('last_seen_at') }} || '.',
        'mart_device_health',
        jsonb_build_object('device_id', device_id),
        recorded_at
    from devices
    where status = 'silent'
    union all
    select
        devices.tenant_id,
        devices.path,
        devices.title,
        4,
        {{ utc_text('incidents.opened_at') }} || incidents.incident_id,
        devices.device_id || ' had an incident at ' || {{ minute_text('incidents.opened_at') }} || ': ' || incidents.name || ', '
        || case
            when incidents.resolved_at is null then 'not resolved'
            else 'resolved at ' || {{ minute_text('incidents.resolved_at') }}
        end
        || coalesce('; stated cause: ' || incidents.cause, '') || '.',
        'fct_incidents',
        jsonb_build_object('incident_id', incidents.incident_id),
        incidents.recorded_at
    from devices
    inner join of_devices as incidents
        on incidents.tenant_id = devices.tenant_id
        and incidents.of_device = devices.device_id
        and incidents.back <= {{ most_incidents }}
    union all
    select
        devices.tenant_id,
        devices.path,
        devices.title,
        5,
        '',
        'These are the latest of ' || incidents.of_device_count || ' incidents of ' || devices.device_id || ' in 30 days.',
        'mart_device_health',
        jsonb_build_object('device_id', devices.device_id),
        incidents.recorded_at
    from devices
    inner join of_devices as incidents
        on incidents.tenant_id = devices.tenant_id
        and incidents.of_device = devices.device_id
        and incidents.back = 1
        and incidents.of_device_count > {{ most_incidents }}

),

-- Of a firmware
releases as (

    select
        fleet.*,
        coalesce(known.recorded_at, fleet.last_installed_at) as recorded_at,
        'firmware/' || model || '/' || firmware as path,
        'Firmware ' || firmware || ' of ' || model || ' in the fleet' as title,
        lag(firmware) over model as former_firmware,
        lag(device_days) over model as former_device_days,
        lag(alerts) over model as former_alerts,
        lag(incidents) over model as former_incidents
    from {{ ref('mart_fleet_by_firmware') }} as fleet
    left join (
        select tenant_id, coalesce(model, 'unknown') as model, firmware, max(recorded_at) as recorded_at
        from {{ ref('dim_device_history') }}
        group by tenant_id, coalesce(model, 'unknown'), firmware
    ) as known using (tenant_id, model, firmware)
    window model as (partition by tenant_id, model order by {{ version_order('firmware') }}, firmware)

),

release_lines as (

    select
        tenant_id,
        path,
        title,
        1 as part,
        '' as place,
        'On ' || {{ counted('devices', 'device') }} || ' of model ' || model || ' firmware ' || firmware
        || ' runs today; it was first installed on ' || {{ day_text('first_installed_at') }} || '.' as line,
        'mart_fleet_by_firmware' as table_name,
        jsonb_build_object('model', model, 'firmware', firmware) as key,
        recorded_at
    from releases
    union all
    select
        tenant_id,
        path,
        title,
        2,
        '',
        'Alerts and incidents under firmware ' || firmware || ': ' || alerts || ' and ' || incidents || ' in '
        || {{ counted('round(device_days)', 'device-day') }} || '.',
        'mart_fleet_by_firmware',
        jsonb_build_object('model', model, 'firmware', firmware),
        recorded_at
    from releases
    union all
    select
        tenant_id,
        path,
        title,
        3,
        '',
        'Alerts and incidents under the release before it, ' || former_firmware || ': ' || former_alerts || ' and '
        || former_incidents || ' in ' || {{ counted('round(former_device_days)', 'device-day') }} || '.',
        'mart_fleet_by_firmware',
        jsonb_build_object('model', model, 'firmware', former_firmware),
        recorded_at
    from releases
    where former_firmware is not null
    union all
    select
        tenant_id,
        path,
        title,
        4,
        '',
        'It was rolled back on ' || {{ counted('rolled_back_from', 'device') }} || '.',
        'mart_fleet_by_firmware',
        jsonb_build_object('model', model, 'firmware', firmware),
        recorded_at
    from releases
    where rolled_back_from > 0

),

-- Of an incident
incident_lines as (

    select
        tenant_id,
        'incident/' || incident_id as path,
        'Incident: ' || name as title,
        1 as part,
        '' as place,
        'Incident of severity ' || severity || coalesce(' on ' || array_to_string(device_ids, ', '), '') || ', opened at '
        || {{ minute_text('opened_at') }}
        || case
            when resolved_at is null then ', not resolved' else ', resolved at ' || {{ minute_text('resolved_at') }}
        end
        || coalesce('. Stated cause: ' || cause, '') || '.' as line,
        'fct_incidents' as table_name,
        jsonb_build_object('incident_id', incident_id) as key,
        recorded_at
    from told_incidents
    union all
    select
        incidents.tenant_id,
        'incident/' || incidents.incident_id,
        'Incident: ' || incidents.name,
        2,
        lpad(steps.step::text, 10, '0'),
        {{ minute_text('steps.ts') }} || ': ' || steps.what || '.',
        'mart_incident_timeline',
        jsonb_build_object('incident_id', incidents.incident_id, 'step', steps.step),
        steps.recorded_at
    from told_incidents as incidents
    inner join {{ ref('mart_incident_timeline') }} as steps
        on steps.tenant_id = incidents.tenant_id
        and steps.incident_id = incidents.incident_id
        and steps.step <= {{ most_steps }}

),

lines as (

    select * from device_lines
    union all
    select * from release_lines
    union all
    select * from incident_lines

)

select
    tenant_id,
    path,
    title,
    row_number() over (partition by tenant_id, path order by part, place, line) as ordinal,
    -- One line each, whatever a message of a device holds.
    '- ' || regexp_replace(line, '\s+', ' ', 'g') as line,
    table_name,
    key,
    recorded_at
from lines
