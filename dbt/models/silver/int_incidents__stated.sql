{{ config(materialized='table') }}

with events as (

    select
        *,
        min(ts) filter (where event_type = 'incident_opened') over incident as first_opened_at,
        max(ts) filter (where event_type = 'incident_opened') over incident as last_opened_at
    from {{ ref('int_incident_events__placed') }}
    window incident as (partition by tenant_id, incident_id)

),

-- An incident cannot be resolved before it was opened: that is a clock.
timed as (

    select
        *,
        case when event_type = 'incident_resolved' then greatest(ts, first_opened_at) else ts end as moment
    from events

),

incidents as (

    select
        tenant_id,
        incident_id,
        coalesce(min(first_opened_at), min(ts)) as opened_at,
        min(ts) filter (where event_type = 'incident_acknowledged') as acknowledged_at,
        -- Opened anew, it is open until it is resolved again.
        min(moment) filter (
            where event_type = 'incident_resolved' and (moment >= last_opened_at or last_opened_at is null)
        ) as resolved_at,
        max(moment) as last_event_at,
        array_agg(distinct known_as) filter (where known_as is not null) as device_ids,
        {{ worst_severity('severity') }} as severity,
        (array_agg(title order by ts, event_id) filter (where title is not null))[1] as title,
        (array_agg(message order by ts, event_id) filter (where message is not null))[1] as message,
        (array_agg(cause order by ts desc, event_id desc) filter (where cause is not null))[1] as cause,
        (array_agg(event_id order by ts, event_id))[1] as event_id,
        (array_agg(object_sha256 order by ts, event_id))[1] as object_sha256,
        max(recorded_at) as recorded_at
    from timed
    group by tenant_id, incident_id

)

select * from incidents
