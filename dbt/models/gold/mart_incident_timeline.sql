{{ config(indexes=[{'columns': ['tenant_id', 'incident_id', 'step'], 'unique': true}]) }}

with steps as (

    select
        events.*,
        incidents.title,
        incidents.severity,
        incidents.opened_at,
        incidents.device_id as incident_device_id
    from {{ ref('fct_incident_events') }} as events
    inner join {{ ref('fct_incidents') }} as incidents
        on incidents.tenant_id = events.tenant_id
        and incidents.incident_id = events.incident_id

),

told as (

    select
        *,
        case kind
            when 'opened' then 'incident opened'
            when 'acknowledged' then 'incident acknowledged'
            when 'updated' then 'incident updated'
            when 'resolved' then 'incident resolved'
            when 'alert_raised' then 'alert raised'
            when 'alert_acknowledged' then 'alert acknowledged'
            when 'alert_cleared' then 'alert cleared'
            when 'firmware_changed' then replace(event_type, '_', ' ')
            when 'configuration_changed' then 'configuration changed'
            when 'device_renamed' then 'device renamed'
            when 'maintenance' then replace(event_type, '_', ' ')
            when 'message' then participant_id || ' wrote in ' || channel
        end as turn,
        coalesce(
            message,
            case kind
                when 'firmware_changed' then {{ attribute('from_version') }} || ' to ' || {{ attribute('to_version') }}
                when 'device_renamed' then {{ attribute('from') }} || ' to ' || {{ attribute('to') }}
                when 'configuration_changed' then attributes::text
                when 'alert_raised' then {{ attribute('code') }}
                when 'alert_cleared' then {{ attribute('code') }}
            end
        ) as detail
    from steps

)

select
    tenant_id,
    incident_id,
    step,
    ts,
    extract(epoch from ts - opened_at)::bigint as seconds_after_opening,
    coalesce(device_id || ': ', '') || coalesce(turn, 'a message in ' || channel) || coalesce(': ' || detail, '') as what,
    kind,
    title,
    severity,
    device_id,
    event_id,
    source,
    channel,
    message_id,
    object_sha256,
    recorded_at
from told
