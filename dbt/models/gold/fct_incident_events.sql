{{ config(indexes=[{'columns': ['tenant_id', 'incident_id', 'step'], 'unique': true}]) }}

with incidents as (

    select * from {{ ref('fct_incidents') }}

),

own as (

    select
        tenant_id,
        incident_id,
        split_part(event_type, '_', 2) as kind,
        event_id
    from {{ ref('int_incident_events__placed') }}

),

of_alerts as (

    select distinct
        grouped.tenant_id,
        grouped.incident_id,
        turns.kind,
        turns.event_id
    from {{ ref('int_alerts__grouped') }} as grouped
    inner join {{ ref('fct_alerts') }} as alerts
        on alerts.tenant_id = grouped.tenant_id
        and alerts.alert_id = grouped.alert_id
    cross join lateral (
        values
            ('alert_raised', alerts.opening_event_id),
            ('alert_acknowledged', alerts.acknowledging_event_id),
            ('alert_cleared', alerts.closing_event_id)
    ) as turns (kind, event_id)
    where turns.event_id is not null

),

devices as (

    select
        incidents.tenant_id,
        incidents.incident_id,
        linked.device_id,
        incidents.opened_at,
        incidents.last_event_at
    from incidents
    cross join unnest(incidents.device_ids) as linked (device_id)

),

done as (

    {{ named_events([
        'firmware_upgraded', 'firmware_rolled_back', 'configuration_changed', 'device_renamed', 'maintenance_started',
        'maintenance_finished', 'maintenance_performed',
    ]) }}

),

-- What was done to its devices from a day before it until a day after it.
around as (

    select distinct
        devices.tenant_id,
        devices.incident_id,
        case split_part(done.event_type, '_', 1)
            when 'firmware' then 'firmware_changed'
            when 'maintenance' then 'maintenance'
            else done.event_type
        end as kind,
        done.event_id
    from devices
    inner join done
        on done.tenant_id = devices.tenant_id
        and done.known_as = devices.device_id
        and done.ts > devices.opened_at - interval '24 hours'
        and done.ts <= devices.last_event_at + interval '24 hours'

),

from_events as (

    select
        steps.tenant_id,
        steps.incident_id,
        steps.kind,
        events.ts,
        steps.event_id,
        null as source,
        null as channel,
        null as message_id,
        null as participant_id,
        events.device_id,
        events.event_type,
        events.message,
        events.attributes,
        events.object_sha256,
        events.recorded_at
    from (
        select * from own
        union all
        select * from of_alerts
        union all
        select * from around
    ) as steps
    inner join {{ ref('fct_events') }} as events
        on events.tenant_id = steps.tenant_id
        and events.event_id = steps.event_id

),

-- What people wrote that names one of its devices, while it lasted and a day after it.
from_messages as (

    select distinct on (devices.tenant_id, devices.incident_id, messages.source, messages.channel, messages.message_id)
        devices.tenant_id,
        devices.incident_id,
        'message' as kind,
        messages.ts,
        null as event_id,
        messages.source,
        messages.channel,
        messages.message_id,
        messages.participant_id,
        devices.device_id,
        null as event_type,
        null as message,
        null::jsonb as attributes,
        messages.object_sha256,
        messages.recorded_at
    from {{ ref('fct_messages') }} as messages
    cross join unnest(messages.device_ids) as named (device_id)
    inner join devices
        on devices.tenant_id = messages.tenant_id
        and devices.device_id = named.device_id
        and messages.ts >= devices.opened_at
        and messages.ts <= devices.last_event_at + interval '24 hours'
    order by
        devices.tenant_id,
        devices.incident_id,
        messages.source,
        messages.channel,
        messages.message_id,
        devices.device_id

),

steps as (

    select * from from_events
    union all
    select * from from_messages

)

select
    tenant_id,
    incident_id,
    row_number() over (
        partition by tenant_id, incident_id order by ts, kind, event_id, source, channel, message_id
    ) as step,
    ts,
    kind,
    device_id,
    event_type,
    message,
    attributes,
    participant_id,
    event_id,
    source,
    channel,
    message_id,
    object_sha256,
    recorded_at
from steps
